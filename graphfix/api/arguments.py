"""What the public functions have in common: their arguments' types, and their errors' spelling."""

import functools
import os
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from graphfix.errors import GraphfixError, RequestError
from graphfix.formats.regular_files import path_text
from graphfix.options import ConvertOptions, Front, spell

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


def path_of(name: str, value: Path) -> str:
    """A path that the argument `name` gives.

    Raises:
      RequestError: it is not one.
    """
    found = path_text(value)
    if found is None:
        raise _wrong(name, value, "give a path, as str or os.PathLike")
    return found


def optional_path(name: str, value: Optional[Path]) -> Optional[str]:
    """The same for an argument that may be left out."""
    return None if value is None else path_of(name, value)


def source_of(value: Union[Path, "Model"]) -> Union[str, "Model"]:
    """A path, or a model that is open."""
    from graphfix.modeldir.openers import Source

    return value if isinstance(value, Source) else path_of("source", value)


def options_of(value: Optional[ConvertOptions]) -> ConvertOptions:
    """The options, or the defaults where none are given."""
    if value is not None and not isinstance(value, ConvertOptions):
        raise _wrong("options", value, "give ConvertOptions(...)")
    return value or ConvertOptions()


def _wrong(name: str, value: object, remedy: str) -> RequestError:
    return RequestError(f"{name}=", f"is {value!r:.80}", remedy)
