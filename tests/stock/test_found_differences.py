"""What sweeps of changed configs found that doctor did not know (test_mutations.py), and what is
like it: where the stock API stops, doctor says so, and where it runs, doctor does not.

`make thorough` asks the API, too.
"""

import cells
import config_mutations as mutations
import config_sweep as sweep
import judge_configs
import pytest
import thorough
from google.protobuf import text_format

ALL = set(cells.ERAS)
OLD = {"2019-04"}
INITIALIZER = (
    "model { ssd { feature_extractor { conv_hyperparams { initializer { "
    "variance_scaling_initializer { factor: %s } } } } } }"
)
NMS = "second_stage_post_processing { batch_non_max_suppression { %s } }"
BOX_HEAD = "model { faster_rcnn { second_stage_box_predictor { mask_rcnn_box_predictor { %s } } } }"
READER = "train_input_reader { load_multiclass_scores: true }"
SIDE = "model { ssd { image_resizer { fixed_shape_resizer { height: %d width: %d } } } }"
IN_PLACE = "model { ssd { inplace_batchnorm_update: true } }"
METRICS = "eval_config { metrics_set: '%s' }"
AUGMENTED = "train_config { data_augmentation_options { %s } }"
CROPS = "train_config { batch_size: 2 data_augmentation_options { ssd_random_crop {} } } "

# (family, what is merged into its config, the eras whose API stops)
FOUND = [
    (
        "ssd_mobilenet_v1",
        "model { ssd { post_processing { logit_scale: 0 score_converter: IDENTITY } } }",
        ALL,
    ),
    ("ssd_mobilenet_v1", 'train_config { update_trainable_variables: "nothing" }', ALL),
    ("ssd_mobilenet_v1", 'train_config { freeze_variables: ".*" }', ALL),
    ("ssd_mobilenet_v1", 'train_config { freeze_variables: "FeatureExtractor" }', set()),
    ("ssd_mobilenet_v1", READER, OLD),
    ("ssd_mobilenet_v1", READER + " train_config { use_multiclass_scores: true }", OLD),
    ("ssd_mobilenet_v1", "eval_input_reader { load_multiclass_scores: true }", OLD),
    ("ssd_mobilenet_v1", INITIALIZER % "-0.5", ALL),
    ("ssd_mobilenet_v1", INITIALIZER % "0", set()),
    ("ssd_mobilenet_v2_keras", INITIALIZER % "0", ALL),
    (
        "ssd_mobilenet_v1",
        "model { ssd { anchor_generator { ssd_anchor_generator { width_offset: 2 } } } }",
        set(),
    ),
    (
        "ssd_fpn_no_background",
        "model { ssd { feature_extractor { min_depth: -1 fpn { additional_layer_depth: 1 } } } }",
        ALL,
    ),
    # Of 2019-04 since it has no such number of layers.
    ("ssd_one_feature_map", "graph_rewriter {}", {"2019-04", "2021"}),
    ("ssdlite_mobiledet_cpu", "graph_rewriter {} " + IN_PLACE, ALL),
    ("ssdlite_mobiledet_gpu", "graph_rewriter {} " + IN_PLACE, OLD | {"2019-07"}),
    ("ssd_mobilenet_v2_quantized", IN_PLACE, set()),
    ("faster_rcnn_inception_v2", "graph_rewriter {}", OLD | {"2019-07"}),
    ("faster_rcnn_resnet50", "graph_rewriter {}", ALL),
    ("mask_rcnn", "graph_rewriter {}", ALL),
    ("faster_rcnn_resnet50", BOX_HEAD % "predict_instance_masks: true", ALL),
    (
        "ssd_mobilenet_v1",
        "model { ssd { anchor_generator { ssd_anchor_generator { height_offset: 2 } } } }",
        OLD | {"2019-07"},
    ),
    ("ssd_inception_v3", SIDE % (74, 74), ALL),
    ("ssd_inception_v3", SIDE % (75, 75), set()),
    ("ssd_mobilenet_v1_quantized", "model { ssd { post_processing { logit_scale: 2 } } }", set()),
    ("ssd_mobilenet_v1", METRICS % "coco_mask_metrics", ALL),
    ("ssd_mobilenet_v1", METRICS % "oid_challenge_object_detection_metrics", ALL),
    ("ssd_mobilenet_v1", METRICS % "pascal_voc_detection_metrics", OLD),
    ("ssd_mobilenet_v1", METRICS % "precision_at_recall_detection_metrics", OLD),
    ("mask_rcnn", METRICS % "coco_mask_metrics", set()),
    ("mask_rcnn", METRICS % "lvis_mask_metrics", ALL),
    # Of 2021; older ones do not know the field, or the policy.
    ("ssd_mobilenet_v1", "eval_config { parameterized_metric {} }", ALL),
    ("ssd_mobilenet_v1", "train_input_reader { drop_remainder: false }", ALL),
    ("ssd_mobilenet_v1", "eval_input_reader { drop_remainder: false }", ALL),
    ("ssd_mobilenet_v1", AUGMENTED % "random_jpeg_quality {}", ALL),
    ("ssd_mobilenet_v1", AUGMENTED % "autoaugment_image { policy_name: 'v9' }", ALL),
    ("faster_rcnn_resnet50", BOX_HEAD % "conv_hyperparams {}", set()),
    ("faster_rcnn_resnet50", BOX_HEAD % "convolve_then_upsample_masks: true", set()),
    (
        "ssd_mobilenet_v1_fpn",
        "model { ssd { image_resizer { keep_aspect_ratio_resizer {} } } }",
        ALL,
    ),
    (
        "ssd_mobilenet_v1_fpn",
        "model { ssd { image_resizer { keep_aspect_ratio_resizer { min_dimension: 96 "
        "max_dimension: 128 pad_to_max_dimension: true } } } }",
        set(),
    ),
    (
        "faster_rcnn_resnet50",
        CROPS + "model { faster_rcnn { image_resizer { identity_resizer {} } } }",
        ALL,
    ),
    (
        "faster_rcnn_resnet50",
        "eval_config { batch_size: 2 } model { faster_rcnn { image_resizer { "
        "keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 128 } } } }",
        set(),
    ),
]
# Whether something is found is chance, but for thresholds that no score is above.  A CPU crashes
# there in 2019-07, of which MASKS_PADDED warns.
UNFOUND = [
    "first_stage_nms_score_threshold: 1.0",
    NMS % "score_threshold: 1.0",
    NMS % "max_detections_per_class: 0",
]


def changed():
    bases = mutations.base_configs()
    for number, (family, text, eras) in enumerate(FOUND):
        yield _merged(bases, number, family, text), eras
    for number, text in enumerate(UNFOUND, len(FOUND)):
        text = f"model {{ faster_rcnn {{ {text} }} }}"
        yield _merged(bases, number, "mask_rcnn", text), OLD


def _merged(bases, number, family, text):
    config = bases[family].__class__()
    config.CopyFrom(bases[family])
    text_format.Merge(text, config)
    if len(config.eval_input_reader) > 1:
        config.eval_input_reader[0].MergeFrom(config.eval_input_reader.pop())
    return f"{number:02}_{family}", text_format.MessageToString(config), text


@pytest.mark.parametrize("era", cells.ERAS)
def test_doctor_knows_what_was_found(stock_python, tmp_path, era):
    month, directory = mutations.MONTHS[era], str(tmp_path)
    sweep.prepare(stock_python(era), directory)
    for (_, text, what), eras in changed():
        found = sweep.errors(sweep.written(text, directory), month) - sweep.SILENT
        assert bool(found) == (era in eras or "keras" in text), (what, found)


@thorough.only
@pytest.mark.parametrize("era", cells.ERAS)
def test_the_api_stops_at_what_was_found(stock_python, tmp_path, era):
    """The Estimator's own run: its evaluation is the API's, too, where nothing is found."""
    month = mutations.MONTHS[era]
    cases = {one[0]: (one, eras) for one, eras in changed()}
    every = [one for one, _ in cases.values()]
    found = sweep.judged(stock_python(era), every, month, tmp_path, "estimator")
    assert len(found) == len(cases)
    for one in found:
        if era == "2019-07" and judge_configs.CRASHED in (one.raised or ""):
            assert "mask_rcnn" in one.name
            continue
        stops = era in cases[one.name][1] or ("keras" in one.name and one.codes)
        assert bool(one.raised) == bool(stops), (one.what, one.raised)
