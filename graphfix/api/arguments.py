"""Arguments that are a path or an object."""

from typing import TYPE_CHECKING, Optional, Union

from graphfix.options import ConvertOptions
from graphfix.values import Path, path_of, wrong

if TYPE_CHECKING:
    from graphfix.modeldir.openers import Model


def source_of(value: Union[Path, "Model"]) -> Union[str, "Model"]:
    """A path, or a model that is open."""
    from graphfix.modeldir.openers import Model

    return value if isinstance(value, Model) else path_of("source", value)


def options_of(value: Optional[ConvertOptions]) -> ConvertOptions:
    """The options, or the defaults where none are given."""
    if value is not None and not isinstance(value, ConvertOptions):
        raise wrong("options", value, "give ConvertOptions(...)")
    return value or ConvertOptions()
