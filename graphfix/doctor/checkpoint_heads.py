"""Checks of which of the config's heads the checkpoint has, and of quantization's ranges."""

from typing import Iterator, List

from graphfix.detectors import families
from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.detectors.anchor_order import described, difference, order_of
from graphfix.detectors.channel_layout import ANCHOR
from graphfix.detectors.model_spec import HeadSpec
from graphfix.detectors.quantization import is_quantization
from graphfix.doctor.checkpoint import FIELD, OTHER
from graphfix.doctor.checkpoint_fit import fit, is_of_model, kind, restores
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING, count
from graphfix.modeldir.own_graph import read_graph_anchors
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.resizers import constant_size
from graphfix.restore import trainers
from graphfix.restore.requested import DETECTION

_ALL = ("train_config", "load_all_detection_checkpoint_vars")


def _depthwise(setup: Setup) -> Iterator[Symptom]:
    name, predictor = setup.predictor
    prefix = setup.train.fine_tune_checkpoint
    if not is_of_model(setup) or setup.meta != "ssd" or not hasattr(predictor, "use_depthwise"):
        return
    names = setup.metas(prefix)
    has = any(
        "ClassPredictor_depthwise/" in one or "ClassPredictor/depthwise_weights" in one
        for one in names
    )
    if has == predictor.use_depthwise or not any("ClassPredictor" in one for one in names):
        return
    literal = "true" if has else "false"
    extra = any("_3x3_s2_" in one and "_depthwise/" in one for one in names)
    edits = [
        ConfigEdit(
            ("model", "ssd", "box_predictor", name, "use_depthwise"),
            literal,
            "as the checkpoint is",
        )
    ]
    if (
        any("_3x3_s2_" in one for one in names)
        and extra != setup.body.feature_extractor.use_depthwise
    ):
        edits.append(
            ConfigEdit(
                ("model", "ssd", "feature_extractor", "use_depthwise"),
                "true" if extra else "false",
                "as the checkpoint is",
            )
        )
    yield Symptom(
        setup.where("model", "ssd", "box_predictor", name, "use_depthwise"),
        f"the box predictor of {prefix} is {'' if has else 'not '}depthwise, but the config's "
        f"is{' not' if has else ''}: none of its heads is restored",
        f"write use_depthwise: {literal}",
        tuple(edits),
    )


def _kernel_size(setup: Setup) -> Iterator[Symptom]:
    name, predictor = setup.predictor
    prefix = setup.train.fine_tune_checkpoint
    if (
        not is_of_model(setup)
        or name not in ("convolutional_box_predictor", "weight_shared_convolutional_box_predictor")
        or predictor.use_depthwise
        or list(_depthwise(setup))
    ):
        return
    metas = setup.metas(prefix)
    for head in setup.heads(prefix):
        meta = metas.get(head.tensors[0])
        if meta is not None and len(meta.shape) == 4 and meta.shape[0] != predictor.kernel_size:
            path = ("model", "ssd", "box_predictor", name, "kernel_size")
            height, width = meta.shape[:2]
            yield Symptom(
                setup.where(*path),
                f"kernel_size is {predictor.kernel_size}, but the heads of {prefix} have kernels "
                f"of {height} x {width}: none of them is restored",
                f"write kernel_size: {meta.shape[0]}",
                (ConfigEdit(path, str(meta.shape[0]), "as the checkpoint's"),),
            )
            return


def _feature_maps(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    spec = setup.anchors()[0] if setup.meta == "ssd" else None
    if spec is None or not is_of_model(setup):
        return
    metas, maps = setup.metas(prefix), len(spec.per_map)
    there = len(
        {
            name.split("/")[0]
            for name in metas
            if name.startswith("BoxPredictor_")
            and "/ClassPredictor" in name
            and not name.endswith(families.SLOT_SUFFIXES)
        }
    )
    if there > 1 and there != maps:
        yield Symptom(
            setup.where("model", "ssd", "anchor_generator"),
            f"the anchor generator is for {count(maps, 'feature map')}, but {prefix} has heads "
            f"for {there}",
        )


def _new_masks(setup: Setup) -> List[HeadSpec]:
    """The mask heads, where the checkpoint has the box heads and no mask head."""
    metas = setup.metas(setup.train.fine_tune_checkpoint)
    heads = setup.heads(setup.train.fine_tune_checkpoint)
    masks = [head for head in heads if head.role == families.MASK]
    boxes = [head for head in heads if head.role == families.BOX]
    if any(name in metas for head in masks for name in head.tensors):
        return []
    return masks if any(name in metas for head in boxes for name in head.tensors) else []


def _mask_head(setup: Setup) -> Iterator[Symptom]:
    if is_of_model(setup) and _new_masks(setup):
        path = ("model", setup.meta, families.PREDICTOR_FIELD[setup.meta])
        yield Symptom(
            setup.where(*path, "mask_rcnn_box_predictor", "predict_instance_masks"),
            f"{setup.train.fine_tune_checkpoint} is of a detector without masks: the mask head "
            "starts at random",
        )


def _anchor_heads(setup: Setup) -> Iterator[Symptom]:
    if not is_of_model(setup) or list(_feature_maps(setup)) or list(_depthwise(setup)):
        return
    found = fit(setup, setup.train.fine_tune_checkpoint).broken
    broken = [one for one in found if one[0] not in _new_masks(setup)]
    if broken:
        field = families.ANCHOR_FIELD[setup.meta]
        yield Symptom(
            setup.where("model", setup.meta, field),
            f"{count(len(broken), 'head does', 'heads do')} not fit "
            f"{setup.train.fine_tune_checkpoint}, and start at random; the first: {broken[0][1]}",
        )


def _anchors(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    spec = setup.anchors()[0] if is_of_model(setup) else None
    if (
        spec is None
        or list(_feature_maps(setup))
        or restores(setup) != trainers.EVERYTHING
        or not any(head.layout.has(ANCHOR) for head in fit(setup, prefix).fitting)
    ):
        return
    heads = fit(setup, prefix).fitting
    boxes = [name for head in heads if head.role == families.BOX for name in head.tensors]
    field = families.ANCHOR_FIELD[setup.meta]
    image = constant_size(setup.body.image_resizer)
    read = read_graph_anchors(prefix, image, heads=boxes)
    if read.anchors is None:
        return
    revision = setup.options.revision
    wanted = describe_anchors(getattr(setup.body, field), setup.path, image, api=revision)
    order = order_of(read.anchors, wanted)
    if order != ():
        how = (
            f"has other anchors: {difference(read.anchors, wanted)}"
            if order is None
            else f"has its anchors in another order than the API of {revision} ({described(order)})"
        )
        yield Symptom(
            setup.where("model", setup.meta, field),
            f"{read.path} {how}: heads are restored, but for anchors they were not trained for",
        )


def _load_all(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    if (
        not is_of_model(setup)
        or kind(setup) != DETECTION
        or setup.train.load_all_detection_checkpoint_vars
        or not setup.options.schema.field("TrainConfig", _ALL[-1])
    ):
        return
    fitting = fit(setup, prefix).fitting
    if fitting:
        yield Symptom(
            setup.where(*_ALL),
            "load_all_detection_checkpoint_vars is not set: only the feature extractor is "
            f"restored, and {count(len(fitting), 'head')} of {prefix} that would fit "
            f"{'starts' if len(fitting) == 1 else 'start'} at random",
            edits=(ConfigEdit(_ALL, "true", "the heads fit"),),
        )


def _class_heads(setup: Setup) -> Iterator[Symptom]:
    if not is_of_model(setup):
        return
    found = fit(setup, setup.train.fine_tune_checkpoint)
    if found.other_classes:
        yield Symptom(
            setup.where("model", setup.meta, "num_classes"),
            f"{count(len(found.other_classes), 'head is', 'heads are')} for "
            f"{'/'.join(map(str, found.counts))} classes in {setup.train.fine_tune_checkpoint}, "
            f"for {setup.body.num_classes} in the config: they start at random, as they must",
        )


def _quantization(setup: Setup) -> Iterator[Symptom]:
    if not is_of_model(setup):
        return
    prefix = setup.train.fine_tune_checkpoint
    has = any(is_quantization(name) for name in setup.metas(prefix))
    asked = setup.message.HasField("graph_rewriter")
    if has and not asked:
        yield Symptom(
            setup.where(*FIELD),
            f"{prefix} was trained quantized, but the config has no graph_rewriter: training "
            "continues in float",
        )


def _pretrained_ranges(setup: Setup) -> Iterator[Symptom]:
    if not is_of_model(setup) or not setup.message.HasField("graph_rewriter"):
        return
    prefix = setup.train.fine_tune_checkpoint
    if not any(is_quantization(name) for name in setup.metas(prefix)):
        yield Symptom(
            setup.where("graph_rewriter"),
            f"the config trains quantized, but {prefix} is a float model: quantization ranges "
            "start at their initial values",
        )


CHECKS = (
    Check(
        "CHECKPOINT_DEPTHWISE",
        ERROR,
        "Only one of the checkpoint's and the config's box predictors is depthwise: they are "
        "different models.",
        OTHER,
        _depthwise,
    ),
    Check(
        "CHECKPOINT_KERNEL_SIZE",
        ERROR,
        "The checkpoint's heads have kernels of another size than the config's.",
        OTHER,
        _kernel_size,
    ),
    Check(
        "CHECKPOINT_FEATURE_MAPS",
        ERROR,
        "The checkpoint has heads for another number of feature maps than the config.",
        OTHER,
        _feature_maps,
    ),
    Check(
        "HEADS_DO_NOT_FIT",
        WARNING,
        "Heads have other shapes than the checkpoint's, and not because of the number of "
        "classes: the anchors differ. They start at random.",
        "keep the checkpoint's anchors, or carry its boxes over: graphfix convert --anchors",
        _anchor_heads,
    ),
    Check(
        "MASK_HEAD_NEW",
        WARNING,
        "The model predicts masks, and the checkpoint has no head for them. It is learned from "
        "nothing, and needs as many steps as a new one.",
        "nothing to do, unless a checkpoint of Mask R-CNN was meant",
        _mask_head,
    ),
    Check(
        "CHECKPOINT_ANCHORS",
        WARNING,
        "The graph beside the checkpoint has other anchors than the config, or, of before 2017-11, "
        "the same in another order. Names and shapes of the heads do not tell.",
        "put the heads into this API's order: graphfix convert; or give the anchors of the graph",
        _anchors,
    ),
    Check(
        "HEADS_NOT_RESTORED",
        WARNING,
        "Without load_all_detection_checkpoint_vars only the feature extractor is restored.",
        "write load_all_detection_checkpoint_vars: true",
        _load_all,
    ),
    Check(
        "QUANTIZED_TO_FLOAT",
        WARNING,
        "A quantized model is trained further as a float model; its ranges are lost.",
        "add the graph_rewriter block that it was trained with",
        _quantization,
    ),
    Check(
        "FLOAT_TO_QUANTIZED",
        INFO,
        "A float model is trained further as a quantized one.",
        "nothing to do",
        _pretrained_ranges,
    ),
    Check(
        "CLASS_HEADS_NEW",
        INFO,
        "The number of classes differs, so that the heads that depend on it start at random.",
        "to keep the trained rows of the classes that stay: graphfix convert",
        _class_heads,
    ),
)
