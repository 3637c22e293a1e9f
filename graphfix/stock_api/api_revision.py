"""Which revision of the stock Object Detection API is this?  Answered without importing it.

The API has no version of its own.  Its configuration schema does tell: `protos/*_pb2.py` spells
out every field, and each row of MARKERS is a field that appeared on a known day and never went
away (from the history of the .proto files upstream, 2017-06-14 to 2022-10-19).  The newest
marker present and the oldest one absent after it bound the revision to an interval.

Within that interval a distribution installed beside the API can say more, so DISTRIBUTIONS are
asked second, and believed only where they agree with the files: one distribution may have been
unpacked over another, and both would still be listed as installed.

Also here: where the API is looked for.  People say so with PYTHONPATH (upstream's manual has them
name research/ and research/slim), so the directories it names come before what is installed if they
hold the API, and after all else if not.  Python itself never gets to see PYTHONPATH, for which the
standard library is no exception: what lies there by chance would be run.

Standard library only, and no imports from graphfix: `worker.py` loads this file by its path.
Run as a script, with PYTHONPATH's directories as arguments, it prints what it finds as JSON.
"""

import importlib.machinery
import importlib.util
import json
import os
import re
import sys

# First day, file under protos/, field.
MARKERS = (
    ("2017-06-14", "train", "from_detection_checkpoint"),
    ("2017-10-27", "optimizer", "learning_rate_base"),
    ("2018-02-09", "train", "load_all_detection_checkpoint_vars"),
    ("2018-02-21", "ssd", "encode_background_as_zeros"),
    ("2018-03-09", "ssd", "normalize_loc_loss_by_codesize"),
    ("2018-03-22", "train", "fine_tune_checkpoint_type"),
    ("2018-04-16", "ssd", "freeze_batchnorm"),
    ("2018-05-01", "box_predictor", "share_box_across_classes"),
    ("2018-05-11", "hyperparams", "regularize_depthwise"),
    ("2018-06-05", "input_reader", "use_display_name"),
    ("2018-07-02", "faster_rcnn", "use_matmul_crop_and_resize"),
    ("2018-07-12", "box_predictor", "share_prediction_tower"),
    ("2018-08-01", "faster_rcnn", "clip_anchors_to_image"),
    ("2018-08-07", "train", "update_trainable_variables"),
    ("2018-09-21", "faster_rcnn", "resize_masks"),
    ("2018-11-02", "ssd", "add_background_class"),
    ("2018-12-13", "hyperparams", "group_norm"),
    ("2019-03-07", "image_resizer", "identity_resizer"),
    ("2019-05-22", "anchor_generator", "flexible_grid_anchor_generator"),
    ("2019-05-30", "post_processing", "use_class_agnostic_nms"),
    ("2019-07-15", "post_processing", "soft_nms_sigma"),
    ("2019-10-09", "post_processing", "use_combined_nms"),
    ("2019-10-17", "post_processing", "use_partitioned_nms"),
    ("2019-11-13", "eval", "force_no_resize"),
    ("2020-05-12", "post_processing", "change_coordinate_frame"),
    ("2020-05-26", "post_processing", "use_hard_nms"),
    ("2020-06-24", "hyperparams", "force_use_bias"),
    ("2020-06-26", "input_reader", "load_dense_pose"),
    ("2020-07-08", "preprocessor", "random_scale_crop_and_pad_to_square"),
    ("2020-07-20", "input_reader", "frame_index"),
    ("2020-08-13", "post_processing", "use_cpu_nms"),
    ("2020-08-25", "eval", "skip_predictions_for_unlabeled_class"),
    ("2020-09-01", "eval", "super_categories"),
    ("2020-10-08", "input_reader", "sample_from_datasets_weights"),
    ("2020-10-26", "input_reader", "drop_remainder"),
    ("2020-11-07", "eval", "all_metrics_per_category"),
    ("2020-12-04", "faster_rcnn", "attention_position"),
    ("2021-01-19", "hyperparams", "sync_batch_norm"),
    ("2021-01-22", "input_reader", "load_keypoint_depth_features"),
    ("2021-02-05", "losses", "squared_normalization"),
    ("2021-03-24", "train", "run_fine_tune_checkpoint_dummy_computation"),
    ("2021-03-30", "hyperparams", "keras_initializer_by_name"),
    ("2021-04-28", "center_net", "max_roi_jitter_ratio"),
    ("2021-05-05", "center_net", "upsampling_interpolation"),
    ("2021-06-15", "center_net", "score_distance_multiplier"),
    ("2021-07-19", "center_net", "box_consistency_loss_weight"),
    ("2021-09-30", "input_reader", "use_keypoint_label_map"),
    ("2021-10-13", "ssd", "spaghettinet_arch_name"),
    ("2022-02-03", "center_net", "use_only_last_stage"),
    ("2022-04-05", "eval", "image_classes_field_map_empty_to_ones"),
    ("2022-10-07", "ssd", "use_hardswish"),
    ("2022-10-19", "fpn", "use_native_resize_op"),
)

# Distributions on PyPI (name and version as their .dist-info directory spells them) and the day
# of the upstream revision they were made from.
DISTRIBUTIONS = (
    ("tensorflow_object_detection_api-0.1.1", "2019-04-22"),
    ("tf_object_detection-0.0.3", "2019-07-15"),
)

# What a directory holds that is on PYTHONPATH for the API's sake: the API, slim's packages, and
# what they are run with.
PACKAGES = (
    "object_detection",
    "nets",
    "deployment",
    "slim",
    "tf_slim",
    "official",
    "tensorflow",
    "tensorflow_core",
    "pycocotools",
    "lvis",
)


def revision_of(package):
    """What the API in directory `package` (its `object_detection`) is, or None if it is none.

    Gives {"revision": "YYYY-MM", "since": day, "before": day or None, "determined_by": words}.
    """
    texts = {}
    since, witness, before = None, None, None
    for day, stem, field in reversed(MARKERS):
        if stem not in texts:
            texts[stem] = read_text(os.path.join(package, "protos", stem + "_pb2.py"))
        if _mentions(texts[stem], field):
            since, witness = day, f"{stem}.proto has {field} ({day})"
            break
        before = day
    if since is None:
        return None
    found = {"revision": since[:7], "since": since, "before": before, "determined_by": witness}
    for name, day in DISTRIBUTIONS:
        installed = os.path.isdir(os.path.join(os.path.dirname(package), name + ".dist-info"))
        if installed and since <= day and (before is None or day < before):
            found.update(revision=day[:7], determined_by=f"{witness}; {name} is installed ({day})")
    return found


def _mentions(text, field):
    # A serialized descriptor writes a field's name between bytes that are no letters, or
    # after an octal escape such as \030, whose digits are not part of the name.
    return field in text and re.search(
        rf"(?:\\[0-7]{{3}}|[^A-Za-z0-9_]){field}(?![A-Za-z0-9_])", text
    )


def extend_path(named):
    """Has this interpreter import the API, and what it needs, also from these directories."""
    first = [
        place
        for place in named
        if any(os.path.isdir(os.path.join(place, package)) for package in PACKAGES)
    ]
    site = next(
        (
            number
            for number, place in enumerate(sys.path)
            if os.path.basename(place) in ("site-packages", "dist-packages")
        ),
        len(sys.path),
    )
    sys.path[site:site] = first
    sys.path.extend(place for place in named if place not in first)


def find(package, named=()):
    """What this interpreter would import for a package, also from the directories `named`; or
    None."""
    try:
        return importlib.machinery.PathFinder.find_spec(
            package, list(named)
        ) or importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None


def package_directory(named=()):
    """The directory of the `object_detection` this interpreter would import, or None."""
    spec = find("object_detection", named)
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        return os.path.abspath(directory)
    return None


def importable(named=()):
    """`revision_of` the API this interpreter would import, or None."""
    directory = package_directory(named)
    return directory and revision_of(directory)


def read_text(path):
    """A file's text, each byte a letter; "" where it cannot be read."""
    try:
        with open(path, encoding="latin-1") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    extend_path(sys.argv[1:])
    json.dump({"api": importable(), "tensorflow": find("tensorflow") is not None}, sys.stdout)
