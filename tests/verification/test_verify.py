"""verify: the judges again, on any directory that graphfix wrote; and its usage."""

import json
import os

import builders
import pytest
import repository
import thorough

from graphfix.verification.verify import Verified


def content(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


def test_without_the_stock_api(graphfix, out):
    before = {name: content(out, name) for name in os.listdir(out)}
    done = graphfix("verify", out)
    assert (done.code, done.err) == (0, "")
    words = "329 tensors intact; config and heads match the 2 planned classes\n"
    assert done.out.startswith(words)
    assert {name: content(out, name) for name in os.listdir(out)} == before


def test_a_flipped_bit_is_found(graphfix, out):
    path = os.path.join(out, "model.ckpt.data-00000-of-00001")
    data = bytearray(content(path))
    data[len(data) // 2] ^= 1
    builders.write(out, os.path.basename(path), bytes(data))
    done = graphfix("verify", out)
    assert done.code == 4 and done.out == "" and "model.ckpt" in done.err


@pytest.mark.parametrize("name", ["model.ckpt.index", "model.ckpt.data-00000-of-00001"])
@pytest.mark.parametrize("size", thorough.sampled([None, 0, 100], 3))
def test_a_part_that_is_cut_or_gone_is_found(graphfix, out, name, size):
    path = os.path.join(out, name)
    data = content(path)
    os.remove(path)
    if size is not None:
        builders.write(out, name, data[:size])
    done = graphfix("verify", out)
    assert done.code == 4 and done.out == "" and "graphfix: " + path[:-5] in done.err


def test_what_convert_did_not_write_is_bad_input(graphfix, model, tmp_path):
    for place in (model, tmp_path / "nowhere"):
        assert graphfix("verify", place).code == 3


def test_a_directory_of_no_output(graphfix, tmp_path):
    done = graphfix("verify", tmp_path)
    assert (
        done.code == 3
        and "is not a directory that graphfix wrote: it has no manifest.json" in done.err
    )
    assert graphfix("verify", tmp_path / "none").code == 3


def test_thawed_and_training_directories_are_judged_too(graphfix, model, tmp_path):
    thawed, train = tmp_path / "thawed", tmp_path / "train"
    assert (
        graphfix(
            "thaw", repository.DETECTOR + "/frozen_inference_graph.pb", "--output_directory", thawed
        ).code
        == 0
    )
    assert (
        graphfix(
            "convert",
            model,
            "--num_classes",
            "2",
            "--output_directory",
            tmp_path / "out",
            "--model_dir",
            train,
        ).code
        == 0
    )
    for directory, prefix in ((thawed, "model.ckpt"), (train, "model.ckpt-0")):
        done = graphfix("verify", directory)
        assert done.code == 0 and done.out.endswith(" tensors intact\n"), done
        path = str(directory / (prefix + ".data-00000-of-00001"))
        with open(path, "rb+") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
        done = graphfix("verify", directory)
        assert done.code == 4 and "is damaged" in done.err


@pytest.mark.parametrize(
    "words",
    thorough.sampled(
        [
            ["--steps", "2"],
            ["--images", "a.jpg"],
            ["--source", "x"],
            ["--model_dir", "x"],
            ["--json"],
            ["--trainer", "legacy"],
            ["--stock_python", "x"],
            ["--train_record", "x"],
            ["--stock", "--steps", "-1"],
            ["--stock", "--steps", "many"],
        ],
        4,
    ),
)
def test_usage(graphfix, out, words):
    done = graphfix("verify", out, *words)
    assert done.code == 2 and done.out == ""


@pytest.mark.parametrize(
    "classes, words", [(None, "intact"), (1, "the 1 planned class"), (2, "the 2 planned classes")]
)
def test_a_result_for_people_and_for_programs(classes, words):
    found = Verified("out", 3, classes, ("x",))
    assert found.to_lines() == [found.summary] and found.summary.startswith("3 tensors intact")
    assert found.summary.endswith(words)
    assert found.remarks == ("out: also has x, which graphfix did not put there",)
    assert json.loads(found.to_json())["tensors"] == 3
