"""What sweeps of changed configs found that doctor did not know (test_mutations.py), and what is
like it: where the stock API stops, doctor says so, and where it runs, doctor does not.

`make thorough` asks the API, too.
"""

import cells
import config_mutations as mutations
import config_sweep as sweep
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
READER = "train_input_reader { load_multiclass_scores: true }"
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
# Whether something is found is chance, but for thresholds that no score is above.
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
        stops = era in cases[one.name][1] or ("keras" in one.name and one.codes)
        assert bool(one.raised) == bool(stops), (one.what, one.raised)
