"""doctor: why a config can't be trained, or that it can, and what it starts from."""

import json
import os
from typing import Callable, List, NamedTuple, Optional, Tuple

from graphfix.doctor import messages
from graphfix.doctor.diagnosis import Diagnosis, Found, diagnose, fixed, to_lines
from graphfix.doctor.messages import Message
from graphfix.doctor.setup import Options
from graphfix.errors import RequestError, SourceError
from graphfix.formats.regular_files import read_file
from graphfix.formats.textproto import Document, Scalar
from graphfix.formats.textproto.literals import BadLiteral, parse_string
from graphfix.modeldir import single_files
from graphfix.pipeline_config import schema_history
from graphfix.restore import trainers
from graphfix.stock_api.target_api import find_target_api


class Answer(NamedTuple):
    """A diagnosis: of the config, or, with --fix, of what was written.  `remarks` are for stderr,
    `done` is what was remedied."""

    diagnosis: Diagnosis
    remarks: Tuple[str, ...]
    done: Tuple[Found, ...] = ()
    written: Optional[str] = None

    def to_json(self) -> str:
        data = self.diagnosis.to_data()
        if self.written:
            data["fixed"] = [one.check.code for one in self.done]
            data["written"] = self.written
        return json.dumps(data, indent=2, sort_keys=True)

    def to_lines(self) -> List[str]:
        lines = []
        if self.written:
            lines.append(
                f"{self.written} written, with {len(self.done)} "
                f"remed{'y' if len(self.done) == 1 else 'ies'}:"
            )
        for one in self.done:
            lines.append(
                f"  {one.check.code} {one.evidence.subject}: "
                f"{one.evidence.remedy or one.check.remedy}"
            )
        return lines + [""] * bool(lines) + to_lines(self.diagnosis)


def make_options(
    *,
    target_api: str,
    trainer: str,
    model_dir: Optional[str],
    sample: Optional[int],
    progress: Callable[[str], None],
) -> Options:
    """What the flags ask for.

    Raises:
      RequestError: no such API, or it has no such trainer.
    """
    api = find_target_api(target_api)
    names = tuple(name for name, _ in trainers.restored(api.revision, trainer))
    if not names:
        raise RequestError(
            "--trainer " + trainer,
            f"there is none in the API of {api.revision}",
            f"give --trainer legacy, or a --target_api from {trainers.first_month(trainer)} on",
        )
    return Options(
        api.revision,
        api.schema or schema_history.schema(api.revision),
        names,
        {},
        model_dir,
        sample,
        progress,
    )


def examine(path: str, options: Options, *, fix: Optional[str], overwrite: bool) -> Answer:
    """Looks at a config; with `fix`, also writes it with every remedy it can take.

    Raises:
      SourceError: the config can't be read.
      RequestError: what `fix` names can't be written.
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
    if fix is None:
        return Answer(diagnose(data, path, options), ())
    inputs = [path] + _named(data) + [one for one in (options.model_dir,) if one]
    single_files.check_file(fix, overwrite=overwrite, inputs=inputs)
    new, done = fixed(data, path, options)
    if not done:
        return Answer(
            diagnose(data, path, options),
            (f"graphfix: nothing was found that the config's text can cure; {fix} is not written",),
        )
    single_files.write_file(fix, new, overwrite=overwrite, inputs=inputs)
    # Under its own name: its lines are others.
    return Answer(diagnose(new, fix, options), (), tuple(done), fix)


def _named(data: bytes) -> List[str]:
    """The paths that a config names: what in it is text, wherever.  A config that is too broken to
    be read names none."""
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


class Explanation(NamedTuple):
    """What a message means; no `messages` where that is not known."""

    messages: Tuple[Message, ...]

    def to_json(self) -> str:
        return json.dumps([row._asdict() for row in self.messages], indent=2, sort_keys=True)

    def to_lines(self) -> List[str]:
        return messages.to_lines(self.messages)


def explain(text: str) -> Explanation:
    """What a trainer's error message means."""
    return Explanation(tuple(messages.explain(text)))
