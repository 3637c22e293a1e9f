"""Functions that make models: open, describe, plan, convert."""

from typing import TYPE_CHECKING, Callable, Mapping, Optional, Sequence, Union

from graphfix.api.arguments import options_of, source_of
from graphfix.options import MAX_JOBS, ConvertOptions
from graphfix.values import Path, flag_of, function_of, number_of, optional_path, path_of

if TYPE_CHECKING:
    import numpy as np

    from graphfix.batch.batch import Outcome
    from graphfix.conversion.inspect import ModelDescription
    from graphfix.conversion.thaw import Thawed
    from graphfix.modeldir.destinations import Destination
    from graphfix.modeldir.openers import Model
    from graphfix.planning.plan import Plan
    from graphfix.report.report import Report


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

    return open_source(
        path_of("source", source),
        config_path=optional_path("pipeline_config_path", pipeline_config_path),
    )


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


def inspect(
    source: Union[Path, "Model"],
    *,
    pipeline_config_path: Optional[Path] = None,
    source_label_map_path: Optional[Path] = None,
) -> "ModelDescription":
    """Describes a detector: its family, classes, anchors and heads.

    Args:
      source: as `open_model` takes it, or an open model.
      pipeline_config_path: its config, if it is not beside the checkpoint.
      source_label_map_path: label map or list of its classes, or "coco".

    Raises:
      GraphfixError: the model or the label map is damaged, or not understood.

    Example:
      >>> graphfix.inspect("testdata/shapes_detector").data["classes"]
      8
    """
    from graphfix.conversion.inspect import inspect as work

    options = ConvertOptions(
        pipeline_config_path=optional_path("pipeline_config_path", pipeline_config_path),
        source_label_map_path=optional_path("source_label_map_path", source_label_map_path),
    )
    return work(source_of(source), options)


def plan(
    source: Union[Path, "Model"],
    options: Optional[ConvertOptions] = None,
    *,
    output_directory: Union[Path, "Destination", None] = None,
    model_dir: Optional[Path] = None,
) -> "Plan":
    """Decides what `convert` would do, and writes nothing.

    Args:
      source: as `open_model` takes it, or an open model.
      options: what to make of it.
      output_directory: where `convert` would write; the config will name its checkpoint there.
        Without it, the `convert` that replays the plan fills in its own.
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
    from graphfix.conversion.convert import decide
    from graphfix.conversion.open import opened
    from graphfix.modeldir.destinations import Unplaced, destination

    options = options_of(options)
    resumed = optional_path("model_dir", model_dir)
    where = (
        Unplaced(resumed is not None)
        if output_directory is None
        else destination(output_directory, model_dir=resumed)
    )
    return decide(opened(source_of(source), options), where, options, None)[1]


def convert(
    source: Union[Path, "Model"],
    output_directory: Union[Path, "Destination"],
    options: Optional[ConvertOptions] = None,
    *,
    overwrite: bool = False,
    model_dir: Optional[Path] = None,
    plan: Union[Path, "Plan", None] = None,
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
    from graphfix.exporting.possible import exports
    from graphfix.modeldir.destinations import destination
    from graphfix.planning.plan import Plan

    where = destination(output_directory, overwrite=overwrite, model_dir=model_dir)
    if plan is not None and not isinstance(plan, Plan):
        plan = path_of("plan", plan)
    return work(source_of(source), where, options_of(options), plan=plan, exports=exports)


def thaw(
    source: Path,
    output_directory: Union[Path, "Destination"],
    *,
    pipeline_config_path: Optional[Path] = None,
    overwrite: bool = False,
    partial: bool = False,
    target_api: str = "auto",
) -> "Thawed":
    """Turns a frozen graph back into a checkpoint that trains, with a config that starts from it.

    Args:
      source: a frozen_inference_graph.pb, or a SavedModel's directory.
      output_directory: the directory to write, or `graphfix.Memory()`.
      pipeline_config_path: its config, if it is not beside it; without any, one is inferred.
      overwrite: replace what graphfix wrote there before.
      partial: take what is left, where variables were folded or stripped away.
      target_api: the revision of the API that will train, as in `ConvertOptions`.

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
    options = ConvertOptions(
        pipeline_config_path=optional_path("pipeline_config_path", pipeline_config_path),
        target_api=target_api,
    )
    take_rest = flag_of("partial", partial)
    return work(path_of("source", source), where, options, partial=take_rest)


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
        path_of("recipe", recipe),
        output_directory=path_of("output_directory", output_directory),
        jobs=number_of("jobs", jobs, 1, MAX_JOBS),
        progress=function_of("progress", progress) or (lambda done, total, running: None),
    )
