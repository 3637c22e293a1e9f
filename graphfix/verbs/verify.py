"""verify: the judges again, on a directory that convert wrote; with --stock, the stock API's."""

import json
import os
from typing import Optional, Tuple

from graphfix import verify as judge
from graphfix.bundle import reader
from graphfix.errors import VerificationError
from graphfix.source import CONFIG, read_file
from graphfix.stock import runner
from graphfix.surgery.plan_json import from_json
from graphfix.verbs.convert import CHECKPOINT


def verify(directory: str) -> str:
    """Checks checksums and description of a converted directory; the result in words.

    Raises:
      GraphfixError: something is missing or is not what the plan says.
    """
    path = os.path.join(directory, "plan.json")
    plan = from_json(read_file(path).decode("utf-8", "replace"), path)
    prefix = os.path.join(directory, CHECKPOINT)
    store = reader.open_bundle(prefix)
    for view in store.values():
        reader.check(view)
    judge.verify_description(directory, prefix, plan)
    return "%d tensors intact; describes as the %d classes planned" % (
        len(store), len(plan.classes))


def verify_stock(directory: str, *, python: Optional[str], trainer: str, steps: int,
                 model_dir: Optional[str]) -> Tuple[str, str]:
    """What the stock API makes of a converted directory: a summary, and the details as JSON.

    Raises:
      RequestError: there is no stock API to ask.
      VerificationError: it does not restore everything, or its losses are not finite.
    """
    interpreter = runner.find_stock_python(python)
    job = {"verb": "restore", "pipeline_config": os.path.abspath(os.path.join(directory, CONFIG)),
           "checkpoint": os.path.abspath(os.path.join(directory, CHECKPOINT)),
           "trainer": trainer, "steps": steps, "seed": 0}
    if model_dir:
        job["model_dir"] = os.path.abspath(model_dir)
    data = runner.run_job(job, python=interpreter)
    result = runner.StockResult(data)
    if not result.ok:
        raise VerificationError(directory, result.summary,
                                "see --json for each variable and what the stock code said")
    return result.summary, json.dumps(data, indent=2, sort_keys=True)
