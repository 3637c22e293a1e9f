"""Functions that judge what was made: verify, check, diff."""

from typing import TYPE_CHECKING, Callable, Optional, Sequence, Union

from graphfix.choices import Trainer
from graphfix.errors import RequestError
from graphfix.values import (
    Path,
    choice_of,
    flag_of,
    function_of,
    number_of,
    optional_path,
    path_of,
    paths_of,
)

if TYPE_CHECKING:
    from graphfix.comparison.check import GoldenUpdate
    from graphfix.comparison.result import Comparison
    from graphfix.verification.stock_trial import StockTrial
    from graphfix.verification.verify import Verified


def verify(directory: Path) -> "Verified":
    """Judges a directory that graphfix wrote: every file, tensor, class and edit of the config.

    Args:
      directory: what `convert`, `thaw` or `export` wrote.  Of an export, files and tensors are
        compared with those that were published; nothing of it is run.

    Raises:
      SourceError: it is not such a directory.
      VerificationError: it is not what was published, or not what its plan says; `problems` lists
        every difference.

    Example:
      >>> graphfix.verify("converted")  # doctest: +SKIP
    """
    from graphfix.verification.verify import verify as work

    return work(path_of("directory", directory))


def try_with_stock_api(
    directory: Path,
    *,
    stock_python: Optional[Path] = None,
    trainer: str = "any",
    steps: int = 0,
    train_record: Optional[Path] = None,
    model_dir: Optional[Path] = None,
    images: Union[Path, Sequence[Path]] = (),
    source: Optional[Path] = None,
    pipeline_config_path: Optional[Path] = None,
    tf1_python: Optional[Path] = None,
    allow_effects: bool = False,
    progress: Optional[Callable[[str], None]] = None,
) -> "StockTrial":
    """Has the stock API's own trainers start from a converted directory, in a process of its own,
    compares what it computes with what the source's own graph does, and adds the results to its
    report.

    Args:
      directory: what `convert` wrote.
      stock_python: the Python that has TensorFlow 1.15 and the API (default: this one).
      trainer: "model_main", "legacy", or "any": those the plan is for.
      steps: how many training steps to run.
      train_record: the records to train on (default: synthetic ones).
      model_dir: resume from what `convert(model_dir=...)` wrote.
      images: one JPEG file or several, on which to compare `source` and result, and their
        detections (default: noise, and no detections).
      source: what the directory was made from (default: what its report names).
      pipeline_config_path: the source's config, if it is not beside its checkpoint.
      tf1_python: of what `export` wrote: the Python that has TensorFlow 1 and the stock API, to
        compare values; `stock_python` is that of the target.
      allow_effects: run frozen graphs even if they would touch files, the network or programs.
      progress: called with words for what is being done, from several threads.

    Raises:
      RequestError: there is no stock API to ask, or the pictures cannot be compared.
      VerificationError: the stock API does not run, or does not detect.
    """
    from graphfix.exporting.targets import Trial
    from graphfix.exporting.trial import is_export, tried
    from graphfix.verification.stock_trial import TrialOptions, verify_stock

    path = path_of("directory", directory)
    python = optional_path("stock_python", stock_python)
    trial = TrialOptions(
        choice_of("trainer", trainer, Trainer),
        number_of("steps", steps, 0),
        optional_path("model_dir", model_dir),
        optional_path("train_record", train_record),
        optional_path("source", source),
        optional_path("pipeline_config_path", pipeline_config_path),
        paths_of("images", images),
        flag_of("allow_effects", allow_effects),
    )
    other = optional_path("tf1_python", tf1_python)
    if is_export(path):
        return tried(
            path, Trial(python, other, trial.steps, trial.train_record, trial.source, trial.images)
        )
    if other is not None:
        raise RequestError(
            "--tf1_python", "is for what export wrote, which this is not", "leave it out"
        )
    said = function_of("progress", progress) or (lambda text: None)
    return verify_stock(path, trial, python=python, progress=said)


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

    return work(
        path_of("directory", directory),
        path_of("golden", golden),
        junit=optional_path("junit", junit),
        overwrite=flag_of("overwrite", overwrite),
    )


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

    return update(
        path_of("directory", directory),
        path_of("golden", golden),
        overwrite=flag_of("overwrite", overwrite),
    )


def diff(one: Path, two: Path) -> "Comparison":
    """Compares two checkpoints, graphs, configs, label maps, or models whole.

    Raises:
      GraphfixError: one is damaged, or they are not of the same kind.

    Example:
      >>> graphfix.diff("testdata/shapes_detector", "testdata/shapes_detector").same
      True
    """
    from graphfix.comparison.diff import diff as work

    return work(path_of("one", one), path_of("two", two))
