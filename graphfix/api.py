"""The public functions; `import graphfix` has them all.

Each does one job on what a user names and answers with a result that can be printed, shown in a
notebook, or turned into JSON.  The command line is a thin layer over them.  Errors are
`RequestError` (change what you asked for), `SourceError` (change the file) or `VerificationError`
(what was written is not what was meant; nothing was published), all of them `GraphfixError`: each
has `problems`, with a subject, a message and a remedy.
"""

import functools
import os
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, TypeVar, Union

from graphfix.errors import GraphfixError
from graphfix.options import ConvertOptions, Front, spell

if TYPE_CHECKING:
    import numpy as np

    from graphfix.anchor_fitting.workflow import AnchorFit
    from graphfix.batch.batch import Outcome
    from graphfix.comparison.check import GoldenUpdate
    from graphfix.comparison.result import Comparison
    from graphfix.conversion.inspect import ModelDescription
    from graphfix.conversion.thaw import Thawed
    from graphfix.doctor.doctor import DoctorResult as Diagnosis
    from graphfix.doctor.doctor import Explanation
    from graphfix.modeldir.destinations import Destination
    from graphfix.modeldir.openers import Source as Model
    from graphfix.planning.plan import SurgeryPlan as Plan
    from graphfix.report.report import Report
    from graphfix.verification.stock_trial import StockTrial
    from graphfix.verification.verify import Verified

Path = Union[str, "os.PathLike[str]"]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _public(function: _Function) -> _Function:
    """A function whose errors spell options as Python's arguments."""

    @functools.wraps(function)
    def called(*args: Any, **more: Any) -> Any:
        try:
            return function(*args, **more)
        except GraphfixError as error:
            spell(error, Front.PYTHON)
            raise

    return called  # type: ignore[return-value]


def _path(path: Optional[Path]) -> Optional[str]:
    return None if path is None else os.fspath(path)


def _source(source: Union[Path, "Model"]) -> Union[str, "Model"]:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else source


@_public
def open_model(source: Path, *, pipeline_config_path: Optional[Path] = None) -> "Model":
    """Opens a detector; reads its metadata, not its weights.

    Args:
      source: a model's directory or its .tar.gz, a checkpoint's prefix, a frozen graph, or a
        SavedModel's directory.
      pipeline_config_path: its config, if it is not beside the checkpoint.

    Returns:
      The model: `store` has its tensors by name (each with `meta` and `load()`), `config` its
      pipeline.config, `model` what they are together: family, classes, heads, anchors.

    Raises:
      SourceError: a file is missing or damaged, or the config is not the checkpoint's.
      RequestError: `source` does not say which checkpoint is meant.

    Example:
      >>> model = graphfix.open_model("testdata/shapes_detector")
      >>> model.model.classes
      8
    """
    from graphfix.modeldir.openers import open_source

    return open_source(os.fspath(source), config_path=_path(pipeline_config_path))


@_public
def model_in_memory(
    tensors: Mapping[str, "np.ndarray"], pipeline_config: Union[str, bytes], *, name: str = "memory"
) -> "Model":
    """A detector whose tensors are arrays in memory.

    Args:
      tensors: an array for each variable name, shapes as in a checkpoint (a convolution's kernel is
        [height, width, input channels, output channels]).
      pipeline_config: the text of its config.
      name: stands for it in messages and reports.

    Raises:
      SourceError: an array is of a type that no checkpoint stores, or the config is not theirs.

    Example:
      >>> model = graphfix.open_model("testdata/shapes_detector")
      >>> arrays = {name: view.load() for name, view in model.store.items()}
      >>> graphfix.model_in_memory(arrays, model.config.document.text).model.classes
      8
    """
    from graphfix.modeldir.in_memory import open_in_memory

    return open_in_memory(tensors, pipeline_config, name=name)


@_public
def inspect(
    source: Union[Path, "Model"], *, pipeline_config_path: Optional[Path] = None
) -> "ModelDescription":
    """Describes a detector: its family, classes, anchors and heads.

    Args:
      source: as `open_model` takes it, or an open model.
      pipeline_config_path: its config, if it is not beside the checkpoint.

    Raises:
      GraphfixError: the model is damaged, or not understood.

    Example:
      >>> graphfix.inspect("testdata/shapes_detector").data["classes"]
      8
    """
    from graphfix.conversion.inspect import inspect as work

    options = ConvertOptions(pipeline_config_path=_path(pipeline_config_path))
    return work(_source(source), options)


@_public
def plan(
    source: Union[Path, "Model"],
    options: Optional[ConvertOptions] = None,
    *,
    output_directory: Path = "OUT",
    model_dir: Optional[Path] = None,
) -> "Plan":
    """Decides what `convert` would do, and writes nothing.

    Args:
      source: as `open_model` takes it, or an open model.
      options: what to make of it.
      output_directory: where `convert` would write; the config will name its checkpoint there.
      model_dir: as for `convert`.

    Returns:
      The plan: one edit for every tensor of the source, what is added, the edits of the config, the
      classes, the findings.  `to_lines()` is a table, `to_json()` what `convert(plan=...)` replays.

    Raises:
      RequestError, SourceError: what is asked for does not fit the source, or a file is damaged.

    Example:
      >>> options = graphfix.ConvertOptions(num_classes=2, map=["1=2"], target_api="2019-07")
      >>> plan = graphfix.plan("testdata/shapes_detector", options)
      >>> plan.carried, plan.new
      (1, 1)
    """
    from graphfix.conversion.convert import decide, opened
    from graphfix.modeldir.destinations import destination

    options = options or ConvertOptions()
    where = destination(output_directory, model_dir=model_dir)
    return decide(opened(_source(source), options), where, options, None)[1]


@_public
def convert(
    source: Union[Path, "Model"],
    output_directory: Union[Path, "Destination"],
    options: Optional[ConvertOptions] = None,
    *,
    overwrite: bool = False,
    model_dir: Optional[Path] = None,
    plan: Union[None, Path, "Plan"] = None,
) -> "Report":
    """Converts a detector to new classes or anchors, verifies the result and publishes it whole.

    Args:
      source: as `open_model` takes it, or an open model.
      output_directory: the directory to write; or `graphfix.Memory()`, which keeps the files.
      options: what to make of it.
      overwrite: replace what graphfix wrote there before.
      model_dir: also write a complete training checkpoint there, for the trainer to resume from.
      plan: a plan (or its JSON file) to replay; then `options` stay at their defaults.

    Returns:
      The report, which is also report.json and report.html in the output: `summary`, `findings`,
      `plan`.  A notebook shows it as the page.

    Raises:
      RequestError, SourceError: nothing was published, and what was there before still is.
      VerificationError: likewise, because what was written is not what was meant.

    Example:
      >>> options = graphfix.ConvertOptions(num_classes=2, map=["1=2"], target_api="2019-07")
      >>> memory = graphfix.Memory()
      >>> report = graphfix.convert("testdata/shapes_detector", memory, options)
      >>> report.plan.carried
      1
      >>> sorted(memory.files)[:3]
      ['checkpoint', 'frozen_inference_graph.pb', 'label_map.pbtxt']
    """
    from graphfix.conversion.convert import convert as work
    from graphfix.modeldir.destinations import destination

    where = destination(output_directory, overwrite=overwrite, model_dir=model_dir)
    if isinstance(plan, (str, os.PathLike)):
        plan = os.fspath(plan)
    return work(_source(source), where, options or ConvertOptions(), plan=plan)


@_public
def thaw(
    source: Path,
    output_directory: Union[Path, "Destination"],
    *,
    pipeline_config_path: Optional[Path] = None,
    overwrite: bool = False,
    partial: bool = False,
) -> "Thawed":
    """Turns a frozen graph back into a checkpoint that trains, with its config.

    Args:
      source: a frozen_inference_graph.pb, or a SavedModel's directory.
      output_directory: the directory to write, or `graphfix.Memory()`.
      pipeline_config_path: its config, if it is not beside it; without any, one is inferred.
      overwrite: replace what graphfix wrote there before.
      partial: take what is left, where variables were folded or stripped away.

    Raises:
      GraphfixError: nothing was published.

    Example:
      >>> memory = graphfix.Memory()
      >>> graphfix.thaw("testdata/shapes_detector/frozen_inference_graph.pb", memory).classes
      8
    """
    from graphfix.conversion.thaw import thaw as work
    from graphfix.modeldir.destinations import destination

    where = destination(output_directory, overwrite=overwrite)
    config = _path(pipeline_config_path)
    return work(os.fspath(source), where, config_path=config, partial=partial)


@_public
def verify(directory: Path) -> "Verified":
    """Judges a directory that graphfix wrote: every file, tensor, class and edit of the config.

    Args:
      directory: what `convert` or `thaw` wrote.

    Raises:
      SourceError: it is not such a directory.
      VerificationError: it is not what was published, or not what its plan says; `problems` lists
        every difference.

    Example:
      >>> graphfix.verify("converted")  # doctest: +SKIP
    """
    from graphfix.verification.verify import verify as work

    return work(os.fspath(directory))


@_public
def try_with_stock_api(
    directory: Path,
    *,
    python: Optional[Path] = None,
    trainer: str = "any",
    steps: int = 0,
    train_record: Optional[Path] = None,
    model_dir: Optional[Path] = None,
    images: Sequence[Path] = (),
    source: Optional[Path] = None,
    pipeline_config_path: Optional[Path] = None,
    allow_effects: bool = False,
) -> "StockTrial":
    """Has the stock API's own trainers start from a converted directory, in a process of its own,
    and adds to its report what came of that.

    Args:
      directory: what `convert` wrote.
      python: the Python that has TensorFlow 1.15 and the API (default: this one).
      trainer: "model_main", "legacy", or "any": those the plan is for.
      steps: how many training steps to run.
      train_record: the records to train on (default: synthetic ones).
      model_dir: resume from what `convert(model_dir=...)` wrote.
      images: JPEG files in which to compare the detections of `source` and of the result.
      source: what the directory was made from.
      pipeline_config_path: the source's config, if it is not beside its checkpoint.
      allow_effects: run the frozen graph even if it would touch files, the network or programs.

    Raises:
      RequestError: there is no stock API to ask, or the pictures cannot be compared.
      VerificationError: the stock API does not run, or does not detect.
    """
    from graphfix.verification.stock_trial import TrialOptions, verify_stock

    trial = TrialOptions(
        trainer,
        steps,
        _path(model_dir),
        _path(train_record),
        _path(source),
        _path(pipeline_config_path),
        tuple(map(os.fspath, images)),
        allow_effects,
    )
    return verify_stock(os.fspath(directory), trial, python=_path(python))


@_public
def check(
    directory: Path, golden: Path, *, junit: Optional[Path] = None, overwrite: bool = False
) -> "Comparison":
    """Compares an output with the golden file that records what it should be.

    Args:
      directory: what `convert` wrote.
      golden: the golden file, which `update_golden` makes.
      junit: also write the result there, as JUnit XML.
      overwrite: replace a file there that `check` did not write.

    Returns:
      The comparison: `same`, `differences`, `to_lines()`, `to_json()`.

    Raises:
      GraphfixError: one of the two is missing or damaged, or the XML cannot be written.
    """
    from graphfix.comparison.check import check as work

    return work(os.fspath(directory), os.fspath(golden), junit=_path(junit), overwrite=overwrite)


@_public
def update_golden(directory: Path, golden: Path, *, overwrite: bool = False) -> "GoldenUpdate":
    """Makes a golden file record an output as it is now; `changes` are the differences to before.

    Args:
      directory: what `convert` wrote.
      golden: the file to write.
      overwrite: replace a file there that is not a golden file.

    Raises:
      GraphfixError: the output is missing or damaged, or the file cannot be written.
    """
    from graphfix.comparison.check import update

    return update(os.fspath(directory), os.fspath(golden), overwrite=overwrite)


@_public
def diff(one: Path, two: Path) -> "Comparison":
    """Compares two checkpoints, graphs, configs, label maps, or models whole.

    Raises:
      GraphfixError: one is damaged, or they are not of the same kind.

    Example:
      >>> graphfix.diff("testdata/shapes_detector", "testdata/shapes_detector").same
      True
    """
    from graphfix.comparison.diff import diff as work

    return work(os.fspath(one), os.fspath(two))


@_public
def diagnose(
    config: Path,
    *,
    target_api: str = "auto",
    trainer: str = "any",
    model_dir: Optional[Path] = None,
    sample: Optional[int] = None,
    fix: Optional[Path] = None,
    overwrite: bool = False,
    progress: Optional[Callable[[str], None]] = None,
) -> "Diagnosis":
    """Finds out why a pipeline.config can't be trained, or that it can, and what it starts from.

    Args:
      config: the pipeline.config; what it names is read, too.
      target_api: revision of the API that will train, YYYY-MM; "auto": the one installed here.
      trainer: "model_main", "legacy" or "any".
      model_dir: the directory the trainer will write to, and resume from.
      sample: check only so many records of each data set.
      fix: write the config there, with every remedy that it can take.
      overwrite: with `fix`: replace a file that is there.
      progress: called now and then with words for what is being read.

    Raises:
      GraphfixError: the config can't be read, there is no such API, or `fix` can't be written.

    Example:
      >>> graphfix.diagnose("testdata/shapes_detector/pipeline.config").diagnosis.trains
      False
    """
    from graphfix.doctor.doctor import diagnose as work
    from graphfix.doctor.doctor import make_options

    options = make_options(
        target_api=target_api,
        trainer=trainer,
        model_dir=_path(model_dir),
        sample=sample,
        progress=progress or (lambda text: None),
    )
    return work(os.fspath(config), options, fix=_path(fix), overwrite=overwrite)


@_public
def explain(text: str) -> "Explanation":
    """Explains an error message of a trainer.

    Args:
      text: the message, or the log that has it.

    Returns:
      What it means and what to do, one row for each message that was recognised in it.

    Example:
      >>> bool(graphfix.explain("ValueError: First step cannot be zero.").messages)
      True
    """
    from graphfix.doctor.doctor import explain as work

    return work(text)


@_public
def fit_anchors(
    config: Path,
    records: Sequence[Path],
    output: Path,
    *,
    overwrite: bool = False,
    seed: int = 0,
    num_anchors: Optional[int] = None,
    label_map_path: Optional[Path] = None,
) -> "AnchorFit":
    """Finds the settings of a config's anchor generator that cover the boxes of a data set best.

    Args:
      config: a pipeline.config, or its directory.
      records: annotated boxes: TFRecords (a path or pattern), COCO JSON, CSV, Pascal VOC XML.
      output: the anchors file to write, for `ConvertOptions(anchors=...)`.
      overwrite: replace a file that is there.
      seed: random seed for the search.
      num_anchors: anchors at a location (default: as many as there are).
      label_map_path: names of the classes, where records have ids.

    Returns:
      `data`: recall and mean best IoU before and after, in 0..1; `lines`; `findings`.

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.anchor_fitting.workflow import fit_anchors as work

    return work(
        os.fspath(config),
        list(map(os.fspath, records)),
        output=os.fspath(output),
        overwrite=overwrite,
        seed=seed % (1 << 32),
        num_anchors=num_anchors,
        label_map_path=_path(label_map_path),
    )


@_public
def show_anchors(
    config: Path,
    output_directory: Path,
    *,
    records: Sequence[Path] = (),
    overwrite: bool = False,
    anchors: Optional[Path] = None,
    label_map_path: Optional[Path] = None,
) -> "AnchorFit":
    """Draws a config's anchors, and the boxes of a data set.

    Args:
      config: a pipeline.config, or its directory.
      output_directory: the directory to write.
      records: annotated boxes, as for `fit_anchors`.
      overwrite: replace what graphfix wrote there before.
      anchors: an anchors file, to compare with the config's.
      label_map_path: names of the classes, where records have ids.

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.anchor_fitting.workflow import show_anchors as work

    return work(
        os.fspath(config),
        list(map(os.fspath, records)),
        output_directory=os.fspath(output_directory),
        overwrite=overwrite,
        anchors=_path(anchors),
        label_map_path=_path(label_map_path),
    )


@_public
def apply_anchors(
    config: Path, anchors: Path, output: Path, *, overwrite: bool = False
) -> "AnchorFit":
    """Puts an anchors file into a config, and changes nothing else of it.

    Args:
      config: a pipeline.config, or its directory.
      anchors: the anchors file.
      output: the config to write.
      overwrite: replace a file that is there.

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.anchor_fitting.workflow import apply_anchors as work

    return work(
        os.fspath(config), os.fspath(anchors), output=os.fspath(output), overwrite=overwrite
    )


@_public
def convert_batch(
    recipe: Path,
    output_directory: Path,
    *,
    jobs: int = 1,
    progress: Optional[Callable[[Sequence["Outcome"], int, Sequence[str]], None]] = None,
) -> Sequence["Outcome"]:
    """Converts every model of a recipe that is not converted yet.

    Args:
      recipe: a text file, as docs/batch.md describes it.
      output_directory: the directory to write: one in it for each model.
      jobs: how many models to convert at once.
      progress: called now and then with the outcomes so far, how many models there are, and the
        names of those being converted.

    Returns:
      An outcome for each model, in the recipe's order: its name, its verdict ("converted",
      "unchanged" or "failed"), and why.

    Raises:
      GraphfixError: the recipe or the directory cannot be used; nothing was begun.
    """
    from graphfix.batch.batch import batch

    return batch(
        os.fspath(recipe),
        output_directory=os.fspath(output_directory),
        jobs=jobs,
        progress=progress or (lambda done, total, running: None),
    )
