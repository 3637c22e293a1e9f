"""What checks of records share: the scans of the data sets, and a check for each kind of note."""

from typing import Callable, Iterator, Tuple

from graphfix.doctor.checks import Symptom
from graphfix.doctor.scan import Scan
from graphfix.doctor.setup import Setup
from graphfix.pipeline_config.paths import INPUT_READERS

TRAIN, EVAL = INPUT_READERS
# Remedies that several checks have.
AGAIN = "write the records again"
SCRIPT = "write the records as the Object Detection API's scripts do (create_pascal_tf_record.py)"


def scans(setup: Setup) -> Iterator[Tuple[str, Scan]]:
    """(reader's name, what its records have) of each input reader that names records."""
    for name, message in setup.readers():
        if message.tf_record_input_reader.input_path:
            yield name, setup.scan(name)


def noted(
    kind: str, sentence: str, *, only: str = "", unless: str = ""
) -> Callable[[Setup], Iterator[Symptom]]:
    """A check's `find` for what the scan noted under a kind.

    `only` is the one reader to look at, `unless` a kind that may explain all of it.
    """

    def find(setup: Setup) -> Iterator[Symptom]:
        for name, scan in scans(setup):
            note, why = scan.found(kind), scan.found(unless)
            if note is not None and only in ("", name) and (why is None or why.count < note.count):
                yield Symptom(note.where, _with_count(sentence, note.count, note.detail))

    return find


def _with_count(sentence: str, count: int, detail: str) -> str:
    more = "" if count == 1 else f" (and {count - 1} more like it)"
    return sentence + (": " + detail if detail else "") + more


def suspicion(wrong: str, guess: str, sentence: str) -> Callable[[Setup], Iterator[Symptom]]:
    """A check's `find` for a guess that explains every box noted under the kind `wrong`."""

    def find(setup: Setup) -> Iterator[Symptom]:
        for _, scan in scans(setup):
            note, why = scan.found(wrong), scan.found(guess)
            if note and why and why.count == note.count:
                yield Symptom(note.where, _with_count(sentence, note.count, note.detail))

    return find
