"""What is foretold of every variable, by hand-made cases; against the stock API: tests/stock."""

import json

import pytest
import repository

from graphfix.detectors.extractors.layers import Variable
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorMeta
from graphfix.restore.predict import Model, foretell, unfitness, wanted

TESTDATA = repository.TESTDATA
NAMES = (
    "FeatureExtractor/a/weights",
    "FeatureExtractor/a/BatchNorm/moving_mean",
    "BoxPredictor_0/ClassPredictor/weights",
    "BoxPredictor_0/ClassPredictor/biases",
)
SSD = Model(
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


def fates(revision="2019-07", trainer="model_main", kind="detection", there=THERE, **fields):
    found = foretell(
        SSD, train_config(**fields), there, kind=kind, revision=revision, trainer=trainer
    )
    return [fate.verdict for fate in found.fates], found


def test_what_a_detector_gives():
    assert fates(load_all_detection_checkpoint_vars=True)[0] == [
        "restored",
        "missing",
        "shape_differs",
        "missing",
    ]
    assert fates()[0] == ["restored", "missing", "not_asked_for", "not_asked_for"]
    found = fates(load_all_detection_checkpoint_vars=True)[1]
    assert (found.fates[2].found, found.fates[3].found) == ((5,), None)


def test_what_a_classifier_gives():
    verdicts, found = fates(kind="classification", load_all_detection_checkpoint_vars=True)
    assert verdicts == ["restored", "missing", "not_asked_for", "not_asked_for"]
    assert found.fates[0].source == "a/weights"


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
    verdicts, found = fates(revision, trainer, load_all_detection_checkpoint_vars=True)
    assert verdicts.count("restored") == restored
    assert (stops in found.stops) if stops else not found.stops
    # The legacy trainer reads load_all from 2018-03 on.
    every = restored and not (trainer == "legacy" and revision < "2018-03")
    assert verdicts.count("not_asked_for") == (0 if every else 2 if restored else 4)


def test_another_shape_stops_the_first_trainers():
    there = dict(THERE, **metas(FeatureExtractor__a__BatchNorm__moving_mean=(9,)))
    assert "another shape" in fates("2017-11", "legacy", there=there)[1].stops
    assert not fates("2018-02", "legacy", there=there)[1].stops


def test_nothing_to_restore_stops_the_legacy_trainer_alone():
    assert "No variables to save" in fates(trainer="legacy", there={})[1].stops
    assert not fates(there={})[1].stops


def test_names_of_a_classifier():
    def of(extractor, *names):
        return wanted(
            Model(tuple(Variable(name, ()) for name in names), "faster_rcnn", extractor, STAGES),
            "classification",
            False,
        )

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
    model = Model(
        tuple(Variable(name, ()) for name in names), "ssd", "ssd_mobilenet_v1_keras", (KERAS + "/",)
    ).second()
    assert [one.name for one in model.variables] == [KERAS + "_1/conv1/kernel", names[1]]
    assert wanted(model, "classification", True) == {KERAS + "_1/conv1/kernel": "conv1/kernel"}
    assert wanted(model, "detection", False) == {
        KERAS + "_1/conv1/kernel": KERAS + "_1/conv1/kernel"
    }


def test_a_list_of_a_classifiers_names():
    model = SSD._replace(converted={NAMES[0]: "Conv/weights", "another": "other"})
    assert wanted(model, "classification", True) == {NAMES[0]: "Conv/weights"}
    assert len(wanted(model, "detection", True)) == len(NAMES)


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
    found = foretell(SSD, train, SLOTS, kind=kind, revision=revision, trainer=trainer)
    assert (found.added and [fate.verdict for fate in found.added]) == verdicts
    assert found.to_data()["added_by_training"] is None or [
        one["name"] for one in found.to_data()["added_by_training"]
    ][:2] == [NAMES[0] + "/Momentum", NAMES[0] + "/ExponentialMovingAverage"]
    # What does not train has none, and Adam has two numbers beside.
    train.freeze_variables.append(".*weights")
    train.optimizer.use_moving_average = False
    train.optimizer.adam_optimizer.SetInParent()
    found = foretell(SSD, train, SLOTS, kind=kind, revision="2019-07", trainer="legacy")
    assert [fate.variable for fate in found.added] == [
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
        in foretell(SSD, train, there, kind="detection", revision="2019-07", trainer="legacy").stops
    )
    train.optimizer.momentum_optimizer.SetInParent()
    assert not foretell(
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
        stops = foretell(
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
        found = fates(trainer=trainer, **fields)[1]
        assert [fate.trains for fate in found.fates] == [bool(one) for one in wanted_]
        assert ("nothing is left to train" in found.stops) == (not any(wanted_))


def test_what_nothing_reads_does_not_train():
    model = SSD._replace(idle=frozenset([NAMES[0]]))
    for trainer in ("legacy", "model_main"):
        train = train_config()
        train.optimizer.momentum_optimizer.SetInParent()
        found = foretell(model, train, THERE, kind="detection", revision="2019-07", trainer=trainer)
        assert [fate.trains for fate in found.fates] == [False, False, True, True]
        assert found.fates[0].verdict == "restored"
        assert not any(fate.variable.name.startswith(NAMES[0]) for fate in found.added)


def test_biases():
    def multipliers(trainer, **fields):
        return [
            fate.multiplier
            for fate in fates(trainer=trainer, bias_grad_multiplier=2.0, **fields)[1].fates
        ]

    assert multipliers("legacy") == [1, 1, 1, 2]
    assert multipliers("legacy", freeze_variables=[".*biases"]) == [1, 1, 1, 1]
    assert multipliers("model_main") == [1, 1, 1, 1]


def doctor(graphfix, case, *flags):
    done = graphfix("doctor", f"broken/{case}/pipeline.config", *flags)
    return done.out, json.loads(
        graphfix("doctor", f"broken/{case}/pipeline.config", "--json", *flags).out
    )["forecast"]


@pytest.fixture(autouse=True)
def in_testdata(monkeypatch):
    monkeypatch.chdir(TESTDATA)


def test_words_and_json(graphfix):
    words, data = doctor(graphfix, "heads_not_restored")
    assert "model_main.py and legacy/train.py: 175 of 199 variables are restored:" in words
    assert "12 not asked for  BoxPredictor_*/ClassPredictor  (load_all_detection_ch" in words
    assert [one["trainer"] for one in data["trainers"]] == ["model_main", "legacy"]
    for one in data["trainers"]:
        assert one["counts"] == {
            "restored": 175,
            "shape_differs": 0,
            "missing": 0,
            "not_asked_for": 24,
            "type_differs": 0,
        }
        assert len(one["variables"]) == 199
    first = data["trainers"][0]["variables"][0]
    assert first["name"] == first["checkpoint_name"] and first["shape"] == first[
        "checkpoint_shape"
    ] == [3, 3, 3, 16]


def test_expected_and_wrong(graphfix):
    words, _ = doctor(graphfix, "new_classes")
    assert "6 shape differs  BoxPredictor_*/ClassPredictor  (expected: a new class head" in words
    assert "(wrong: the checkpoint has no such layers)" in words
    words, data = doctor(graphfix, "depthwise_extra_layers")
    counts = data["trainers"][0]["counts"]
    assert (counts["shape_differs"], counts["missing"]) == (4, 20)
    assert "LAYERS_NOT_RESTORED" in words and "(wrong: of another variant, as " in words


def test_each_trainer_of_2020_for_itself(graphfix):
    words, data = doctor(graphfix, "heads_not_restored", "--target_api", "2020-07")
    assert "model_main.py: 0 of 199 variables are restored:" in words
    assert "legacy/train.py: 175 of 199" in words
    assert "this trainer ignores fine_tune_checkpoint" in words
    words, data = doctor(graphfix, "heads_not_restored", "--trainer", "legacy")
    assert [one["trainer"] for one in data["trainers"]] == ["legacy"]


def test_names_that_one_trainer_alone_has(graphfix):
    case = "second_names_of_keras_in_one_trainer"
    words, data = doctor(graphfix, case)
    first = {one["trainer"]: one["variables"][0]["name"] for one in data["trainers"]}
    assert first == {"model_main": KERAS + "_1/conv1/kernel", "legacy": KERAS + "/conv1/kernel"}
    assert f"175 missing        {KERAS}_1  (wrong" in words
    # In 2019-10 nobody looked, and before 2019-05 there is no second name.
    words, data = doctor(graphfix, case, "--target_api", "2019-10")
    assert "second name was not measured" in data["unknown"] and "KERAS_ONE" not in words
    for flags in (("--target_api", "2019-10", "--trainer", "legacy"), ("--target_api", "2019-04")):
        words, data = doctor(graphfix, case, *flags)
        assert data["trainers"][0]["variables"][0]["name"] == KERAS + "/conv1/kernel"
        assert "KERAS_ONE" not in words


def test_no_forecast(graphfix, tmp_path):
    with open("broken/heads_not_restored/pipeline.config") as file:
        text = file.read()
    path = tmp_path / "pipeline.config"
    path.write_text(text.replace("\n        batch_norm {", "\n        group_norm {} batch_norm {"))
    done = graphfix("doctor", str(path), "--target_api", "2021-06")
    assert "No forecast: conv_hyperparams sets group_norm, whose variables" in done.out
    assert "NO_FORECAST" in done.out
    path.write_text(text.replace("train_config {", 'train_config { freeze_variables: "("'))
    assert "is no regular expression" in graphfix("doctor", str(path)).out


def test_what_trains_in_words(graphfix, tmp_path):
    with open("broken/heads_not_restored/pipeline.config") as file:
        text = file.read()
    path = tmp_path / "pipeline.config"
    path.write_text(
        text.replace(
            "train_config {",
            "train_config { bias_grad_multiplier: 2 "
            'freeze_variables: "BatchNorm" freeze_variables: "Feature"',
        )
    )
    out = graphfix("doctor", str(path)).out
    assert "model_main.py: 24 of 129 variables train; these do not:" in out
    assert "legacy/train.py: 24 of 129 variables train; these do not:" in out
    assert "105 in FeatureExtractor/MobilenetV1" in out
    assert "bias_grad_multiplier 2 applies to 12 of them" in out


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
        unfit = unfitness(model, train, trainer, revision)
        assert (unfit and unfit.field) == ("sync_replicas" if stops else None)
