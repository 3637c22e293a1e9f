"""What `--map` means: which old classes a new class is made of, by name or id."""

import re
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from graphfix.detectors.spellings import MISSPELT, suggestions
from graphfix.errors import Problem, RequestError
from graphfix.pipeline_config.label_map import LabelMap

# What people write instead of = and +.
_ARROW, _COMMA = re.compile("->|=>|:"), re.compile("[,;&]")
_PLUS = re.compile(r"\s*[+,;&]\s*")


class Side:
    """The classes a name in a --map may stand for: the new model's or the old one's."""

    def __init__(self, kind: str, labels: Optional[LabelMap], count: int, unnamed_remedy: str):
        self.kind = kind
        self.labels = labels
        self.count = count
        self.unnamed_remedy = unnamed_remedy
        # How many pieces between + a name may have.
        self.widest = 1 + max(
            [name.count("+") for label in labels.labels for name in label.names] if labels else [0]
        )

    def ids(self, name: str) -> Tuple[int, ...]:
        """The ids a name or a number stands for: one where all is well, none, or several."""
        found = self.labels.matches(name) if self.labels else ()
        if not found and re.match(r"\s*[0-9]{1,8}\s*\Z", name) and 1 <= int(name) <= self.count:
            return (int(name),)
        return tuple(label.id for label in found)

    def near(self, name: str) -> List[str]:
        """The classes that a misspelt name may mean, the likeliest first."""
        return suggestions((name,), self.labels, MISSPELT) if self.labels else []

    def corrected(self, name: str) -> Optional[str]:
        """A name if it stands for one class, else that of the likeliest, if any."""
        return name if len(self.ids(name)) == 1 else next(iter(self.near(name)), None)

    def problem(self, flag: str, name: str) -> Problem:
        several = self.ids(name)
        if several:
            return Problem(
                flag,
                f"names '{name}', which fits several {self.kind} classes",
                "give the id that is meant: " + " or ".join(map(str, several)),
            )
        if self.labels is None:
            remedy = self.unnamed_remedy
        else:
            near = self.near(name)
            remedy = (
                f"did you mean '{near[0]}'?"
                if near
                else f"give a name or id from the {self.kind} label map"
            )
        return Problem(flag, f"names '{name}', which is not a {self.kind} class", remedy)


def mapped(mappings: Sequence[str], new: Side, old: Side) -> Dict[int, Tuple[int, ...]]:
    out: Dict[int, Tuple[int, ...]] = {}
    problems: List[Problem] = []
    for mapping in mappings:
        flag = f"--map '{mapping}'"
        name, parts = _split(mapping, new, old)
        if "=" not in mapping or not _fits(name, parts, new, old):
            meant = _meant(mapping, new, old)
            if meant:
                problems.append(Problem(flag, *meant))
                continue
        if "=" not in mapping:
            problems.append(Problem(flag, "has no '='", "write new=old"))
            continue
        ids = new.ids(name)
        if len(ids) != 1:
            problems.append(new.problem(flag, name))
        elif ids[0] in out:
            problems.append(
                Problem(flag, f"maps '{name}' a second time", "leave one --map for each new class")
            )
        sources = [old.ids(part) for part in parts]
        problems += [
            old.problem(flag, part) for part, found in zip(parts, sources) if len(found) != 1
        ]
        taken = tuple(found[0] for found in sources if len(found) == 1)
        if len(set(taken)) < len(taken):
            problems.append(Problem(flag, "names an old class twice", "name each once"))
        if len(ids) == 1:
            out[ids[0]] = taken
    if problems:
        raise RequestError.collected(problems)
    return out


def _fits(name: str, parts: Sequence[str], new: Side, old: Side) -> bool:
    return len(new.ids(name)) == 1 and all(len(old.ids(part)) == 1 for part in parts)


def _meant(mapping: str, new: Side, old: Side) -> Optional[Tuple[str, str]]:
    """What is wrong with a mapping and how it is written, where it can be read some other way."""
    several = [_pieces(mapping)] if mapping.count("=") > 1 else []
    for pieces in several:
        if all("=" in piece and _fits(*_split(piece, new, old), new, old) for piece in pieces):
            right = " ".join(f"--map '{piece}'" for piece in pieces)
            return "is several mappings", f"write {right}"
    for left, right in _halves(mapping):
        for name, rest in ((left, right), (right, left)):
            if name == left and "=" in mapping and not _COMMA.search(rest):
                continue  # as it is written
            parts = _parts(rest, old) or _pieces(rest)
            if rest and name and _fits(name, parts, new, old):
                if name == right:
                    wrong = f"is the wrong way round: '{name}' is the new class"
                elif "=" not in mapping:
                    wrong = "has no '='"
                else:
                    wrong = "joins source classes by something else than '+'"
                return wrong, f"write --map '{name}={'+'.join(parts)}'"
    return None if "=" in mapping and not _COMMA.search(mapping) else _misspelt(mapping, new, old)


def _misspelt(mapping: str, new: Side, old: Side) -> Optional[Tuple[str, str]]:
    """The same for a mapping in another notation that has misspelt names, too."""
    for left, right in _halves(mapping):
        name = new.corrected(left)
        parts = [old.corrected(piece) for piece in _PLUS.split(right)]
        if name and all(parts):
            joined = "+".join(part for part in parts if part)
            return "is no mapping of classes", f"did you mean --map '{name}={joined}'?"
    return None


def _pieces(text: str) -> List[str]:
    return [piece.strip() for piece in _COMMA.split(text)]


def _halves(mapping: str) -> Iterator[Tuple[str, str]]:
    """What is left and right of a mapping's sign, whichever it is."""
    for sign in [*re.finditer("=", mapping), *_ARROW.finditer(mapping)]:
        yield mapping[: sign.start()].strip(), mapping[sign.end() :].strip()


def _split(mapping: str, new: Side, old: Side) -> Tuple[str, List[str]]:
    """A mapping's new name and old names.  Names may hold = and + themselves, so what they mean
    decides where it is split; where nothing fits, the first = and every +."""
    places = [number for number, letter in enumerate(mapping) if letter == "="]
    for place in places:
        name, parts = mapping[:place], _parts(mapping[place + 1 :], old)
        if new.ids(name) and parts is not None:
            return name, parts
    name, _, rest = mapping.partition("=")
    return name, rest.split("+") if rest.strip() else []


def _parts(text: str, old: Side) -> Optional[List[str]]:
    """The old names that a text joins by +, the longest first; None where they are not names."""
    if not text.strip():
        return []
    pieces = text.split("+")
    fitting: Dict[int, List[str]] = {len(pieces): []}
    for start in reversed(range(len(pieces))):
        for stop in range(min(len(pieces), start + old.widest), start, -1):
            name = "+".join(pieces[start:stop])
            if stop in fitting and old.ids(name):
                fitting[start] = [name] + fitting[stop]
                break
    return fitting.get(0)
