"""The stock exporter's graph, thawed, beside the checkpoint and config it was exported from.

A checkpoint of a family is exported, and thawed with nothing beside it.  Every variable must be the
checkpoint's, bit for bit.  From the config inferred the stock API must build a model that restores
every recovered variable and, for the same image, computes the same as the model of the original
config, detections included, bit for bit.  Where no config is inferred, the graph is thawed with its
own config.

`make test` takes the trained detector in one era; GRAPHFIX_ALL_CONFIGS=1 takes all families in all
eras (hours).
"""

import os
import shutil
import subprocess

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow.compat.v1", reason="TensorFlow 1.15 is not installed here")

import cells  # noqa: E402
import judging  # noqa: E402
import thorough  # noqa: E402

from graphfix.formats.checkpoint import reader, writer  # noqa: E402
from graphfix.formats.tensors import TensorStore, constant  # noqa: E402
from graphfix.modeldir.openers import open_source  # noqa: E402
from graphfix.stock_api import runner  # noqa: E402

# What is refused, by a word of what is not recognised.
REFUSED = {
    "faster_rcnn_inception_resnet_v2_keras": "not recognised",
    "faster_rcnn_pnas": "feature extractor",
    "mask_rcnn_upsample": "mask head",
    "ssd_mobilenet_v1_fpn_keras": "not recognised",
    "ssd_mobilenet_v1_keras": "not recognised",
    "ssd_mobilenet_v2_fpn_keras": "not recognised",
    "ssd_mobilenet_v2_keras": "not recognised",
    "ssd_pnasnet": "feature extractor",
    "ssd_spaghettinet": "feature extractor",
}
# Its exporter asks for features of other images, which the command line cannot give it.
NOT_EXPORTED = ("context_rcnn_resnet50",)
CASES = [
    (name, era)
    for era in judging.ERAS
    for name in sorted(set(cells.families()) - set(NOT_EXPORTED))
]


def exported(name, python, directory):
    """Exports a family with values that are nowhere what an initializer gives."""
    config = str(directory / "pipeline.config")
    with open(config, "w") as file:
        file.write(cells.families()[name].config(cells.EDITS["shrink"]))
    fresh, prefix = str(directory / "fresh"), str(directory / "model.ckpt")
    saved = runner.run_job(
        dict(verb="save", pipeline_config=config, output=fresh),
        python=python,
        timeout=judging.SECONDS,
    )
    if "error" in saved:
        error = saved["error"]
        pytest.skip(f"this era does not build it: {error['type']}: {error['message']}")
    store = reader.open_bundle(fresh)
    writer.write_bundle(
        TensorStore(
            constant(one, view.meta.dtype, cells.perturbed(one, view.load()))
            for one, view in store.items()
        ),
        prefix,
    )
    judging.ask(
        [(python, judging.job(directory, "export", output_directory=str(directory / "exported")))]
    )


@thorough.only
@pytest.mark.parametrize("name, era", thorough.cases(CASES[:1], CASES[1:]))
def test_the_model_of_the_inferred_config_is_the_model(name, era, stock_python, graphfix, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    exported(name, stock_python(era), source)
    graph = str(tmp_path / "graph.pb")
    shutil.move(str(source / "exported" / "frozen_inference_graph.pb"), graph)
    done = graphfix("thaw", graph, "--output_directory", tmp_path / "out", "-v")
    if name in REFUSED:
        assert done.code == 3 and REFUSED[name] in done.err, done.err
        done = graphfix(
            "thaw",
            graph,
            "--output_directory",
            tmp_path / "out",
            "--pipeline_config_path",
            source / "pipeline.config",
        )
        assert done.code == 0, done.err
        check_variables(tmp_path / "out", source / "exported" / "model.ckpt", graph)
    else:
        assert done.code == 0 and "CONFIG_INFERRED" in done.err, done.err
        check_variables(tmp_path / "out", source / "exported" / "model.ckpt", graph)
        check(tmp_path, str(source / "pipeline.config"), stock_python(era))
    shutil.rmtree(str(tmp_path / "out"))
    shutil.rmtree(str(source))


def check_variables(out, exported, graph):
    """Holds thawed variables against those that were frozen, but for what no graph has."""
    thawed, frozen = judging.tensors(str(out / "model.ckpt")), judging.tensors(str(exported))
    with open(graph, "rb") as file:
        nodes = {node.name for node in tf.GraphDef.FromString(file.read()).node}
    # Nothing reads these, so that the graph has none of their values.
    dead = set(frozen) - nodes
    assert set(frozen) <= set(thawed)  # and what training needs besides
    different = {
        name
        for name, value in frozen.items()
        if thawed[name].dtype != value.dtype or thawed[name].tobytes() != value.tobytes()
    }
    assert different <= dead | {"global_step"} and len(thawed) - len(different) > 100


def test_the_trained_detectors_graph_gives_its_model(stock_python, graphfix, tmp_path):
    graph = str(tmp_path / "graph.pb")
    shutil.copy(os.path.join(judging.DETECTOR, "frozen_inference_graph.pb"), graph)
    done = graphfix("thaw", graph, "--output_directory", tmp_path / "out", "-v")
    assert done.code == 0 and "CONFIG_INFERRED" in done.err, done.err
    check(tmp_path, os.path.join(judging.DETECTOR, "pipeline.config"), stock_python("2019-07"))


def test_a_given_config_starts_from_what_was_thawed(stock_python, graphfix, tmp_path):
    config = tmp_path / "pipeline.config"
    with open(os.path.join(judging.DETECTOR, "pipeline.config")) as file:
        text = file.read()
    assert "from_detection_checkpoint" not in text
    config.write_text(
        text.replace(
            "train_config {", 'train_config { fine_tune_checkpoint: "/elsewhere/model.ckpt"'
        )
    )
    done = graphfix(
        "thaw",
        os.path.join(judging.DETECTOR, "frozen_inference_graph.pb"),
        "--pipeline_config_path",
        config,
        "--output_directory",
        tmp_path / "out",
    )
    assert done.code == 0, done.err
    job = judging.job(tmp_path / "out", trainer="legacy", steps=0)
    del job["checkpoint"]  # the config's own
    (found,) = runner.run_jobs([job], python=stock_python("2019-07"), timeout=judging.SECONDS)
    assert found["verdict"] == "complete", found
    assert found["counts"]["model"]["restored"] == found["counts"]["model"]["total"] == 199


TRAINED = [
    (name, trainer)
    for name in (
        "ssd_mobilenet_v1",
        "ssd_mobilenet_v1_fpn",
        "ssd_mobilenet_v1_quantized",
        "ssd_no_background",
        "ssd_softmax",
        "faster_rcnn_resnet50",
        "mask_rcnn",
        "rfcn_resnet50",
    )
    for trainer in judging.TRAINERS
]


@thorough.only
@pytest.mark.parametrize("name, trainer", TRAINED)
def test_a_trainers_own_graph_shows_its_config(name, trainer, stock_python, graphfix, tmp_path):
    """From the directory of a training, without a config: the model is the same, and the legacy
    trainer restores all of what is converted."""
    python, saved = stock_python("2019-07"), tmp_path / "saved"
    config = tmp_path / "pipeline.config"
    config.write_text(cells.families()[name].config(cells.EDITS["shrink"]))
    saved.mkdir()
    script = os.path.join(judging.HERE, "train_meta.py")
    environment = dict(os.environ, PYTHONPATH=cells.STOCK)
    subprocess.run(
        [python, script, str(config), str(saved), trainer], env=environment, timeout=judging.SECONDS
    )
    found = open_source(str(saved))
    wanted = open_source(str(saved), config_path=str(config))
    assert found.inferred and found.config_path.endswith(".meta")
    for field in ("family", "feature_extractor", "classes", "anchors", "coder", "image"):
        assert getattr(found.model, field) == getattr(wanted.model, field), field
    assert len(found.model.heads) == len(wanted.model.heads)
    for one, other in zip(found.model.heads, wanted.model.heads):
        for field in ("role", "scope", "tensors", "layout", "background", "sigmoid"):
            assert getattr(one, field) == getattr(other, field), (one.scope, field)
    out = judging.convert(
        str(saved),
        str(tmp_path / "out"),
        "--num_classes",
        "1",
        "--map",
        "1=1",
        "--target_api",
        "2019-07",
    )
    (result,) = judging.ask([(python, judging.job(out, trainer="legacy", steps=0))])
    assert result["counts"]["model"]["restored"] == result["counts"]["model"]["total"]


def check(top, config, python):
    """Holds what was thawed into top/out, with its inferred config, against the original config."""
    out, npz = top / "out", [str(top / "found.npz"), str(top / "wanted.npz")]
    found = judging.job(out, "raw_outputs", seed=1, output=npz[0])
    results = runner.run_jobs(
        [
            judging.job(out, trainer="legacy", steps=0),
            found,
            dict(found, pipeline_config=config, output=npz[1]),
        ],
        python=python,
        timeout=judging.SECONDS,
    )
    assert not [result["error"] for result in results if "error" in result]
    same = {row["name"] for row in results[0]["restored"] if row["bit_equal"]}
    recovered = set(judging.tensors(str(out / "model.ckpt"))) - {"global_step"}
    assert same == recovered and len(same) > 100
    assert results[0]["counts"]["model"]["restored"] == results[0]["counts"]["model"]["total"]
    with np.load(npz[0]) as found, np.load(npz[1]) as wanted:
        assert found.files == wanted.files and len(wanted.files) > 4
        for output in wanted.files:
            assert found[output].shape == wanted[output].shape, output
            assert found[output].tobytes() == wanted[output].tobytes(), output
