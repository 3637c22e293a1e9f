"""Checks of the boxes in records, and of their classes."""

from typing import Iterator, List

from graphfix.detectors.families import FASTER_RCNN
from graphfix.doctor.checks import Check, Symptom, listed
from graphfix.doctor.faults import AS_SIZE, OTHER_SIDE
from graphfix.doctor.record_notes import EVAL, SCRIPT, TRAIN, noted, scans, suspicion
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING, count
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.label_map import normal


def _no_boxes(setup: Setup) -> Iterator[Symptom]:
    for _, scan in scans(setup):
        if scan.records and not scan.boxes and not scan.found("BOX_COUNTS"):
            keys = "" if scan.boxed else ": they lack the keys image/object/bbox/*"
            yield Symptom(
                scan.files[0], f"has no boxes in its {count(scan.records, 'record')}{keys}"
            )


def _outside_map(setup: Setup) -> Iterator[Symptom]:
    classes = setup.body.num_classes if setup.meta else 0
    for name, scan in scans(setup):
        bad = sorted(label for label in scan.ids if not 1 <= label <= classes)
        if bad:
            boxes = count(sum(scan.ids[label].count for label in bad), "box", "boxes")
            yield Symptom(
                scan.ids[bad[0]].where,
                f"has class id {bad[0]}, but num_classes is {classes} "
                f"({name}: ids {listed(bad, 5)}, {boxes})",
            )


def _unknown_text(setup: Setup) -> Iterator[Symptom]:
    for name, message in setup.readers():
        if not message.tf_record_input_reader.input_path:
            continue
        scan = setup.scan(name)
        labels = setup.label_map(message.label_map_path)[0] if message.label_map_path else None
        for text, note in scan.unknown_texts()[:5]:
            near = labels.near(text) if labels else []
            yield Symptom(
                note.where,
                f"has the first of {count(note.count, 'box', 'boxes')} of the class '{text}', "
                f"which {message.label_map_path} does not have"
                f"{_nearly(text, near) if near else ''}",
            )


def _nearly(text: str, near: List[str]) -> str:
    """A label map's name that is almost the same, in words: the API compares bytes."""
    same = [name for name in near if normal(name) == normal(text)]
    if same:
        return (
            " (it has the same letters in another Unicode normalization, and the API compares "
            f"bytes: {same[0]!a} there, {text!a} here)"
        )
    return f" (it has '{near[0]}')"


def _more_boxes(setup: Setup) -> Iterator[Symptom]:
    limit = setup.train.max_number_of_boxes
    for name, scan in scans(setup):
        most = scan.most
        if name == TRAIN and most is not None and most.count > limit:
            yield Symptom(
                setup.where("train_config", "max_number_of_boxes"),
                f"max_number_of_boxes is {limit}, but an image has {most.count} boxes "
                f"({most.where})",
                edits=(
                    ConfigEdit(
                        ("train_config", "max_number_of_boxes"),
                        str(most.count),
                        "the most boxes that an image has",
                    ),
                ),
            )


def _stops_far(setup: Setup, reader: str) -> bool:
    """Whether the API looks at how far a reader's boxes reach: SSD's training does not."""
    return setup.meta == FASTER_RCNN or reader == EVAL


def _far(setup: Setup) -> Iterator[Symptom]:
    for name, scan in scans(setup):
        note = scan.found("BOX_FAR")
        if note is not None and _stops_far(setup, name):
            who = "Faster R-CNN" if name == TRAIN else "evaluation"
            yield Symptom(
                note.where,
                f"has a box of more than 1.1 of its image, at which {who} stops: {note.detail}"
                + (f" (and {note.count - 1} more like it)" if note.count > 1 else ""),
            )


def _outside(setup: Setup) -> Iterator[Symptom]:
    stopping = [symptom.subject for symptom in _far(setup)]
    for symptom in noted("BOX_OUTSIDE", "has a box outside its image", unless=OTHER_SIDE)(setup):
        if symptom.subject not in stopping:
            yield symptom


CHECKS = (
    Check(
        "RECORDS_WITHOUT_BOXES",
        ERROR,
        "No record has a box: there is nothing to learn from.",
        SCRIPT,
        _no_boxes,
    ),
    Check(
        "BOX_COUNTS",
        ERROR,
        "The lists of a record's box edges have different lengths, so that the decoder can't "
        "stack them.",
        SCRIPT,
        noted("BOX_COUNTS", "has incomplete boxes"),
    ),
    Check(
        "CLASS_COUNTS",
        ERROR,
        "A record's numbers of boxes and of classes differ.",
        SCRIPT,
        noted("CLASS_COUNTS", "has a different number of classes than of boxes"),
    ),
    Check(
        "BOX_PIXELS",
        ERROR,
        "Boxes are in pixels; the decoder expects fractions of the image's sides, from 0 to 1. "
        'Faster R-CNN stops ("maximum box coordinate value is larger than"), SSD goes on and '
        "learns nothing.",
        "divide x by the image's width and y by its height when writing the records",
        noted("BOX_PIXELS", "has a box in pixels"),
    ),
    Check(
        "BOX_FAR",
        ERROR,
        'A box reaches so far beyond its image that the API takes it for one in pixels ("maximum '
        'box coordinate value is larger than 1.1").',
        "clip boxes to their image; where many reach that far, they were divided by the size of "
        "another image",
        _far,
    ),
    Check(
        "BOX_IS_SIZE",
        ERROR,
        "xmax and ymax have the box's width and height: many boxes end before they begin, and "
        "the others are too small.",
        "write xmin + width and ymin + height as xmax and ymax",
        suspicion(
            "BOX_INVERTED", AS_SIZE, "has a box whose far corner looks like its width and height"
        ),
    ),
    Check(
        "BOX_INVERTED",
        ERROR,
        "A box ends before it begins, so that the logarithm of its size is NaN: the loss of "
        "Faster R-CNN becomes NaN; SSD goes on, but does not learn where the box is.",
        "write the smaller coordinate as xmin and ymin, or remove the box",
        noted("BOX_INVERTED", "has a box that ends before it begins", unless=AS_SIZE),
    ),
    Check(
        "BOX_NO_NUMBER",
        ERROR,
        "A box has an edge that is NaN or infinite: model_main drops boxes with NaN, but the "
        "legacy trainer's loss becomes NaN.",
        "remove the box",
        noted("BOX_NO_NUMBER", "has a box with an edge that is NaN or infinite"),
    ),
    Check(
        "CLASS_ID_OUTSIDE",
        ERROR,
        "A record has a class id above num_classes, or below 1: such a box is ignored, or "
        "trained as an object of no class, without a message.",
        "number the classes from 1 to num_classes, and write the records again",
        _outside_map,
    ),
    Check(
        "CLASS_TEXT_UNKNOWN",
        ERROR,
        "A record names a class that the label map does not have: such a box is ignored, or "
        "trained as an object of no class, without a message.",
        "add that name to the label map, or write the records with the label map's names",
        _unknown_text,
    ),
    Check(
        "MASK_MISSING",
        ERROR,
        "The reader should load masks (load_instance_masks), but records have none.",
        "write image/object/mask, or train without masks",
        noted("MASK_MISSING", "has boxes, but no image/object/mask"),
    ),
    Check(
        "BOX_OTHER_SIDE",
        WARNING,
        "x seems to be divided by the image's height, or y by its width.",
        "divide x by the width and y by the height when writing the records",
        suspicion(
            "BOX_OUTSIDE",
            OTHER_SIDE,
            "has a box outside its image that would be inside if divided by the other side",
        ),
    ),
    Check(
        "BOX_OUTSIDE",
        WARNING,
        "Boxes extend beyond the image: the part that is not there is learned as well.",
        "clip boxes to their image when writing the records",
        _outside,
    ),
    Check(
        "BOX_EMPTY",
        WARNING,
        "A box has no area: anchors match it all the same, and its target is far from all others.",
        "remove such boxes",
        noted("BOX_EMPTY", "has a box without area"),
    ),
    Check(
        "CLASS_DISAGREES",
        WARNING,
        "A box's class text and its class id are different classes; with a label map, the text "
        "counts.",
        "find out which one is right",
        noted("CLASS_DISAGREES", "has two classes for a box"),
    ),
    Check(
        "MAX_BOXES",
        WARNING,
        "An image has more boxes than max_number_of_boxes: model_main drops the rest, so that "
        "they are trained as background.",
        "raise max_number_of_boxes",
        _more_boxes,
    ),
)
