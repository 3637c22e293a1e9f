#!/usr/bin/env python3
"""graphfix with fsync made to do nothing, to show what durability costs.

unsynced.py GRAPHFIX_ARGUMENTS...
"""

import os
import sys

os.fsync = lambda handle: None

from graphfix import cli

if __name__ == "__main__":
    sys.exit(cli.main())
