"""verify: the judges again, on a directory that convert wrote; with --stock, the stock API's too."""

import contextlib
import dataclasses
import os
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from graphfix.detectors.families import MOVING_AVERAGE
from graphfix.errors import GraphfixError, RequestError, SourceError, VerificationError
from graphfix.formats import regular_files
from graphfix.formats.checkpoint import writer
from graphfix.formats.image_header import Jpeg, jpeg_without_exif
from graphfix.modeldir import manifest, ownership
from graphfix.modeldir import openers as sources
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN, LABEL_MAP, MANIFEST, PLAN_JSON
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning.edits import Drop
from graphfix.planning.plan import SurgeryPlan
from graphfix.planning.plan_json import read_plan
from graphfix.process.scratch import Scratch
from graphfix.report import drawing, update
from graphfix.report.report import Detection, Picture, Verification
from graphfix.restore import trainers
from graphfix.stock_api import runner
from graphfix.verification.judge import AGAIN, Judgement, judge

ANY = "any"
_LARGEST_PICTURE = 64 << 20
_NEAR = 1e-3


@dataclasses.dataclass(frozen=True)
class Trial:
    """What the stock API is asked to do: whose trainers (`trainer` "any": those the plan is for),
    how many steps, from which training checkpoint and on which records, and the pictures to
    compare the source's detections in, also where a graph may do more than compute.
    """

    trainer: str = ANY
    steps: int = 0
    model_dir: Optional[str] = None
    train_record: Optional[str] = None
    source: Optional[str] = None
    source_config: Optional[str] = None
    images: Sequence[str] = ()
    allow_effects: bool = False


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was found intact, in words, and remarks."""

    summary: str
    remarks: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class StockTrial:
    """What came of it; `details` are the worker's results, `remarks` what the user should know."""

    verifications: Tuple[Verification, ...]
    details: List[Dict[str, Any]]
    remarks: Tuple[str, ...]

    @property
    def complete(self) -> bool:
        return all(one.complete for one in self.verifications)


def verify(directory: str) -> Verified:
    """Judges a directory that graphfix wrote.

    Raises:
      SourceError: it is no such directory.
      VerificationError: it is not what was published, or not what the plan says; lists every
        difference.
    """
    judgement = judged(directory)
    if judgement.problems:
        raise VerificationError.collected(judgement.problems)
    remarks = (
        (
            f"{directory}: also holds {ownership.named(list(judgement.others))}, which graphfix "
            "did not put there",
        )
        if judgement.others
        else ()
    )
    words = f"{judgement.tensors} tensors intact"
    if judgement.plan is not None:
        words += f"; config and heads match the {len(judgement.plan.classes)} planned classes"
    return Verified(words, remarks)


def judged(directory: str) -> Judgement:
    """What is wrong with a directory that graphfix wrote.

    Raises:
      SourceError: it has neither a manifest nor a plan.
      VerificationError: its manifest is missing or damaged.
    """
    try:
        record = manifest.read_manifest(directory)
        if record is None:
            plan = os.path.join(directory, PLAN_JSON)
            if not os.path.lexists(plan):
                raise SourceError(
                    directory,
                    f"is not a directory that graphfix wrote: it has no {MANIFEST}",
                    "name one",
                )
            raise VerificationError(os.path.join(directory, MANIFEST), "is missing", AGAIN)
        return judge(directory, record)
    except SourceError as error:
        if error.problems[0].subject == directory:
            raise
        raise VerificationError.collected(error.problems) from None
    except OSError as error:
        raise SourceError(
            directory, f"cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None


def verify_stock(directory: str, trial: Trial, *, python: Optional[str]) -> StockTrial:
    """Has the stock API train from a converted directory, and shows in its report what came of it.

    Raises:
      RequestError: there is no stock API to ask, or the pictures cannot be compared.
      VerificationError: the stock API does not run, or does not detect.
    """
    plan = read_plan(os.path.join(directory, PLAN_JSON))
    interpreter = runner.find_stock_python(python)
    pictures = [_picture(path) for path in trial.images]
    names = (
        [name for name, _ in trainers.restored(plan.target_api, plan.trainer)]
        if trial.trainer == ANY
        else [trial.trainer]
    )
    jobs = [_restore_job(directory, trial, name) for name in names]
    with contextlib.ExitStack() as stack:
        if pictures:
            jobs += stack.enter_context(_detect_jobs(directory, plan, trial))
        details = runner.run_jobs(jobs, python=interpreter)
    found = tuple(_verification(name, one) for name, one in zip(names, details))
    remarks = []
    for one in found[:1]:
        if one.api != plan.target_api:
            remarks.append(
                f"the plan was made for the stock API of {plan.target_api}, and this one is of "
                f"{one.api}"
            )
    seen = [_detections(directory, one) for one in details[len(names) :]]
    if len(seen) > 2:
        # What its frozen graph finds is shown, once it is what the checkpoint finds.
        _check_graph(directory, trial.images, seen[1], seen[2])
        del seen[1]
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
        update.update_report(directory, found, compared, inputs=_inputs(trial))
    except GraphfixError as error:
        if pictures:
            raise
        # The answer is what was asked for; that it could not be written down is a remark.
        remarks += [f"the report was not updated: {problem}" for problem in error.problems]
    return StockTrial(found, details, tuple(remarks))


def _inputs(trial: Trial) -> List[str]:
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
    except OSError as error:
        raise RequestError(path, f"cannot be read: {error.strerror}", "check the path") from None


def _restore_job(directory: str, trial: Trial, trainer: str) -> Dict[str, Any]:
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
            raise RequestError(trial.train_record, "is no file", "check the path of --train_record")
        job["record"] = os.path.abspath(trial.train_record)
        job["label_map"] = os.path.abspath(os.path.join(directory, LABEL_MAP))
    return job


@contextlib.contextmanager
def _detect_jobs(directory: str, plan: SurgeryPlan, trial: Trial) -> Iterator[List[Dict[str, Any]]]:
    """The jobs for source, result, and the result's frozen graph if there is one.

    The source is built by its own config with all that the plan changes in it but the number of
    classes, so that its fields too are those this API knows.
    """
    source = sources.open_source(trial.source, config_path=trial.source_config)
    if source.digest != plan.source_digest:
        raise RequestError(
            trial.source,
            f"is not what {directory} was made from",
            "name the model and config that were converted",
        )
    edits = [edit for edit in plan.config_edits if edit.path[-1] != "num_classes"]
    with Scratch() as scratch:
        config = os.path.join(scratch, CONFIG)
        with open(config, "wb") as file:
            file.write(apply_edits(source.config.document, edits).encode())
        prefix = source.prefix
        if not os.path.exists(prefix + ".index"):
            # A frozen source: what was read of it, in the form the stock API restores from.
            prefix = os.path.join(scratch, CHECKPOINT)
            writer.write_bundle(source.store, prefix)
        job = {"verb": "detect", "images": [os.path.abspath(path) for path in trial.images]}
        graph = os.path.abspath(os.path.join(directory, FROZEN))
        yield [
            dict(
                job,
                pipeline_config=config,
                checkpoint=os.path.abspath(prefix),
                moving_averages=_averaged(plan),
            ),
            dict(
                job,
                pipeline_config=os.path.abspath(os.path.join(directory, CONFIG)),
                checkpoint=os.path.abspath(os.path.join(directory, CHECKPOINT)),
            ),
        ] + (
            [dict(job, graph=graph, allow_effects=trial.allow_effects)]
            if os.path.exists(graph)
            else []
        )


def _check_graph(directory: str, images: Sequence[str], checkpoint, graph) -> None:
    """Whether the rewritten frozen graph finds what the converted checkpoint does.

    Both compute in float32, in another order, so that scores and edges may differ a little, and
    what scores near the threshold may be in one alone.
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
                    raise VerificationError(
                        os.path.join(directory, FROZEN),
                        (
                            f"does not find in {path} what the checkpoint "
                            f"beside it does: class {one.class_id} with a score of {one.score:g} "
                            "is in one of them only"
                        ),
                        "do not use the graph; export the checkpoint with the stock exporter",
                    )


def _averaged(plan: SurgeryPlan) -> bool:
    """Whether the result took its values from the source's moving averages."""
    return any(
        edit.tensor.endswith(MOVING_AVERAGE) and not isinstance(edit, Drop) for edit in plan.edits
    )


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
    """Model variables and quantization ranges that do not hold the checkpoint's value, and
    moving averages that start from none."""
    for key, why in (
        ("dropped", "has another shape in the checkpoint"),
        ("missing", "is not in the checkpoint"),
        ("not_asked_for", "is not asked for by the trainer"),
        ("restored", "does not hold the checkpoint's value"),
    ):
        for row in data.get(key, ()):
            if row["category"] in ("model", "quantization") and not (
                key == "restored" and row["bit_equal"]
            ):
                yield f"{row['name']}: {why}"
    for name in data.get("moving_averages", {}).get("from_initialiser", ()):
        yield f"{name}: starts from neither the checkpoint nor its variable"


def _detections(directory: str, data: Dict[str, Any]) -> List[Tuple[Detection, ...]]:
    """Of each picture; rounded to what can be seen."""
    if "error" in data:
        error = data["error"]
        raise VerificationError(
            directory,
            f"the stock API could not detect: {error['type']}: "
            f"{(error['message'].strip().splitlines() or ['no message'])[0]} ({error['where']})",
            "see whether the pictures are sound",
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
