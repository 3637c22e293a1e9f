"""Which API will train: the month that --target_api names or means, and what that API accepts.

What is known of a month's API (graphfix/config) gives way to what an installed one says itself:
where one is importable here and is of that month, its own descriptors are read.
"""

from typing import NamedTuple, Optional, Tuple

from graphfix.errors import RequestError
from graphfix.findings import INFO, Finding
from graphfix.pipeline_config.descriptors import read_schema
from graphfix.pipeline_config.schema_history import Schema, revision_for
from graphfix.process.import_path import named_directories
from graphfix.restore import trainers
from graphfix.stock_api import api_revision, runner


class TargetApi(NamedTuple):
    """A month, what the API of that month says of itself (None where it is not here), findings."""

    revision: str
    schema: Optional[Schema]
    findings: Tuple[Finding, ...]


def find_target_api(asked: str) -> TargetApi:
    """What `--target_api` means here.

    Raises:
      RequestError: it is neither "auto" nor a month with a known API.
    """
    found = runner.importable_api()
    if asked != "auto":
        _check(asked)
        revision = asked
        findings: Tuple[Finding, ...] = ()
    elif found:
        revision, findings = (
            found,
            (
                Finding(
                    "TARGET_API",
                    INFO,
                    "--target_api",
                    f"is {found}: the API importable here",
                    "name another with --target_api",
                ),
            ),
        )
    else:
        revision, findings = (
            trainers.DEFAULT_API,
            (
                Finding(
                    "TARGET_API",
                    INFO,
                    "--target_api",
                    f"is {trainers.DEFAULT_API}, the default: no API is importable here",
                    "name the revision that will train with --target_api YYYY-MM",
                ),
            ),
        )
    if revision != found:
        return TargetApi(revision, None, findings)
    schema = read_schema(
        api_revision.package_directory(named_directories()), f"the API importable here ({revision})"
    )
    if schema is None:
        findings += (
            Finding(
                "API_NOT_READ",
                INFO,
                "--target_api",
                (
                    "is the API importable here, but what it accepts "
                    f"cannot be read from its files: what is known of {revision} stands in"
                ),
                "see with graphfix verify --stock that it takes the config",
            ),
        )
    return TargetApi(revision, schema, findings)


def _check(month: str) -> None:
    try:
        revision_for(month)
    except RequestError as error:
        (problem,) = error.problems
        message = f"is {month!r:.80}: {problem.message}"
        raise RequestError("--target_api", message, problem.remedy) from None
