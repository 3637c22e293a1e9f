"""verify: the judges again, on a directory that convert, thaw or export wrote."""

import dataclasses
import json
import os
from typing import List, Optional, Tuple

from graphfix.errors import SourceError, VerificationError
from graphfix.findings import count
from graphfix.formats import regular_files
from graphfix.formats.regular_files import read_file
from graphfix.modeldir import manifest, ownership
from graphfix.modeldir.names import EXPORT_JSON, MANIFEST, PLAN_JSON
from graphfix.verification.judge import Judgement, judge
from graphfix.verification.plan_checks import AGAIN


@dataclasses.dataclass(frozen=True, repr=False)
class Verified:
    """A directory that is as it was published: the number of tensors in its checkpoints, the number
    of planned classes (None of a directory without a plan), paths that graphfix did not put there,
    the number of its files, and the target that it was exported to (None of what was not)."""

    directory: str
    tensors: int
    classes: Optional[int]
    others: Tuple[str, ...]
    files: int = 0
    target: Optional[str] = None

    def __repr__(self) -> str:
        return f"<Verified {self.directory}: {self.summary}>"

    @property
    def summary(self) -> str:
        words = f"{count(self.tensors, 'tensor')} intact"
        if self.target is not None:
            files = f"{self.target}: {count(self.files, 'file')} as exported"
            return f"{files}, {words}" if self.tensors else files
        if self.classes is not None:
            planned = count(self.classes, "planned class", "planned classes")
            words += f"; config and heads match the {planned}"
        return words

    @property
    def remarks(self) -> Tuple[str, ...]:
        if not self.others:
            return ()
        names = ownership.named(list(self.others))
        return (f"{self.directory}: also has {names}, which graphfix did not put there",)

    def to_lines(self) -> List[str]:
        return [self.summary]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True)


def verify(directory: str) -> Verified:
    """Checks a directory that graphfix wrote: reads every file and compares it with the manifest,
    the plan and the other files.

    Raises:
      SourceError: it is not such a directory.
      VerificationError: it is not what was published, or not what was planned; has a problem for
        every difference.
    """
    judgement = judged(directory)
    if judgement.problems:
        raise VerificationError.collected(judgement.problems)
    plan = judgement.plan
    return Verified(
        directory,
        judgement.tensors,
        len(plan.classes) if plan else None,
        judgement.others,
        judgement.files,
        _target(directory),
    )


def _target(directory: str) -> Optional[str]:
    """What a directory that is as it was published was exported to."""
    path = os.path.join(directory, EXPORT_JSON)
    if not os.path.exists(path):
        return None
    try:
        return str(json.loads(read_file(path).decode("utf-8"))["target"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SourceError(path, "is not what graphfix export wrote", "export again") from None


def judged(directory: str) -> Judgement:
    """What is wrong with a directory that graphfix wrote.

    Raises:
      SourceError: it has neither a manifest nor a plan.
      VerificationError: its manifest is missing or damaged.
    """
    try:
        record = manifest.read_manifest(directory)
        if record is None:
            if not os.path.exists(directory):
                raise SourceError(directory, *regular_files.missing(directory))
            plan = os.path.join(directory, PLAN_JSON)
            if not os.path.lexists(plan):
                raise SourceError(
                    directory,
                    f"is not a directory that graphfix wrote: it has no {MANIFEST}",
                    "name the directory that convert, export or thaw wrote; graphfix inspect "
                    "describes any other model",
                )
            raise VerificationError(os.path.join(directory, MANIFEST), "is missing", AGAIN)
        return judge(directory, record)
    except SourceError as error:
        if error.problems[0].subject == directory:
            raise
        raise VerificationError.collected(error.problems) from None
    except OSError as error:
        raise regular_files.unreadable(directory, error) from None
