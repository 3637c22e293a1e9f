"""manifest.json: what graphfix published in a directory, file by file and tensor by tensor.

    {"checksum": SHA-256 of all that follows this line,
     "format": 1, "graphfix": VERSION,
     "files": {PATH: {"size", "crc32c", "sum64"}},       of a checkpoint's data file the size alone:
     "directories": [PATH],                              its tensors are its bytes
     "checkpoints": {PREFIX: {TENSOR: {"dtype", "shape", "crc32c", "sum64"}}},
     "model": the ModelSpec that config and checkpoint describe as, or null,
     "made_of": what a batch made it of, or null,
     "pending": {PATH: as in "files"}}                   new contents that a run was writing

It does two jobs.  It is the record of ownership: a directory whose manifest has the right checksum
is graphfix's, and of the files in it those that are listed (`ownership`).  And it records the files
as they were published, so that `verify` notices every difference.

The figures are a CRC-32C and a sum (`formats.checksum`), 96 bits that cost no more than reading.  A
cryptographic digest would take three times as long and prove no more: whoever can change a file can
change the manifest next to it.  A golden file, which is kept elsewhere, protects against that, and
has SHA-256 (`comparison.golden`).
"""

import dataclasses
import hashlib
import json
import os
import re
import stat
from typing import Any, Dict, Mapping, Optional, Tuple

from graphfix import __version__
from graphfix.detectors.describe import ModelSpec
from graphfix.errors import SourceError
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.measuring import Content, Measured, Tensor, measure
from graphfix.modeldir.names import MANIFEST

FORMAT = 1
_LIMIT = 64 << 20
_HEX = re.compile(r"[0-9a-f]+\Z")
_REMEDY = "make the directory again"
_ENCODE = json.JSONEncoder(sort_keys=True).encode  # json.dumps makes an encoder each time


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of a manifest.json; paths are relative to its directory, with slashes."""

    files: Mapping[str, Content]
    directories: Tuple[str, ...]
    checkpoints: Mapping[str, Mapping[str, Tensor]]
    model: Optional[Dict[str, Any]] = None
    made_of: Optional[Dict[str, Any]] = None
    pending: Mapping[str, Content] = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        data = {
            "format": FORMAT,
            "graphfix": __version__,
            "files": {name: _row(one) for name, one in self.files.items()},
            "directories": list(self.directories),
            "checkpoints": {
                prefix: {name: _row(one) for name, one in tensors.items()}
                for prefix, tensors in self.checkpoints.items()
            },
            "model": self.model,
            "made_of": self.made_of,
            "pending": {name: _row(one) for name, one in self.pending.items()},
        }
        body = (
            ",\n".join(
                f"{json.dumps(name)}: {_lines(value)}" for name, value in sorted(data.items())
            )
            + "}\n"
        )
        checksum = _checksum(body.encode("ascii"))
        return f'{{"checksum": "{checksum}",\n{body}'


def spec_json(spec: ModelSpec) -> Dict[str, Any]:
    """A ModelSpec in the form that a manifest has."""
    return json.loads(json.dumps(dataclasses.asdict(spec)))


def write(
    directory: str,
    *,
    measured: Optional[Measured] = None,
    model: Optional[ModelSpec] = None,
    made_of: Optional[Dict[str, Any]] = None,
) -> Tuple[Manifest, Measured]:
    """Records the contents of a directory that is about to be published, which are measured unless
    they were.

    Raises:
      OSError: it cannot be written.
    """
    measured = measured or measure(directory)
    manifest = Manifest(
        measured.files,
        measured.directories,
        measured.checkpoints,
        spec_json(model) if model else None,
        made_of,
    )
    with open(os.path.join(directory, MANIFEST), "wb") as file:
        file.write(manifest.to_json().encode("ascii"))
    return manifest, measured


def read_manifest(directory: str) -> Optional[Manifest]:
    """The manifest of a directory, None where there is none.

    Raises:
      SourceError: it is damaged, or not one that graphfix wrote.
    """
    path = os.path.join(directory, MANIFEST)
    if not os.path.lexists(path):
        return None
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise SourceError(path, "is not a regular file", _REMEDY)
    data = read_file(path, limit=_LIMIT)
    try:
        found = json.loads(data.decode("ascii"))
        body = data.partition(b"\n")[2]
        if found["format"] != FORMAT:
            raise SourceError(
                path,
                (
                    f"is a manifest of format {found['format']}, and this version of graphfix "
                    "reads "
                    f"format {FORMAT}"
                ),
                _REMEDY,
            )
        if data != b'{"checksum": "%s",\n%s' % (_checksum(body).encode("ascii"), body):
            raise ValueError("its checksum is not that of its contents")
        return Manifest(
            _contents(found["files"]),
            tuple(_path(one) for one in found["directories"]),
            {
                _path(prefix): {name: _tensor(row) for name, row in tensors.items()}
                for prefix, tensors in found["checkpoints"].items()
            },
            _object(found["model"]),
            _object(found["made_of"]),
            _contents(found["pending"]),
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise SourceError(
            path, f"is not a valid manifest of graphfix ({type(error).__name__}: {error})", _REMEDY
        ) from None


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _lines(value: Any) -> str:
    """JSON with a row a line where there are rows of rows, for version control."""
    if not isinstance(value, dict) or not any(isinstance(one, dict) for one in value.values()):
        return _ENCODE(value)
    rows = [f"{json.dumps(name)}: {_lines(one)}" for name, one in sorted(value.items())]
    return "{\n" + ",\n".join(rows) + "}"


def _row(one: Any) -> Dict[str, Any]:
    row = {name: value for name, value in vars(one).items() if value is not None}
    for name, width in (("crc32c", 8), ("sum64", 16)):
        if name in row:
            row[name] = f"{row[name]:0{width}x}"
    return row


def _contents(rows: Dict[str, Any]) -> Dict[str, Content]:
    return {
        _path(name): Content(
            _count(row["size"]), _number(row.get("crc32c")), _number(row.get("sum64"))
        )
        for name, row in rows.items()
    }


def _tensor(row: Dict[str, Any]) -> Tensor:
    if not isinstance(row["dtype"], str):
        raise ValueError(f"a type {row['dtype']!r}")
    return Tensor(
        row["dtype"],
        tuple(map(_count, row["shape"])),
        int(row["crc32c"], 16),
        int(row["sum64"], 16),
    )


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"a size of {value!r}")
    return value


def _number(text: Optional[str]) -> Optional[int]:
    if text is not None and not _HEX.match(text):
        raise ValueError(f"a checksum {text!r}")
    return None if text is None else int(text, 16)


def _path(path: Any) -> str:
    """A path inside the directory: files are removed by these names."""
    if (
        not isinstance(path, str)
        or os.path.isabs(path)
        or "\0" in path
        or any(part in ("", ".", "..") for part in path.split("/"))
    ):
        raise ValueError(f"a path {path!r}")
    return path


def _object(value: Any) -> Optional[Dict[str, Any]]:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is not an object")
    return value
