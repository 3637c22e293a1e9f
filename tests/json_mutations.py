"""Seeded mutations of JSON data: keys and items removed, doubled, exchanged; other values."""

import contextlib
import copy
import json

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    7,
    0.5,
    -0.0,
    1e-300,
    1e39,
    1e308,
    -1e308,
    10**20,
    1 << 31,
    1 << 62,
    "",
    "x",
    "drop",
    "keep",
    "gather",
    "mean",
    "noise",
    "{}",
    "[1]",
    "-1",
    "1e999",
    "\u0000",
    "\udc80",
    "a" * 3000,
    [],
    {},
    [1],
    [""],
    [[]],
    [0.0, 0.0],
    {"edit": "keep"},
]


def places(data, steps=()):
    """Every value's place below the outermost."""
    rows = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in rows:
        yield steps + (key,)
        if isinstance(value, (dict, list)):
            yield from places(value, steps + (key,))


def short(data, pick):
    """A plan with few of its indexes' numbers looked at, so that other places come up, too."""
    found = [place for place in places(data) if not (len(place) > 3 and isinstance(place[-1], int))]
    numbers = [place for place in places(data) if len(place) > 3 and isinstance(place[-1], int)]
    return found + pick.sample(numbers, min(len(numbers), len(found) // 2))


def mutate(data, found, pick):
    """Changes data somewhere."""
    place = pick.choice(found)
    holder = data
    for step in place[:-1]:
        holder = holder[step]
    key, value = place[-1], holder[place[-1]]
    kind = pick.randrange(7)
    if kind == 0:
        del holder[key]
    elif kind == 1 and type(value) in (int, float):
        holder[key] = value + pick.choice([-2, -1, 1, 2, 0.5, value])
    elif kind == 2 and isinstance(holder, list):
        other = pick.randrange(len(holder))
        holder[key], holder[other] = holder[other], holder[key]
    elif kind == 3 and isinstance(holder, list):
        holder.insert(pick.randrange(len(holder)), copy.deepcopy(value))
    elif kind == 4:
        # What stands somewhere under the same key, or in a list of the same kind.
        alike = [
            one
            for one in found
            if len(one) == len(place)
            and one[0] == place[0]
            and type(one[-1]) is type(key)
            and (isinstance(key, int) or one[-1] == key)
        ]
        other = data
        for step in pick.choice(alike):
            other = other[step]
        holder[key] = copy.deepcopy(other)
    elif kind == 5 and isinstance(value, str) and value:
        at = pick.randrange(len(value))
        holder[key] = value[:at] + pick.choice("xX/_0 {}\"'#\n") + value[at + pick.randrange(2) :]
    else:
        holder[key] = pick.choice(VALUES)


def mutated(text, found, pick, times=(1, 1, 1, 2)):
    """The data of a JSON text with some of the places `found` changed."""
    data = json.loads(text)
    for _ in range(pick.choice(times)):
        # The first one may have taken the second one's place away.
        with contextlib.suppress(KeyError, IndexError, TypeError):
            mutate(data, found, pick)
    return data
