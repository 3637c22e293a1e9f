"""Jinja2's environment for the report's templates; imported only where a page is rendered.

Compiling the templates takes as long as importing Jinja2, so their bytecode is kept as Python keeps
its own: in __pycache__, if that can be written, and unless Python was told to write no bytecode.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
from typing import Any

import jinja2

from graphfix.process.console import escaped

_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
# What, besides a template's text, its bytecode depends on.
_OPTIONS = {"autoescape": True, "trim_blocks": True, "keep_trailing_newline": True}


def make_environment() -> jinja2.Environment:
    """An environment that escapes every text, and refuses a name that it does not know."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        finalize=_one_line,
        auto_reload=False,
        bytecode_cache=_Bytecode(),
        **_OPTIONS,
    )


def _one_line(value: Any) -> Any:
    """What is written of a value, before HTML's own escaping.  Macros return Markup, a kind of str,
    which is escaped already."""
    return escaped(value) if type(value) is str else value


class _Bytecode(jinja2.BytecodeCache):
    """Each template's bytecode in a file of its own, by the versions of Python and Jinja2."""

    def get_cache_key(self, name: str, filename: Any = None) -> str:
        version = jinja2.__version__.replace(".", "_")
        return importlib.util.cache_from_source(os.path.join(_TEMPLATES, f"{name}-{version}.py"))

    def get_source_checksum(self, source: str) -> str:
        return hashlib.sha256(f"{sorted(_OPTIONS.items())} {source}".encode()).hexdigest()

    def load_bytecode(self, bucket: Any) -> None:
        # Whatever is wrong with the file, the template is compiled, and the file replaced.
        with contextlib.suppress(Exception), open(bucket.key, "rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Any) -> None:
        if sys.dont_write_bytecode:
            return
        temporary = f"{bucket.key}.{os.getpid()}"
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(bucket.key), exist_ok=True)
            with open(temporary, "wb") as file:
                bucket.write_bytecode(file)
            os.replace(temporary, bucket.key)
