"""Bad pipeline.configs, one row each: refused as test_command_line_bad_input.py has it."""

import os

import pytest
from bad_inputs import CONFIG, Rows

row = Rows()


@row("{config}", "does not exist", "samples/configs/ssd_mobilenet_v1_coco.config")
def no_config(place):
    os.unlink(place.config)


@row("{top}/none.config", "does not exist")
def a_config_named_that_is_not_there(place):
    place.flags += ["--pipeline_config_path", os.path.join(place.top, "none.config")]


@row("{config}", "Is a directory")
def a_config_that_is_a_directory(place):
    place.directory(place.config)


@row("{config}", "has no model block")
def an_empty_config(place):
    place.write(place.config, "")


@row("{config}", "UTF-8")
def a_config_of_binary_garbage(place):
    place.write(place.config, bytes(range(256)) * 4)


@row("{config}:", "")
def a_config_cut_short(place):
    place.write(place.config, CONFIG[: len(CONFIG) // 2])


@row("{config}:59:", "\\U is not an escape", "use forward slashes or double the backslashes")
def a_windows_path_in_the_config(place):
    place.change_config(('"PATH_TO_BE_CONFIGURED/model.ckpt"', '"C:\\Users\\me\\model.ckpt"'))


@row("{config}:4:", "'num_classes' cannot be 'four'", "whole number")
def a_word_for_a_number(place):
    place.change_config(("num_classes: 4", "num_classes: 'four'"))


@row("{config}", "has more than 16777216 bytes")
def a_config_of_seventeen_megabytes(place):
    with open(place.config, "ab") as file:
        file.truncate(17 << 20)


@row("{config}", "cannot be read: Input/output error")
def a_config_that_fails_to_be_read(place):
    if not os.path.exists("/proc/self/mem"):
        pytest.skip("no /proc on this system")
    os.unlink(place.config)
    os.symlink("/proc/self/mem", place.config)


@row("{config}", "FeatureExtractor/MobilenetV2", "give the pipeline.config")
def a_config_of_another_feature_extractor(place):
    place.change_config(("'ssd_mobilenet_v1'", "'ssd_mobilenet_v2'"))


@row("{config}", "'ssd_of_tomorrow'")
def a_feature_extractor_nobody_knows(place):
    place.change_config(("'ssd_mobilenet_v1'", "'ssd_of_tomorrow'"))


@row("{config}", "depth_multiplier", "give the pipeline.config")
def a_config_of_a_wider_model(place):
    place.change_config(("depth_multiplier: 0.0625", "depth_multiplier: 0.25"))


@row("{config}", "", "give the pipeline.config")
def a_config_of_another_architecture(place):
    place.write(
        place.config,
        """
        model { faster_rcnn {
          num_classes: 4
          feature_extractor { type: 'faster_rcnn_inception_v2' first_stage_features_stride: 16 }
          image_resizer { keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1024 } }
          first_stage_anchor_generator { grid_anchor_generator {
            scales: [0.25, 0.5, 1.0, 2.0] aspect_ratios: [0.5, 1.0, 2.0] } }
          second_stage_box_predictor { mask_rcnn_box_predictor { fc_hyperparams { op: FC
            initializer { variance_scaling_initializer { } } } } }
        } }
        train_config { fine_tune_checkpoint: "x" }
        train_input_reader { } eval_config { } eval_input_reader { }""",
    )


@row("{config}", "makes 3/5/5/5/5/5 anchors", "channels for 3/6/6/6/6/6", "--anchors")
def a_config_of_other_anchors(place):
    place.change_config(("        aspect_ratios: 0.3333\n", ""))


@row("{config}", "num_classes 2", "have 4 classes")
def a_config_of_other_anchors_and_classes(place):
    place.change_config(
        ("        aspect_ratios: 0.3333\n", ""), ("num_classes: 4", "num_classes: 2")
    )


@row("{config}", "a width of 4", "depth_multiplier 0.125")
def a_config_of_other_widths_and_classes(place):
    place.change_config(
        ("depth_multiplier: 0.0625", "depth_multiplier: 0.125"),
        ("num_classes: 4", "num_classes: 2"),
    )


@row("{prefix}", "BoxPredictor_")
def a_config_of_fewer_feature_maps(place):
    place.change_config(("num_layers: 6", "num_layers: 5"))


@row("{prefix}", "BoxPredictor_6/")
def a_config_of_more_feature_maps(place):
    place.change_config(("num_layers: 6", "num_layers: 7"))


@row(
    "--new_rows",
    "wants noise for BoxPredictor_0/ClassPredictor/weights",
    "gives its predictor no initializer to draw it from",
    "truncated_normal_initializer",
)
def noise_that_is_no_number(place):
    head, tail = CONFIG.split("convolutional_box_predictor")
    place.write(
        place.config,
        head + "convolutional_box_predictor" + tail.replace("stddev: 0.03", "stddev: nan", 1),
    )


@row("--new_rows", "gives its predictor no initializer to draw it from")
def noise_without_end(place):
    head, tail = CONFIG.split("convolutional_box_predictor")
    place.write(
        place.config,
        head + "convolutional_box_predictor" + tail.replace("stddev: 0.03", "stddev: 1e38", 1),
    )


@row("--new_rows", "gives its predictor no initializer to draw it from")
def noise_of_a_negative_variance(place):
    head, tail = CONFIG.split("convolutional_box_predictor")
    place.write(
        place.config,
        head
        + "convolutional_box_predictor"
        + tail.replace(
            "truncated_normal_initializer { stddev: 0.03 }",
            "variance_scaling_initializer { factor: -1 }",
            1,
        ),
    )


@pytest.mark.parametrize("spoil, subject, fragments", row)
def test_bad_configs_are_refused(refused, spoil, subject, fragments):
    refused(spoil, subject, fragments)
