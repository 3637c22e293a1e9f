"""The verb `doctor`: whether a config can be trained, from what, and if not, why."""

import json
import os
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from graphfix.doctor.diagnosis import CheckedConfig, CheckResult, run_checks, to_lines
from graphfix.doctor.diagnosis import fix as apply_fixes
from graphfix.doctor.setup import Options
from graphfix.doctor.shards import Mapper
from graphfix.errors import RequestError, SourceError
from graphfix.findings import Finding, count
from graphfix.formats.regular_files import read_file
from graphfix.formats.textproto import Document, Scalar, quote
from graphfix.formats.textproto.literals import BadLiteral, parse_string
from graphfix.fronts import shown
from graphfix.modeldir import single_files
from graphfix.modeldir.search import find_config
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.document import parse_config
from graphfix.process.parallel import cores
from graphfix.restore import trainers
from graphfix.stock_api.target_api import find_target_api


class Diagnosis(NamedTuple):
    """What `diagnose` found, and did.

    `checked` is the config, or, with a fix, what was written to `written`; `fixed` is what that
    fixed.  `remarks` are for stderr.
    """

    checked: CheckedConfig
    remarks: Tuple[str, ...] = ()
    fixed: Tuple[CheckResult, ...] = ()
    written: Optional[str] = None

    def __repr__(self) -> str:
        trains = "will train" if self.trains else "can't be trained as it is"
        found = count(len(self.findings), "finding")
        return f"<Diagnosis of {self.checked.path}: {trains}; {found}>"

    @property
    def trains(self) -> bool:
        """Whether training will work: nothing was found that ruins the run."""
        return self.checked.trains

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """What was found, the worst first."""
        return self.checked.findings

    def to_json(self) -> str:
        data = self.checked.to_data()
        if self.written:
            data["fixed"] = [one.check.code for one in self.fixed]
            data["written"] = self.written
        return json.dumps(data, indent=2, sort_keys=True)

    def to_lines(self) -> List[str]:
        lines = []
        if self.written:
            fixes = count(len(self.fixed), "remedy", "remedies")
            lines.append(f"{self.written} written, with {fixes}:")
        lines += [
            shown(f"  {one.check.code} {one.symptom.subject}: {one.remedy}") for one in self.fixed
        ]
        return lines + [""] * bool(lines) + to_lines(self.checked)


def make_options(
    *,
    target_api: str,
    trainer: str,
    model_dir: Optional[str] = None,
    sample: Optional[int] = None,
    jobs: Optional[int] = None,
    mapper: Optional[Mapper] = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Options:
    """What `diagnose` is to check for.

    `target_api` is a revision (YYYY-MM) or the path of an API, `trainer` "legacy", "model_main" or
    "any", `model_dir` the directory to train in.  Only the first `sample` records of each data set
    are read, all where it is None.  Records are read in up to `jobs` processes (None: one for each
    processor), or by `mapper`.  `progress` is called with a line of text now and then.

    Raises:
      RequestError: there is no such API, or it has no such trainer.
    """
    api = find_target_api(target_api)
    names = tuple(name for name, _ in trainers.restored(api.revision, trainer))
    if not names:
        raise RequestError(
            "--trainer " + trainer,
            f"the API of {api.revision} has no such trainer",
            f"use --trainer legacy, or a --target_api from {trainers.first_month(trainer)} on",
        )
    return Options(
        api.revision,
        api.schema or schema_history.schema(api.revision),
        names,
        {},
        model_dir,
        sample,
        progress,
        api.assumed,
        jobs=cores() if jobs is None else jobs,
        mapper=mapper,
    )


def diagnose(
    config_path: str, options: Options, *, fix: Optional[str] = None, overwrite: bool = False
) -> Diagnosis:
    """Checks a config (`config_path`, or its directory) and all files that it names.

    With `fix`, writes the config to that path, with every fault fixed that editing it can fix (over
    an existing file only with `overwrite`), and checks what was written.  Label maps that need it
    are mended in copies beside it, which it names.

    Raises:
      SourceError: the config can't be read.
      RequestError: `fix` can't be written.
    """
    config_path = find_config(config_path)
    data = read_config(config_path)
    options = _of_config(options, data, config_path)
    if fix is None:
        return Diagnosis(run_checks(data, config_path, options))
    inputs = [config_path] + _named(data) + [one for one in (options.model_dir,) if one]
    single_files.check_file(fix, overwrite=overwrite, inputs=inputs)
    new, fixed, label_maps = apply_fixes(data, config_path, options, label_maps=_is_plain(fix))
    if not fixed:
        return Diagnosis(
            run_checks(data, config_path, options),
            (f"graphfix: found nothing that editing the config can fix; {fix} is not written",),
        )
    places = {path: _beside(fix, path, number) for number, path in enumerate(label_maps)}
    for place in places.values():
        single_files.check_file(place, overwrite=overwrite, inputs=inputs)
    for path, place in places.items():
        single_files.write_file(place, label_maps[path], overwrite=overwrite, inputs=inputs)
    new = _naming(new, fix, places)
    single_files.write_file(fix, new, overwrite=overwrite, inputs=inputs)
    # Under its own name: its lines are others.
    return Diagnosis(
        run_checks(new, fix, options),
        tuple(
            f"graphfix: {place} written, a mended copy of {path}, which the config names instead"
            for path, place in places.items()
        ),
        fixed,
        fix,
    )


def _is_plain(path: str) -> bool:
    """Whether a path is, or would be, a file beside which others can be written."""
    return (os.path.isfile(path) and not os.path.islink(path)) or not os.path.lexists(path)


def _beside(config: str, label_map: str, number: int) -> str:
    """Where the copy of a label map goes, with a number where there are several."""
    folder, name = os.path.split(config)
    several = f"_{number}" if number else ""
    stem = os.path.splitext(name)[0]
    return os.path.join(folder, f"{stem}{several}_{os.path.basename(label_map)}")


def _naming(data: bytes, subject: str, places: Dict[str, str]) -> bytes:
    """The config with other label maps' paths."""
    document = Document.parse(data, subject=subject)
    editor = document.edit()
    for path, field in document.walk():
        for value in field.values if path[-1] == "label_map_path" else ():
            if isinstance(value, Scalar) and value.value in places:
                editor.replace(editor.root.of(value), quote(places[str(value.value)]))
    return document.edited(editor).encode()


def _of_config(options: Options, data: bytes, path: str) -> Options:
    """The options, of the month that a config needs where they assume one."""
    if not options.assumed:
        return options
    try:
        revision = find_target_api("auto", parse_config(data, path)).revision
    except SourceError:
        return options  # the checks say what is wrong with it
    return options._replace(revision=revision, schema=schema_history.schema(revision))


def read_config(path: str) -> bytes:
    """The bytes of a config, which are text.

    Raises:
      SourceError: it can't be read, or is something else.
    """
    data = read_file(path, pipes=True)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(
            path,
            f"is not UTF-8 text (offset {error.start})",
            "save the file as UTF-8, or check that this is the config",
        ) from None
    return data


def _named(data: bytes) -> List[str]:
    """The paths that a config may name: every string in it.  A config that can't be parsed names
    none."""
    try:
        document = Document.parse(data, subject="")
        literals = [
            value.raw
            for _, field in document.walk()
            for value in field.values
            if isinstance(value, Scalar) and value.raw[:1] in "\"'"
        ]
        return [os.fsdecode(parse_string(literal)) for literal in literals]
    except (SourceError, BadLiteral):
        return []
