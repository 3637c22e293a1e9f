"""Where modules are taken from: Python's own directories, never the current one.

`python -m` puts the current directory before all others, an empty entry of PYTHONPATH means it
too, and PYTHONPATH's other entries come before the standard library.  So a signal.py that lies
somewhere could be run instead of Python's.  The commands begin with `settle`, and the processes
they start get `settled` paths.

Of PYTHONPATH's entries those stay, behind all others, that hold what graphfix needs and no other
directory has.  Where the stock API is, is not looked for here (see stock_api/api_revision.py).
What Python imports before it comes to graphfix is beyond it; `python -I` leaves PYTHONPATH alone.

Imports nothing that Python has not loaded by itself.
"""

import os
import sys

PACKAGES = ("numpy", "google", "crc32c", "dataclasses", "absl", "jinja2", "markupsafe")
_SITE = ("site-packages", "dist-packages")


def settle():
    """Takes the places away from `sys.path` that modules must not come from.

    The package itself stays importable, wherever it is: it is loaded already, and knows its place.
    """
    sys.path[:] = settled(sys.path)


def settled(path):
    """A module search path without the current directory, and with PYTHONPATH's entries last."""
    named = set(map(_place, named_directories()))
    try:
        current = _place(os.getcwd())
    except OSError:  # somebody removed it
        current = None
    own, last = [], []
    for entry in path:
        if not os.path.isabs(entry):
            continue
        if _place(entry) in named:
            last.append(entry)
        elif _place(entry) != current or _is_pythons(entry):
            own.append(entry)
    missing = (
        [name for name in PACKAGES if not any(_holds(entry, name) for entry in own)] if last else []
    )
    return own + [
        entry
        for entry in last
        if _is_pythons(entry) or any(_holds(entry, name) for name in missing)
    ]


def named_directories():
    """The directories that PYTHONPATH names: without empty entries, which mean the current one."""
    if sys.flags.ignore_environment:
        return []
    found = []
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        try:
            if entry and os.path.normpath(entry) != os.curdir:
                found.append(os.path.abspath(entry))
        except OSError:  # it is relative to a directory that somebody removed
            pass
    return found


def _place(entry):
    return os.path.normcase(os.path.realpath(entry))


def _is_pythons(entry):
    return os.path.basename(entry) in _SITE or _place(entry) == _place(os.path.dirname(os.__file__))


def _holds(entry, name):
    """Whether a module or package `name` is in a directory."""
    try:
        return any(one == name or one.startswith(name + ".") for one in os.listdir(entry))
    except OSError:
        return False
