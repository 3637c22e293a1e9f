"""Checks of whether fine_tune_checkpoint is of the config's model, and what is restored from it."""

import functools
from typing import Iterator, NamedTuple, Optional, Tuple

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.extractor_check import check_extractor
from graphfix.detectors.extractors.loader import Extractor, described_extractors, find_extractor
from graphfix.detectors.extractors.widths import Widths, is_fixed
from graphfix.detectors.model_spec import HeadSpec
from graphfix.detectors.quantization import is_quantization
from graphfix.doctor.checkpoint import FIELD, is_tf2
from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats.textproto import quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.restore import trainers

_DETECTION = ("train_config", "from_detection_checkpoint")
_TYPE = ("train_config", "fine_tune_checkpoint_type")
_ALL = ("train_config", "load_all_detection_checkpoint_vars")
_OTHER = "name the checkpoint that belongs to this config, or take the config that belongs to it"
TYPES = ("detection", "classification")
# What models are published or usually made with.
_MULTIPLIERS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.25, 1.4)


# What the config asks for


def kind(setup: Setup) -> str:
    """The type that the trainer takes the checkpoint for."""
    train = setup.train
    known = setup.options.schema.field("TrainConfig", "fine_tune_checkpoint_type")
    if known and train.fine_tune_checkpoint_type:
        return train.fine_tune_checkpoint_type
    return TYPES[0] if train.from_detection_checkpoint else TYPES[1]


def is_classifier(setup: Setup) -> bool:
    """Whether the checkpoint's variables have a classifier's names for the config's extractor."""
    names = setup.metas(setup.train.fine_tune_checkpoint)
    extractor = _extractor(setup)
    return (
        bool(names)
        and extractor is not None
        and not any(name.startswith(extractor.scopes) for name in names)
        and any(name.startswith(extractor.network + "/") for name in names)
    )


def _extractor(setup: Setup) -> Optional[Extractor]:
    """The config's feature extractor, None where its variables are not known."""
    if not setup.meta or not hasattr(setup.body, "feature_extractor"):
        return None
    found = find_extractor(setup.body.feature_extractor.type)
    return found if found is not None and found.is_described else None


def scopes(setup: Setup) -> Tuple[str, ...]:
    """The scopes of the config's feature extractor, none where it is not known."""
    extractor = _extractor(setup)
    return extractor.scopes if extractor else ()


def _unknown_type(setup: Setup) -> Iterator[Evidence]:
    if setup.train.fine_tune_checkpoint and kind(setup) not in TYPES:
        yield Evidence(
            setup.where(*_TYPE),
            (
                f"fine_tune_checkpoint_type is '{kind(setup)}'; with TensorFlow 1 "
                "there are 'detection' and 'classification'"
            ),
            'write fine_tune_checkpoint_type: "detection"',
            (ConfigEdit(_TYPE, quote(TYPES[0]), "its variables have a detector's names"),),
        )


def _wrong_kind(setup: Setup) -> Iterator[Evidence]:
    names = setup.metas(setup.train.fine_tune_checkpoint)
    extractor = _extractor(setup)
    if not names or extractor is None or kind(setup) not in TYPES:
        return
    detector = any(name.startswith(extractor.scopes) for name in names)
    if detector and kind(setup) == TYPES[1]:
        yield _taken_for(setup, "detector", "classifier", "true", TYPES[0])
    elif is_classifier(setup) and kind(setup) == TYPES[0]:
        yield _taken_for(setup, "classifier", "detector", "false", TYPES[1])


def _taken_for(setup: Setup, what: str, other: str, flag: str, right: str) -> Evidence:
    """A checkpoint of one kind that the config takes for the other; by the field that says so."""
    reason = f"its variables have a {what}'s names"
    edit = (
        ConfigEdit(_TYPE, quote(right), reason)
        if setup.train.fine_tune_checkpoint_type
        else ConfigEdit(_DETECTION, flag, reason)
    )
    return Evidence(
        setup.where(*edit.path),
        f"{setup.train.fine_tune_checkpoint} is a {what}, and the config takes it for a {other}",
        f"write {edit.path[-1]}: {edit.literal}",
        (edit,),
    )


def _ignored(setup: Setup, every: bool) -> Iterator[Evidence]:
    if not setup.train.fine_tune_checkpoint:
        return
    rows = [trainers.restored(setup.options.revision, name) for name in setup.options.trainers]
    what = {name: found for row in rows for name, found in row}
    ignoring = [name for name, found in what.items() if found == trainers.NOTHING]
    if ignoring and (len(ignoring) == len(what)) == every:
        yield Evidence(
            setup.where(*FIELD),
            (
                f"model_main of {setup.options.revision} ignores fine_tune_checkpoint: it "
                "starts from random values, without a message"
            ),
        )


# Whether it is of the config's model


def _other_model(setup: Setup) -> Iterator[Evidence]:
    prefix = setup.train.fine_tune_checkpoint
    names, extractor = setup.metas(prefix), _extractor(setup)
    if not names or extractor is None or is_classifier(setup) or is_tf2(setup):
        return
    if extractor.first.name in names:
        return
    others = sorted({one.type for one in described_extractors() if one.first.name in names})
    what = (
        (f"a {others[0]}" if len(others) == 1 else "one of " + ", ".join(others))
        if others
        else "no feature extractor that graphfix knows"
    )
    yield Evidence(
        setup.where("model", setup.meta, "feature_extractor", "type"),
        (f"the config's feature extractor is {extractor.type}, and {prefix} has {what}"),
    )


def _other_width(setup: Setup) -> Iterator[Evidence]:
    prefix = setup.train.fine_tune_checkpoint
    names, extractor = setup.metas(prefix), _extractor(setup)
    if extractor is None or extractor.first.name not in names:
        return
    settings, (first, width) = setup.body.feature_extractor, extractor.first
    for problem in check_extractor(extractor, settings, names, setup.path, prefix):
        found = names[first].shape[-1]
        path = ("model", setup.meta, "feature_extractor", "depth_multiplier")
        edits: Tuple[ConfigEdit, ...] = ()
        fitting = [
            one
            for one in _MULTIPLIERS
            if not is_fixed(width) and Widths(one, settings.min_depth).of(width) == found
        ]
        if len(fitting) == 1:
            edits = (ConfigEdit(path, repr(fitting[0]), "as wide as the checkpoint"),)
        yield Evidence(
            setup.where(*path),
            problem.message.replace("gives", "depth_multiplier gives"),
            f"write depth_multiplier: {fitting[0]!r}" if edits else "",
            edits,
        )
        return


class Fit(NamedTuple):
    """How heads fit: those that do, those with another number of classes (`counts`: which), and
    those that are missing or have other shapes."""

    fitting: Tuple[HeadSpec, ...]
    other_classes: Tuple[HeadSpec, ...]
    counts: Tuple[int, ...]
    broken: Tuple[Tuple[HeadSpec, str], ...]


def fit(setup: Setup, prefix: str) -> Fit:
    """Holds the config's heads against a checkpoint's tensors."""
    metas = setup.metas(prefix)
    fitting: list = []
    others: list = []
    counts: set = set()
    broken: list = []
    for head in setup.heads(prefix):
        verdicts = [_fits(setup, head, metas.get(name)) for name in head.tensors]
        if all(one == "" for one in verdicts):
            fitting.append(head)
        elif all(isinstance(one, int) for one in verdicts) and len(set(verdicts)) == 1:
            others.append(head)
            counts.add(verdicts[0])
        else:
            number = next(
                (index for index, one in enumerate(verdicts) if isinstance(one, str) and one), 0
            )
            broken.append((head, f"{head.tensors[number]} {verdicts[number]}"))
    return Fit(tuple(fitting), tuple(others), tuple(sorted(counts)), tuple(broken))


def _fits(setup: Setup, head: HeadSpec, meta):
    """ "" where a tensor fits, its number of classes where that alone differs, else what it is."""
    if meta is None:
        return "is not in it"
    if meta.shape and meta.shape[-1] == head.layout.channels:
        return ""
    axis = head.class_axis
    if axis is not None and meta.shape:
        beside = head.layout.channels // head.layout.size(axis)
        if meta.shape[-1] % beside == 0 and meta.shape[-1] > beside:
            return meta.shape[-1] // beside - (1 if head.background else 0)
    return f"has {meta.shape[-1] if meta.shape else 0} channels, and the config wants {head.layout.channels} ({head.axes})"


def is_of_model(setup: Setup) -> bool:
    """Whether the checkpoint has the config's feature extractor, so that heads are worth a look."""
    extractor = _extractor(setup)
    names = setup.metas(setup.train.fine_tune_checkpoint)
    return extractor is not None and extractor.first.name in names


def _depthwise(setup: Setup) -> Iterator[Evidence]:
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
    yield Evidence(
        setup.where("model", "ssd", "box_predictor", name, "use_depthwise"),
        (
            f"the box predictor of {prefix} is {'' if has else 'not '}depthwise, and the config's "
            f"is {'not' if has else 'so'}: none of its "
            "heads is restored"
        ),
        f"write use_depthwise: {literal}",
        tuple(edits),
    )


def _kernel_size(setup: Setup) -> Iterator[Evidence]:
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
            yield Evidence(
                setup.where(*path),
                "kernel_size is %d, and the heads of %s have "
                "kernels of %d x %d: none of them is restored"
                % ((predictor.kernel_size, prefix) + meta.shape[:2]),
                f"write kernel_size: {meta.shape[0]}",
                (ConfigEdit(path, str(meta.shape[0]), "as the checkpoint's"),),
            )
            return


def _feature_maps(setup: Setup) -> Iterator[Evidence]:
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
        yield Evidence(
            setup.where("model", "ssd", "anchor_generator"),
            (
                "the anchor generator is "
                f"for {maps} feature maps, and {prefix} has heads for {there}"
            ),
        )


def _anchor_heads(setup: Setup) -> Iterator[Evidence]:
    if not is_of_model(setup) or list(_feature_maps(setup)) or list(_depthwise(setup)):
        return
    broken = fit(setup, setup.train.fine_tune_checkpoint).broken
    if broken:
        field = families.ANCHOR_FIELD[setup.meta]
        yield Evidence(
            setup.where("model", setup.meta, field),
            (
                f"{len(broken)} heads do not fit {setup.train.fine_tune_checkpoint} and start "
                f"at random, the box heads among them; the first: {broken[0][1]}"
            ),
        )


def restores(setup: Setup) -> str:
    """What the trainers that may train restore at most: the least of them that restores anything
    (trainers.EVERYTHING, BACKBONE), or NOTHING."""
    if not setup.train.fine_tune_checkpoint:
        return trainers.NOTHING
    found = {
        what
        for name in setup.options.trainers
        for _, what in trainers.restored(setup.options.revision, name)
    } - {trainers.NOTHING}
    if not found:
        return trainers.NOTHING
    every = setup.train.load_all_detection_checkpoint_vars and kind(setup) == TYPES[0]
    return trainers.EVERYTHING if every and found == {trainers.EVERYTHING} else trainers.BACKBONE


def restores_statistics(setup: Setup) -> bool:
    """Whether the feature extractor's BatchNorm starts from a checkpoint's averages."""
    if restores(setup) == trainers.NOTHING:
        return False
    return (
        is_of_model(setup)
        and kind(setup) == TYPES[0]
        or is_classifier(setup)
        and kind(setup) == TYPES[1]
    )


def _load_all(setup: Setup) -> Iterator[Evidence]:
    prefix = setup.train.fine_tune_checkpoint
    if (
        not is_of_model(setup)
        or kind(setup) != TYPES[0]
        or setup.train.load_all_detection_checkpoint_vars
        or not setup.options.schema.field("TrainConfig", _ALL[-1])
    ):
        return
    fitting = fit(setup, prefix).fitting
    if fitting:
        yield Evidence(
            setup.where(*_ALL),
            (
                "load_all_detection_checkpoint_vars is not set: the "
                f"feature extractor alone is restored, and {len(fitting)} heads of {prefix} that "
                "fit start at "
                "random"
            ),
            edits=(ConfigEdit(_ALL, "true", "the heads fit"),),
        )


def _class_heads(setup: Setup) -> Iterator[Evidence]:
    if not is_of_model(setup):
        return
    found = fit(setup, setup.train.fine_tune_checkpoint)
    if found.other_classes:
        yield Evidence(
            setup.where("model", setup.meta, "num_classes"),
            (
                f"{len(found.other_classes)} heads count classes, "
                f"{'/'.join(map(str, found.counts))} in {setup.train.fine_tune_checkpoint} and "
                f"{setup.body.num_classes} in the config: they start at random, as they must"
            ),
        )


def _step(setup: Setup) -> Iterator[Evidence]:
    store = setup.checkpoint
    if (
        store is None
        or families.GLOBAL_STEP not in store
        or trainers.LEGACY not in setup.options.trainers
        or not "2018-03" <= setup.options.revision <= "2018-05"
        or not setup.train.load_all_detection_checkpoint_vars
    ):
        return
    step = int(np.asarray(store[families.GLOBAL_STEP].load()).reshape(-1)[0])
    if step:
        yield Evidence(
            setup.where(*FIELD),
            (
                f"train.py of {setup.options.revision} restores global_step, too: the run "
                f"begins at step {step}"
            ),
        )


def _quantization(setup: Setup) -> Iterator[Evidence]:
    if not is_of_model(setup):
        return
    prefix = setup.train.fine_tune_checkpoint
    has = any(is_quantization(name) for name in setup.metas(prefix))
    asked = setup.message.HasField("graph_rewriter")
    if has and not asked:
        yield Evidence(
            setup.where(*FIELD),
            (
                f"{prefix} was trained quantized, and the config has no "
                "graph_rewriter: training goes on in float"
            ),
        )


def _pretrained_ranges(setup: Setup) -> Iterator[Evidence]:
    if not is_of_model(setup) or not setup.message.HasField("graph_rewriter"):
        return
    prefix = setup.train.fine_tune_checkpoint
    if not any(is_quantization(name) for name in setup.metas(prefix)):
        yield Evidence(
            setup.where("graph_rewriter"),
            (
                f"the config trains quantized, and {prefix} is a "
                "float model: quantization ranges start at their initial values"
            ),
        )


CHECKS = (
    Check(
        "RESTORE_TYPE",
        ERROR,
        "fine_tune_checkpoint_type is one that the trainers of TensorFlow 1 refuse.",
        "write detection or classification",
        _unknown_type,
    ),
    Check(
        "RESTORE_KIND",
        ERROR,
        "The config takes a detector's checkpoint for a classifier's, or the reverse: variables "
        "are looked for under other names, none is found, and training starts from random "
        "values.",
        "set from_detection_checkpoint to what the checkpoint is",
        _wrong_kind,
    ),
    Check(
        "CHECKPOINT_OTHER_MODEL",
        ERROR,
        "The checkpoint is of another feature extractor than the config: no variable is found, "
        "and training starts from random values.",
        _OTHER,
        _other_model,
    ),
    Check(
        "CHECKPOINT_WIDTH",
        ERROR,
        "The checkpoint's layers are wider or narrower than the config's: nearly no variable fits.",
        _OTHER,
        _other_width,
    ),
    Check(
        "CHECKPOINT_IGNORED",
        ERROR,
        "model_main of 2020-07 and later ignores fine_tune_checkpoint, without a message.",
        "train with legacy/train.py (--trainer legacy), or give model_main a complete "
        "checkpoint: graphfix convert --model_dir",
        functools.partial(_ignored, every=True),
    ),
    Check(
        "CHECKPOINT_DEPTHWISE",
        ERROR,
        "The checkpoint's box predictor is depthwise and the config's is not, or the reverse: "
        "they are two models.",
        _OTHER,
        _depthwise,
    ),
    Check(
        "CHECKPOINT_KERNEL_SIZE",
        ERROR,
        "The checkpoint's heads have kernels of another size than the config's.",
        _OTHER,
        _kernel_size,
    ),
    Check(
        "CHECKPOINT_FEATURE_MAPS",
        ERROR,
        "The checkpoint has heads for another number of feature maps than the config.",
        _OTHER,
        _feature_maps,
    ),
    Check(
        "CHECKPOINT_ONE_IGNORES",
        WARNING,
        "One of the two trainers of this API ignores fine_tune_checkpoint.",
        "train with legacy/train.py, and say so with --trainer legacy",
        functools.partial(_ignored, every=False),
    ),
    Check(
        "STEP_RESTORED",
        WARNING,
        "The trainer takes the checkpoint's step, too, and ends early, or at once.",
        "convert the checkpoint with graphfix, which sets its step to 0",
        _step,
    ),
    Check(
        "HEADS_DO_NOT_FIT",
        WARNING,
        "Heads have other shapes than the checkpoint's, other than by the number of classes: the "
        "anchors are others. They start at random.",
        "keep the checkpoint's anchors, or carry its boxes over: graphfix convert --anchors",
        _anchor_heads,
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
        "A quantized model goes on as a float model; its ranges are lost.",
        "add the graph_rewriter block that it was trained with",
        _quantization,
    ),
    Check(
        "FLOAT_TO_QUANTIZED",
        INFO,
        "A float model goes on as a quantized one.",
        "there is nothing to do",
        _pretrained_ranges,
    ),
    Check(
        "CLASS_HEADS_NEW",
        INFO,
        "The number of classes is another, so that heads that count them start at random.",
        "to keep the trained rows of classes that stay: graphfix convert",
        _class_heads,
    ),
)
