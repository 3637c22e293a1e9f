"""The effects of removing fields from a pipeline.config, as a literal table.

For fields that some revision does not know.  A row tells what changes when a config that sets the
field to something other than its default loses it: nothing, training, evaluation, a trained
model's detections, or the network itself.  A field that changes the network cannot be removed: it
means other variables, or another use of the same ones.

A field without a row takes its effect from its place (`effect_of`): below `model` it changes the
network.  So a row there states that the field does not.
"""

from typing import NamedTuple, Sequence

NOTHING = "nothing"
TRAINING = "training"
EVALUATION = "evaluation"
DETECTION = "detection"
NETWORK = "network"


class Effect(NamedTuple):
    """What removing a field changes: one of the kinds above, and in words."""

    kind: str
    words: str


_TPU = Effect(NOTHING, "it makes training on TPUs faster or possible, and changes no value")
_READING = Effect(NOTHING, "it tunes how records are read")
_ROWS = Effect(DETECTION, "non-maximum suppression keeps other detections")
_EXTRA = Effect(DETECTION, "the model returns detections only, without these outputs")
_SCHEDULE = Effect(TRAINING, "the learning rate runs without it")
_CALIBRATION = Effect(DETECTION, "scores come out uncalibrated")
_SAMPLING = Effect(TRAINING, "the class loss weighs negative examples differently")
_INIT = Effect(NOTHING, "it only initialises biases, and the checkpoint has them")
_CLIP = Effect(TRAINING, "box encodings are not clipped")
_CROP = Effect(TRAINING, "the augmentation step runs with what this revision has fixed")
_VISUAL = Effect(EVALUATION, "it is about what evaluation draws and reports")

EFFECTS = {
    # model.ssd
    "Ssd.encode_background_as_zeros": Effect(
        TRAINING,
        "an anchor without an object has the target one for the background's own class, "
        "not all zeros: the class loss counts the background too",
    ),
    "Ssd.negative_class_weight": Effect(TRAINING, "anchors without an object weigh 1"),
    "Ssd.normalize_loc_loss_by_codesize": Effect(
        TRAINING, "the box loss is not divided by the size of the box code"
    ),
    "Ssd.inplace_batchnorm_update": Effect(
        NOTHING, "BatchNorm's averages are updated in parallel to the step instead of within it"
    ),
    "Ssd.freeze_batchnorm": Effect(TRAINING, "BatchNorm's averages keep being updated"),
    "Ssd.use_confidences_as_targets": Effect(TRAINING, "targets are labels, not confidences"),
    "Ssd.implicit_example_weight": Effect(TRAINING, "implicit negatives weigh 1"),
    "Ssd.return_raw_detections_during_predict": _EXTRA,
    "Ssd.mask_head_config": Effect(NOTHING, "no published builder reads it"),
    "Ssd.weight_regression_loss_by_score": Effect(
        TRAINING, "the box loss is not weighed by scores"
    ),
    "Ssd.use_expected_classification_loss_under_sampling": _SAMPLING,
    "Ssd.minimum_negative_sampling": _SAMPLING,
    "Ssd.min_num_negative_samples": _SAMPLING,
    "Ssd.desired_negative_sampling_ratio": _SAMPLING,
    "SsdFeatureExtractor.override_base_feature_extractor_hyperparams": Effect(
        TRAINING,
        "there is no choice: the API's code decides whether conv_hyperparams are for "
        "the base network too (its regularization, and BatchNorm's decay and epsilon)",
    ),
    "SsdFeatureExtractor.batch_norm_trainable": Effect(
        TRAINING, "BatchNorm of the feature extractor is trained"
    ),
    "Loss.random_example_sampler": _SAMPLING,
    "Loss.expected_loss_weights": _SAMPLING,
    "Loss.min_num_negative_samples": _SAMPLING,
    "Loss.desired_negative_sampling_ratio": _SAMPLING,
    "Loss.equalization_loss": Effect(TRAINING, "the equalization loss is left out"),
    "WeightedSmoothL1LocalizationLoss.delta": Effect(TRAINING, "the box loss turns linear at 1"),
    "WeightedSoftmaxClassificationLoss.logit_scale": Effect(TRAINING, "logits are not scaled"),
    "ArgMaxMatcher.use_matmul_gather": _TPU,
    "BipartiteMatcher.use_matmul_gather": _TPU,
    # Box predictors
    "ConvolutionalBoxPredictor.class_prediction_bias_init": _INIT,
    "WeightSharedConvolutionalBoxPredictor.class_prediction_bias_init": _INIT,
    "ConvolutionalBoxPredictor.box_encodings_clip_range": _CLIP,
    "WeightSharedConvolutionalBoxPredictor.box_encodings_clip_range": _CLIP,
    "ConvolutionalBoxPredictor.mask_head": Effect(DETECTION, "no masks are predicted"),
    "WeightSharedConvolutionalBoxPredictor.mask_head": Effect(DETECTION, "no masks are predicted"),
    "WeightSharedConvolutionalBoxPredictor.use_dropout": Effect(TRAINING, "there is no dropout"),
    "WeightSharedConvolutionalBoxPredictor.dropout_keep_probability": Effect(
        TRAINING, "there is no dropout"
    ),
    "Hyperparams.regularize_depthwise": Effect(TRAINING, "depthwise kernels are not regularized"),
    # model.faster_rcnn
    "FasterRcnn.second_stage_mask_prediction_loss_weight": Effect(
        TRAINING, "the mask loss weighs 1"
    ),
    "FasterRcnn.second_stage_classification_loss": Effect(
        TRAINING, "the second stage is trained with a softmax over classes"
    ),
    "FasterRcnn.inplace_batchnorm_update": Effect(
        NOTHING, "no feature extractor of this family supports it"
    ),
    "FasterRcnn.use_matmul_crop_and_resize": _TPU,
    "FasterRcnn.use_matmul_gather_in_matcher": _TPU,
    "FasterRcnn.use_static_balanced_label_sampler": _TPU,
    "FasterRcnn.use_static_shapes": Effect(
        TRAINING, "anchors out of the image are filtered instead of kept with no weight"
    ),
    "FasterRcnn.use_static_shapes_for_eval": _TPU,
    "FasterRcnn.use_partitioned_nms_in_first_stage": _TPU,
    "FasterRcnn.use_combined_nms_in_first_stage": _TPU,
    "FasterRcnn.clip_anchors_to_image": Effect(
        TRAINING, "anchors that reach out of the image are left out of training, not clipped"
    ),
    "FasterRcnn.return_raw_detections_during_predict": _EXTRA,
    "FasterRcnn.output_final_box_features": _EXTRA,
    "FasterRcnn.output_final_box_rpn_features": _EXTRA,
    "FasterRcnnFeatureExtractor.batch_norm_trainable": Effect(
        TRAINING, "BatchNorm of the feature extractor stays as it is"
    ),
    # Both
    "FixedShapeResizer.resize_method": Effect(TRAINING, "images are resized bilinearly"),
    "KeepAspectRatioResizer.resize_method": Effect(TRAINING, "images are resized bilinearly"),
    "KeepAspectRatioResizer.per_channel_pad_value": Effect(TRAINING, "images are padded by 0"),
    "PostProcessing.logit_scale": Effect(DETECTION, "scores come from unscaled logits"),
    "PostProcessing.calibration_config": _CALIBRATION,
    "XYPairs.training_data_type": Effect(NOTHING, "it is a remark"),
    "BatchNonMaxSuppression.use_static_shapes": _TPU,
    "BatchNonMaxSuppression.use_combined_nms": _TPU,
    "BatchNonMaxSuppression.use_partitioned_nms": _TPU,
    "BatchNonMaxSuppression.use_cpu_nms": _TPU,
    "BatchNonMaxSuppression.use_hard_nms": _ROWS,
    "BatchNonMaxSuppression.use_class_agnostic_nms": _ROWS,
    "BatchNonMaxSuppression.max_classes_per_detection": _ROWS,
    "BatchNonMaxSuppression.soft_nms_sigma": _ROWS,
    "BatchNonMaxSuppression.change_coordinate_frame": _ROWS,
    # train_config
    "TrainConfig.load_all_detection_checkpoint_vars": Effect(
        NOTHING, "a finding about the trainer tells what is restored without it"
    ),
    "TrainConfig.fine_tune_checkpoint_type": Effect(
        NOTHING, "from_detection_checkpoint means the same"
    ),
    "TrainConfig.fine_tune_checkpoint_version": Effect(
        NOTHING, "the trainers of TensorFlow 1 do not read it"
    ),
    "TrainConfig.run_fine_tune_checkpoint_dummy_computation": Effect(
        NOTHING, "the trainers of TensorFlow 1 do not read it"
    ),
    "TrainConfig.add_regularization_loss": Effect(
        TRAINING, "the regularization loss is always part of the loss"
    ),
    "TrainConfig.max_number_of_boxes": Effect(NOTHING, "an image keeps all of its boxes"),
    "TrainConfig.unpad_groundtruth_tensors": _TPU,
    "TrainConfig.use_bfloat16": _TPU,
    "TrainConfig.summarize_gradients": Effect(NOTHING, "gradients are not summarized"),
    "TrainConfig.retain_original_images": Effect(
        NOTHING, "training does not keep the images as they were read"
    ),
    "TrainConfig.use_multiclass_scores": Effect(
        TRAINING, "targets are classes, not scores of several classes"
    ),
    "TrainConfig.merge_multiple_label_boxes": Effect(
        TRAINING, "a box with several labels is several boxes"
    ),
    "TrainConfig.update_trainable_variables": Effect(
        TRAINING, "every variable is trained that freeze_variables does not name"
    ),
    "CosineDecayLearningRate.hold_base_rate_steps": _SCHEDULE,
    "ExponentialDecayLearningRate.burnin_learning_rate": _SCHEDULE,
    "ExponentialDecayLearningRate.burnin_steps": _SCHEDULE,
    "ExponentialDecayLearningRate.min_learning_rate": _SCHEDULE,
    "ManualStepLearningRate.warmup": Effect(
        TRAINING, "the learning rate jumps to its first step instead of rising to it"
    ),
    "AdamOptimizer.epsilon": Effect(TRAINING, "Adam's epsilon is 1e-8"),
    "RandomHorizontalFlip.probability": Effect(TRAINING, "every other image is flipped"),
    "RandomHorizontalFlip.keypoint_flip_permutation": Effect(
        TRAINING, "keypoints are not swapped when an image is flipped"
    ),
    # Input readers
    "InputReader.shuffle_buffer_size": _READING,
    "InputReader.filenames_shuffle_buffer_size": _READING,
    "InputReader.prefetch_buffer_size": _READING,
    "InputReader.prefetch_size": _READING,
    "InputReader.num_prefetch_batches": _READING,
    "InputReader.num_parallel_map_calls": _READING,
    "InputReader.num_parallel_batches": _READING,
    "InputReader.read_block_length": _READING,
    "InputReader.drop_remainder": _READING,
    "InputReader.name": Effect(NOTHING, "it is a label in logs"),
    "InputReader.include_source_id": _EXTRA,
    "InputReader.max_number_of_boxes": Effect(NOTHING, "an image keeps all of its boxes"),
    "InputReader.use_display_name": Effect(
        TRAINING, "records name classes by the label map's name, not by its display_name"
    ),
    "InputReader.mask_type": Effect(
        TRAINING, "masks are read as numbers: records with PNG masks give none"
    ),
    "InputReader.input_type": Effect(
        TRAINING, "records are read as tf.Example: those of tf.SequenceExample are not read"
    ),
    "InputReader.sample_1_of_n_examples": Effect(EVALUATION, "evaluation reads every record"),
    # The rest
    "TrainEvalPipelineConfig.graph_rewriter": Effect(
        TRAINING,
        "this revision trains no quantized model: training goes on in float, and the "
        "checkpoint's quantization ranges stay unused",
    ),
    "Quantization.symmetric": Effect(TRAINING, "quantization ranges are not symmetric"),
    "SSDRandomCropOperation.clip_boxes": _CROP,
    "SSDRandomCropPadOperation.clip_boxes": _CROP,
    "SSDRandomCropFixedAspectRatioOperation.clip_boxes": _CROP,
    "SSDRandomCropPadFixedAspectRatioOperation.clip_boxes": _CROP,
    "RandomCropImage.clip_boxes": _CROP,
    "RandomCropPadImage.clip_boxes": _CROP,
    "RandomCropToAspectRatio.clip_boxes": _CROP,
}

_PLACES = {
    "model": Effect(NETWORK, "without it the network is another one"),
    "eval_config": _VISUAL,
    "eval_input_reader": Effect(EVALUATION, "evaluation reads its records without it"),
    "train_input_reader": Effect(TRAINING, "training reads its records without it"),
}
_ELSEWHERE = Effect(TRAINING, "training runs without it")


def effect_of(key: str, path: Sequence[str]) -> Effect:
    """The effect of removing `Message.field`, given its path."""
    return EFFECTS.get(key) or _PLACES.get(path[0].partition("[")[0], _ELSEWHERE)
