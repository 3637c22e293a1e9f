"""An anchors file, and the edits that put its generator into a pipeline.config.

The file is an AnchorGenerator message as protobuf text, such as a pipeline.config has between
the braces of `anchor_generator`: `ssd_anchor_generator { num_layers: 6 ... }`.
"""

from typing import Any, Iterable, Tuple

import numpy as np

from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Block, Document, bind
from graphfix.pipeline_config.edits import ConfigEdit

_REASON = "the new anchors"


def parse_anchors(data: bytes, subject: str) -> Tuple[Document, Any]:
    """The document of an anchors file and its AnchorGenerator message.

    Raises:
      SourceError: names `subject` and lists everything that is wrong with it.
    """
    document = Document.parse(data, subject=subject).without_bom()
    message, problems = bind(document, message_class("graphfix.pipeline.AnchorGenerator"))
    if problems:
        raise SourceError.collected(found.problem for found in problems)
    if message.WhichOneof("anchor_generator_oneof") is None:
        raise SourceError(
            subject,
            "has no anchor generator",
            "write it as in a config: ssd_anchor_generator { ... }",
        )
    return document, message


def anchor_edits(
    path: Tuple[str, ...], config: Document, anchors: Document
) -> Tuple[ConfigEdit, ...]:
    """The edits that give the block at `path` (the config's anchor_generator) the content of an
    anchors file; fields that agree already stay as written."""
    (old,) = config.root.values(path)
    (generator,) = anchors.root.fields
    edits = [
        ConfigEdit(path + (field.name,), None, _REASON)
        for field in old.fields
        if field.name != generator.name
    ]
    (block,) = generator.values
    before = [value for field in old.named(generator.name) for value in field.values]
    edits += _block(path + (generator.name,), before[0] if before else None, block)
    return tuple(edits)


def restated(path: Tuple[str, ...], anchors: Document) -> Tuple[ConfigEdit, ...]:
    """An edit of the block at `path` that changes nothing, by which a plan says that anchors are
    new which the config has already: the source was trained with others."""
    (generator,) = anchors.root.fields
    (block,) = generator.values
    path += (generator.name,)
    for field in block.fields:
        for value in field.values:
            if not isinstance(value, Block) and len(block.named(field.name)) == 1:
                text = [one.raw for one in field.values]
                literal = f"[{', '.join(text)}]" if field.listed else text[0]
                return (ConfigEdit(path + (field.name,), literal, _REASON),)
    return ()


def touches_anchors(edits: Iterable[ConfigEdit]) -> bool:
    """Whether edits give a config another anchor generator, or another one to its trained heads."""
    return any("anchor_generator" in step for edit in edits for step in edit.path)


def _block(path: Tuple[str, ...], old: Any, new: Block):
    names = list(dict.fromkeys(field.name for field in new.fields))
    for field in dict.fromkeys(one.name for one in (old.fields if old else ())):
        if field not in names:
            yield ConfigEdit(path + (field,), None, _REASON)
    for name in names:
        values = [value for field in new.named(name) for value in field.values]
        before = [value for field in (old.named(name) if old else ()) for value in field.values]
        if any(isinstance(value, Block) for value in values):
            # Blocks are compared as text: only flexible_grid_anchor_generator has them.
            if [one.raw.split() for one in before] == [one.raw.split() for one in values]:
                continue
            yield ConfigEdit(path + (name,), None, _REASON)
            for number, value in enumerate(values):
                yield from _block(path + (f"{name}[{number}]",), None, value)
        elif [one.value for one in before] != [one.value for one in values]:
            text = [value.raw for value in values]
            listed = len(text) > 1 or any(field.listed for field in new.named(name))
            yield ConfigEdit(path + (name,), f"[{', '.join(text)}]" if listed else text[0], _REASON)


def format_anchors(message: Any) -> str:
    """An AnchorGenerator message as the text of an anchors file: the fields that are set, in the
    schema's order, with floats in as few digits as identify them."""
    return "".join(_lines(message, ""))


def _lines(message: Any, indent: str):
    for field, value in message.ListFields():
        for one in value if hasattr(value, "extend") else [value]:
            if field.message_type:
                yield f"{indent}{field.name} {{\n"
                yield from _lines(one, indent + "  ")
                yield indent + "}\n"
            else:
                text = str(np.float32(one)) if isinstance(one, float) else str(one).lower()
                yield f"{indent}{field.name}: {text}\n"
