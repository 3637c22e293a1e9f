"""Which API will train: the month that --target_api names or means, and what that API accepts.

What is known of a month's API (graphfix/config) gives way to what an installed one says itself:
where one is importable here and is of that month, its own descriptors are read.

Where neither is, it is the default's month, or, for a config that the API of that month cannot
build, the first later one that can.
"""

from typing import Container, NamedTuple, Optional, Tuple

from graphfix.detectors import availability
from graphfix.detectors.families import ANCHOR_FIELD
from graphfix.errors import Problem, RequestError
from graphfix.findings import INFO, Finding
from graphfix.pipeline_config.descriptors import read_schema
from graphfix.pipeline_config.document import PipelineConfig
from graphfix.pipeline_config.migration import translate
from graphfix.pipeline_config.schema_history import Schema, months, revision_for
from graphfix.pipeline_config.schema_history import schema as month_schema
from graphfix.process.import_path import named_directories
from graphfix.restore import trainers
from graphfix.stock_api import api_revision


class TargetApi(NamedTuple):
    """A month, what the API of that month says of itself (None where it is not here), findings;
    `assumed` where neither the user nor an API here says which month."""

    revision: str
    schema: Optional[Schema]
    findings: Tuple[Finding, ...]
    assumed: bool = False


def find_target_api(
    asked: str, config: Optional[PipelineConfig] = None, variables: Container[str] = ()
) -> TargetApi:
    """What `--target_api` means here, for a config and a checkpoint's variables if there are any.

    Raises:
      RequestError: it is neither "auto" nor a month with a known API.
    """
    here = api_revision.importable(named_directories())
    found = here and here["revision"]
    check_asked(asked)
    if asked != "auto":
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
        return _default(config, variables)
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


def _default(config: Optional[PipelineConfig], variables: Container[str]) -> TargetApi:
    """The month to take where nothing says which."""
    month, because = trainers.DEFAULT_API, "the default: no API is importable here"
    problems = obstacles(config, variables, month) if config else ()
    if config and problems:
        later = (one for one in months() if one > month)
        month = next((one for one in later if not obstacles(config, variables, one)), month)
        if month != trainers.DEFAULT_API:
            because = (
                f"the first after {trainers.DEFAULT_API} that takes this config, and no API is "
                f"importable here: {problems[0].message}"
            )
    return TargetApi(
        month,
        None,
        (
            Finding(
                "TARGET_API",
                INFO,
                "--target_api",
                f"is {month}, {because}",
                "name the revision that will train with --target_api YYYY-MM",
            ),
        ),
        True,
    )


def obstacles(config: PipelineConfig, variables: Container[str], month: str) -> Tuple[Problem, ...]:
    """Why the API of a month cannot build the model of a config with a checkpoint's variables."""
    meta = config.message.model.WhichOneof("model")
    if meta not in ANCHOR_FIELD:
        return ()  # whatever it is, no month is known to be better
    schema, subject = month_schema(month), config.document.subject
    return (
        availability.problems(config.message, meta, month, schema, subject)
        + translate(config.document, month, schema).problems
        + availability.older_names(variables, month, schema, subject)
    )


def check_asked(month: str) -> None:
    """Raises RequestError for a `--target_api` that is no month with a known API."""
    if month == "auto":
        return
    try:
        revision_for(month)
    except RequestError as error:
        (problem,) = error.problems
        message = f"is {month!r:.80}: {problem.message}"
        raise RequestError("--target_api", message, problem.remedy) from None
