"""From training to a device: the commands of a report, run as a shell reads them."""

import dataclasses
import os
import subprocess

import builders
import pytest

from graphfix.cli import command_line
from graphfix.errors import SourceError
from graphfix.findings import Finding
from graphfix.report import report as reports
from graphfix.report.exports import Export
from graphfix.report.stages import stages, to_tensorrt, ways, what_next

# Stands for every program: says its words, each in brackets.
SAY = """
say() { printf '[%s]' "$@"; }
python() { say python "$@"; }
tensorboard() { say tensorboard "$@"; }
graphfix() { say graphfix "$@"; }
"""


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """A directory whose name a shell would take apart."""
    return tmp_path_factory.mktemp("it's $HOME; a place")


@pytest.fixture(scope="module")
def report(model, top):
    out = str(top / "out")
    words = ["convert", model, "--classes", "person,zebra", "--target_api", "2019-07", "-o", out]
    words += ["--train_record", __file__]
    assert command_line.main(words) == 0
    return reports.load(out)


def said(command):
    """The words of a command, as a shell hands them over."""
    words = ["bash", "-c", SAY + command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and done.stderr == b"", done
    return done.stdout.decode()[1:-1].split("][")


def test_each_stage_with_model_main(report, top):
    trained = top / "out_model_main"
    trained.mkdir()
    for number in (900, 1000, 50):
        (trained / f"model.ckpt-{number}.index").write_text("")
    config = f"--pipeline_config_path={top}/out/pipeline.config"
    (trainer, found), (other, _) = stages(report)
    assert (trainer, other) == ("model_main", "legacy")
    assert {one.title: said(one.command) for one in found} == {
        "Train": [
            "python",
            "-m",
            "object_detection.model_main",
            "--alsologtostderr",
            config,
            f"--model_dir={trained}",
        ],
        "Watch": ["tensorboard", f"--logdir={trained}"],
        "Evaluate": [
            "python",
            "-m",
            "object_detection.model_main",
            "--alsologtostderr",
            config,
            f"--model_dir={trained}",
            f"--checkpoint_dir={trained}",
            "--run_once",
        ],
        "Export": [
            "python",
            "-m",
            "object_detection.export_inference_graph",
            "--alsologtostderr",
            "--input_type=image_tensor",
            config,
            f"--trained_checkpoint_prefix={trained}/model.ckpt-1000",
            f"--output_directory={top}/out_exported",
        ],
    }


def at(report, api, trainer):
    plan = dataclasses.replace(report.plan, target_api=api, trainer=trainer)
    ((_, found),) = stages(dataclasses.replace(report, plan=plan))
    return {one.title: one.command and one.command.replace("\\\n", "") for one in found}


@pytest.mark.parametrize(
    "api, trainer, words",
    [
        ("2019-01", "legacy", "-m object_detection.legacy.eval"),
        ("2018-07", "legacy", "-m object_detection.legacy.eval"),
        ("2018-06", "legacy", "-m object_detection.eval"),
        ("2018-12", "model_main", None),
        ("2019-01", "model_main", "-m object_detection.model_main"),
    ],
)
def test_evaluation_is_that_of_its_time(report, top, api, trainer, words):
    command = at(report, api, trainer)["Evaluate"]
    if words is None:
        assert command is None  # it evaluates while it trains
        return
    assert words in command and ("--run_once" in command) == (api >= "2019-01")
    if trainer == "legacy":
        assert f"--eval_dir={top}/out_legacy/eval" in said(command)
        assert f"--checkpoint_dir={top}/out_legacy" in said(command)


def test_a_trainer_that_trains_comes_first(report):
    plan = dataclasses.replace(report.plan, target_api="2021-01")
    found = stages(dataclasses.replace(report, plan=plan))
    assert [one for one, _ in found] == ["legacy", "model_main"]
    assert [len(one) for _, one in found] == [4, 1]


def test_what_the_exported_model_can_become(report, top):
    exports = (
        Export("opencv", "OpenCV"),
        Export("tf2", "TensorFlow 2", drop_quantization=True),
        Export("onnx", "ONNX", python="name one"),
        Export("torch", "PyTorch", problems=("model is another",)),
    )
    found = {
        one.export.target: one.command and said(one.command)
        for one in ways(dataclasses.replace(report, exports=exports))
    }
    start = [f"{top}/out_exported", "-o"]
    assert found == {
        "opencv": ["graphfix", "export", "opencv", *start, f"{top}/out_opencv"],
        "tf2": ["graphfix", "export", "tf2", *start, f"{top}/out_tf2", "--drop_quantization"],
        "onnx": ["graphfix", "export", "onnx", *start, f"{top}/out_onnx"]
        + ["--runtime_python", "PYTHON"],
        "torch": None,
    }


def test_tensorrt_is_told_how_to_suppress(report, top):
    """tests/stock/test_tensorrt.py runs what is said here."""
    command = to_tensorrt(report)
    lines = command.splitlines()
    end = lines.index("END")
    script = lines.index("import sys")
    first = said("\n".join(lines[: script - 1])[: -len(" &&")])
    assert first[2:7] == ["tf2onnx.convert", "--opset", "13", "--graphdef", first[6]]
    assert first[6] == f"{top}/out_exported/frozen_inference_graph.pb"
    assert said(lines[script - 1].partition(" <<")[0])[-1] == f"{top}/out_tensorrt.onnx"
    compile("\n".join(lines[script:end]), "the script", "exec")
    (row,) = [one for one in report.exports if one.suppression]
    assert row.target == "onnx"
    for name in ("score_threshold", "iou_threshold", "max_output_boxes", "background_class"):
        assert f"    {name}={getattr(row.suppression, name)}," in lines[script:end]
    assert said(lines[-1].replace("trtexec", "python")) == [
        "python",
        f"--onnx={top}/out_tensorrt.onnx",
        f"--saveEngine={top}/out_tensorrt.engine",
    ]
    plan = dataclasses.replace(report.plan, target_api="2019-03")
    assert to_tensorrt(dataclasses.replace(report, plan=plan)) is None
    assert to_tensorrt(dataclasses.replace(report, exports=())) is None


def test_a_target_that_nobody_knows_is_no_part_of_a_command(report, top):
    directory = str(top / "out")
    other = dataclasses.replace(report, exports=(Export("tf2; rm x", "TensorFlow 2"),))
    try:
        builders.write(directory, "report.json", other.to_json())
        with pytest.raises(SourceError, match=r"exports\[0\].target is 'tf2; rm x'"):
            reports.load(directory)
    finally:
        builders.write(directory, "report.json", report.to_json())


def test_the_last_lines_of_a_conversion(report, top):
    lines = what_next(report, "out")
    page = os.path.join("out", "report.html")
    assert lines[0] == f"out written; {page} has the details"
    assert lines[1] == "next, train:" and lines[2].startswith("python -m object_detection.model_")
    after = lines.index("after training, export it this way:")
    assert "export_inference_graph" in lines[after + 1]
    possible = [one.target for one in report.exports if not one.problems]
    assert possible and lines[-3].endswith(f"one of {', '.join(possible)}:")
    words = ["graphfix", "export", "TARGET", f"{top}/out_exported", "-o", f"{top}/out_TARGET"]
    assert said(lines[-2]) == words
    assert lines[-1].startswith("(onnx, openvino, tflite: ")


def test_what_comes_next_where_a_path_is_missing_or_no_trainer_restores(report):
    placeholder = Finding("PLACEHOLDER", "warning", "train_input_reader", "", "")
    plan = dataclasses.replace(report.plan, findings=(placeholder,))
    missing = what_next(dataclasses.replace(report, plan=plan), "my out")
    assert missing[2] == "graphfix doctor 'my out/pipeline.config'"
    assert missing[3].startswith("then train") and "report.html" in missing[3]
    plan = dataclasses.replace(report.plan, findings=(), target_api="2021-01", trainer="model_main")
    (_, last) = what_next(dataclasses.replace(report, plan=plan), "out")
    assert last.startswith("next: model_main of 2021-01 would not restore")


def test_records_come_before_training(report):
    plan = report.plan
    edits = [one for one in plan.config_edits if one.path[-1] != "input_path"]
    kept = dataclasses.replace(report, plan=dataclasses.replace(plan, config_edits=edits))
    lines = what_next(kept, "out")
    assert lines[1].startswith(
        f"next, set your records in {os.path.join('out', 'pipeline.config')}"
    )
    assert "--train_record" in lines[1] and lines[2].startswith("graphfix doctor out")
    # The source's own are right for its own classes.
    names = tuple(one.display_name for one in plan.classes)
    same = dataclasses.replace(plan, config_edits=edits, source_names=names)
    assert what_next(dataclasses.replace(report, plan=same), "out")[1] == "next, train:"
    missing = Finding("RECORD_MISSING", "warning", "--train_record", "", "")
    plan = dataclasses.replace(plan, findings=(missing,))
    lines = what_next(dataclasses.replace(report, plan=plan), "out")
    assert lines[1] == "next, write the records, and see whether it will train:"
