"""Fields that hold ids of classes, carried to another label map's numbers."""

from google.protobuf import text_format

from graphfix.findings import WARNING
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document
from graphfix.pipeline_config.class_ids import carry_class_ids
from graphfix.pipeline_config.edits import apply_edits

IDS = """model {
  ssd {
    post_processing {
      calibration_config {
        class_id_sigmoid_calibrations {
          class_id_sigmoid_parameters_map { key: 1 value { a: -2 } }
          class_id_sigmoid_parameters_map { key: 2 value { a: -3 } }
          class_id_sigmoid_parameters_map { key: 3 value { a: -4 } }
        }
      }
    }
  }
}
train_config {
  data_augmentation_options { remap_labels { original_labels: [1, 3] new_label: 3 } }
  data_augmentation_options { random_horizontal_flip {} }
  data_augmentation_options { drop_label_probabilistically { label: 2 drop_probability: 0.5 } }
}
"""


def carried(new_ids):
    """The text after its ids were carried, and the findings."""
    document = Document.parse(IDS.encode("utf-8"), subject="pipeline.config")
    edits, findings = carry_class_ids(document, new_ids)
    return apply_edits(document, edits).text, findings


def test_class_ids_follow_their_classes():
    out, findings = carried({1: 7, 3: 1})
    found = message_class("graphfix.pipeline.TrainEvalPipelineConfig")()
    text_format.Parse(out, found)
    config = found.model.ssd.post_processing.calibration_config
    calibrations = config.class_id_sigmoid_calibrations.class_id_sigmoid_parameters_map
    pairs = (
        [(one.key, one.value.a) for one in calibrations]
        if not hasattr(calibrations, "items")
        else [(key, value.a) for key, value in calibrations.items()]
    )
    assert sorted(pairs) == [(1, -4.0), (7, -2.0)]
    steps = found.train_config.data_augmentation_options
    assert [one.WhichOneof("preprocessing_step") for one in steps] == [
        "remap_labels",
        "random_horizontal_flip",
    ]
    assert list(steps[0].remap_labels.original_labels) == [7, 1]
    assert steps[0].remap_labels.new_label == 1
    assert len(findings) == 5 and {one.code for one in findings} == {"CLASS_IDS"}


def test_class_ids_that_stay_are_left_alone():
    assert carried({1: 1, 2: 2, 3: 3}) == (IDS, ())


def test_class_ids_that_nobody_can_carry_are_told():
    out, findings = carried(None)
    assert out == IDS
    assert len(findings) == 5 and {one.severity for one in findings} == {WARNING}
