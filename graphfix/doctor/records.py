"""Checks of the data sets: their files, their numbers of classes and boxes, images they share."""

from typing import Iterator

import numpy as np

from graphfix.detectors.families import SSD
from graphfix.doctor import checkpoint_fit
from graphfix.doctor.checks import Check, Symptom, listed
from graphfix.doctor.copies import common_images, count_images
from graphfix.doctor.record_notes import AGAIN, EVAL, TRAIN, scans
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING, count
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_PATH
from graphfix.restore import trainers

_MANY = 50  # times as many boxes as the rarest class
_EMPTY = 0.1  # the fraction of images without boxes that are worth a word
_SMALL = 0.2  # the fraction of boxes that may be too small for every anchor


def _damaged(setup: Setup) -> Iterator[Symptom]:
    for _, scan in scans(setup):
        for _, error in sorted(scan.damage.items()):
            for problem in error.problems:
                yield Symptom(problem.subject, problem.message, problem.remedy)


def _empty(setup: Setup) -> Iterator[Symptom]:
    for name, scan in scans(setup):
        if scan.files and not scan.records and not scan.damage:
            yield Symptom(
                setup.where(name, *INPUT_PATH),
                f"{count(len(scan.files), 'file')} of {name}, but not one record in "
                f"{'them' if len(scan.files) > 1 else 'it'}",
            )


def _unused_names(setup: Setup) -> Iterator[Symptom]:
    for name, message in setup.readers():
        labels = setup.label_map(message.label_map_path)[0] if message.label_map_path else None
        if name != TRAIN or labels is None or not message.tf_record_input_reader.input_path:
            continue
        scan = setup.scan(name)
        unused = [label.display_name for label in labels.labels if label.id not in scan.ids]
        if unused and scan.boxes and scan.complete and not scan.damage:
            carried = _carries_classes(setup)
            yield Symptom(
                message.label_map_path,
                f"has {count(len(unused), 'class', 'classes')} without boxes in the training "
                f"records: {listed(unused)}"
                + (
                    "; what the checkpoint knows of them is unlearned: in every picture they are "
                    "background"
                    if carried
                    else ""
                ),
                "add pictures of them to the training records, or check whether the records use "
                "other names for them"
                if carried
                else "",
            )


def _carries_classes(setup: Setup) -> bool:
    """Whether training starts from a checkpoint's rows for the classes."""
    if checkpoint_fit.restores(setup) != trainers.EVERYTHING or not setup.checkpoint:
        return False
    fit = checkpoint_fit.fit(setup, setup.train.fine_tune_checkpoint)
    return any(head.class_axis is not None for head in fit.fitting) and not fit.other_classes


def _taught_nothing(setup: Setup) -> Iterator[Symptom]:
    """Without boxes an image has no positives, of whose number the negatives are a multiple."""
    if setup.meta != SSD or not setup.body.loss.HasField("hard_example_miner"):
        return
    miner = setup.body.loss.hard_example_miner
    if miner.min_negatives_per_image or miner.max_negatives_per_positive <= 0:
        return
    path = ("model", SSD, "loss", "hard_example_miner", "min_negatives_per_image")
    for name, scan in scans(setup):
        if name == TRAIN and scan.empty > _EMPTY * scan.records:
            yield Symptom(
                setup.where(*path),
                f"min_negatives_per_image is 0, and {scan.empty} of {scan.records} training images "
                "have no boxes: they teach nothing",
                "write min_negatives_per_image: 3",
                (ConfigEdit(path, "3", "images without boxes teach what is background"),),
            )


def _imbalance(setup: Setup) -> Iterator[Symptom]:
    for name, scan in scans(setup):
        if name != TRAIN or len(scan.ids) < 2:
            continue
        rare = min(scan.ids, key=lambda label: (scan.ids[label].count, label))
        common = max(scan.ids, key=lambda label: (scan.ids[label].count, -label))
        few, many = scan.ids[rare].count, scan.ids[common].count
        if many >= _MANY * few:
            yield Symptom(
                scan.files[0],
                f"class {common} has {count(many, 'box', 'boxes')}, class {rare} has {few}",
            )


def _without_boxes(setup: Setup) -> Iterator[Symptom]:
    for name, scan in scans(setup):
        if name == TRAIN and scan.boxes and 2 * scan.empty > scan.records:
            yield Symptom(scan.files[0], f"{scan.empty} of {scan.records} images have no boxes")


def _too_small(setup: Setup) -> Iterator[Symptom]:
    spec, _ = setup.anchors() if setup.meta else (None, None)
    if spec is None or setup.meta != "ssd":
        return  # a region proposal network's threshold is fixed, and it takes the best anchor
    matcher = setup.body.matcher.argmax_matcher
    if setup.body.matcher.WhichOneof("matcher_oneof") != "argmax_matcher":
        return
    for name, scan in scans(setup):
        first = scan.first()
        if name != TRAIN or not len(first.sides):
            continue
        scaled, padded = setup.resized(first.images)
        boxes = first.sides * scaled
        anchors = np.asarray([size for one in spec.maps for size in one.sizes])
        # Anchors of this generator are fractions of the image; overlaps are the same in fractions.
        relative = spec.generator == "ssd_anchor_generator"
        pixels = padded if relative else np.ones_like(boxes)
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
            yield Symptom(
                scan.files[0],
                f"{int(100 * small.mean())} % of the boxes are, in the resized image, too small "
                f"to overlap any anchor by matched_threshold {matcher.matched_threshold:.2g}: "
                f"half of those are below {width:.0f} x {height:.0f} pixels, and the smallest "
                f"anchor is {least[1]:.0f} x {least[0]:.0f}",
            )


def _overlap(setup: Setup) -> Iterator[Symptom]:
    both = dict(scans(setup))
    if len(both) < 2:
        return
    train, evaluation = both[TRAIN], both[EVAL]
    common = common_images(train, evaluation)
    if common:
        yield Symptom(
            setup.where(EVAL, *INPUT_PATH),
            f"{common} of the {count(count_images(evaluation), 'image')} of {EVAL} "
            f"{'is a training image' if common == 1 else 'are training images'}",
        )


def _eval_count(setup: Setup) -> Iterator[Symptom]:
    message = setup.message.eval_config
    if not setup.message.HasField("eval_config") or not message.HasField("num_examples"):
        return
    for name, scan in scans(setup):
        if (
            name == EVAL
            and scan.complete
            and not scan.damage
            and 0 < scan.records < message.num_examples
        ):
            yield Symptom(
                setup.where("eval_config", "num_examples"),
                f"num_examples is {message.num_examples}, but {EVAL} has "
                f"{count(scan.records, 'record')}",
                edits=(
                    ConfigEdit(
                        ("eval_config", "num_examples"), str(scan.records), "as many as there are"
                    ),
                ),
            )


FILES = (
    Check(
        "RECORDS_DAMAGED",
        ERROR,
        "A file of records is cut off, fails its checksum, or is not a TFRecord file: the "
        "trainer stops at that place, maybe hours into the run.",
        AGAIN,
        _damaged,
    ),
    Check(
        "RECORDS_EMPTY",
        ERROR,
        "The files have no records, so that the trainer waits forever, or ends before its first "
        "step.",
        AGAIN + ", and read what the script that writes them prints",
        _empty,
    ),
)

CHECKS = (
    Check(
        "BOXES_TOO_SMALL",
        WARNING,
        "After resizing, boxes are so small that no anchor overlaps them enough: each gets one "
        "forced match at best, and is hardly learned.",
        "train on larger images, on crops, or with smaller anchors",
        _too_small,
    ),
    Check(
        "TRAIN_EVAL_OVERLAP",
        WARNING,
        "The evaluation set has images that the model is trained on: the metrics do not tell "
        "how it performs on others.",
        "set some images aside for evaluation",
        _overlap,
    ),
    Check(
        "EVAL_COUNT",
        WARNING,
        "num_examples exceeds the number of evaluation records: the legacy evaluation counts "
        "some of them twice.",
        "set num_examples to the number of records",
        _eval_count,
    ),
    Check(
        "CLASS_UNUSED",
        WARNING,
        "The label map has classes that no training record has: the model never learns them, and "
        "unlearns those that its checkpoint knows.",
        "remove them from the label map, or check whether the records use other names for them",
        _unused_names,
    ),
    Check(
        "EMPTY_IMAGES_UNUSED",
        WARNING,
        "hard_example_miner takes so many negatives for each positive; an image without boxes has "
        "none, so that without min_negatives_per_image it adds nothing to the loss.",
        "write min_negatives_per_image: 3",
        _taught_nothing,
    ),
    Check(
        "CLASS_IMBALANCE",
        WARNING,
        f"A class has at least {_MANY} times as many boxes as another, which is hardly learned.",
        "add images of the rare class, or repeat them",
        _imbalance,
    ),
    Check(
        "IMAGES_WITHOUT_BOXES",
        WARNING,
        "Most training images have no boxes: they teach what is background, and little else.",
        "check whether boxes got lost when the records were written",
        _without_boxes,
    ),
)
