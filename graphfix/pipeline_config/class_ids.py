"""Class ids in a pipeline.config, renumbered.

They are ids of the label map that the config was written for.  Left alone, they would calibrate
or augment whichever class has that id now.
"""

from typing import List, Mapping, Optional, Tuple

from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.textproto import INTEGER, Block, Document
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.schema_history import PIPELINE, everything

# Entries of maps by class: the message, and the field in it that is the id.
ENTRIES = (
    ("ClassIdFunctionApproximations.ClassIdXyPairsMapEntry", "key"),
    ("ClassIdSigmoidCalibrations.ClassIdSigmoidParametersMapEntry", "key"),
)
# Data augmentation by class: the step's message, and its fields that are ids.
STEPS = (
    ("RemapLabels", ("original_labels", "new_label")),
    ("DropLabelProbabilistically", ("label",)),
)

Path = Tuple[str, ...]
Edits = Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]


def carry_class_ids(document: Document, new_ids: Optional[Mapping[int, int]]) -> Edits:
    """Edits that give every such field its class's new id, and findings about them.

    `new_ids` maps every old class that continues as one new class to its new id; without it (None)
    nothing is edited, and findings ask for a check.  An entry of a class that was dropped is
    removed, and so is an augmentation step of such a class.
    """
    found: List[Tuple[Path, str, Block]] = []
    _look(document.root, PIPELINE, (), found)
    sets: List[ConfigEdit] = []
    removals: List[ConfigEdit] = []
    findings: List[Finding] = []
    for path, message, block in found:
        names = dict(ENTRIES).get(message)
        fields = (names,) if names else dict(STEPS)[message]
        ids = {
            name: [
                value.value
                for field in block.named(name)
                for value in field.values
                if not isinstance(value, Block) and value.kind == INTEGER
            ]
            for name in fields
        }
        subject = f"{'.'.join(path)} (line {block.line})"
        told = ", ".join(f"{name} {', '.join(map(str, ids[name]))}" for name in fields)
        if new_ids is None:
            findings.append(
                Finding(
                    "CLASS_IDS",
                    WARNING,
                    subject,
                    "has class ids of the old label map: " + told,
                    "write the new label map's ids into it, or remove it",
                )
            )
            continue
        lost = [str(one) for name in fields for one in ids[name] if one not in new_ids]
        if lost:
            # A step is one block in data_augmentation_options, and goes with it.
            removals.append(
                ConfigEdit(
                    path if names else _numbered(path[:-1]), None, "of classes that were dropped"
                )
            )
            findings.append(
                Finding(
                    "CLASS_IDS",
                    INFO if names else WARNING,
                    subject,
                    f"was removed: it is for the old ids {', '.join(lost)}, which no new class "
                    "continues",
                    "write it again for the new classes if you want it",
                )
            )
        elif any(new_ids[one] != one for name in fields for one in ids[name]):
            for name in fields:
                new = [str(new_ids[one]) for one in ids[name]]
                if new:
                    sets.append(
                        ConfigEdit(
                            path + (name,),
                            new[0] if len(new) == 1 else f"[{', '.join(new)}]",
                            "the new label map's ids",
                        )
                    )
            findings.append(
                Finding(
                    "CLASS_IDS",
                    INFO,
                    subject,
                    "has the new ids of its classes instead of " + told,
                    "there is nothing to do",
                )
            )
    return tuple(sets + removals[::-1]), tuple(findings)


def _look(block: Block, message: str, path: Path, found) -> None:
    if message in dict(ENTRIES) or message in dict(STEPS):
        found.append((path, message, block))
        return
    numbers: dict = {}
    for field in block.fields:
        spec = everything().field(message, field.name)
        for value in field.values:
            if spec is not None and isinstance(value, Block):
                number = numbers[field.name] = numbers.get(field.name, -1) + 1
                step = f"{field.name}[{number}]" if spec.repeated else field.name
                _look(value, spec.type, path + (step,), found)


def _numbered(path: Path) -> Path:
    return path if path[-1].endswith("]") else path[:-1] + (path[-1] + "[0]",)
