"""The part of the matrix that every run of the tests judges: most layouts of a head once, each
surgery and each era, each by what it computes and by one of the trainers; with
GRAPHFIX_ALL_CONFIGS=1 more of them, by both.  The whole is `make matrix`."""

import dataclasses
import json

import cells
import matrix
import numpy as np
import pytest
import thorough

from graphfix.detectors import families
from graphfix.detectors.channel_layout import BIN, CLASS_CHANNEL
from graphfix.restore.trainers import LEGACY, MODEL_MAIN
from graphfix.stock_api import runner

# {(family, era, surgery): the trainer that judges it in every run}.
FEW = {
    ("ssd_fpn_no_background", "2021", "grow"): MODEL_MAIN,
    ("ssd_mobilenet_v2_fpnlite_quantized", "2019-07", "grow"): MODEL_MAIN,
    ("ssd_mobilenet_v2_fpn_keras", "2019-07", "shrink"): LEGACY,
    ("rfcn_resnet50", "2019-07", "reorder"): LEGACY,
    ("mask_rcnn", "2019-04", "swap"): MODEL_MAIN,
}
OTHERS = (
    ("ssdlite_mobilenet_v2", "2021", "reorder"),
    ("ssd_mobilenet_v1", "2019-04", "shrink"),
    ("ssd_explicit_background", "2019-07", "swap"),
    ("ssd_mobilenet_v1_keras", "2019-07", "reorder"),
    ("faster_rcnn_shared_boxes", "2021", "swap"),
)
CELLS = thorough.cases(FEW, OTHERS)


def judges(row):
    return cells.JUDGES if thorough.ALL else (cells.OUTPUTS, FEW[row])


@pytest.fixture(scope="module")
def eras(stock_python):
    return {name: cells.era(name, stock_python(name)) for name in cells.ERAS}


@pytest.fixture(scope="module")
def judged(eras, tmp_path_factory):
    """The cells, by their row of CELLS."""
    known, top = cells.families(), tmp_path_factory.mktemp("cells")

    def judge(row):
        name, era, edit = row
        source = cells.Source(known[name], eras[era], str(top / name / "source"))
        return row, cells.judge_all(source, [edit], str(top / name / "work"), judges=judges(row))[
            edit
        ]

    return dict(cells.in_turns(judge, CELLS))


@pytest.mark.parametrize("row", CELLS, ids="-".join)
def test_cell(judged, row):
    cell = judged[row]
    assert all(part["ok"] for part in cell.values()), json.dumps(cell, indent=2)
    assert set(cell) == set(judges(row))
    for trainer in set(cell) - {cells.OUTPUTS}:
        part = cell[trainer]
        assert part["restored"] == part["total"] > 100
        assert part["summary"].endswith("all finite")
        assert part["resumed"] == (
            trainer == MODEL_MAIN and (row[1] == "2021" or "quantized" in row[0])
        )


@thorough.only
def test_channels_in_another_order_are_found_out(eras, tmp_path, monkeypatch):
    """graphfix itself has no means to see that bins and slots are exchanged: shapes are the
    same."""
    source = cells.Source(
        cells.families()["rfcn_resnet50"], eras["2019-04"], str(tmp_path / "source")
    )
    rfcn = next(row for row in families.FAMILIES if row.name == "R-FCN")
    exchanged = rfcn._replace(
        heads=tuple(
            head._replace(axes=(CLASS_CHANNEL, BIN)) if head.role == families.CLASS else head
            for head in rfcn.heads
        )
    )
    monkeypatch.setattr(
        families, "FAMILIES", tuple(exchanged if row is rfcn else row for row in families.FAMILIES)
    )
    conversion = cells.Conversion(source, "reorder", str(tmp_path / "work"))
    assert conversion.error is None
    result = runner.run_job(conversion.job(cells.OUTPUTS), python=source.era.python)
    assert "error" not in result
    with np.load(source.outputs) as before, np.load(
        str(tmp_path / "work" / "outputs.npz")
    ) as after:
        found = cells.compare(before, after, conversion.kept, cells.CLASSES, conversion.classes)
    (wrong,) = found["wrong"]
    assert wrong.startswith("predict/class_predictions_with_background differs by ")


NAME, BOXES, MASKS = (
    "predict/class_predictions_with_background",
    "predict/refined_box_encodings",
    "mask_head/masks",
)


def _outputs(classes, background=1):
    random = np.random.RandomState(0)
    return {
        NAME: random.standard_normal((1, 6, classes + background)),
        BOXES: random.standard_normal((6, classes, 4)),
        MASKS: random.standard_normal((6, 1, classes, 3, 3)),
        "predict/anchors": random.standard_normal((6, 4)),
        "predict/detection_scores": random.standard_normal(5),
    }


def _chosen(outputs, places, background=1):
    """The outputs of a model that has these classes of another's."""
    slots = list(range(background)) + [background + place for place in places]
    return dict(
        outputs,
        **{
            NAME: outputs[NAME][..., slots],
            BOXES: outputs[BOXES][:, places],
            MASKS: outputs[MASKS][:, :, places],
        },
    )


@pytest.mark.parametrize("background", [0, 1])
def test_outputs_of_kept_classes_are_compared_wherever_they_are(background):
    before = _outputs(4, background)
    after = _chosen(before, [3, 1, 0], background)
    kept = [(3, 0), (0, 2)]  # class 1 became a new one
    after[NAME][..., 1 + background] = 9
    after["predict/detection_scores"] = np.zeros(7)
    assert cells.compare(before, after, kept, 4, 3) == {"ok": True, "difference": 0.0, "wrong": []}


@pytest.mark.parametrize("name", [NAME, BOXES, MASKS, "predict/anchors"])
def test_a_difference_anywhere_is_wrong(name):
    before, places = _outputs(4), [2, 0, 3]
    after = _chosen(before, places)
    after[name] = after[name] + np.eye(*after[name].shape[-2:]) * 1e-4
    found = cells.compare(before, after, [(old, new) for new, old in enumerate(places)], 4, 3)
    assert not found["ok"] and f"{name} differs by 0.0001" in found["wrong"][0]
    assert found["difference"] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda after: after.pop(BOXES), "same outputs"),
        (lambda after: after.update({NAME: after[NAME][..., 1:]}), "counts 5 and 3 classes"),
        (lambda after: after.update({"predict/anchors": np.zeros((7, 4))}), "has shape (7, 4)"),
        (
            lambda after: after.update({"predict/anchors": np.full((6, 4), np.nan)}),
            "differs by nan",
        ),
    ],
)
def test_other_faults_of_outputs(spoil, words):
    before = _outputs(4)
    after = _chosen(before, [0, 1, 2])
    spoil(after)
    found = cells.compare(before, after, [(0, 0), (1, 1), (2, 2)], 4, 3)
    assert not found["ok"] and words in found["wrong"][0]


def test_outputs_that_could_hide_an_exchange_are_no_proof():
    before = _outputs(4)
    before[NAME][..., 2] = before[NAME][..., 3]
    found = cells.compare(before, before, [(number, number) for number in range(4)], 4, 4)
    assert found["wrong"] == [NAME + " hardly tells classes apart: 0"]
    before[NAME][..., 2] = 7
    found = cells.compare(before, before, [(number, number) for number in range(4)], 4, 4)
    assert found["wrong"] == [NAME + " hardly tells places apart: 0"]


_GOOD = {
    "outputs": {"ok": True, "difference": 0.0, "wrong": []},
    "legacy": {"ok": True, "restored": 199, "total": 199, "resumed": False, "summary": ""},
    "model_main": {"ok": True, "restored": 458, "total": 458, "resumed": True, "summary": ""},
}


def _cell(**parts):
    return dict(_GOOD, **parts)


@pytest.mark.parametrize(
    "cell, expected",
    [
        (_GOOD, ("right", "199/199, r 458/458, =, 1", [])),
        (
            _cell(outputs={"ok": True, "difference": 1e-7, "wrong": []}),
            ("right", "199/199, r 458/458, ~, 1", []),
        ),
        (
            _cell(outputs={"ok": False, "difference": 1.0, "wrong": ["x differs by 1"]}),
            ("wrong", "outputs: x differs by 1", []),
        ),
        (
            _cell(
                legacy={
                    "ok": False,
                    "restored": 187,
                    "total": 199,
                    "resumed": False,
                    "summary": "restored 187 of 199",
                }
            ),
            ("wrong", "legacy: restored 187 of 199", []),
        ),
        (
            {
                "build": {
                    "ok": False,
                    "error": {
                        "type": "ValueError",
                        "where": "w",
                        "message": "Unknown ssd feature_extractor: ssd_x",
                    },
                }
            },
            ("excused", "{}", ["no feature extractor ssd_x in this revision"]),
        ),
        (
            {
                "convert": {
                    "ok": False,
                    "error": {"type": "SourceError", "message": "m", "where": "w"},
                }
            },
            ("wrong", "convert: SourceError: m (w)", []),
        ),
    ],
)
def test_what_a_cell_says(cell, expected):
    assert matrix.explain(cell) == expected


def test_document_has_every_cell_and_a_reason_for_every_gap():
    known = cells.families()
    family = dataclasses.replace(next(iter(known.values())), edits=("shrink",), why="it is large")
    text = matrix.render(
        {family.name: family}, {(family.name, "2021"): {"shrink": _GOOD}}, ["2021"]
    )
    (row,) = [line for line in text.splitlines() if line.startswith("| " + family.title)]
    assert row.split(" | ")[1:] == ["199/199, r 458/458, =, 1"] + ["- [1]"] * 2 + ["- [1] |"]
    assert "1. it is large" in text


def test_results_outlive_a_run(tmp_path):
    known = matrix.Results(str(tmp_path), "state")
    assert "a" not in known
    known["a"] = _GOOD
    assert matrix.Results(str(tmp_path), "state")["a"] == _GOOD
    assert "a" not in matrix.Results(str(tmp_path), "other judges")
