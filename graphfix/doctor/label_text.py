"""What the API's reader refuses in a label map: it takes no word that it does not know."""

import difflib
from typing import Iterator, List, Optional, Tuple

from graphfix.doctor.checks import Symptom, listed
from graphfix.doctor.setup import Setup
from graphfix.errors import SourceError
from graphfix.formats.regular_files import read_file
from graphfix.formats.textproto import Block, Document, Field, Scalar, quote
from graphfix.formats.tfrecord import is_tfrecord
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.label_map import parse_label_map
from graphfix.pipeline_config.paths import INPUT_PATH
from graphfix.pipeline_config.schema_history import schema

_MAP, _ITEM = "StringIntLabelMap", "StringIntLabelMapItem"
_WORDS = {_MAP: ["item"], _ITEM: ["id", "name", "display_name"]}
_BOM = b"\xef\xbb\xbf"
_TYPO = 0.6


def text_faults(setup: Setup, path: str) -> Iterator[Symptom]:
    """What is wrong with the text of a label map, worst first; nothing where its classes are.

    All have the mended text, where every fault has one remedy.
    """
    try:
        data = setup.label_data(path)
    except SourceError:
        return
    if is_tfrecord(data) and not data.startswith(_BOM):
        yield from _exchanged(setup, path)
        return
    document = setup.label_document(path)
    found = list(_faults(setup, path, data, document))
    new = _mended(setup, path, document) if found and document is not None else None
    for symptom in found:
        yield symptom if new is None else symptom._replace(label_map=(path, new))


def _faults(
    setup: Setup, path: str, data: bytes, document: Optional[Document]
) -> Iterator[Symptom]:
    if data.startswith(_BOM):
        yield Symptom(
            path,
            "begins with a byte order mark, which the API's reader refuses",
            "save it as UTF-8 without a BOM",
        )
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


def _mended(setup: Setup, path: str, document: Document) -> Optional[bytes]:
    """The label map with the words and numbers that are meant, None where that is not certain."""
    text, known = document.text, schema(setup.options.revision)
    changes = []  # (start, end, new text)
    for field in document.root.fields:
        if field.name != "item":
            changes.append((field.start, field.name_end, _near(field, _MAP)))
        for block in field.values:
            if isinstance(block, Block):
                changes += _parted(text, block)
            for one in block.fields if isinstance(block, Block) else ():
                if not known.field(_ITEM, one.name):
                    changes.append((one.start, one.name_end, _near(one, _ITEM)))
                changes += [
                    (value.start, value.end, value.value.strip())
                    for value in one.values
                    if one.name == "id" and isinstance(value, Scalar)
                    if isinstance(value.value, str)
                ]
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + (new or "") + text[end:]
    mended = text.encode("utf-8")
    try:
        parse_label_map(mended, path)
        again = Document.parse(mended, subject=path)
    except SourceError:
        return None
    return None if list(_faults(setup, path, mended, again)) else mended


def _parted(text: str, block: Block) -> Iterator[Tuple[int, int, str]]:
    """The brackets that are missing in an item with several classes, as changes of the text; none
    where the fields are not the same ones of each class, in the same order."""
    names = [field.name for field in block.fields]
    size = len(names) // max(names.count("id"), 1)
    pattern = names[:size]
    if names.count("id") < 2 or len(set(pattern)) != size or names != pattern * names.count("id"):
        return
    opening, closing = text[block.body_start - 1], text[block.body_end]
    for field in block.fields[size::size]:
        line = text.rfind("\n", 0, field.start) + 1
        if text[line : field.start].strip():
            yield field.start, field.start, f"{closing} item {opening} "
        else:
            yield line, line, f"{closing}\nitem {opening}\n"


def _unknown(setup: Setup, field: Field, message: str, number: int) -> Symptom:
    near = _near(field, message)
    more = f" (and {number - 1} more of these)" if number > 1 else ""
    return Symptom(
        field.where,
        f"'{field.name}' is no word that the API of {setup.options.revision} knows in a label map"
        + more,
        f"write {near}" if near else f"write {listed(_WORDS[message])}, or remove it",
    )


def _near(field: Field, message: str) -> str:
    """The word that is meant by a misspelt one, "" where none is like it."""
    return (difflib.get_close_matches(field.name, _WORDS[message], 1, _TYPO) or [""])[0]


def _exchanged(setup: Setup, path: str) -> Iterator[Symptom]:
    """Records where classes belong; the edits, where the records' path is the label map."""
    message = "has records, not classes: label_map_path and input_path may be exchanged"
    edits: Tuple[ConfigEdit, ...] = ()
    for name, reader in setup.readers():
        paths = list(reader.tf_record_input_reader.input_path)
        if reader.label_map_path != path or len(paths) != 1:
            continue
        try:
            parse_label_map(read_file(paths[0]), paths[0])
        except SourceError:
            continue
        edits += (
            ConfigEdit((name, "label_map_path"), quote(paths[0]), "the label map"),
            ConfigEdit((name,) + INPUT_PATH, quote(path), "the records"),
        )
    yield Symptom(
        path,
        message,
        "exchange the two paths" if edits else "write the label map's path as label_map_path",
        edits,
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
