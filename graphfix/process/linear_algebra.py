"""One thread for NumPy's linear algebra: nothing here multiplies matrices.

OpenBLAS starts a thread for each further processor as soon as NumPy is imported.  They spin before
they sleep: a fifth of the processor time of a small conversion.  Whoever says how many there are to
be is heeded, and the stock API, whose code is not ours, gets the environment as it was given.
"""

import os
from typing import Dict

_THREADS = "OPENBLAS_NUM_THREADS"
_set_here = False


def use_one_thread() -> None:
    """Asks for it, before NumPy is imported."""
    global _set_here
    if _THREADS not in os.environ:
        os.environ[_THREADS] = "1"
        _set_here = True


def given_environment() -> Dict[str, str]:
    """This process's environment as it was given."""
    return {name: value for name, value in os.environ.items() if name != _THREADS or not _set_here}
