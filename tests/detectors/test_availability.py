"""detectors/availability.py: rates that step at step 0, as in published Faster R-CNNs; images whose
size varies."""

import builders
import pytest

from graphfix.detectors import availability
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.schema_history import schema

STEPS = """manual_step_learning_rate {
        initial_learning_rate: %s
        schedule {  # at once
          step: %d
          learning_rate: 0.0002
        }
        schedule {
          step: 900
          learning_rate: 0.00002
        }
      }"""


def converted(graphfix, tmp_path, initial, step):
    config = builders.CONFIG % {"classes": 4}
    constant = "constant_learning_rate { learning_rate: 0.001 }"
    assert constant in config
    source = builders.write_model(
        tmp_path / "source", config=config.replace(constant, STEPS % (initial, step))
    )
    done = graphfix(
        "convert",
        source,
        "--num_classes",
        "1",
        "--map",
        "1=cat",
        "--output_directory",
        tmp_path / "out",
        "--verbose",
    )
    assert done.code == 0, done.err
    return (tmp_path / "out" / "pipeline.config").read_text(), done.err


@pytest.mark.parametrize("initial", ["0.0002", "0.5"])
def test_a_step_at_0_goes_and_its_rate_holds_from_the_start(graphfix, tmp_path, initial):
    text, messages = converted(graphfix, tmp_path, initial, 0)
    assert "step: 0\n" not in text and "at once" not in text and "step: 900" in text
    assert "initial_learning_rate: 0.0002" in text.replace("000199999995", "0002")
    assert "FIRST_STEP" in messages


def test_a_later_first_step_stays(graphfix, tmp_path):
    text, messages = converted(graphfix, tmp_path, "0.5", 10)
    assert "step: 10\n" in text and "initial_learning_rate: 0.5" in text
    assert "FIRST_STEP" not in messages


@pytest.mark.parametrize(
    "revision, meta, resizer, told",
    [
        ("2019-07", "ssd", "keep_aspect_ratio_resizer {}", True),
        ("2019-07", "ssd", "keep_aspect_ratio_resizer { pad_to_max_dimension: true }", False),
        ("2019-07", "ssd", "", False),
        ("2019-07", "faster_rcnn", "keep_aspect_ratio_resizer {}", False),
        ("2019-03", "ssd", "keep_aspect_ratio_resizer {}", False),
        ("2021-06", "ssd", "keep_aspect_ratio_resizer {}", False),
    ],
)
def test_an_ssd_of_images_whose_size_varies_is_not_exported_in_2019_07(
    revision, meta, resizer, told
):
    text = f"model {{ {meta} {{ image_resizer {{ {resizer} }} }} }}"
    message = parse_config(text.encode(), "c").message
    found = availability.remarks(
        message, meta, revision, schema(revision), trainer="any", script=None
    )
    assert ("IMAGES_VARY" in [one.code for one in found]) == told
