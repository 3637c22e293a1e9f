"""Python's collector of garbage, in a process that does one piece of work and ends.

It would look at all objects several times while the process starts, which makes many and no
garbage, and again at its end, when the system takes them all at once.
"""

import gc


def begin() -> None:
    """Has it look seldom: at its own 700 new objects (2,000 since CPython 3.13), starting alone
    would keep it busy."""
    gc.set_threshold(100_000)


def end() -> None:
    """Before the process ends: nothing is looked through any more.  CPython 3.6 cannot be told
    so."""
    if hasattr(gc, "freeze"):
        gc.freeze()
