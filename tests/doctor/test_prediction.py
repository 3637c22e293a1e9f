"""The prediction that `graphfix doctor` prints, in words and in JSON."""

import json

import pytest
import repository

TESTDATA = repository.TESTDATA
KERAS = "ssd_mobile_net_v1keras_feature_extractor"


def doctor(graphfix, case, *flags):
    done = graphfix("doctor", f"broken/{case}/pipeline.config", *flags)
    return done.out, json.loads(
        graphfix("doctor", f"broken/{case}/pipeline.config", "--json", *flags).out
    )["prediction"]


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


def test_no_prediction(graphfix, tmp_path):
    with open("broken/heads_not_restored/pipeline.config") as file:
        text = file.read()
    path = tmp_path / "pipeline.config"
    path.write_text(text.replace("\n        batch_norm {", "\n        group_norm {} batch_norm {"))
    done = graphfix("doctor", str(path), "--target_api", "2021-06")
    assert "No prediction: conv_hyperparams sets group_norm, whose variables" in done.out
    assert "NO_FORECAST" in done.out
    path.write_text(text.replace("train_config {", 'train_config { freeze_variables: "("'))
    assert "is not a valid regular expression" in graphfix("doctor", str(path)).out


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
