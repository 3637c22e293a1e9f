"""Flags as people write them: hyphens for underscores, and a misspelt one's neighbour."""

from typing import Callable, Collection, List, Sequence


def spelled(
    words: Sequence[str], flags: Collection[str], refuse: Callable[[str], object]
) -> List[str]:
    """The words with each flag as it is declared; a flag's beginning may stand for it.

    `refuse` is told what is wrong with a word that is no flag.
    """
    out = list(words)
    for number, word in enumerate(words):
        if word == "--":
            break
        if not word.startswith("--"):
            continue
        name, equals, value = word.partition("=")
        known = "--" + name[2:].replace("-", "_")
        if not any(flag.startswith(known) for flag in flags):
            refuse(f"unrecognized arguments: {name}{neighbour(known, flags)}")
        out[number] = known + equals + value
    return out


def neighbour(name: str, known: Collection[str]) -> str:
    """Words for what is known that is spelt like a name."""
    import difflib  # hardly any command needs it

    near = [name.lower()] if name.lower() in known else []
    near = near or difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
