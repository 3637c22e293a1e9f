"""verify notices every difference, names it, and exits with 4."""

import dataclasses
import os
import shutil

import builders
import numpy as np
import pytest
import repository
import thorough

from graphfix.formats import dtypes
from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.tensors import TensorStore, TensorView, constant
from graphfix.modeldir import manifest, measuring
from graphfix.verification.judge import judge

WEIGHTS = "BoxPredictor_0/ClassPredictor/weights"
SHAPES = repository.DETECTOR


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The output of the detector in testdata, with its frozen graph."""
    from graphfix.cli import command_line

    top = tmp_path_factory.mktemp("whole")
    labels = builders.write(top, "labels", builders.label_map(["circle", "square", "forklift"]))
    assert (
        command_line.main(
            [
                "convert",
                SHAPES,
                "--source_label_map_path",
                os.path.join(SHAPES, "shapes_label_map.pbtxt"),
                "--label_map_path",
                labels,
                "--target_api",
                "2019-07",
                "--output_directory",
                str(top / "out"),
            ]
        )
        == 0
    )
    return str(top / "out")


@pytest.fixture
def out(whole, tmp_path):
    return shutil.copytree(whole, str(tmp_path / "out"))


def record_anew(directory):
    """The manifest that a directory would have been published with as it is now."""
    before = manifest.read_manifest(directory)
    os.remove(os.path.join(directory, "manifest.json"))
    written, _ = manifest.write(directory)
    builders.write(
        directory,
        "manifest.json",
        manifest.Manifest(
            written.files, written.directories, written.checkpoints, before.model
        ).to_json(),
    )


def rewrite(directory, change):
    """Writes the checkpoint anew, with right checksums, after a change of its views."""
    prefix = os.path.join(directory, "model.ckpt")
    views = {
        name: TensorView(view.meta, lambda value=view.load(): value)
        for name, view in reader.open_bundle(prefix).items()
    }
    change(views)
    for end in (".index", ".data-00000-of-00001"):
        os.remove(prefix + end)
    writer.write_bundle(TensorStore(views.values()), prefix)


def become(views, name, change):
    views[name] = constant(name, views[name].meta.dtype, change(views[name].load()))


TENSORS = {
    "deleted": (lambda views: views.pop(WEIGHTS), f"lacks {WEIGHTS}"),
    "added": (lambda views: views.update(x=constant("x", dtypes.INT64, 3)), "has x, which"),
    "scaled": (lambda views: become(views, WEIGHTS, lambda a: a * np.float32(2)), WEIGHTS),
    "channels reversed": (lambda views: become(views, WEIGHTS, lambda a: a[..., ::-1]), WEIGHTS),
    "reshaped": (
        lambda views: become(views, WEIGHTS, lambda a: a.reshape(1, 1, -1, 6)),
        f"has {WEIGHTS} as float32",
    ),
    "one bit": (
        lambda views: become(
            views,
            WEIGHTS,
            lambda a: np.where(
                np.arange(a.size).reshape(a.shape) == 5, np.nextafter(a, np.float32(9)), a
            ),
        ),
        WEIGHTS,
    ),
    "global_step moved": (
        lambda views: become(views, "global_step", lambda a: a + 7),
        "global_step",
    ),
    "another type": (
        lambda views: views.update(
            {WEIGHTS: constant(WEIGHTS, dtypes.BY_NAME["float64"], views[WEIGHTS].load())}
        ),
        "float64",
    ),
}


@pytest.mark.parametrize("kind", sorted(TENSORS))
def test_tensors(graphfix, out, kind):
    change, words = TENSORS[kind]
    rewrite(out, change)
    done = graphfix("verify", out)
    assert done.code == 4 and words in done.err and done.out == "", done
    assert "model.ckpt.index" in done.err


def replace(name, old, new):
    def change(out):
        with open(os.path.join(out, name), "rb") as file:
            data = file.read()
        assert old in data, (name, old)
        builders.write(out, name, data.replace(old, new, 1))

    return change


FILES = {
    "label map gone": (
        lambda out: os.remove(out + "/label_map.pbtxt"),
        "label_map.pbtxt: is missing",
    ),
    "labels exchanged": (
        lambda out: builders.write(
            out, "label_map.pbtxt", builders.label_map(["square", "circle", "forklift"])
        ),
        "has 'square' as class 1, planned as 'circle'",
    ),
    "label map of other layout": (replace("label_map.pbtxt", b"item", b"item "), "label_map.pbtxt"),
    "anchors": (
        replace("pipeline.config", b"max_scale", b"max_scale: 0.4 #"),
        "makes the model's anchors.maps[1].sizes",
    ),
    "learning rate": (
        replace("pipeline.config", b"learning_rate_base: 0.", b"learning_rate_base: 1."),
        "pipeline.config: does not have the contents it was published with",
    ),
    "path": (
        replace("pipeline.config", b'fine_tune_checkpoint: "', b'fine_tune_checkpoint: "/no'),
        "does not have train_config.fine_tune_checkpoint as",
    ),
    "classes": (replace("pipeline.config", b"num_classes: 3", b"num_classes: 2"), "num_classes"),
    "config gone": (lambda out: os.remove(out + "/pipeline.config"), "pipeline.config: is missing"),
    "config broken": (
        lambda out: builders.write(out, "pipeline.config", "model {"),
        "pipeline.config",
    ),
    "graph truncated": (
        lambda out: os.truncate(out + "/frozen_inference_graph.pb", 100000),
        "frozen_inference_graph.pb: has 100000 bytes",
    ),
    "graph empty": (
        lambda out: os.truncate(out + "/frozen_inference_graph.pb", 0),
        "frozen_inference_graph.pb: has 0 bytes",
    ),
    "graph of the source": (
        lambda out: shutil.copy(SHAPES + "/frozen_inference_graph.pb", out),
        "has other values than the checkpoint beside it: BoxPredictor_0/Class",
    ),
    "state": (
        lambda out: builders.write(out, "checkpoint", 'model_checkpoint_path: "/etc/evil"'),
        "does not name model.ckpt as its checkpoint",
    ),
    "plan": (replace("plan.json", b"circle", b"cirkle"), "planned as 'cirkle'"),
    "report": (replace("report.json", b"2 classes carried", b"3 classes carried"), "report.json"),
    "page": (replace("report.html", b"<h1>", b"<h1> "), "report.html"),
    "data longer": (
        lambda out: builders.write(
            out,
            "model.ckpt.data-00000-of-00001",
            open(out + "/model.ckpt.data-00000-of-00001", "rb").read() + b"x",
        ),
        "belong to no tensor",
    ),
    "data gone": (
        lambda out: os.remove(out + "/model.ckpt.data-00000-of-00001"),
        "data-00000-of-00001: is missing",
    ),
    "index gone": (lambda out: os.remove(out + "/model.ckpt.index"), "index: is missing"),
    "manifest gone": (lambda out: os.remove(out + "/manifest.json"), "manifest.json: is missing"),
    "manifest edited": (
        replace("manifest.json", b'"size": 77', b'"size": 78'),
        "manifest.json: is not a valid manifest",
    ),
    "manifest empty": (lambda out: os.truncate(out + "/manifest.json", 0), "manifest.json: is not"),
    "link": (
        lambda out: (
            os.rename(out + "/plan.json", out + "/../plan"),
            os.symlink("../plan", out + "/plan.json"),
        ),
        "plan.json: is not a regular file",
    ),
    "another checkpoint": (
        lambda out: shutil.copy(out + "/model.ckpt.index", out + "/new.index"),
        "new.index: was not published, but looks like a part of the model",
    ),
    "a saved model": (
        lambda out: builders.write(out + "/saved_model", "saved_model.pb", "x"),
        "saved_model.pb: was not published, but looks like",
    ),
    "variables of a saved model": (
        lambda out: builders.write(out + "/saved_model/variables", "variables.index", "x"),
        "variables.index: was not published",
    ),
    "class of the plan": (
        replace("plan.json", b'"sources": [1]', b'"sources": [2]'),
        "report.json: has other classes than plan.json",
    ),
    "finding of the plan": (
        replace("plan.json", b'"severity": "info"', b'"severity": "error"'),
        "report.json: has other findings than plan.json",
    ),
    "finding of the report": (
        replace("report.json", b'"severity": "info"', b'"severity": "error"'),
        "report.json: has other findings than plan.json",
    ),
}


@pytest.mark.parametrize("kind", thorough.sampled(sorted(FILES), 3))
def test_files(graphfix, out, kind):
    change, words = FILES[kind]
    change(out)
    done = graphfix("verify", out)
    assert done.code == 4 and words in done.err and done.out == "", done.err
    assert "Traceback" not in done.err and "fault of graphfix" not in done.err


# What remains wrong when the manifest is made anew behind a change: parts that contradict others.
CONTRADICTIONS = [
    "tensors: deleted",
    "tensors: added",
    "tensors: reshaped",
    "tensors: scaled",
    "tensors: one bit",
    "tensors: global_step moved",
    "files: labels exchanged",
    "files: anchors",
    "files: path",
    "files: classes",
    "files: graph of the source",
    "files: state",
    "files: plan",
    "files: class of the plan",
    "files: finding of the plan",
    "files: finding of the report",
]


@pytest.mark.parametrize("kind", thorough.sampled(CONTRADICTIONS, 3))
def test_a_manifest_made_to_fit_hides_no_contradiction(graphfix, out, kind):
    table, _, name = kind.partition(": ")
    if table == "tensors":
        rewrite(out, TENSORS[name][0])
    else:
        FILES[name][0](out)
    record_anew(out)
    done = graphfix("verify", out)
    assert done.code == 4 and done.out == "", done


@pytest.mark.parametrize("name", ["plan.json", "report.json", "report.html"])
def test_a_manifest_that_leaves_out_the_plan_hides_nothing(graphfix, out, name):
    record = manifest.read_manifest(out)
    files = {path: row for path, row in record.files.items() if path != name}
    builders.write(out, "manifest.json", dataclasses.replace(record, files=files).to_json())
    done = graphfix("verify", out)
    assert done.code == 4 and name + ": was not published, but looks like" in done.err


def test_what_does_not_matter_is_none(graphfix, out, tmp_path):
    words = "200 tensors intact; config and heads match the 3 planned classes\n"
    builders.write(out + "/training", "model.ckpt-100.index", "x")
    builders.write(out, "notes.txt", "x")
    os.utime(out + "/pipeline.config", (1, 1))
    os.chmod(out + "/plan.json", 0o600)
    os.rename(out, str(tmp_path / "moved"))
    done = graphfix("verify", tmp_path / "moved")
    assert done.code == 0 and done.out.startswith(words)
    assert (
        done.err
        == f"{tmp_path / 'moved'}: also has notes.txt, training, which graphfix did not put "
        "there\n"
    )


@pytest.mark.slow
def test_an_empty_directory_may_go(graphfix, model, tmp_path):
    source = shutil.copytree(SHAPES, str(tmp_path / "source"))
    builders.write_saved_model(source + "/saved_model", source + "/frozen_inference_graph.pb")
    labels = builders.write(tmp_path, "labels", builders.label_map(["circle"]))
    assert (
        graphfix(
            "convert",
            source,
            "--source_label_map_path",
            source + "/shapes_label_map.pbtxt",
            "--label_map_path",
            labels,
            "--output_directory",
            tmp_path / "out",
        ).code
        == 0
    )
    os.rmdir(str(tmp_path / "out" / "saved_model" / "variables"))
    assert graphfix("verify", tmp_path / "out").code == 0


def test_one_fault_is_told_once(graphfix, out):
    path = out + "/model.ckpt.data-00000-of-00001"
    with open(path, "rb+") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    (line,) = graphfix("verify", out).err.splitlines()
    assert "is damaged: its bytes do not match their checksum; do not train from it" in line
    os.remove(out + "/model.ckpt.index")
    (line,) = graphfix("verify", out).err.splitlines()
    assert line.startswith(f"graphfix: {out}/model.ckpt.index: is missing")


def test_an_edited_config_may_be_meant(graphfix, out):
    builders.write(out, "pipeline.config", open(out + "/pipeline.config").read() + "# mine\n")
    (line,) = graphfix("verify", out).err.splitlines()
    assert line.endswith(
        "if you edited it, graphfix doctor tells whether it trains; else make it again"
    )
    os.remove(out + "/label_map.pbtxt")
    assert len(graphfix("verify", out).err.splitlines()) == 2


@pytest.mark.parametrize("way", ["saved_model", "saved_model/variables"])
def test_a_link_where_a_model_is_looked_for_is_a_difference(graphfix, out, tmp_path, way):
    os.makedirs(os.path.dirname(os.path.join(out, way)), exist_ok=True)
    os.symlink(str(tmp_path), os.path.join(out, way))
    done = graphfix("verify", out)
    assert done.code == 4 and way + ": was not published, but looks like a part" in done.err


def test_a_report_that_nests_too_deeply(graphfix, out):
    builders.write(out, "report.json", "[" * 200000)
    done = graphfix("verify", out)
    assert done.code == 4 and "report.json: is not valid JSON" in done.err


def test_every_difference_is_named_at_once(graphfix, out):
    FILES["labels exchanged"][0](out)
    FILES["path"][0](out)
    rewrite(out, TENSORS["scaled"][0])
    done = graphfix("verify", out)
    for words in ("planned as 'circle'", "fine_tune_checkpoint", WEIGHTS, "frozen_inference_graph"):
        assert words in done.err


def test_pending_contents_are_as_good_as_those_they_replace(out):
    record = manifest.read_manifest(out)
    path = os.path.join(out, "report.html")
    with open(path, "rb") as file:
        old = file.read()
    pending = manifest.Manifest(
        record.files,
        record.directories,
        record.checkpoints,
        record.model,
        None,
        {"report.html": measuring.content_of(b"new"), "pictures/a.jpg": measuring.content_of(b"x")},
    )
    for data, right in ((old, True), (b"new", True), (b"neither", False)):
        builders.write(out, "report.html", data)
        assert (not judge(out, pending).problems) == right
