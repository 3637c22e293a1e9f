#!/usr/bin/env python3
"""graphfix with fsync made to do nothing, to show what durability costs.

unsynced.py GRAPHFIX_ARGUMENTS...
"""

import os

os.fsync = lambda handle: None

from graphfix.__main__ import run  # noqa: E402

if __name__ == "__main__":
    run()
