"""verify --stock: the stock API's own trainers start from a converted directory, what that computes
is compared with what the source's own graph does, and detectors run on pictures; the results go
into the directory's report.
"""

import contextlib
import dataclasses
import json
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from graphfix.errors import GraphfixError, RequestError, VerificationError
from graphfix.findings import count
from graphfix.formats import regular_files
from graphfix.formats.image_header import Jpeg, jpeg_without_exif
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN, LABEL_MAP, PLAN_JSON
from graphfix.modeldir.openers import Model
from graphfix.planning.plan import Plan
from graphfix.planning.plan_json import read_plan
from graphfix.report import drawing, update
from graphfix.report.report import Detection, Outputs, Picture, Verification
from graphfix.restore import trainers
from graphfix.stock_api import runner
from graphfix.verification import equality, sides

ANY = "any"
_LARGEST_PICTURE = 64 << 20  # bytes
_NEAR = 1e-3  # by how much scores and edges (as parts of a picture) may differ


@dataclasses.dataclass(frozen=True)
class TrialOptions:
    """What the stock API is asked to do.

    trainer: "model_main" or "legacy"; "any" are those the plan is for.
    steps: training steps, on `train_record`, or else on synthetic records.
    model_dir: the directory of a complete training checkpoint to resume from.
    source, source_config: what the directory was converted from; by default, what its report names.
    images: JPEG files to detect in, by the source and by the result.
    allow_effects: run frozen graphs even if their operations touch files, network or programs.
    """

    trainer: str = ANY
    steps: int = 0
    model_dir: Optional[str] = None
    train_record: Optional[str] = None
    source: Optional[str] = None
    source_config: Optional[str] = None
    images: Sequence[str] = ()
    allow_effects: bool = False


@dataclasses.dataclass(frozen=True, repr=False)
class StockTrial:
    """What the stock API did: a verification a trainer, what the output computes beside the source
    (`outputs`; none where that was not compared), the worker's own results as `details` (see
    stock_api/worker.py), and what the user should know as `remarks`."""

    verifications: Tuple[Verification, ...]
    details: List[Dict[str, Any]]
    remarks: Tuple[str, ...]
    outputs: Tuple[Outputs, ...] = ()

    def __repr__(self) -> str:
        return f"<StockTrial: {'; '.join(self.to_lines())}>"

    @property
    def complete(self) -> bool:
        return all(one.complete for one in self.verifications) and all(
            one.equal for one in self.outputs
        )

    def to_lines(self) -> List[str]:
        return [one.summary for one in self.verifications + self.outputs]

    def to_json(self) -> str:
        return json.dumps(self.details, indent=2, sort_keys=True)


def verify_stock(
    directory: str,
    trial: TrialOptions,
    *,
    python: Optional[str] = None,
    progress: Callable[[str], None] = lambda text: None,
) -> StockTrial:
    """Has the stock API start training from a converted directory, and adds the results to the
    directory's report.  `python` is the Python that has the stock API, by default this one;
    `progress` is called with words for what is being done.

    Raises:
      RequestError: there is no stock API to ask, or the pictures cannot be compared.
      VerificationError: the stock API does not run, or does not detect.
    """
    if not os.path.lexists(os.path.join(directory, PLAN_JSON)):
        raise RequestError(
            directory,
            f"was not converted, so there is nothing to compare it with: it has no {PLAN_JSON}, as "
            "a checkpoint of thaw or of graphfix.torch.save_tf1",
            "leave out --stock, or convert it and verify what convert writes",
        )
    plan = read_plan(os.path.join(directory, PLAN_JSON))
    interpreter = runner.find_stock_python(python)
    pictures = [_picture(path) for path in trial.images]
    names = (
        [name for name, _ in trainers.restored(plan.target_api, plan.trainer)]
        if trial.trainer == ANY
        else [trial.trainer]
    )
    jobs = [_restore_job(directory, trial, name) for name in names]
    progress("reading the source")
    source, why = sides.find_source(directory, plan, trial.source, trial.source_config)
    if source is None and pictures:
        raise RequestError("--source", f"is needed to compare pictures: {why}", "name it")
    remarks: List[str] = []
    with contextlib.ExitStack() as stack:
        both = None
        if source is None:
            remarks.append(f"outputs were not compared: {why}")
        else:
            both = stack.enter_context(
                sides.opened(
                    directory,
                    plan,
                    source,
                    allow_effects=trial.allow_effects,
                    pictures=bool(pictures),
                )
            )
            jobs += _picture_jobs(source, plan, both, trial.images)
        progress(f"starting {interpreter}; all of it takes a minute or more")
        details = runner.run_jobs(
            jobs, python=interpreter, begun=lambda number: progress(_doing(jobs, number))
        )
    found = tuple(_verification(name, one) for name, one in zip(names, details))
    remarks += [
        f"the plan was made for the stock API of {plan.target_api}, and this one is of {one.api}: "
        f"name a Python that has the former, or convert with --target_api {one.api}"
        for one in found[:1]
        if one.api != plan.target_api
    ]
    outputs: Tuple[Outputs, ...] = ()
    if both is not None:
        remarks += both.remarks
        outputs, unknown = equality.outcomes(
            details[len(names)], plan, names=both.names, source=both.what, images=trial.images
        )
        remarks += unknown + equality.advice(directory, plan, outputs)
    seen = [_detections(directory, one) for one in details[len(names) + 1 :]]
    if len(seen) > 2:
        remarks += _choose(directory, trial.images, seen, outputs)
    compared = [
        (
            Picture(
                os.path.basename(path),
                update.picture_file(jpeg.data),
                jpeg.width,
                jpeg.height,
                before,
                after,
            ),
            jpeg.data,
        )
        for path, jpeg, before, after in zip(trial.images, pictures, *seen)
    ]
    try:
        update.update_report(directory, found, compared, outputs=outputs, inputs=_inputs(trial))
    except GraphfixError as error:
        if pictures:
            raise
        # The result is what was asked for; a report that cannot be written is only a remark.
        remarks += [f"the report was not updated: {problem}" for problem in error.problems]
    return StockTrial(found, details, tuple(remarks), outputs)


def _doing(jobs: Sequence[Dict[str, Any]], number: int) -> str:
    """Words for what the stock API does now."""
    job = jobs[number]
    if job["verb"] == "restore":
        steps = job["steps"]
        words = f"{job['trainer']} starts from it"
        words += f" and takes {count(steps, 'step')}" if steps else ""
    elif job["verb"] == "detect":
        words = f"detecting in {count(len(job['images']), 'picture')}"
    else:
        words = "comparing what source and output compute"
    return f"asking the stock API, {number + 1} of {len(jobs)}: {words}"


def _inputs(trial: TrialOptions) -> List[str]:
    return [
        path
        for path in (
            *trial.images,
            trial.source,
            trial.source_config,
            trial.train_record,
            trial.model_dir,
        )
        if path
    ]


def _picture(path: str) -> Jpeg:
    try:
        data = regular_files.read(path, _LARGEST_PICTURE + 1)
        if len(data) > _LARGEST_PICTURE:
            raise RequestError(path, "is too large to be shown", "give a smaller picture")
        return jpeg_without_exif(data, path)
    except IsADirectoryError:
        pictures = os.path.join(path, "*.jpg")
        raise RequestError(path, "is a directory", f"name its pictures: {pictures}") from None
    except OSError as error:
        raise RequestError(path, f"cannot be read: {error.strerror}", "check the path") from None


def _restore_job(directory: str, trial: TrialOptions, trainer: str) -> Dict[str, Any]:
    job = {
        "verb": "restore",
        "trainer": trainer,
        "steps": trial.steps,
        "seed": 0,
        "pipeline_config": os.path.abspath(os.path.join(directory, CONFIG)),
        "checkpoint": os.path.abspath(os.path.join(directory, CHECKPOINT)),
    }
    if trial.model_dir:
        job["model_dir"] = os.path.abspath(trial.model_dir)
    if trial.train_record:
        if not os.path.isfile(trial.train_record):
            raise RequestError(trial.train_record, "is not a file", "check --train_record")
        job["record"] = os.path.abspath(trial.train_record)
        job["label_map"] = os.path.abspath(os.path.join(directory, LABEL_MAP))
    return job


def _picture_jobs(
    source: Model, plan: Plan, both: sides.Sides, images: Sequence[str]
) -> List[Dict[str, Any]]:
    """The job that compares all sides, and where there are pictures, one for each that detects."""
    every = [both.source] + both.outputs
    jobs = [equality.comparison_job(source.model, plan, every, images)]
    if images:
        paths = [os.path.abspath(path) for path in images]
        jobs += [dict(side, verb="detect", images=paths) for side in every]
    return jobs


def _choose(
    directory: str, images: Sequence[str], seen: List[Any], outputs: Sequence[Outputs]
) -> List[str]:
    """Leaves, of the detections of source, checkpoint and graph, the graph's as the output's if it
    is known to be right, and else the checkpoint's.  Gives remarks.

    Raises:
      VerificationError: graph and checkpoint find something else, and it is not known which of them
        computes what the source does.
    """
    equal = {one.what: one.equal for one in outputs}
    if equal.get(FROZEN) is False:
        del seen[2]
        return []
    problem = _apart(images, seen[1], seen[2])
    del seen[1]
    if not problem or not equal.get("checkpoint", True):
        return []
    if not equal:
        raise VerificationError(
            os.path.join(directory, FROZEN),
            problem,
            "find out, by the source, which of them is right before you use either",
        )
    # They compute the same up to suppression, and that is an older API's in the graph.
    return [f"{FROZEN} {problem}: it suppresses what overlaps in another way"]


def _apart(images: Sequence[str], checkpoint: Any, graph: Any) -> str:
    """What the rewritten frozen graph does not detect as the converted checkpoint does, "" if all
    is the same.

    Both compute in float32, but in another order: scores and edges may differ a little, and what
    scores near the threshold may be in one only.
    """
    for path, found, other in zip(images, checkpoint, graph):
        for these, those in ((found, other), (other, found)):
            for one in these:
                if one.score >= drawing.THRESHOLD + _NEAR and not any(
                    one.class_id == two.class_id
                    and abs(one.score - two.score) <= _NEAR
                    and all(abs(a - b) <= _NEAR for a, b in zip(one.box, two.box))
                    for two in those
                ):
                    return (
                        f"does not find in {path} what the checkpoint beside it does: class "
                        f"{one.class_id} with a score of {one.score:g} is in one of them only"
                    )
    return ""


def _verification(trainer: str, data: Dict[str, Any]) -> Verification:
    result = runner.StockResult(data)
    return Verification(
        data["api"]["revision"] or "unknown",
        trainer,
        result.summary,
        result.ok,
        tuple(_unrestored(data)),
    )


def _unrestored(data: Dict[str, Any]) -> Iterator[str]:
    """Model variables and quantization ranges that do not have the checkpoint's value, and moving
    averages that start from neither the checkpoint nor their variable."""
    for key, why in (
        ("dropped", "has another shape in the checkpoint"),
        ("missing", "is not in the checkpoint"),
        ("not_asked_for", "is not asked for by the trainer"),
        ("restored", "does not have the checkpoint's value"),
    ):
        for row in data.get(key, ()):
            if row["category"] in ("model", "quantization") and not (
                key == "restored" and row["bit_equal"]
            ):
                yield f"{row['name']}: {why}"
    for name in data.get("moving_averages", {}).get("from_initialiser", ()):
        yield f"{name}: starts from neither the checkpoint nor its variable"


def _detections(directory: str, data: Dict[str, Any]) -> List[Tuple[Detection, ...]]:
    """The detections in each picture, rounded to what can be seen."""
    if "error" in data:
        error = data["error"]
        raise VerificationError(
            directory,
            f"the stock API could not detect: {error['type']}: "
            f"{(error['message'].strip().splitlines() or ['no message'])[0]} ({error['where']})",
            "check whether the pictures are valid",
        )
    return [
        tuple(
            Detection(
                tuple(round(edge, 4) for edge in row["box"]),
                round(row["score"], 4),
                row["class_id"],
            )
            for row in rows
        )
        for rows in data["detections"]
    ]
