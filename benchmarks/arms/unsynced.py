#!/usr/bin/env python3
"""graphfix with fsync made to do nothing, to show what durability costs.

unsynced.py GRAPHFIX_ARGUMENTS...
"""

import os
import sys

os.fsync = lambda handle: None

from graphfix.cli import command_line  # noqa: E402

if __name__ == "__main__":
    sys.exit(command_line.main())
