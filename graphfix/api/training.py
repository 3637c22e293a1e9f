"""Functions for the training that comes after: diagnose, explain, fit anchors, show records."""

from typing import TYPE_CHECKING, Callable, Optional, Sequence, Union

from graphfix.choices import Trainer
from graphfix.errors import RequestError
from graphfix.options import MAX_JOBS
from graphfix.values import (
    Path,
    choice_of,
    flag_of,
    function_of,
    number_of,
    optional_path,
    path_of,
    paths_of,
    text_of,
)

if TYPE_CHECKING:
    from graphfix.anchor_fitting.workflow import AnchorFit
    from graphfix.doctor.doctor import Diagnosis
    from graphfix.doctor.messages.explain import Explanation
    from graphfix.doctor.python_environment import Environment
    from graphfix.record_sheets.workflow import RecordSheets


def diagnose(
    config: Path,
    *,
    target_api: str = "auto",
    trainer: str = "any",
    model_dir: Optional[Path] = None,
    sample: Optional[int] = None,
    fix: Optional[Path] = None,
    overwrite: bool = False,
    jobs: Optional[int] = None,
    mapper: Optional[Callable] = None,
    progress: Optional[Callable[[str], None]] = None,
) -> "Diagnosis":
    """Finds out why a pipeline.config can't be trained, or that it can, and what it starts from.

    Args:
      config: a pipeline.config, or its directory; what it names is read, too.
      target_api: revision of the API that will train, YYYY-MM; "auto": the one installed here.
      trainer: "model_main", "legacy" or "any".
      model_dir: the directory the trainer will write to, and resume from.
      sample: check only so many records of each data set.
      fix: write the config there, with every remedy that it can take.
      overwrite: with `fix`: replace a file that is there.
      jobs: processes that read records at once (default: one for each processor).
      mapper: has others read them: called like `map` with a function and one argument for each file
        of a data set, it returns the function's values in any order. Arguments and values can be
        pickled; values can be merged before they are returned: `one.merge(other)`.
      progress: called now and then with words for what is being read.

    Raises:
      GraphfixError: the config can't be read, there is no such API, or `fix` can't be written.

    Example:
      >>> graphfix.diagnose("testdata/shapes_detector/pipeline.config").trains
      False
    """
    from graphfix.doctor.doctor import diagnose as work
    from graphfix.doctor.doctor import make_options

    options = make_options(
        target_api=text_of("target_api", target_api),
        trainer=choice_of("trainer", trainer, Trainer),
        model_dir=optional_path("model_dir", model_dir),
        sample=None if sample is None else number_of("sample", sample, 0),
        jobs=None if jobs is None else number_of("jobs", jobs, 1, MAX_JOBS),
        mapper=function_of("mapper", mapper),
        progress=function_of("progress", progress) or (lambda text: None),
    )
    return work(
        path_of("config", config),
        options,
        fix=optional_path("fix", fix),
        overwrite=flag_of("overwrite", overwrite),
    )


def check_environment(stock_python: Optional[Path] = None) -> "Environment":
    """Finds out whether a Python, and the machine it runs on, can train with the stock API.

    TensorFlow and the API are imported in a process of their own, which takes some seconds.

    Args:
      stock_python: the Python that is to train; by default this one.

    Returns:
      A row for each thing: what was found, what is needed, and the command that mends it.

    Raises:
      GraphfixError: that Python does not run.
    """
    from graphfix.doctor.python_environment import check_environment as work

    return work(optional_path("stock_python", stock_python))


def explain(
    text: str,
    *,
    config: Optional[Path] = None,
    target_api: str = "auto",
    trainer: str = "any",
    model_dir: Optional[Path] = None,
) -> "Explanation":
    """Explains an error message of a trainer, an exporter or what is around them.

    Args:
      text: the message, or the log that has it.
      config: the pipeline.config of that run, to look for the cause in it, and to forecast the
        trainer's memory where the message is about that.
      target_api: as for `diagnose`; for `config`.
      trainer: as for `diagnose`; for `config`.
      model_dir: as for `diagnose`; for `config`.

    Returns:
      What it means and what to do: `messages` has a row for each message that was recognised in it,
      the cause of its end first; it is empty, and `unknown` set, where that is not known.

    Raises:
      GraphfixError: the config can't be read, or there is no such API.

    Example:
      >>> bool(graphfix.explain("ValueError: First step cannot be zero.").messages)
      True
    """
    from graphfix.doctor.messages.explain import explain as work

    if not isinstance(text, str):
        raise RequestError("--text", f"is {text!r:.80}", "give a message or a log as str")
    config_path = optional_path("config", config)
    api = text_of("target_api", target_api)
    chosen = choice_of("trainer", trainer, Trainer)
    directory = optional_path("model_dir", model_dir)
    if config_path is None and api == "auto":
        return work(text)
    from graphfix.doctor.doctor import make_options
    from graphfix.doctor.explained_config import look_into

    options = make_options(target_api=api, trainer=chosen, model_dir=directory)
    return look_into(work(text), config_path, options) if config_path else work(text)


def fit_anchors(
    config: Path,
    records: Union[Path, Sequence[Path]],
    output: Path,
    *,
    overwrite: bool = False,
    seed: int = 0,
    num_anchors: Optional[int] = None,
    label_map_path: Optional[Path] = None,
    jobs: Optional[int] = None,
) -> "AnchorFit":
    """Finds the settings of a config's anchor generator that cover the boxes of a data set best.

    They are fitted to some images and judged on the others. Where their gain does not hold there,
    the file has the present anchors.

    Args:
      config: a pipeline.config, or its directory.
      records: annotated boxes, in one path or several: TFRecords (a path or pattern), COCO JSON,
        CSV, Pascal VOC XML.
      output: the anchors file to write, for `ConvertOptions(anchors=...)`.
      overwrite: replace a file that is there.
      seed: random seed for the search, and for which images are held out.
      num_anchors: anchors at a location (default: as many as there are).
      label_map_path: names of the classes, where records have ids.
      jobs: processes that read records at once (default: one for each processor).

    Returns:
      `data`: `verdict` ("take", "keep", or "asked" for a `num_anchors` not shown to be better) and
      `reason`; recall and mean best IoU `before` and `after`, in 0..1, and of `fitted_boxes` and
      `held_out_boxes`; `lines`; `findings`.

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.anchor_fitting.workflow import fit_anchors as work

    return work(
        path_of("config", config),
        paths_of("records", records),
        output=path_of("output", output),
        overwrite=flag_of("overwrite", overwrite),
        seed=number_of("seed", seed) % (1 << 32),
        num_anchors=None if num_anchors is None else number_of("num_anchors", num_anchors),
        label_map_path=optional_path("label_map_path", label_map_path),
        jobs=None if jobs is None else number_of("jobs", jobs, 1, MAX_JOBS),
    )


def show_anchors(
    config: Path,
    output_directory: Path,
    *,
    records: Union[Path, Sequence[Path]] = (),
    overwrite: bool = False,
    anchors: Optional[Path] = None,
    label_map_path: Optional[Path] = None,
    jobs: Optional[int] = None,
) -> "AnchorFit":
    """Draws a config's anchors, and the boxes of a data set.

    Args:
      config: a pipeline.config, or its directory.
      output_directory: the directory to write.
      records: annotated boxes, as for `fit_anchors`.
      overwrite: replace what graphfix wrote there before.
      anchors: an anchors file, to compare with the config's.
      label_map_path: names of the classes, where records have ids.
      jobs: processes that read records at once (default: one for each processor).

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.anchor_fitting.workflow import show_anchors as work

    return work(
        path_of("config", config),
        paths_of("records", records),
        output_directory=path_of("output_directory", output_directory),
        overwrite=flag_of("overwrite", overwrite),
        anchors=optional_path("anchors", anchors),
        label_map_path=optional_path("label_map_path", label_map_path),
        jobs=None if jobs is None else number_of("jobs", jobs, 1, MAX_JOBS),
    )


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
        path_of("config", config),
        path_of("anchors", anchors),
        output=path_of("output", output),
        overwrite=flag_of("overwrite", overwrite),
    )


def show_records(
    records: Union[Path, Sequence[Path]],
    output_directory: Path,
    *,
    label_map_path: Optional[Path] = None,
    pictures: int = 48,
    overwrite: bool = False,
    progress: Optional[Callable[[str], None]] = None,
) -> "RecordSheets":
    """Draws contact sheets of records: pictures with boxes, classes and masks, and a page of them.

    Pictures with findings come first, of each kind some, then others from all over the data set.
    It needs Pillow.

    Args:
      records: TFRecords, in one path or several, or patterns of them.
      output_directory: the directory to write; its index.html has the sheets.
      label_map_path: the label map, for names of classes, and for which classes it lacks.
      pictures: how many to draw, at most.
      overwrite: replace what graphfix wrote there before.
      progress: called now and then with words for what is being done.

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.record_sheets.workflow import show_records as work

    return work(
        paths_of("records", records),
        output_directory=path_of("output_directory", output_directory),
        label_map_path=optional_path("label_map_path", label_map_path),
        most=number_of("pictures", pictures, 1, 10000),
        overwrite=flag_of("overwrite", overwrite),
        progress=function_of("progress", progress) or (lambda text: None),
    )
