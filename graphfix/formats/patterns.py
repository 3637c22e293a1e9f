"""Judges names by the regular expressions of a config as the stock trainers do, in bounded time.

A config's freeze_variables may be any pattern, and Python's `re` tries every way in which a pattern
could match: (([a-z]+/?)+)+! takes it years for a name of forty letters.  Here a pattern is never
run.  The tree that Python's own parser makes of it is walked with the set of all places in the name
that it may have come to by then, as bits of a number, so that no way is gone twice; whether a
pattern matches, which is all that trainers ask, does not depend on which way is tried first.

The trainers run on CPython 3.5 to 3.8 (TensorFlow 1's): what later versions added to the language
(possessive repeats, atomic groups, \\N{...}, \\z) is an error there and so here, whatever runs
graphfix; flags such as (?i) behind the beginning are none.  Python 2.7 takes unknown escapes such
as \\y for letters, where Python 3 stops.

Back references and conditional groups depend on the way taken: such a pattern is not judged, nor is
one that takes more steps than the budget has.

`re` itself gets lost where a repeat can come to a place in one turn and in two: each such place
doubles the ways it tries before it gives up.  The walk notes how many there are (`lost`).
"""

import functools
import re
import warnings
from typing import Callable, Dict, Iterable, List, Tuple

try:
    from re import _parser as parser  # type: ignore
except ImportError:
    import sre_parse as parser

_LONGEST = 4000
# Of the walk, for all names together; real configs take a hundredth.
STEPS = 1 << 21
_TYPES = re.ASCII | re.LOCALE | re.UNICODE
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_LATER = {"POSSESSIVE_REPEAT": "possessive repeats", "ATOMIC_GROUP": "atomic groups"}

# From the set of places that a pattern is tried at to the set that it may end at.
_Node = Callable[["_Walk", int], int]


class BadPattern(ValueError):
    """Not a regular expression to the trainers, which stop at it."""


class Unjudged(ValueError):
    """A pattern that is not judged here, and why."""


class Patterns:
    """Several patterns, of which one has to match.

    Raises BadPattern or Unjudged for the first that is not fit; `match` and `search` raise Unjudged
    where they take more steps than are `left`.
    """

    def __init__(self, texts: Iterable[str], left: int = STEPS):
        self.nodes = [_built(text) for text in texts]
        self.left = left
        self.lost = 0

    def match(self, name: str) -> bool:
        """Whether one of them matches from the name's beginning on, as in re.match."""
        return self._any(name, 1)

    def search(self, name: str) -> bool:
        """Whether one of them matches anywhere in the name, as in re.search."""
        return self._any(name, (2 << len(name)) - 1)

    def _any(self, name: str, places: int) -> bool:
        if not self.nodes:
            return False
        walk = _Walk(name, self.left)
        try:
            if any(node(walk, places) for node in self.nodes):
                return True
            self.lost = max(self.lost, walk.lost)
            return False
        except RecursionError:
            raise Unjudged("it nests too deeply") from None
        finally:
            self.left = walk.left


def check(text: str) -> None:
    """Raises BadPattern or Unjudged where a pattern is not fit."""
    _built(text)


class _Walk:
    """A name, where each kind of letter stands in it, and how many steps may still be taken."""

    def __init__(self, name: str, left: int):
        self.name, self.left = name, left
        self.lost = 0
        self.whole = (2 << len(name)) - 1
        self.masks: Dict[Callable, int] = {}
        self.rows: Dict[_Node, Dict[int, int]] = {}

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unjudged("it takes too many steps")

    def where(self, test: Callable) -> int:
        """The places whose letter passes a test."""
        mask = self.masks.get(test)
        if mask is None:
            mask = sum(1 << place for place, letter in enumerate(self.name) if test(letter))
            self.masks[test] = mask
            self.left -= len(self.name) >> 3
        return mask


@functools.lru_cache(maxsize=256)
def _built(text: str) -> _Node:
    if len(text) > _LONGEST:
        raise Unjudged(f"it has more than {_LONGEST} letters")
    later = [found for found in re.findall(r"\\(.)", text, re.DOTALL) if found in "Nz"]
    if later:
        raise BadPattern(f"bad escape \\{later[0]}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parsed(text)
        state = getattr(tree, "state", None) or tree.pattern
        return _sequence(tree, state.flags)
    except re.error as error:
        raise BadPattern(str(error)) from None
    except OverflowError as error:
        raise BadPattern(str(error)) from None
    except RecursionError:
        raise Unjudged("it nests too deeply") from None


def _parsed(text: str):
    """The tree of a pattern.  Since Python 3.11 flags have to come first; before, they could stand
    anywhere, and meant the same there."""
    while True:
        try:
            return parser.parse(text)
        except re.error as error:
            if "global flags not at the start" not in error.msg:
                raise
            end = text.index(")", error.pos) + 1
            text = text[error.pos : end] + text[: error.pos] + text[end:]


def _sequence(items, flags: int) -> _Node:
    nodes = [_node(str(kind), value, flags) for kind, value in items]

    def walk(state: _Walk, places: int) -> int:
        for node in nodes:
            state.step()
            places = node(state, places)
            if not places:
                return 0
        return places

    return nodes[0] if len(nodes) == 1 else walk


def _node(kind: str, value, flags: int) -> _Node:
    if kind in _LATER:
        raise BadPattern(f"Python has {_LATER[kind]} from 3.11 on only")
    if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
        return _letter(_test(kind, value, flags))
    if kind == "BRANCH":
        return _branch([_sequence(one, flags) for one in value[1]])
    if kind == "SUBPATTERN":
        _, added, removed, inner = value
        if added & _TYPES:
            raise Unjudged("it changes what letters are, for a part of itself")  # re.search errs
        return _sequence(inner, (flags | added) & ~removed)
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = value
        low, high = inner.getwidth()
        if least > _LONGEST and not low:
            raise Unjudged(f"it repeats what may be nothing at least {least} times")
        return _repeat(int(least), int(most), _sequence(inner, flags), int(low) != int(high))
    if kind == "AT":
        return _at(str(value), flags)
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _assertion(value, kind == "ASSERT", flags)
    if kind == "FAILURE":
        return lambda state, places: 0
    raise Unjudged(f"what it matches depends on what it has matched ({kind.lower()})")


def _letter(test: Callable) -> _Node:
    return lambda state, places: (places & state.where(test)) << 1


def _test(kind: str, value, flags: int) -> Callable:
    if kind == "LITERAL" and not flags & re.IGNORECASE:
        return _equal(chr(value))
    if kind == "ANY":
        text = "."
    else:
        items = value if kind == "IN" else [(kind, value)]
        # Where case does not count, `re` makes a table of a range.
        if flags & re.IGNORECASE and any(
            str(one) == "RANGE" and what[1] - what[0] > 0x2FF for one, what in items
        ):
            raise Unjudged("it has a large range of letters without regard to case")
        text = "[" + "".join(_item(str(one), what) for one, what in items) + "]"
    return _class(text, flags & (re.IGNORECASE | re.ASCII | re.DOTALL))


@functools.lru_cache(maxsize=256)
def _equal(letter: str) -> Callable:
    return letter.__eq__


@functools.lru_cache(maxsize=256)
def _class(text: str, flags: int) -> Callable:
    return re.compile(text, flags).match


def _item(kind: str, value) -> str:
    if kind == "NEGATE":
        return "^"
    if kind == "RANGE":
        first, last = value
        return f"\\U{first:08x}-\\U{last:08x}"
    if kind == "CATEGORY":
        return _CATEGORIES[str(value)]
    return ("^" if kind == "NOT_LITERAL" else "") + f"\\U{value:08x}"


def _branch(nodes: List[_Node]) -> _Node:
    def walk(state: _Walk, places: int) -> int:
        found = 0
        for node in nodes:
            state.step()
            found |= node(state, places)
        return found

    return walk


def _repeat(least: int, most: int, inner: _Node, varies: bool) -> _Node:
    if varies and most > 1:
        inner = _by_place(inner)

    def walk(state: _Walk, places: int) -> int:
        # A turn moves on or stays: after as many as there are places, one more changes nothing.
        for _ in range(min(least, len(state.name) + 2)):
            state.step()
            places = inner(state, places)
        found = new = places
        for _ in range(min(most - least, len(state.name) + 2)):
            state.step()
            new = inner(state, new) & ~found
            if not new:
                break
            found |= new
        return found

    return walk


def _by_place(node: _Node) -> _Node:
    """A node within a repeat that may repeat within: what it comes to from each place is found out
    once.  Notes how many places there are to which one turn leads and two do as well."""

    def walk(state: _Walk, places: int) -> int:
        rows = state.rows.setdefault(node, {})
        found = 0
        while places:
            place = places.bit_length() - 1
            places ^= 1 << place
            if place not in rows:
                state.step()
                rows[place] = node(state, 1 << place)
                once = rows[place] >> place + 1 << place + 1
                if once:
                    twice = walk(state, once) & once
                    state.lost = max(state.lost, bin(twice).count("1"))
            found |= rows[place]
        return found

    return walk


def _at(kind: str, flags: int) -> _Node:
    word = _class(r"\w", flags & re.ASCII)

    def line_starts(state: _Walk) -> int:
        return 1 | state.where(_equal("\n")) << 1

    def line_ends(state: _Walk) -> int:
        return 1 << len(state.name) | state.where(_equal("\n"))

    def end(state: _Walk) -> int:
        last = len(state.name)
        return 1 << last | (1 << last - 1 if state.name.endswith("\n") else 0)

    def boundary(state: _Walk) -> int:
        words = state.where(word)
        return (words ^ words << 1) & state.whole

    several = flags & re.MULTILINE
    places_of = {
        "AT_BEGINNING": line_starts if several else lambda state: 1,
        "AT_BEGINNING_STRING": lambda state: 1,
        "AT_END": line_ends if several else end,
        "AT_END_STRING": lambda state: 1 << len(state.name),
        "AT_BOUNDARY": boundary,
        "AT_NON_BOUNDARY": lambda state: state.whole & ~boundary(state) if state.name else 0,
    }[kind]
    return lambda state, places: places & places_of(state)


def _assertion(value: Tuple, wanted: bool, flags: int) -> _Node:
    direction, inner = value
    width = 0
    if direction < 0:
        width, most = inner.getwidth()
        if width != most:
            raise BadPattern("look-behind requires fixed-width pattern")
    node = _sequence(inner, flags)

    def holds(state: _Walk, place: int) -> bool:
        state.step()
        if direction > 0:
            return bool(node(state, 1 << place))
        return place >= width and bool(node(state, 1 << place - width) >> place & 1)

    def walk(state: _Walk, places: int) -> int:
        return sum(
            1 << place
            for place in range(len(state.name) + 1)
            if places >> place & 1 and holds(state, place) == wanted
        )

    return walk
