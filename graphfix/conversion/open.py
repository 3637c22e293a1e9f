"""Opens what a conversion is given, or a description."""

from typing import Union

from graphfix.errors import RequestError
from graphfix.modeldir.openers import Model, open_source
from graphfix.options import ConvertOptions


def opened(source: Union[str, Model], options: ConvertOptions) -> Model:
    """The model that a path means, or the one that is given.

    Raises:
      GraphfixError: it is damaged, or not understood.
    """
    if isinstance(source, str):
        return open_source(source, config_path=options.pipeline_config_path)
    if options.pipeline_config_path is not None:
        raise RequestError(
            "--pipeline_config_path",
            "is given for a model that is open already",
            "give it to open_model",
        )
    return source
