"""export tflite of a trained model of integers: the detector of testdata, fine-tuned with
quantization by the stock trainer."""

import os
import re
import subprocess

import judged_metadata
import pytest
import repository
import shapes_pictures
import thorough

import graphfix

pytestmark = thorough.only

STEPS = 150
RECORD = os.path.join(repository.TOP, "testdata", "shapes", "{}.record")
LABELS = os.path.join(repository.DETECTOR, "shapes_label_map.pbtxt")
READER = """
{}_input_reader {{
  label_map_path: "{}"
  tf_record_input_reader {{ input_path: "{}" }}
}}
"""
TRAINING = """
train_config {
  batch_size: 8
  num_steps: %d
  optimizer {
    momentum_optimizer {
      learning_rate { constant_learning_rate { learning_rate: 0.0002 } }
      momentum_optimizer_value: 0.9
    }
    use_moving_average: false
  }
  fine_tune_checkpoint: "%s/model.ckpt"
  fine_tune_checkpoint_type: "detection"
  load_all_detection_checkpoint_vars: true
}
eval_config { num_examples: 8 }
graph_rewriter { quantization { delay: 0 weight_bits: 8 activation_bits: 8 } }
"""


@pytest.fixture(scope="module")
def fine_tuned(stock_python, tmp_path_factory):
    """The directory of the fine-tuned model."""
    top = tmp_path_factory.mktemp("integers")
    with open(os.path.join(repository.DETECTOR, "pipeline.config")) as file:
        model = file.read().partition("train_config")[0]
    # A few steps move no statistics of batches of eight to where they belong.
    model = re.sub(r"\bssd \{", "ssd { freeze_batchnorm: true", model, count=1)
    text = model + TRAINING % (STEPS, repository.DETECTOR)
    for split, name in (("train", "train"), ("eval", "val")):
        text += READER.format(split, LABELS, RECORD.format(name))
    (top / "pipeline.config").write_text(text)
    command = [stock_python("2019-07"), "-m", "object_detection.legacy.train"]
    # The trainer copies the config there.
    command += [f"--train_dir={top}/train", f"--pipeline_config_path={top}/pipeline.config"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-2000:]
    return str(top / "train")


@pytest.fixture(scope="module")
def exported(fine_tuned, stock_python, tmp_path_factory):
    """The directory of its export."""
    out, python = str(tmp_path_factory.mktemp("exported") / "out"), stock_python("2019-07")
    made = graphfix.export("tflite", fine_tuned, out, runtime_python=python, compare=False)
    assert "of integers" in made.summary
    return out


def test_integers_detect_what_rounded_floats_do(exported, tool_python, stock_python, tmp_path):
    found = graphfix.try_with_stock_api(
        exported,
        stock_python=tool_python("litert"),
        tf1_python=stock_python("2019-07"),
        images=shapes_pictures.written(tmp_path),
    )
    assert found.complete and found.outputs[0].equal, found.to_lines()
    alike, number = map(int, re.match(r".*: (\d+) of (\d+) ", found.outputs[0].summary).groups())
    # Each run trains anew; 94.5 % was the least that was seen.
    assert number > shapes_pictures.PICTURES and alike >= 0.9 * number, found.to_lines()
    detections = found.details[0]["detections"]
    assert sum(one["score"] > 0.5 for picture in detections for one in picture) > 60


def test_the_task_library_detects_what_the_runtime_does(exported, tool_python, tmp_path):
    """It feeds pictures as the bytes that they are."""
    judged = (tool_python("tflite-support"), tool_python("litert"), tmp_path)
    assert judged_metadata.check(exported, *judged) > 60
