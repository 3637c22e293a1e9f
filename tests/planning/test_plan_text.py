"""A plan in words."""

from graphfix.fronts import Front, asked_by
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.planning.classes import TargetClass
from graphfix.planning.edits import Copy, Drop, Keep
from graphfix.planning.plan import Plan
from graphfix.planning.plan_text import to_lines

CLASSES = (
    TargetClass(1, "truck", "truck", (8,)),
    TargetClass(2, "vehicle", "vehicle", (8, 6, 7)),
    TargetClass(3, "", "", ()),
    TargetClass(4, "dog", "dog", ()),
)
NAMES = ("", "", "", "", "", "bus", "", "truck")


def plan(edits=(), additions=(), config_edits=(), names=NAMES):
    return Plan("", "2019-07", "any", CLASSES, edits, additions, config_edits, (), (), names)


def test_classes_are_named():
    """And where nobody knows a name, the class is."""
    assert [" ".join(line.split()) for line in to_lines(plan())[:5]] == [
        "classes: 2 carried over, 1 new",
        "1 truck from truck",
        "2 vehicle from truck + bus + class 7",
        "3 (no class)",
        "4 dog new",
    ]
    assert "from class 8 + class 6 + class 7" in to_lines(plan(names=()))[2]


def test_tensors_of_one_kind_are_together():
    dropped = [Drop(f"slot{number}", "optimizer state") for number in range(23)]
    edits = (Keep("a"), *dropped[:3], Keep("b"), *dropped[3:])
    lines = to_lines(plan(edits, (Copy("c", "a", "wanted there"),)))
    start = lines.index("tensors: 25, of which 2 stay as they are")
    assert lines[start + 2] == "    slot0" and lines[start + 22] == "    and 3 more, in the JSON"
    assert lines[start + 23 :] == ["added: 1 tensor", "  wanted there:", "    c", "config:"]


def test_options_are_named_as_the_front_does():
    edits = (ConfigEdit(("train_config", "freeze_variables"), "['a']", "--freeze backbone"),)
    row = "  train_config.freeze_variables: ['a']  ({})"
    assert to_lines(plan(config_edits=edits))[-1] == row.format("freeze='backbone'")
    with asked_by(Front.FLAGS):
        assert to_lines(plan(config_edits=edits))[-1] == row.format("--freeze backbone")
