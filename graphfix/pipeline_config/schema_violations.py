"""What in a pipeline.config a revision's parser would reject.

Only what other revisions accept: parse_config has refused the rest, or listed it as unknown.  A
float where an integer is expected counts ("300.0" was fine while the field was a float), and so
do several values of a field that takes one.
"""

from typing import List, NamedTuple, Optional, Tuple

from graphfix.formats.textproto import IDENTIFIER, INTEGER, Block, Document, Field
from graphfix.pipeline_config.schema_history import INTEGERS, PIPELINE, FieldSpec, Schema

UNKNOWN_FIELD = "unknown field"
UNKNOWN_VALUE = "unknown value"
NOT_WHOLE = "not a whole number"
REPEATED = "given several times"


class SchemaViolation(NamedTuple):
    """One thing that the schema does not accept.

    `path` is the path of an edit of the field (see edits.py), `message` the message it belongs to,
    `above` the messages of the blocks that the path leads through, that one last.  `block` is the
    one with the field.  `spec` is the field as the revision declares it, None where it does not.
    """

    kind: str
    path: Tuple[str, ...]
    message: str
    above: Tuple[str, ...]
    block: Block
    field: Field
    spec: Optional[FieldSpec]

    @property
    def key(self) -> str:
        return f"{self.message}.{self.field.name}"


def violations(
    document: Document, schema: Schema, known: Optional[Schema]
) -> Tuple[SchemaViolation, ...]:
    """What a schema does not accept, in document order.

    Skips fields that `known` (everything there ever was) does not know either; skips none where
    `known` is None.
    """
    out: List[SchemaViolation] = []
    _look(document.root, PIPELINE, (), (), schema, known, out)
    return tuple(out)


def _look(
    block: Block,
    message: str,
    path,
    above,
    schema: Schema,
    known: Optional[Schema],
    out: List[SchemaViolation],
) -> None:
    above += (message,)
    blocks: dict = {}
    seen = set()
    for field in block.fields:
        spec = schema.field(message, field.name)

        def complain(kind: str, field=field, spec=spec) -> None:
            out.append(
                SchemaViolation(
                    kind, path + (_step(field, blocks),), message, above, block, field, spec
                )
            )

        again = field.name in seen
        seen.add(field.name)
        if spec is None:
            if known is None or (known.field(message, field.name) is not None and not again):
                complain(UNKNOWN_FIELD)  # once for all of its name
            continue
        if not spec.repeated and (again or len(field.values) > 1):
            if field.name not in blocks or isinstance(field.values[0], Block):
                complain(REPEATED)
            blocks[field.name] = blocks.get(field.name, 0) + len(field.values)
            continue
        for value in field.values:
            if isinstance(value, Block):
                _look(value, spec.type, path + (_step(field, blocks),), above, schema, known, out)
                blocks[field.name] = blocks.get(field.name, 0) + 1
            elif spec.type in INTEGERS and value.kind != INTEGER:
                complain(NOT_WHOLE)
            elif spec.type in schema.enums and not _names(schema, spec.type, value):
                complain(UNKNOWN_VALUE)


def _step(field: Field, blocks: dict) -> str:
    """A field's step in the path of an edit: numbered where it is not the first block."""
    number = blocks.get(field.name, 0)
    return f"{field.name}[{number}]" if number else field.name


def _names(schema: Schema, enum: str, value) -> bool:
    # Numbers never changed their meaning; which of them a revision knows is not checked.
    return value.kind == INTEGER or (value.kind == IDENTIFIER and value.value in schema.enums[enum])
