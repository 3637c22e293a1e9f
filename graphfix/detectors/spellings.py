"""What COCO's classes are called elsewhere: by Pascal VOC, Open Images and people.

To suggest, never to take: a "table" need not be a dining table.  A row has COCO's name first.
COCO's own Knowledge Graph ids stand in coco.py; where Open Images has another one for the same
thing, it is here.
"""

import difflib
import functools
import re
from typing import Dict, FrozenSet, Iterable, List

from graphfix.detectors import coco
from graphfix.pipeline_config.label_map import LabelMap, fold, made_up

_MOST = 3
# How alike a name that is certainly misspelt is to the one that is meant, and that to another's.
MISSPELT, _ALIKE = 0.6, 0.8
_ROWS = """
person: human, people, pedestrian
bicycle: bike
car: automobile
motorcycle: motorbike
airplane: aeroplane, plane, /m/0cmf2
truck: lorry
traffic light: traffic signal
fire hydrant: hydrant
cow: cattle
backpack: rucksack
handbag: purse
tie: necktie
frisbee: flying disc
skis: ski
sports ball: ball
tennis racket: racket, tennis racquet, /m/0h8my_4
cup: coffee cup, /m/02p5f1q
donut: doughnut
couch: sofa
potted plant: houseplant
dining table: table, kitchen & dining room table, /m/0h8n5zk
tv: television, tv monitor, tvmonitor
mouse: computer mouse
remote: remote control
keyboard: computer keyboard
cell phone: mobile phone, mobile, smartphone
microwave: microwave oven
refrigerator: fridge
hair drier: hair dryer
teddy bear: teddy
"""


def same_thing(name: str, labels: LabelMap) -> List[str]:
    """The display names of the labels that are usually the same thing as a name."""
    meant = _groups().get(_joined(name))
    if not meant:
        return []
    return [
        label.display_name
        for label in labels.labels
        if any(_joined(own) in meant for own in label.names)
    ]


def suggestions(names: Iterable[str], labels: LabelMap, alike: float = _ALIKE) -> List[str]:
    """The display names of the labels that names may stand for: the same thing elsewhere, or
    nearly the same name (`alike`: MISSPELT where the name is known to be wrong); never one that
    graphfix made up."""
    found = []
    for name in names:
        found += same_thing(name, labels)
        # Two Knowledge Graph ids that are nearly the same have nothing in common.
        if not name.startswith("/m/"):
            found += labels.near(name, alike)
            others = difflib.get_close_matches(_joined(name), sorted(_groups()), 1, _ALIKE)
            found += [one for other in others for one in same_thing(other, labels)]
    return [
        one
        for one in dict.fromkeys(found)
        if not any(label == made_up(label.id) for label in labels.matches(one))
    ][:_MOST]


def _joined(name: str) -> str:
    """A name without case and without the gaps between its words."""
    return re.sub(r"\s", "", fold(name))


@functools.lru_cache(maxsize=None)
def _groups() -> Dict[str, FrozenSet[str]]:
    """All names of a thing, by each of them."""
    others: Dict[str, List[str]] = {}
    for row in _ROWS.strip().splitlines():
        name, _, rest = row.partition(": ")
        others[name] = rest.split(", ")
    groups: Dict[str, FrozenSet[str]] = {}
    for label in coco.LABEL_MAP.labels:
        names = [*label.names, *others.pop(label.display_name, ())]
        group = frozenset(map(_joined, names))
        groups.update(dict.fromkeys(group, group))
    assert not others, others
    return groups
