"""Checks of the values that a person gives, whatever the front: each returns its value in the type
that graphfix works with, or raises a RequestError that names the option or argument."""

import os
from typing import Any, Callable, Optional, Sequence, Tuple, Type, TypeVar, Union

from graphfix.choices import Choice
from graphfix.errors import RequestError

Path = Union[str, "os.PathLike[str]"]
_Choice = TypeVar("_Choice", bound=Choice)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def path_of(name: str, value: Path) -> str:
    """A path that a file can have.

    Raises:
      RequestError: it is not one.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise wrong(name, value, "give a path, as str or os.PathLike")
    if not encodes(text):
        raise wrong(name, text, "give the path of a file or directory")
    return text


def optional_path(name: str, value: Optional[Path]) -> Optional[str]:
    """The same for one that may be left out."""
    return None if value is None else path_of(name, value)


def paths_of(name: str, value: Union[Path, Sequence[Path]]) -> Tuple[str, ...]:
    """Several paths; a single one is a list of it alone."""
    if isinstance(value, (str, os.PathLike)):
        return (path_of(name, value),)
    return tuple(path_of(name, one) for one in _listed(name, value, "give a list of paths"))


def text_of(name: str, value: str) -> str:
    """A text that says something."""
    if not isinstance(value, str) or not encodes(value):
        raise wrong(name, value, "give a text, as str")
    return value


def texts_of(name: str, value: Sequence[str], form: str) -> Tuple[str, ...]:
    """Several texts, each of a form, which a message calls them by."""
    remedy = f"give a list of {form} texts"
    if isinstance(value, str):
        raise wrong(name, value, remedy)
    texts = _listed(name, value, remedy)
    if not all(isinstance(one, str) for one in texts):
        raise wrong(name, value, remedy)
    return texts


def names_of(name: str, value: Union[str, Sequence[str]], most: int) -> Tuple[str, ...]:
    """Names, each another, in one text or several, with commas between them."""
    texts = texts_of(name, (value,) if isinstance(value, str) else value, "NAME,NAME")
    names = tuple(one.strip() for text in texts for one in text.split(","))
    if texts and (not all(map(encodes, names)) or len(set(names)) < len(names)):
        raise wrong(name, ",".join(texts), "give each class a name of its own, with commas between")
    if len(names) > most:
        raise RequestError(f"--{name}", f"has {len(names)} names", f"give at most {most}")
    return names


def flag_of(name: str, value: bool) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise wrong(name, value, "give True or False")
    return value


def number_of(
    name: str, value: int, least: Optional[int] = None, most: Optional[int] = None
) -> int:
    """A whole number, also of NumPy's types, within bounds."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise RequestError(
            f"--{name}", f"is {value!r:.80}, which is not a whole number", "give a whole number"
        )
    number = value.__index__()
    if (least is not None and number < least) or (most is not None and number > most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most}"
        raise RequestError(f"--{name}", f"is {number}", f"give a number {bounds}")
    return number


def choice_of(name: str, value: Union[str, _Choice], choices: Type[_Choice]) -> _Choice:
    """One of an option's choices, or its text."""
    try:
        return choices(value)
    except ValueError:
        remedy = "give one of " + ", ".join(one.value for one in choices)
        raise wrong(name, value, remedy) from None


def function_of(name: str, value: Optional[_Function]) -> Optional[_Function]:
    """A function to call, or None."""
    if value is not None and not callable(value):
        raise wrong(name, value, "give a function, or leave it out")
    return value


def wrong(name: str, value: object, remedy: str) -> RequestError:
    return RequestError(f"--{name}", f"is {value!r:.80}", remedy)


def _listed(name: str, value: Any, remedy: str) -> Tuple[Any, ...]:
    """What a list, or anything else to iterate over, holds; it may be gone through once only."""
    if isinstance(value, (bytes, bytearray, memoryview, dict)):
        raise wrong(name, value, remedy)
    try:
        return tuple(value)
    except TypeError:
        raise wrong(name, value, remedy) from None


def encodes(text: str) -> bool:
    """Whether a text says something, and the name of a file or a tensor can have it: no NUL, and of
    halves of surrogate pairs only those that stand for undecodable bytes."""
    try:
        return bool(os.fsencode(text)) and "\0" not in text
    except UnicodeEncodeError:
        return False
