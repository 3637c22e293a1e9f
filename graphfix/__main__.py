"""python -m graphfix"""

from graphfix.cli import run

run()
