"""What `stock_api/stock_environment.py` saw of a Python and its machine, and what is said of it."""

import re
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

Facts = Dict[str, Any]


class Row(NamedTuple):
    """One thing: `severity` is None where nothing is wrong, `remedy` then empty."""

    thing: str
    found: str
    needed: str = ""
    severity: Optional[str] = None
    remedy: str = ""


Rows = Tuple[Callable[[Facts], Iterator[Row]], ...]


def minor_of(facts: Facts) -> int:
    major, minor = numbers(facts["python"]["version"])[:2]
    return minor if major == 3 else 99 if major > 3 else 0


def version_of(facts: Facts, *names: str) -> str:
    """The version installed of the first of the distributions that is; "" where none is."""
    return next(
        (facts["distributions"][one][0] for one in names if one in facts["distributions"]), ""
    )


def numbers(version: str) -> Tuple[int, ...]:
    """What a version begins with, up to three numbers."""
    return tuple(map(int, re.findall(r"\d+", version.split("+")[0])[:3]))
