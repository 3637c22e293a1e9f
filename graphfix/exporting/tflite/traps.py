"""What people trip over with a detector's .tflite: findings about its operation of detection."""

from typing import Any, Iterator, Mapping

from graphfix.exporting.tflite.labels import LABELS
from graphfix.findings import INFO, WARNING, Finding
from graphfix.graph_rewrite.tflite import OPERATION

# What export_tflite_ssd_graph.py takes where nobody asks for more.
_FEW = 10
_ANEW = "export the checkpoint with graphfix export tflite, which does as the config says"


def traps(name: str, options: Mapping[str, Any], remedy: str = _ANEW) -> Iterator[Finding]:
    """Findings about the file `name`, whose operation has these options; `remedy` for what they
    leave out."""
    detections = options.get("max_detections")
    if detections is not None and detections <= _FEW:
        yield Finding(
            "FEW_DETECTIONS",
            WARNING,
            name,
            f"finds at most {detections} objects in a picture: the stock exporter's number, where "
            "nobody asks for more, is ten",
            remedy,
        )
    if not options.get("use_regular_nms"):
        yield Finding(
            "CLASS_AGNOSTIC",
            WARNING,
            name,
            f"suppresses boxes whatever their classes ({OPERATION} without use_regular_nms): of "
            "objects of different classes in one place it finds one",
            remedy,
        )
    rows = "zeros, as of a first class" if options.get("use_regular_nms") else "not cleared"
    yield Finding(
        "ROWS",
        INFO,
        name,
        f"says in its last output how many objects it found; the rows behind those are {rows}",
        "read no more rows than it says",
    )
    yield Finding(
        "IDS_FROM_0",
        INFO,
        name,
        f"counts classes from 0, as the lines of {LABELS}; label_map.pbtxt counts from 1",
        f"take the name of class n from line n of {LABELS}, counting lines from 0",
    )
