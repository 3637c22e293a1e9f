"""Makes the setups in broken/: each a config that does not train, and the files beside it.

    PYTHONPATH=.. python make_broken.py [DIRECTORY]      (in testdata/; default: broken)

A case is a directory: pipeline.config, whatever of label maps, records and checkpoints it breaks,
and expected.json: the code of the finding that comes first, the flags of `graphfix doctor`, and
whether --fix cures it.  Paths in the configs start at testdata/.  All are one healthy setup with
one thing changed, modelled on what people report; broken_setups/ has both.

Every run writes the same values, and tests compare the files with them.
"""

import functools
import os
import sys

from broken_setups import (
    cases_of_building,
    cases_of_checkpoint,
    cases_of_config,
    cases_of_labels,
    cases_of_model_dir,
    cases_of_paths,
    cases_of_records,
    cases_of_training,
)
from broken_setups.setup import Case

GROUPS = (
    cases_of_config,
    cases_of_building,
    cases_of_paths,
    cases_of_checkpoint,
    cases_of_model_dir,
    cases_of_labels,
    cases_of_records,
    cases_of_training,
)


def main(directory="broken"):
    for group in GROUPS:
        for case in group.cases(functools.partial(Case, directory)):
            case.write()
            damage(case)


def damage(case):
    """Does to a written checkpoint what no writer does."""
    path = os.path.join(case.directory, "model.ckpt.data-00000-of-00001")
    if case.name == "checkpoint_without_data":
        os.remove(path)
    elif case.name == "checkpoint_corrupt":
        with open(path, "rb+") as file:
            file.write(b"\x7f")
    elif case.name == "checkpoint_truncated":
        with open(path, "rb+") as file:
            file.truncate(os.path.getsize(path) // 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
