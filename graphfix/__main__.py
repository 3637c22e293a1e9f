"""The `graphfix` command, and python -m graphfix.

The first thing it does is to see to it that no module comes from the current directory.
"""

from graphfix.process import import_path

import_path.settle()

import gc  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402

from graphfix.process import linear_algebra  # noqa: E402

linear_algebra.use_one_thread()

# Starting makes many objects and no garbage: at the default of 700 (2,000 since CPython 3.13), the
# collector would look at all of them several times.
gc.set_threshold(100_000)

# Until the command line heeds Ctrl-C, there is nothing that has to be undone.
if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run() -> None:
    """Runs this process's command line."""
    from graphfix.cli import command_line

    code = command_line.run()
    # Python's end would look through all objects for garbage, several times; the system takes them
    # all at once.  CPython 3.6 cannot be told so.
    if hasattr(gc, "freeze"):
        gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    run()
