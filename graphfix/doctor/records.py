"""Checks of the records that the input readers name."""

from typing import Callable, Iterator, List

import numpy as np

from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.scan import AS_SIZE as _AS_SIZE
from graphfix.doctor.scan import OTHER_SIDE as _OTHER_SIDE
from graphfix.doctor.setup import Setup
from graphfix.errors import Problem
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.label_map import normal
from graphfix.pipeline_config.paths import INPUT_PATH, INPUT_READERS

_TRAIN, _EVAL = INPUT_READERS
_AGAIN = "write the records again"
_SCRIPT = "write the records as the Object Detection API's scripts do (create_pascal_tf_record.py)"
_MANY = 50  # times as many boxes as the rarest class
_SMALL = 0.2  # the part of boxes that may be too small for every anchor


def _scans(setup: Setup):
    for name, message in setup.readers():
        if message.tf_record_input_reader.input_path:
            yield name, setup.scan(name)


def noted(
    kind: str, sentence: str, *, only: str = "", unless: str = ""
) -> Callable[[Setup], Iterator[Evidence]]:
    """What the scan noted under a kind: in one reader `only`, where that is given, and `unless`
    another kind explains all of it."""

    def find(setup: Setup) -> Iterator[Evidence]:
        for name, scan in _scans(setup):
            note, why = scan.found(kind), scan.found(unless)
            if note is not None and only in ("", name) and (why is None or why.count < note.count):
                yield Evidence(note.where, _with_count(sentence, note.count, note.detail))

    return find


def _with_count(sentence: str, count: int, detail: str) -> str:
    more = "" if count == 1 else f" (and {count - 1} more like it)"
    return sentence + (": " + detail if detail else "") + more


def _damaged(setup: Setup) -> Iterator[Evidence]:
    for _, scan in _scans(setup):
        for error in scan.damage:
            for problem in error.problems:
                yield _as_evidence(problem)


def _as_evidence(problem: Problem) -> Evidence:
    return Evidence(problem.subject, problem.message, problem.remedy)


def _empty(setup: Setup) -> Iterator[Evidence]:
    for name, scan in _scans(setup):
        if scan.files and not scan.records and not scan.damage:
            yield Evidence(
                setup.where(name, *INPUT_PATH),
                "%s of %s hold no record at all"
                % (f"its {len(scan.files)} files" if len(scan.files) > 1 else scan.files[0], name),
            )


def _no_boxes(setup: Setup) -> Iterator[Evidence]:
    for name, scan in _scans(setup):
        if scan.records and not scan.boxes and not scan.found("BOX_COUNTS"):
            yield Evidence(
                scan.files[0],
                "has no box in any of its %d records%s"
                % (scan.records, "" if scan.boxed else ": they lack the keys image/object/bbox/*"),
            )


def _outside_map(setup: Setup) -> Iterator[Evidence]:
    classes = setup.body.num_classes if setup.meta else 0
    for name, scan in _scans(setup):
        bad = sorted(label for label in scan.ids if not 1 <= label <= classes)
        if bad:
            note = scan.ids[bad[0]]
            yield Evidence(
                note.where,
                "has class id %d, and num_classes is %d (%s: ids %s, %d "
                "boxes)"
                % (
                    bad[0],
                    classes,
                    name,
                    ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else ""),
                    sum(scan.ids[label].count for label in bad),
                ),
            )


def _unknown_text(setup: Setup) -> Iterator[Evidence]:
    for name, message in setup.readers():
        if not message.tf_record_input_reader.input_path:
            continue
        scan = setup.scan(name)
        labels = setup.label_map(message.label_map_path)[0] if message.label_map_path else None
        for text, note in list(scan.unknown.items())[:5]:
            near = labels.near(text) if labels else []
            yield Evidence(
                note.where,
                (
                    f"has {note.count} box{'' if note.count == 1 else 'es'} of the class "
                    f"'{text}', which {message.label_map_path} does not "
                    f"have{_nearly(text, near) if near else ''}"
                ),
            )


def _nearly(text: str, near: List[str]) -> str:
    """Where a label map has nearly the name: the API compares bytes."""
    same = [name for name in near if normal(name) == normal(text)]
    if same:
        return (
            " (it has the same letters in another spelling of Unicode, and the API compares "
            f"bytes: {same[0]!a} there, {text!a} here)"
        )
    return f" (it has '{near[0]}')"


def _unused_names(setup: Setup) -> Iterator[Evidence]:
    for name, message in setup.readers():
        labels = setup.label_map(message.label_map_path)[0] if message.label_map_path else None
        if name != _TRAIN or labels is None or not message.tf_record_input_reader.input_path:
            continue
        scan = setup.scan(name)
        unused = [label.display_name for label in labels.labels if label.id not in scan.ids]
        if unused and scan.boxes and scan.complete and not scan.damage:
            yield Evidence(
                message.label_map_path,
                "has %d classes of which no training record has "
                "a box: %s"
                % (len(unused), ", ".join(unused[:8]) + (", ..." if len(unused) > 8 else "")),
            )


def _imbalance(setup: Setup) -> Iterator[Evidence]:
    for name, scan in _scans(setup):
        if name != _TRAIN or len(scan.ids) < 2:
            continue
        rare = min(scan.ids, key=lambda label: (scan.ids[label].count, label))
        common = max(scan.ids, key=lambda label: (scan.ids[label].count, -label))
        few, many = scan.ids[rare].count, scan.ids[common].count
        if many >= _MANY * few:
            yield Evidence(
                scan.files[0], f"class {common} has {many} boxes, class {rare} has {few}"
            )


def _without_boxes(setup: Setup) -> Iterator[Evidence]:
    for name, scan in _scans(setup):
        if name == _TRAIN and scan.boxes and 2 * scan.empty > scan.records:
            yield Evidence(scan.files[0], f"{scan.empty} of {scan.records} images have no box")


def _suspicion(wrong: str, guess: str, sentence: str) -> Callable[[Setup], Iterator[Evidence]]:
    """What a guess about wrong boxes says, where it explains every one of them."""

    def find(setup: Setup) -> Iterator[Evidence]:
        for _, scan in _scans(setup):
            note, why = scan.found(wrong), scan.found(guess)
            if note and why and why.count == note.count:
                yield Evidence(note.where, _with_count(sentence, note.count, note.detail))

    return find


def _too_small(setup: Setup) -> Iterator[Evidence]:
    spec, _ = setup.anchors() if setup.meta else (None, None)
    if spec is None or setup.meta != "ssd":
        return  # a region proposal network's threshold is fixed, and it takes the best anchor
    matcher = setup.body.matcher.argmax_matcher
    if setup.body.matcher.WhichOneof("matcher_oneof") != "argmax_matcher":
        return
    for name, scan in _scans(setup):
        if name != _TRAIN or not scan.sizes:
            continue
        boxes = np.asarray(scan.sizes)
        anchors = np.asarray([size for one in spec.maps for size in one.sizes])
        # Anchors of this generator are fractions of the image; overlaps are the same in fractions.
        relative = spec.generator == "ssd_anchor_generator"
        pixels = np.asarray(scan.frames) if relative else np.ones_like(boxes)
        boxes = boxes / pixels
        best = np.zeros(len(boxes))
        for height, width in np.unique(anchors, axis=0):
            common = np.minimum(boxes[:, 0], height) * np.minimum(boxes[:, 1], width)
            best = np.maximum(best, common / (boxes.prod(axis=1) + height * width - common))
        small = (best < matcher.matched_threshold) & (
            boxes.prod(axis=1) < anchors.prod(axis=1).min()
        )
        if small.mean() > _SMALL:
            height, width = np.median((boxes * pixels)[small], axis=0)
            least = anchors[anchors.prod(axis=1).argmin()] * np.median(pixels, axis=0)
            yield Evidence(
                scan.files[0],
                f"{int(100 * small.mean())} % of the boxes are, in the resized image, too small "
                f"to overlap any anchor by matched_threshold {matcher.matched_threshold:.2g}: "
                f"half of those are below {width:.0f} x {height:.0f} pixels, and the smallest "
                f"anchor is {least[1]:.0f} x {least[0]:.0f}",
            )


def _overlap(setup: Setup) -> Iterator[Evidence]:
    scans = dict(_scans(setup))
    if len(scans) < 2:
        return
    train, evaluation = scans[_TRAIN], scans[_EVAL]
    common = len(set(train.images) & set(evaluation.images))
    if common:
        yield Evidence(
            setup.where(_EVAL, *INPUT_PATH),
            (
                f"{common} of the {len(evaluation.images)} images of {_EVAL} are among the "
                "training images"
            ),
        )


def _more_boxes(setup: Setup) -> Iterator[Evidence]:
    limit = setup.train.max_number_of_boxes
    for name, scan in _scans(setup):
        if name == _TRAIN and scan.most[0] > limit:
            yield Evidence(
                setup.where("train_config", "max_number_of_boxes"),
                (
                    "max_number_of_boxes "
                    f"is {limit}, and an image has {scan.most[0]} boxes ({scan.most[1]})"
                ),
                edits=(
                    ConfigEdit(
                        ("train_config", "max_number_of_boxes"),
                        str(scan.most[0]),
                        "the most boxes that an image has",
                    ),
                ),
            )


def _eval_count(setup: Setup) -> Iterator[Evidence]:
    message = setup.message.eval_config
    if not setup.message.HasField("eval_config") or not message.HasField("num_examples"):
        return
    for name, scan in _scans(setup):
        if (
            name == _EVAL
            and scan.complete
            and not scan.damage
            and 0 < scan.records < message.num_examples
        ):
            yield Evidence(
                setup.where("eval_config", "num_examples"),
                (f"num_examples is {message.num_examples}, and {_EVAL} has {scan.records} records"),
                edits=(
                    ConfigEdit(
                        ("eval_config", "num_examples"), str(scan.records), "as many as there are"
                    ),
                ),
            )


CHECKS = (
    Check(
        "RECORDS_DAMAGED",
        ERROR,
        "A file of records ends too early, fails its checksum, or is no TFRecord file: the "
        "trainer stops at that place, maybe hours into the run.",
        _AGAIN,
        _damaged,
    ),
    Check(
        "RECORDS_EMPTY",
        ERROR,
        "The files hold no record, so that the trainer waits forever, or ends before its first "
        "step.",
        _AGAIN + ", and see what the script that writes them says",
        _empty,
    ),
    Check(
        "RECORD_NOT_EXAMPLE",
        ERROR,
        "A record is no tf.Example, so that the decoder stops at it.",
        _SCRIPT,
        noted("RECORD_NOT_EXAMPLE", "is no tf.Example"),
    ),
    Check(
        "FEATURE_KIND",
        ERROR,
        'A feature has another type than the decoder asks for, which stops at it ("Data types '
        "don't match\").",
        _SCRIPT,
        noted("FEATURE_KIND", "has a feature of another type"),
    ),
    Check(
        "IMAGE_MISSING",
        ERROR,
        "A record has no image/encoded, so that decoding its image fails.",
        _SCRIPT,
        noted("IMAGE_MISSING", "has no image (image/encoded)"),
    ),
    Check(
        "IMAGE_UNREADABLE",
        ERROR,
        "An image is none that TensorFlow decodes (JPEG, PNG, BMP).",
        "convert the picture, or leave its record out",
        noted("IMAGE_UNREADABLE", "holds no JPEG, PNG or BMP image"),
    ),
    Check(
        "IMAGE_CUT",
        ERROR,
        "An image ends before its format says it does, so that decoding it fails.",
        "copy the picture again, or leave its record out",
        noted("IMAGE_CUT", "holds an image that is cut off"),
    ),
    Check(
        "IMAGE_GIF",
        ERROR,
        "A GIF is decoded to a row of frames, which the trainer can't take for one image.",
        "convert the picture to JPEG or PNG",
        noted("IMAGE_GIF", "holds a GIF"),
    ),
    Check(
        "RECORDS_WITHOUT_BOXES",
        ERROR,
        "No record has a box: there is nothing to learn from.",
        _SCRIPT,
        _no_boxes,
    ),
    Check(
        "BOX_COUNTS",
        ERROR,
        "The lists of a record's box edges have different lengths, which the decoder can't stack.",
        _SCRIPT,
        noted("BOX_COUNTS", "does not have each box whole"),
    ),
    Check(
        "CLASS_COUNTS",
        ERROR,
        "A record has not one class for each box.",
        _SCRIPT,
        noted("CLASS_COUNTS", "has another number of classes than of boxes"),
    ),
    Check(
        "BOX_PIXELS",
        ERROR,
        "Boxes are in pixels; the decoder wants parts of the image's sides, from 0 to 1. Faster "
        'R-CNN stops ("maximum box coordinate value is larger than"), SSD goes on and learns '
        "nothing.",
        "divide x by the image's width and y by its height when writing the records",
        noted("BOX_PIXELS", "has a box in pixels"),
    ),
    Check(
        "BOX_IS_SIZE",
        ERROR,
        "xmax and ymax hold the box's width and height: many boxes end before they begin, and "
        "the others are too small.",
        "write xmin + width and ymin + height as xmax and ymax",
        _suspicion(
            "BOX_INVERTED", _AS_SIZE, "has a box whose far corner looks like its width and height"
        ),
    ),
    Check(
        "BOX_INVERTED",
        ERROR,
        "A box ends before it begins, and the logarithm of its size is NaN: the loss of Faster "
        "R-CNN becomes NaN, SSD goes on and does not learn where the box is.",
        "put the smaller coordinate into xmin and ymin, or leave the box out",
        noted("BOX_INVERTED", "has a box that ends before it begins", unless=_AS_SIZE),
    ),
    Check(
        "BOX_NO_NUMBER",
        ERROR,
        "A box has an edge that is NaN or infinite: model_main leaves out what is NaN, and the "
        "legacy trainer's loss becomes NaN, too.",
        "leave the box out",
        noted("BOX_NO_NUMBER", "has a box that is no numbers"),
    ),
    Check(
        "CLASS_ID_OUTSIDE",
        ERROR,
        "A record has a class id that the model has no slot for: such a box is left out, or "
        "trained as an object of no class, without a message.",
        "number the classes from 1 to num_classes, and write the records again",
        _outside_map,
    ),
    Check(
        "CLASS_TEXT_UNKNOWN",
        ERROR,
        "A record names a class that the label map does not have: such a box is left out, or "
        "trained as an object of no class, without a message.",
        "give the label map that name, or write the records with the label map's names",
        _unknown_text,
    ),
    Check(
        "MASK_MISSING",
        ERROR,
        "The reader is to load masks (load_instance_masks), and records have none.",
        "write image/object/mask, or train without masks",
        noted("MASK_MISSING", "has boxes, but no image/object/mask"),
    ),
    Check(
        "BOX_OTHER_SIDE",
        WARNING,
        "Boxes look as if x was divided by the image's height, or y by its width.",
        "divide x by the width and y by the height when writing the records",
        _suspicion(
            "BOX_OUTSIDE",
            _OTHER_SIDE,
            "has a box beyond its image that would lie in it if divided by the other side",
        ),
    ),
    Check(
        "BOX_OUTSIDE",
        WARNING,
        "Boxes reach over the image's edge; beyond 1.1 Faster R-CNN stops (\"maximum box "
        'coordinate value is larger than").',
        "clip boxes to their image when writing the records",
        noted("BOX_OUTSIDE", "has a box outside its image", unless=_OTHER_SIDE),
    ),
    Check(
        "BOX_EMPTY",
        WARNING,
        "A box has no area: it is matched all the same, and its target is far off every other.",
        "leave such boxes out",
        noted("BOX_EMPTY", "has a box without area"),
    ),
    Check(
        "BOXES_TOO_SMALL",
        WARNING,
        "After resizing, boxes are smaller than what any anchor overlaps enough: they get one "
        "forced match at best, and are hardly learned.",
        "train on larger images, on crops, or with smaller anchors",
        _too_small,
    ),
    Check(
        "CLASS_DISAGREES",
        WARNING,
        "A box's text and its id are different classes; with a label map the text counts.",
        "see which one is right",
        noted("CLASS_DISAGREES", "says two classes of a box"),
    ),
    Check(
        "MAX_BOXES",
        WARNING,
        "An image has more boxes than max_number_of_boxes: model_main leaves out the rest, so "
        "that they are trained as background.",
        "raise max_number_of_boxes",
        _more_boxes,
    ),
    Check(
        "IMAGE_TURNED",
        WARNING,
        "An image has its height and width the other way round, as one that is turned by its "
        "Exif data: TensorFlow does not turn it, and boxes drawn on the turned picture are "
        "elsewhere.",
        "turn the pictures before writing the records",
        noted("IMAGE_TURNED", "holds an image that may be turned"),
    ),
    Check(
        "IMAGE_SIZE",
        WARNING,
        "The record says another size than the image has: boxes that were divided by it lie "
        "elsewhere.",
        _AGAIN + " with the images' own sizes",
        noted("IMAGE_SIZE", "says another size than its image has"),
    ),
    Check(
        "IMAGE_FORMAT",
        WARNING,
        "image/format says another format than the image has; some versions of TensorFlow stop "
        "at that.",
        "write what the image is",
        noted("IMAGE_FORMAT", "says another format than its image has"),
    ),
    Check(
        "IMAGE_CMYK",
        WARNING,
        "A JPEG holds CMYK: its colours come out otherwise than in other programs.",
        "convert the picture to RGB",
        noted("IMAGE_CMYK", "holds a CMYK image"),
    ),
    Check(
        "IMAGE_HUGE",
        WARNING,
        "An image has more than 12 million pixels: each waits decoded in the input queue, and "
        "memory runs out.",
        "shrink the pictures before writing the records",
        noted("IMAGE_HUGE", "holds a huge image"),
    ),
    Check(
        "IMAGE_TWICE",
        WARNING,
        "The same image is in the records twice.",
        "write every picture once, with all of its boxes",
        noted("IMAGE_TWICE", "holds an image that is there already"),
    ),
    Check(
        "SOURCE_ID_TWICE",
        WARNING,
        "Two images have the same image/source_id: evaluation takes them for one.",
        "give every image its own",
        noted("SOURCE_ID_TWICE", "has a source id that is there already", only=_EVAL),
    ),
    Check(
        "SOURCE_ID_MISSING",
        WARNING,
        "Images have no image/source_id: COCO's metrics take all of them for one image.",
        "write a different one for every image",
        noted("SOURCE_ID_MISSING", "has no image/source_id", only=_EVAL),
    ),
    Check(
        "TRAIN_EVAL_OVERLAP",
        WARNING,
        "Images are evaluated that were trained on: the metrics say nothing about others.",
        "keep some images for evaluation alone",
        _overlap,
    ),
    Check(
        "EVAL_COUNT",
        WARNING,
        "eval_config says more examples than there are: the legacy evaluation counts some twice.",
        "set num_examples to what there is",
        _eval_count,
    ),
    Check(
        "CLASS_UNUSED",
        WARNING,
        "The label map has classes that no training record has: they will never be found.",
        "leave them out of the label map, or see whether the records name them otherwise",
        _unused_names,
    ),
    Check(
        "CLASS_IMBALANCE",
        WARNING,
        f"A class has at least {_MANY} times the boxes of another, which is hardly learned.",
        "add images of the rare class, or repeat them",
        _imbalance,
    ),
    Check(
        "IMAGES_WITHOUT_BOXES",
        WARNING,
        "Most training images have no box: they teach what is background, and little else.",
        "see whether boxes got lost when the records were written",
        _without_boxes,
    ),
    Check(
        "IMAGE_GRAY",
        INFO,
        "An image is gray; the decoder repeats its channel three times.",
        "there is nothing to do",
        noted("IMAGE_GRAY", "holds a gray image"),
    ),
)
