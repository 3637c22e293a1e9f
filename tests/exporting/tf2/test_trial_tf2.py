"""What TensorFlow 2's outputs are taken for, beside TensorFlow 1's."""

import numpy as np
import pytest

from graphfix.exporting.tf2 import trial

PROPOSALS = "predict/proposal_boxes_normalized"
ANCHORS = "predict/anchors"
CLASSES, BOXES = "predict/class_predictions_with_background", "predict/refined_box_encodings"
INSIDE, AT_THE_EDGE = 0, 1


@pytest.fixture
def compared(tmp_path):
    """compared(change): TensorFlow 2's outputs are TensorFlow 1's, changed; the first of four
    proposals lies inside of the picture, the second ends at its bottom edge."""

    def work(change):
        random = np.random.RandomState(0)
        outputs = {
            ANCHORS: random.rand(9, 4),
            PROPOSALS: np.full((1, 4, 4), 0.5, np.float32),
            CLASSES: random.rand(4, 3).astype(np.float32),
            BOXES: random.rand(4, 2, 4).astype(np.float32),
        }
        outputs[PROPOSALS][0, AT_THE_EDGE, 2] = 1
        paths = [str(tmp_path / name) for name in ("1.npz", "2.npz")]
        np.savez(paths[0], **outputs)
        # Each picture has its proposals to itself.
        outputs[BOXES] = outputs[BOXES][None]
        change(outputs)
        np.savez(paths[1], **outputs)
        return trial.compared("TensorFlow 2", *paths)

    return work


def test_what_is_equal(compared):
    found = compared(lambda outputs: None)
    assert found.equal and not found.notes and len(found.figures) == 3


def test_a_crop_at_the_edge_may_differ_and_is_told(compared):
    def change(outputs):
        outputs[CLASSES][AT_THE_EDGE] += 0.01
        outputs[BOXES][0, AT_THE_EDGE] += 0.01

    found = compared(change)
    assert found.equal and len(found.figures) == 3
    (note,) = found.notes
    assert note.startswith("1 proposal of 4 ")


@pytest.mark.parametrize("name", [CLASSES, BOXES])
def test_any_other_may_not(compared, name):
    def change(outputs):
        outputs[name].reshape(4, -1)[INSIDE] += 0.01

    assert not compared(change).equal


def test_other_proposals_leave_the_second_stage_out(compared):
    def change(outputs):
        outputs[PROPOSALS] += 0.1

    found = compared(change)
    assert [one.name for one in found.figures] == [ANCHORS]
    assert "was not compared" in found.notes[0]
