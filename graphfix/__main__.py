"""The `graphfix` command, and python -m graphfix.

The first thing it does is to see to it that no module comes from the current directory.
"""

from graphfix.process import import_path

import_path.settle()

import signal  # noqa: E402
import sys  # noqa: E402

from graphfix.process import collector, linear_algebra  # noqa: E402

linear_algebra.use_one_thread()
collector.begin()

# Until the command line heeds Ctrl-C, there is nothing that has to be undone.
if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run() -> None:
    """Runs this process's command line."""
    from graphfix.cli import command_line

    code = command_line.run()
    collector.end()
    sys.exit(code)


if __name__ == "__main__":
    run()
