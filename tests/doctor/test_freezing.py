"""Patterns, wildcards and state files that would keep doctor, or the trainer, busy for ever."""

import os

import pytest
import repository
import thorough

from graphfix.formats import wildcards

TOP = repository.TOP
TESTDATA = os.path.join(TOP, "testdata")


@pytest.fixture(autouse=True)
def in_testdata(monkeypatch):
    monkeypatch.chdir(TESTDATA)


@pytest.fixture
def examined(graphfix, tmp_path):
    """What doctor says of a healthy config with something replaced."""

    def run(old, new, *flags):
        with open("broken/heads_not_restored/pipeline.config") as file:
            text = file.read()
        assert old in text
        path = tmp_path / "pipeline.config"
        path.write_text(text.replace(old, new))
        return graphfix("doctor", str(path), *flags)

    return run


def frozen(pattern, field="freeze_variables"):
    return "train_config {", f"train_config {{ {field}: '{pattern}'"


@pytest.mark.parametrize(
    "pattern, words",
    [
        ("(", "which model_main.py and legacy/train.py refuse: missing )"),
        ("*a", "nothing to repeat"),
        ("a*+", ""),
        ("\\\\N{DIGIT ONE}", "bad escape"),
    ],
)
def test_a_pattern_that_stops_the_trainers_is_an_error(examined, pattern, words):
    done = examined(*frozen(pattern))
    assert done.code == 1 and "PATTERN_REFUSED" in done.out and words in done.out
    assert "No prediction: a pattern in train_config is not a valid regular expression" in done.out


def test_model_main_alone_reads_what_is_to_train(examined):
    included = frozen("(", "update_trainable_variables")
    assert "error ONE_TRAINER" not in examined(*included).out
    done = examined(*included)
    assert done.code == 0 and "warning ONE_TRAINER_PATTERN" in done.out
    assert examined(*included, "--trainer", "model_main").code == 1
    assert "PATTERN" not in examined(*included, "--trainer", "legacy").out


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern, said",
    thorough.sampled(
        [
            ("(([A-Za-z_0-9]+/?)+)+!", True),
            ("(.*)*!", True),
            ("(a?){4000000000}b", True),
            ("(a)\\\\1", True),
            ("^(?!(BoxPredictor_\\\\d+)/)", False),
            ("FeatureExtractor/.*", False),
            ("(Conv2d_\\\\d+_pointwise/)+weights", False),
        ],
        7,
    ),
)
def test_a_pattern_that_python_gets_lost_in_is_a_warning(examined, pattern, said):
    done = examined(*frozen(pattern))
    assert done.code == 0 and ("warning PATTERN_SLOW" in done.out) == said, done.out


@pytest.mark.slow
def test_many_patterns_share_one_budget(examined):
    many = " ".join(f"freeze_variables: '(([A-Za-z_0-9]+/)+)+{one}'" for one in range(100))
    done = examined("train_config {", "train_config { " + many)
    assert done.code == 0 and "it takes too many steps" in done.out


def test_wildcards_that_stand_for_too_much(examined, monkeypatch):
    old = 'input_path: "shapes/train.record"'
    assert "PATH_TOO_WIDE" not in examined(old, 'input_path: "sh*/tr*"').out
    monkeypatch.setattr(wildcards.Budget.__init__, "__defaults__", (100,))
    done = examined(old, 'input_path: "*/*/*/*"')
    assert "warning PATH_TOO_WIDE" in done.out and "more than 100 files" in done.out
    assert "RECORDS_MISSING" not in done.out


@pytest.mark.parametrize("name", ["training", "j\u00fcrgen"])
def test_the_state_file_may_be_in_octal(examined, tmp_path, name):
    directory = tmp_path / name
    directory.mkdir()
    escaped = "".join(chr(one) if one < 128 else f"\\{one:03o}" for one in str(directory).encode())
    (directory / "checkpoint").write_text(f'model_checkpoint_path: "{escaped}/model.ckpt-100"\n')
    for end in ("index", "data-00000-of-00001"):
        (directory / ("model.ckpt-100." + end)).symlink_to(
            os.path.join(TESTDATA, "shapes_detector", "model.ckpt." + end)
        )
    done = examined("train_config {", "train_config {", "--model_dir", str(directory))
    assert "MODEL_DIR_LOST" not in done.out and "MODEL_DIR_STATE" not in done.out
    assert "MODEL_DIR_INCOMPLETE" in done.out


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"\n" * 200000),
        lambda path: path.write_text("latest = 3"),
        lambda path: os.mkfifo(str(path)),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
        lambda path: path.mkdir(),
    ],
)
def test_a_state_file_that_is_none(examined, tmp_path, make):
    directory = tmp_path / "training"
    directory.mkdir()
    make(directory / "checkpoint")
    done = examined("train_config {", "train_config {", "--model_dir", str(directory))
    assert done.code == 1 and "error MODEL_DIR_STATE" in done.out


@pytest.mark.slow
def test_many_fields_given_twice(examined):
    done = examined("train_config {", "train_config { " + "num_steps: 1 " * 50000)
    assert done.code == 1 and "more than 100 fields are set twice" in done.out
    assert "FIELD_TWICE" in examined("train_config {", "train_config { " + "num_steps: 1 " * 20).out


def test_backslashes_and_brackets_take_time_in_proportion(examined):
    assert (
        examined("train_config {", 'train_config { fine_tune_checkpoint: "' + "\\" * 100000).code
        == 1
    )
    assert (
        "PLACEHOLDER"
        not in examined(
            "train_config {", f"train_config {{ fine_tune_checkpoint: '{'<' * 100000}'"
        ).out
    )
    assert examined('input_path: "shapes/train.record"', f"input_path: '{'-' * 100000}x'").code == 1
