"""What the API's reader refuses in a label map: it takes no word that it does not know."""

import difflib
from typing import Iterator, List, Optional

from graphfix.doctor.checks import Symptom, listed
from graphfix.doctor.setup import Setup
from graphfix.errors import SourceError
from graphfix.formats.regular_files import read_file
from graphfix.formats.textproto import Block, Field, Scalar
from graphfix.formats.tfrecord import is_tfrecord
from graphfix.pipeline_config.schema_history import schema

_MAP, _ITEM = "StringIntLabelMap", "StringIntLabelMapItem"
_BOM = b"\xef\xbb\xbf"
_TYPO = 0.6


def text_faults(setup: Setup, path: str) -> Iterator[Symptom]:
    """What is wrong with the text of a label map, worst first; nothing where its classes are."""
    data = _data(path)
    if data is None:
        return
    if data.startswith(_BOM):
        yield Symptom(
            path,
            "begins with a byte order mark, which the API's reader refuses",
            "save it as UTF-8 without a BOM",
        )
    elif is_tfrecord(data):
        yield Symptom(
            path,
            "has records, not classes: are label_map_path and input_path exchanged?",
            "write the label map's path as label_map_path",
        )
        return
    document = setup.label_document(path)
    if document is None:
        return
    unknown: List[Field] = []
    # An installed API's own schema is that of configs alone.
    known = schema(setup.options.revision)
    for field in document.root.fields:
        if field.name != "item":
            yield _unknown(setup, field, _MAP, 1)
            return
        for block in field.values:
            if isinstance(block, Block):
                unknown += [one for one in block.fields if not known.field(_ITEM, one.name)]
                yield from _of_item(block)
    if unknown:
        yield _unknown(setup, unknown[0], _ITEM, len(unknown))


def _data(path: str) -> Optional[bytes]:
    try:
        return read_file(path)
    except SourceError:
        return None


def _unknown(setup: Setup, field: Field, message: str, number: int) -> Symptom:
    known = ["item"] if message == _MAP else ["id", "name", "display_name"]
    near = difflib.get_close_matches(field.name, known, 1, _TYPO)
    more = f" (and {number - 1} more of these)" if number > 1 else ""
    return Symptom(
        field.where,
        f"'{field.name}' is no word that the API of {setup.options.revision} knows in a label map"
        + more,
        f"write {near[0]}" if near else f"write {listed(known)}, or remove it",
    )


def _of_item(block: Block) -> Iterator[Symptom]:
    numbers = [one for field in block.named("id") for one in field.values]
    if len(numbers) > 1:
        yield Symptom(
            block.where,
            f"{len(numbers)} classes share one pair of brackets, and only the last of them counts",
            "write item { ... } around every class",
        )
    elif numbers and isinstance(numbers[0], Scalar) and isinstance(numbers[0].value, str):
        raw = numbers[0].raw
        yield Symptom(
            numbers[0].where,
            f"the id {raw} is in quotes, and must be a number",
            f"write id: {raw.strip(chr(34) + chr(39))}",
        )
