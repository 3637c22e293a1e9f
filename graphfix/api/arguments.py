"""What the public functions have in common: their arguments' types, and their errors' spelling."""

import functools
import os
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from graphfix.errors import GraphfixError
from graphfix.options import Front, spell

if TYPE_CHECKING:
    from graphfix.modeldir.openers import Source as Model

Path = Union[str, "os.PathLike[str]"]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def public(function: _Function) -> _Function:
    """A function whose errors spell options as Python's arguments."""

    @functools.wraps(function)
    def called(*args: Any, **more: Any) -> Any:
        try:
            return function(*args, **more)
        except GraphfixError as error:
            spell(error, Front.PYTHON)
            raise

    return called  # type: ignore[return-value]


def text(path: Optional[Path]) -> Optional[str]:
    return None if path is None else os.fspath(path)


def source_of(source: Union[Path, "Model"]) -> Union[str, "Model"]:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else source
