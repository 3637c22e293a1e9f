"""Graphs that earlier TensorFlows and revisions of the API export, rewritten and run by these."""

import os

import pytest

np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow.compat.v1", reason="TensorFlow 1.15 is not installed here")

import judging  # noqa: E402
import old_matrix  # noqa: E402
import thorough  # noqa: E402

TFLITE = ("export_tflite", "run_tflite")


@pytest.mark.parametrize("version", thorough.cases(["1.15"], old_matrix.VERSIONS[:-1]))
def test_rewritten_graphs_are_the_exporters_own(version, tmp_path):
    families = list(old_matrix.FAMILIES) if thorough.ALL else ["faster_rcnn_inception_v2"]
    counts = old_matrix.COUNTS if thorough.ALL else (1,)
    answers = old_matrix.judge(version, families, counts, str(tmp_path))
    wrong = {key: one for key, one in answers.items() if not old_matrix.cell(one)[1]}
    assert answers and not wrong
    assert any("difference" in one for one in answers.values())


@thorough.only
@pytest.mark.parametrize(
    "count, flags",
    [
        (1, ["--num_classes=3", "--map=1=1"]),
        (2, ["--num_classes=1", "--map=1=2"]),
        (2, ["--num_classes=3", "--map=1=2", "--map=2=1"]),
        (2, ["--num_classes=2", "--map=1=1", "--map=2=2", "--anchors"]),
    ],
)
def test_graphs_for_tensorflow_lite(count, flags, tmp_path):
    """Of other anchors, ours are rounded once, the exporter's at each step of their computation."""
    python, source = old_matrix.python_of("1.15"), str(tmp_path / "source")
    config = old_matrix.config_of("ssd_mobilenet_v1_half", count, str(tmp_path / "a.config"))
    if flags[-1] == "--anchors":
        flags.append(str(tmp_path / "anchors.pbtxt"))
        (tmp_path / "anchors.pbtxt").write_text(
            "ssd_anchor_generator { num_layers: 6 min_scale: 0.25 max_scale: 0.9 "
            "aspect_ratios: [1.0, 2.0, 0.5, 2.5, 0.4, 1.5] }"
        )
    jobs = [
        dict(verb="export", config=config, checkpoint=None, directory=source),
        dict(verb=TFLITE[0], config=config, checkpoint=source + "/model.ckpt", directory=source),
    ]
    assert old_matrix.ask(python, str(tmp_path), jobs) == [None, None]
    out = judging.convert(source, tmp_path / "out", "--target_api", "2019-04", *flags)
    native = str(tmp_path / "native")
    os.mkdir(native)
    jobs = [
        dict(
            verb=TFLITE[0],
            config=out + "/pipeline.config",
            checkpoint=out + "/model.ckpt",
            directory=native,
        )
    ] + [
        dict(verb=TFLITE[1], graph=one + "/tflite_graph.pb", outputs=one + ".npz")
        for one in (out, native)
    ]
    assert old_matrix.ask(python, str(tmp_path), jobs) == [None] * 3
    ours, theirs = (np.load(one + ".npz") for one in (out, native))
    assert ours.files == theirs.files and len(ours.files) == 4
    for name in ours.files:
        assert ours[name].shape == theirs[name].shape
        if "--anchors" in flags:
            assert np.abs(ours[name] - theirs[name]).max() <= 1e-5
        else:
            assert ours[name].tobytes() == theirs[name].tobytes()


def test_the_page_keeps_the_cells_that_were_not_run():
    """Or one cell measured anew would take all others away."""
    with open(old_matrix.DOCS) as file:
        page = file.read().split(old_matrix.HEADING)[1]
    assert page.endswith(old_matrix.table({}, page))
    key = "1.13/mask_rcnn/90/subset"
    before, anew = (
        old_matrix.cells_of(one)
        for one in (page, old_matrix.table({key: {"refused": "a reason"}}, page))
    )
    assert anew == dict(before, **{key: "refused: a reason"}) and len(anew) > 100
