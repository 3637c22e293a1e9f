"""What is predicted of every variable, by hand-made cases; against the stock API: tests/stock."""

import pytest

from graphfix.detectors.extractors.layers import Variable
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorMeta
from graphfix.restore.predict import incompatibility, predict_restore
from graphfix.restore.requested import ModelVariables, count_restored, requested
from graphfix.restore.trainers import BACKBONE, EVERYTHING, LEGACY, NOTHING

NAMES = (
    "FeatureExtractor/a/weights",
    "FeatureExtractor/a/BatchNorm/moving_mean",
    "BoxPredictor_0/ClassPredictor/weights",
    "BoxPredictor_0/ClassPredictor/biases",
)
SSD = ModelVariables(
    tuple(Variable(name, (4,)) for name in NAMES), "ssd", "ssd_mobilenet_v1", ("FeatureExtractor/",)
)
STAGES = ("FirstStageFeatureExtractor/", "SecondStageFeatureExtractor/")
KERAS = "ssd_mobile_net_v1keras_feature_extractor"


def train_config(**fields):
    train = message_class("graphfix.pipeline.TrainEvalPipelineConfig")().train_config
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(train, name).extend(value)
        else:
            setattr(train, name, value)
    return train


def metas(**shapes):
    return {
        name.replace("__", "/"): TensorMeta(name, BY_NAME["float32"], shape)
        for name, shape in shapes.items()
    }


THERE = metas(
    FeatureExtractor__a__weights=(4,), BoxPredictor_0__ClassPredictor__weights=(5,), a__weights=(4,)
)


def predicted(revision="2019-07", trainer="model_main", kind="detection", there=THERE, **fields):
    found = predict_restore(
        SSD, train_config(**fields), there, kind=kind, revision=revision, trainer=trainer
    )
    return [row.verdict for row in found.variables], found


def test_from_a_detector():
    assert predicted(load_all_detection_checkpoint_vars=True)[0] == [
        "restored",
        "missing",
        "shape_differs",
        "missing",
    ]
    assert predicted()[0] == ["restored", "missing", "not_asked_for", "not_asked_for"]
    found = predicted(load_all_detection_checkpoint_vars=True)[1]
    assert (found.variables[2].found, found.variables[3].found) == ((5,), None)


def test_from_a_classifier():
    verdicts, found = predicted(kind="classification", load_all_detection_checkpoint_vars=True)
    assert verdicts == ["restored", "missing", "not_asked_for", "not_asked_for"]
    assert found.variables[0].source == "a/weights"


@pytest.mark.parametrize(
    "revision,trainer,restored,stops",
    [
        ("2017-06", "legacy", 1, "missing"),
        ("2017-11", "legacy", 1, ""),
        ("2018-02", "legacy", 1, ""),
        ("2018-02", "model_main", 1, ""),
        ("2020-06", "model_main", 1, ""),
        ("2020-07", "model_main", 0, ""),
        ("2020-07", "legacy", 1, ""),
    ],
)
def test_by_month(revision, trainer, restored, stops):
    verdicts, found = predicted(revision, trainer, load_all_detection_checkpoint_vars=True)
    assert verdicts.count("restored") == restored
    assert (stops in found.stops) if stops else not found.stops
    # The legacy trainer reads load_all from 2018-03 on.
    every = restored and not (trainer == "legacy" and revision < "2018-03")
    assert verdicts.count("not_asked_for") == (0 if every else 2 if restored else 4)


def test_another_shape_stops_the_first_trainers():
    there = dict(THERE, **metas(FeatureExtractor__a__BatchNorm__moving_mean=(9,)))
    assert "another shape" in predicted("2017-11", "legacy", there=there)[1].stops
    assert not predicted("2018-02", "legacy", there=there)[1].stops


def test_nothing_to_restore_stops_the_legacy_trainer_alone():
    assert "No variables to save" in predicted(trainer="legacy", there={})[1].stops
    assert not predicted(there={})[1].stops


def test_names_of_a_classifier():
    def of(extractor, *names):
        model = ModelVariables(
            tuple(Variable(name, ()) for name in names), "faster_rcnn", extractor, STAGES
        )
        return requested(model, "classification", BACKBONE, LEGACY)

    first, second = STAGES
    assert of("faster_rcnn_nas", first + "cell_0/w") == {
        first + "cell_0/w": "cell_0/w/ExponentialMovingAverage"
    }
    assert of(
        "faster_rcnn_inception_resnet_v2",
        first + "InceptionResnetV2/Repeat/w",
        second + "InceptionResnetV2/Repeat/w",
    ) == {
        first + "InceptionResnetV2/Repeat/w": "InceptionResnetV2/Repeat/w",
        second + "InceptionResnetV2/Repeat/w": "InceptionResnetV2/Repeat_2/w",
    }
    # The later of two takes a name.
    assert of("faster_rcnn_resnet50", first + "block4/w", second + "block4/w", "Conv/w") == {
        second + "block4/w": "block4/w"
    }


def test_the_second_model_of_a_graph():
    names = (KERAS + "/conv1/kernel", "BoxPredictor/ClassPredictor/kernel")
    model = ModelVariables(
        tuple(Variable(name, ()) for name in names), "ssd", "ssd_mobilenet_v1_keras", (KERAS + "/",)
    ).second()
    assert [one.name for one in model.variables] == [KERAS + "_1/conv1/kernel", names[1]]
    assert requested(model, "classification", EVERYTHING, LEGACY) == {
        KERAS + "_1/conv1/kernel": "conv1/kernel"
    }
    assert requested(model, "detection", BACKBONE, LEGACY) == {
        KERAS + "_1/conv1/kernel": KERAS + "_1/conv1/kernel"
    }


def test_a_list_of_a_classifiers_names():
    model = SSD._replace(converted={NAMES[0]: "Conv/weights", "another": "other"})
    assert requested(model, "classification", EVERYTHING, LEGACY) == {NAMES[0]: "Conv/weights"}
    assert len(requested(model, "detection", EVERYTHING, LEGACY)) == len(NAMES)
    for kind in ("detection", "classification"):
        assert requested(model, kind, NOTHING, LEGACY) == {}


@pytest.mark.parametrize("trainer, count", [("legacy", 2), ("model_main", 1)])
def test_model_main_asks_for_no_ranges_of_quantization(trainer, count):
    names = (NAMES[0], "FeatureExtractor/a/act_quant/max")
    model = SSD._replace(variables=tuple(Variable(name, ()) for name in names))
    for what in (EVERYTHING, BACKBONE):
        assert len(requested(model, "detection", what, trainer)) == count
        # Where the model is not known, the same is counted.
        assert count_restored(names, what, trainer) == count


SLOTS = metas(
    FeatureExtractor__a__weights=(4,),
    FeatureExtractor__a__weights__Momentum=(4,),
    FeatureExtractor__a__weights__ExponentialMovingAverage=(5,),
    BoxPredictor_0__ClassPredictor__weights__Momentum=(4,),
    a__weights__Momentum=(4,),
)


@pytest.mark.parametrize(
    "revision,trainer,kind,every,verdicts",
    [
        (
            "2019-07",
            "legacy",
            "detection",
            True,
            ["restored", "shape_differs", "restored", "missing", "missing", "missing"],
        ),
        (
            "2019-07",
            "legacy",
            "detection",
            False,
            ["restored", "shape_differs"] + ["not_asked_for"] * 4,
        ),
        (
            "2019-07",
            "legacy",
            "classification",
            True,
            ["restored", "missing"] + ["not_asked_for"] * 4,
        ),
        ("2019-07", "model_main", "detection", True, ["not_asked_for"] * 6),
        ("2019-03", "legacy", "detection", True, None),
    ],
)
def test_what_training_adds(revision, trainer, kind, every, verdicts):
    train = train_config(load_all_detection_checkpoint_vars=every)
    train.optimizer.momentum_optimizer.SetInParent()
    found = predict_restore(SSD, train, SLOTS, kind=kind, revision=revision, trainer=trainer)
    assert (found.added and [row.verdict for row in found.added]) == verdicts
    assert found.to_data()["added_by_training"] is None or [
        one["name"] for one in found.to_data()["added_by_training"]
    ][:2] == [NAMES[0] + "/Momentum", NAMES[0] + "/ExponentialMovingAverage"]
    # What does not train has none, and Adam has two numbers beside.
    train.freeze_variables.append(".*weights")
    train.optimizer.use_moving_average = False
    train.optimizer.adam_optimizer.SetInParent()
    found = predict_restore(SSD, train, SLOTS, kind=kind, revision="2019-07", trainer="legacy")
    assert [row.variable for row in found.added] == [
        (NAMES[3] + "/Adam", (4,)),
        (NAMES[3] + "/Adam_1", (4,)),
        ("beta1_power", ()),
        ("beta2_power", ()),
    ]


def test_slots_alone_are_something_to_restore():
    train = train_config(load_all_detection_checkpoint_vars=True)
    there = metas(FeatureExtractor__a__weights__Momentum=(4,))
    assert (
        "No variables to save"
        in predict_restore(
            SSD, train, there, kind="detection", revision="2019-07", trainer="legacy"
        ).stops
    )
    train.optimizer.momentum_optimizer.SetInParent()
    assert not predict_restore(
        SSD, train, there, kind="detection", revision="2019-07", trainer="legacy"
    ).stops


@pytest.mark.parametrize("trainer", ["legacy", "model_main"])
def test_what_stops_the_legacy_trainer_alone(trainer):
    keras = SSD._replace(variables=(Variable(KERAS + "/conv1/kernel", (4,)),))
    attends = SSD._replace(attends=True)
    for model, fields, words in (
        (keras, {"bias_grad_multiplier": 2.0}, "bias_grad_multiplier"),
        (attends, {}, "features of other images"),
    ):
        stops = predict_restore(
            model,
            train_config(**fields),
            None,
            kind="detection",
            revision="2019-07",
            trainer=trainer,
        ).stops
        assert (words in stops) == (trainer == "legacy")


@pytest.mark.parametrize(
    "fields,legacy,model_main",
    [
        ({}, [1, 0, 1, 1], [1, 0, 1, 1]),
        ({"freeze_variables": ["weights"]}, [1, 0, 1, 1], [0, 0, 0, 1]),
        ({"freeze_variables": ["weights:0$"]}, [1, 0, 1, 1], [0, 0, 0, 1]),
        ({"freeze_variables": [".*weights$"]}, [0, 0, 0, 1], [1, 0, 1, 1]),
        ({"freeze_variables": ["FeatureExtractor"]}, [0, 0, 1, 1], [0, 0, 1, 1]),
        ({"freeze_variables": [""]}, [1, 0, 1, 1], [0, 0, 0, 0]),
        ({"update_trainable_variables": ["Predictor"]}, [1, 0, 1, 1], [0, 0, 1, 1]),
        (
            {"update_trainable_variables": ["Predictor"], "freeze_variables": ["biases"]},
            [1, 0, 1, 1],
            [0, 0, 1, 0],
        ),
    ],
)
def test_what_trains(fields, legacy, model_main):
    for trainer, wanted_ in (("legacy", legacy), ("model_main", model_main)):
        found = predicted(trainer=trainer, **fields)[1]
        assert [row.trains for row in found.variables] == [bool(one) for one in wanted_]
        assert ("nothing is left to train" in found.stops) == (not any(wanted_))


def test_what_nothing_reads_does_not_train():
    model = SSD._replace(idle=frozenset([NAMES[0]]))
    for trainer in ("legacy", "model_main"):
        train = train_config()
        train.optimizer.momentum_optimizer.SetInParent()
        found = predict_restore(
            model, train, THERE, kind="detection", revision="2019-07", trainer=trainer
        )
        assert [row.trains for row in found.variables] == [False, False, True, True]
        assert found.variables[0].verdict == "restored"
        assert not any(row.variable.name.startswith(NAMES[0]) for row in found.added)


def test_biases():
    def multipliers(trainer, **fields):
        return [
            row.multiplier
            for row in predicted(trainer=trainer, bias_grad_multiplier=2.0, **fields)[1].variables
        ]

    assert multipliers("legacy") == [1, 1, 1, 2]
    assert multipliers("legacy", freeze_variables=[".*biases"]) == [1, 1, 1, 1]
    assert multipliers("model_main") == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "revision, trainer, batch, synchronized, stops",
    [
        ("2019-07", "legacy", 7, True, True),
        ("2018-07", "legacy", 1, True, True),
        ("2019-07", "legacy", 8, True, False),
        ("2019-07", "legacy", 7, False, False),
        ("2019-07", "model_main", 7, True, False),
        # It did not divide batches then.
        ("2018-04", "legacy", 7, True, False),
    ],
)
def test_the_legacy_trainer_shares_a_batch_among_replicas(
    revision, trainer, batch, synchronized, stops
):
    train = train_config(batch_size=batch, sync_replicas=synchronized, replicas_to_aggregate=8)
    for model in (None, SSD):
        found = incompatibility(model, train, trainer, revision)
        assert (found and found.field) == ("sync_replicas" if stops else None)
