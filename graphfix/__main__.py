"""The `graphfix` command, and python -m graphfix.

The first thing it does is to see to it that no module comes from the current directory.
"""

from graphfix import import_path

import_path.settle()


def run() -> None:
    """Runs this process's command line."""
    from graphfix import cli
    cli.run()


if __name__ == "__main__":
    run()
