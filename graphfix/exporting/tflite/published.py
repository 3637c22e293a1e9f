"""convert of a .tflite: a published detector for fewer of its classes.

OUT/detect.tflite    the detector
OUT/labels.txt       its classes, as TensorFlow Lite numbers them
OUT/label_map.pbtxt  the same, as TensorFlow does
OUT/export.json

All of the file that does not depend on classes stays: operations, weights, anchors, metadata, and
files behind it, of which lists of its classes follow them.
"""

import os
import zipfile
from typing import Iterator, List, Optional, Sequence, Tuple

from graphfix.choices import Target
from graphfix.conversion.output import write_file
from graphfix.detectors import coco
from graphfix.errors import Problem, RequestError, SourceError, VerificationError
from graphfix.exporting.tflite.heads import Places, find_places
from graphfix.exporting.tflite.labels import LABELS, labels_text, packed_labels
from graphfix.exporting.tflite.metadata import with_files
from graphfix.exporting.tflite.model import DETECT, LiteModel, open_lite
from graphfix.exporting.tflite.surgery import take_classes
from graphfix.exporting.tflite.traps import traps
from graphfix.exporting.workflow import Exported, absolute_options
from graphfix.findings import INFO, WARNING, Finding, by_severity, count
from graphfix.formats.flatbuffers import schema, writer
from graphfix.formats.regular_files import read_file
from graphfix.modeldir import manifest
from graphfix.modeldir.destinations import Destination
from graphfix.modeldir.names import EXPORT_JSON, LABEL_MAP
from graphfix.options import ConvertOptions
from graphfix.pipeline_config.label_map import (
    Label,
    LabelMap,
    format_label_map,
    listed,
    parse_classes,
)
from graphfix.planning.classes import TargetClass, resolve_classes

FAMILY = "a TensorFlow Lite detector"
_TAKEN = ("label_map_path", "classes", "num_classes", "source_label_map_path", "map")
_NAMES = "--source_label_map_path"


def convert_lite(path: str, destination: Destination, options: ConvertOptions) -> Exported:
    """Converts, reads back and publishes.

    Raises:
      GraphfixError: nothing was published, and what was there before still is.
    """
    _check_options(destination, options)
    inputs = (path,) + options.paths()
    destination.check(inputs)
    model = open_lite(path)
    places = find_places(model)
    names, told = _source_names(model, options.source_label_map_path)
    classes, about_classes = _classes(model, names, options)
    old = [model.shape(one) for one in sorted(places.weights)]
    rows = [(0,)] * model.background + [
        tuple(model.background + one - 1 for one in target.sources) for target in classes
    ]
    changed = _names_of(model, places)
    take_classes(model, places, rows)
    data = _with_sidecars(model, writer.write(model.root, schema.tflite()), classes)
    findings = told + about_classes + tuple(_remarks(model, places, classes))
    with destination.staged(inputs) as stage:
        write_file(stage.directory, DETECT, data)
        _read_back(os.path.join(stage.directory, DETECT), len(classes), len(rows), len(old))
        write_file(stage.directory, LABELS, labels_text(classes))
        labels = LabelMap(
            tuple(Label(one.id, one.name, one.display_name) for one in classes if one.name)
        )
        write_file(stage.directory, LABEL_MAP, format_label_map(labels).encode())
        result = Exported(
            Target.TFLITE,
            path,
            FAMILY,
            classes,
            len(old),
            (DETECT, LABEL_MAP, LABELS),
            f"of {count(model.classes, 'class', 'classes')} before; "
            f"{len(data):,} bytes of {model.size:,}",
            by_severity(dict.fromkeys(findings)),
            _next_steps(os.path.join(destination.place, DETECT)),
            {},
            {
                "published": True,
                "digest": model.digest,
                "tensors": changed,
                "compared": model.scores if places.softmax is None else places.softmax,
                "detection": model.options,
                "rows": [list(row) for row in rows],
            },
            absolute_options(options),
        )
        write_file(stage.directory, EXPORT_JSON, result.to_json().encode())
        manifest.write(stage.directory)
    return result


def _check_options(destination: Destination, options: ConvertOptions) -> None:
    problems = [
        Problem(
            f"--{name}",
            "means nothing to a .tflite, which no trainer starts from",
            "leave it out, or convert the checkpoint that it was made of",
        )
        for name in options.given()
        if name not in _TAKEN
    ]
    if destination.resumable:
        problems.append(
            Problem("--model_dir", "is for a trainer, which takes no .tflite", "leave it out")
        )
    if problems:
        raise RequestError.collected(problems)


def _source_names(
    model: LiteModel, path: Optional[str]
) -> Tuple[Optional[LabelMap], Tuple[Finding, ...]]:
    """The names of the source's classes: of the file that is given, else of a list in the model."""
    if path is None:
        packed = packed_labels(model)
        if not packed:
            return None, ()
        return packed[0].labels, (
            Finding(
                "SOURCE_NAMES",
                INFO,
                packed[0].name,
                "in the model has the names of its classes",
                f"if it was trained with others, pass its label map as {_NAMES}",
            ),
        )
    if os.path.basename(path) == coco.WORD and not os.path.isfile(path):
        path, labels = _NAMES, coco.LABEL_MAP
    else:
        labels = parse_classes(read_file(path), path).labels
    if labels.max_id > model.classes:
        raise SourceError(
            path,
            f"has the id {labels.max_id}, but {model.path} has {model.classes} classes",
            "give the label map the model was trained with",
        )
    return labels, ()


def _classes(
    model: LiteModel, names: Optional[LabelMap], options: ConvertOptions
) -> Tuple[Tuple[TargetClass, ...], Tuple[Finding, ...]]:
    target = None
    if options.label_map_path is not None:
        path = options.label_map_path
        target = parse_classes(read_file(path, pipes=True), path).labels
    elif options.classes:
        target = listed(options.classes)
    classes, findings = resolve_classes(
        source=names,
        source_classes=model.classes,
        target=target,
        num_classes=options.num_classes,
        mappings=options.map,
    )
    near = {one.subject: one for one in findings if one.code in ("NEAR_MISS", "AMBIGUOUS")}
    problems = []
    for one in classes:
        if not one.sources:
            told = near.get(one.display_name)
            problems.append(
                Problem(
                    f"class '{one.display_name}'" if one.name else f"id {one.id}",
                    f"{told.message}: a .tflite cannot learn it"
                    if told
                    else "is none of the source's, and a .tflite cannot learn it"
                    if one.name
                    else "is no class in the label map, and would need a channel",
                    told.remedy
                    if told
                    else "convert the checkpoint that it was made of, train that, and run graphfix "
                    "export tflite; or leave it out"
                    if one.name
                    else "number the classes without gaps",
                )
            )
    if problems:
        raise RequestError.collected(problems)
    return classes, tuple(one for one in findings if one.code != "UNNAMED_CLASSES")


def _names_of(model: LiteModel, places: Places) -> List[str]:
    return [model.name(one) for one in sorted({*places.weights, *places.computed})]


def _with_sidecars(model: LiteModel, data: bytes, classes: Sequence[TargetClass]) -> bytes:
    """The model, and the archive that was behind it with the new classes in its lists."""
    if not model.sidecars:
        return data
    lists = {one.name: one for one in packed_labels(model)}
    files = []
    for info, content in model.sidecars:
        if info.filename in lists:
            content = labels_text(classes, lists[info.filename].first)
        fresh = zipfile.ZipInfo(info.filename, info.date_time)
        fresh.compress_type = info.compress_type
        fresh.external_attr = info.external_attr
        files.append((fresh, content))
    return with_files(data, files)


def _remarks(model: LiteModel, places: Places, classes: Sequence[TargetClass]) -> Iterator[Finding]:
    for one in classes:
        if len(one.sources) > 1:
            yield Finding(
                "MERGED",
                WARNING,
                one.display_name,
                f"has the mean of the weights of {len(one.sources)} classes, which nothing has "
                "trained, rounded where they are integers",
                "see whether it finds enough; else train the checkpoint, and export that",
            )
    if places.softmax is not None:
        yield Finding(
            "SOFTMAX",
            WARNING,
            DETECT,
            "makes scores of all classes together (softmax): with fewer classes they are higher",
            "raise the threshold of your application",
        )
    lists = {one.name for one in packed_labels(model)}
    for info, _ in model.sidecars:
        if info.filename not in lists and info.filename.lower().endswith(".txt"):
            yield Finding(
                "SIDECAR_KEPT",
                WARNING,
                info.filename,
                f"in the model is as it was: it is no list of its {model.classes} classes",
                f"see whether your application reads it; {LABELS} has the new classes",
            )
    yield from traps(DETECT, model.options)


def _read_back(path: str, classes: int, channels: int, heads: int) -> None:
    """Reads what was written, as any other source.

    Raises:
      GraphfixError: it is not what was meant.
    """
    made = open_lite(path)
    found = (made.classes, made.channels, len(find_places(made).weights))
    if found != (classes, channels, heads):
        raise VerificationError(
            DETECT,
            f"has {found[0]} classes in {found[1]} channels, and not {classes} in {channels}",
            "report this: the source's file is of a kind that graphfix does not know",
        )


def _next_steps(path: str) -> Tuple[str, ...]:
    return (
        f"interpreter = ai_edge_litert.interpreter.Interpreter({path!r})  # or a tflite_runtime's",
    )
