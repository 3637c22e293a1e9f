"""Rewritten and thawed graphs beside the stock exporter's own, in each era.

A graph that the stock API exports from the trained detector is rewritten for other classes; the
stock exporter makes the graph it would have made from the converted checkpoint and config.  Both
are run on the same pictures, and must say the same, bit for bit.
"""

import glob
import itertools
import os
import re
import shutil

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow.compat.v1", reason="TensorFlow 1.15 is not installed here")

import judging  # noqa: E402
import thorough  # noqa: E402
from tensorflow.core.framework import op_def_pb2  # noqa: E402
from tensorflow.python import pywrap_tensorflow  # noqa: E402

from graphfix.formats.graphdef import files  # noqa: E402
from graphfix.formats.graphdef.effects import EFFECTS  # noqa: E402
from graphfix.formats.graphdef.evaluate import evaluate  # noqa: E402
from graphfix.formats.graphdef.operations import INPUTS, LISTS  # noqa: E402
from graphfix.graph_rewrite.rules import RULES  # noqa: E402

PICTURES = sorted(glob.glob(os.path.join(judging.RECORDS, "*.jpg")))
OUTPUTS = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
    "detection_multiclass_scores",
    "raw_detection_boxes",
    "raw_detection_scores",
)
KEPT = [f"--map={number}={number}" for number in range(1, 9)]
VARIANTS = {
    "two of eight in another order, and a new one": [
        "--num_classes",
        "3",
        "--map",
        "1=ring",
        "--map",
        "2=star",
    ],
    "one class": ["--num_classes", "1", "--map", "1=cross"],
    "all, and three new ones": ["--num_classes", "11"] + KEPT,
}
# The eras' graphs differ in form, not in what is done to them.
CASES = (
    list(itertools.product(judging.ERAS, VARIANTS))
    if thorough.ALL
    else list(zip(judging.ERAS, VARIANTS))
)


def run(path):
    """The outputs of a frozen graph on every picture."""
    with open(path, "rb") as file:
        graph_def = tf.GraphDef.FromString(file.read())
    names = [name for name in OUTPUTS if name in {node.name for node in graph_def.node}]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name="")
        return names, [
            session.run([name + ":0" for name in names], {"image_tensor:0": one[None]})
            for one in judging.decode(open(picture, "rb").read() for picture in PICTURES)
        ]


@thorough.only
@pytest.mark.parametrize("era", judging.ERAS)
def test_grown_from_one_class(era, exported, stock_python, tmp_path):
    """One class alone tells where its number is written, too."""
    flags = ["--target_api", "2021-05" if era == "2021" else era]
    one = judging.convert(
        exported(era),
        tmp_path / "one",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        *flags + VARIANTS["one class"],
    )
    out = judging.convert(
        one, tmp_path / "out", "--num_classes", "3", "--map", "1=1", "--map", "3=1", *flags
    )
    judging.ask(
        [(stock_python(era), judging.job(out, "export", output_directory=str(tmp_path / "native")))]
    )
    ours = run(os.path.join(out, "frozen_inference_graph.pb"))
    theirs = run(str(tmp_path / "native" / "frozen_inference_graph.pb"))
    assert ours[0] == theirs[0] and sum(int(one[3][0]) for one in theirs[1]) > 0
    for one, other in zip(ours[1], theirs[1]):
        for left, right in zip(one, other):
            assert left.shape == right.shape and left.tobytes() == right.tobytes()


@thorough.only
@pytest.mark.parametrize("era", judging.ERAS)
def test_other_anchors_are_the_exporters_own(era, exported, stock_python, tmp_path):
    """Ours are rounded once, the exporter's at each step of their computation."""
    (tmp_path / "anchors.pbtxt").write_text(
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.25 max_scale: 0.9 "
        "aspect_ratios: [1.0, 2.0, 0.5, 2.5, 0.4, 1.5] }"
    )
    out = judging.convert(
        exported(era),
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--target_api",
        "2021-05" if era == "2021" else era,
        "--anchors",
        tmp_path / "anchors.pbtxt",
        *VARIANTS["all, and three new ones"],
    )
    judging.ask(
        [(stock_python(era), judging.job(out, "export", output_directory=str(tmp_path / "native")))]
    )
    ours = run(os.path.join(out, "frozen_inference_graph.pb"))
    theirs = run(str(tmp_path / "native" / "frozen_inference_graph.pb"))
    assert ours[0] == theirs[0]
    assert sum(int(one[3][0]) for one in theirs[1]) > 0
    for one, other in zip(ours[1], theirs[1]):
        for left, right in zip(one, other):
            assert left.shape == right.shape and np.abs(left - right).max() <= 1e-5


def beside_the_exporter(top, era, python, classes):
    """What graphs find: of top/pipeline.config's model, of that model for other classes and
    top/anchors.pbtxt as graphfix rewrites it, and as the exporter makes it."""
    source = top / "source"
    judging.ask(
        [
            (python, judging.job(top, "save", output=str(top / "model.ckpt"), seed=3)),
            (python, judging.job(top, "export", output_directory=str(source))),
        ]
    )
    out = judging.convert(
        source,
        top / "out",
        "--target_api",
        "2021-05" if era == "2021" else era,
        "--anchors",
        top / "anchors.pbtxt",
        "--num_classes",
        str(classes),
        "--map",
        "1=7",
        "--map",
        "2=1",
    )
    judging.ask([(python, judging.job(out, "export", output_directory=str(top / "native")))])
    return [
        run(os.path.join(str(one), "frozen_inference_graph.pb"))
        for one in (source, out, top / "native")
    ]


@thorough.only
@pytest.mark.parametrize("era", judging.ERAS)
def test_other_anchors_of_a_quantized_graph_are_the_exporters_own(era, stock_python, tmp_path):
    """Its ranges of box codes are stretched as the checkpoint's are."""
    shutil.copy(
        os.path.join(judging.HERE, "families", "ssd_mobilenet_v1_quantized.config"),
        str(tmp_path / "pipeline.config"),
    )
    (tmp_path / "anchors.pbtxt").write_text(
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.3 max_scale: 0.9 "
        "aspect_ratios: [1.0, 1.8, 0.6] }"
    )
    before, ours, theirs = beside_the_exporter(tmp_path, era, stock_python(era), classes=2)
    assert ours[0] == theirs[0] and "detection_boxes" in ours[0]
    for old, one, other in zip(before[1], ours[1], theirs[1]):
        assert old[0].tobytes() != other[0].tobytes()
        for left, right in zip(one, other):
            assert left.shape == right.shape and np.abs(left - right).max() <= 1e-5


@pytest.mark.parametrize("era", thorough.cases(judging.ERAS[-1:], judging.ERAS[:-1]))
def test_other_anchors_of_a_first_stage_are_the_exporters_own(era, stock_python, tmp_path):
    """For images of any size, three classes, and two anchors at a location more."""
    with open(os.path.join(judging.HERE, "families", "faster_rcnn_inception_v2.config")) as file:
        text = re.sub(
            "fixed_shape_resizer { .*? }",
            "keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 160 }",
            file.read(),
        )
    (tmp_path / "pipeline.config").write_text(text)
    (tmp_path / "anchors.pbtxt").write_text(
        "grid_anchor_generator { height_stride: 16 width_stride: 16 scales: [0.2, 0.3, 0.4, 0.6] "
        "aspect_ratios: [0.6, 1.6] }"
    )
    before, ours, theirs = beside_the_exporter(tmp_path, era, stock_python(era), classes=3)
    assert ours[0] == theirs[0] and "detection_boxes" in ours[0]
    for old, one, other in zip(before[1], ours[1], theirs[1]):
        assert np.abs(old[0] - other[0]).max() > 0.01
        for left, right in zip(one, other):
            assert left.shape == right.shape and np.abs(left - right).max() <= 1e-5


def test_constants_are_evaluated_as_tensorflow_does():
    path = os.path.join(judging.DETECTOR, "frozen_inference_graph.pb")
    graph = files.open_graph(files.read_graph_def(path), path)
    names = [
        name
        for name in graph.nodes
        if name.startswith("MultipleGridAnchorGenerator/")
        and graph.nodes[name].op not in ("Assert", "Const")
    ]
    values = {name: evaluate(graph, name) for name in names}
    with tf.Graph().as_default(), tf.Session() as session, open(path, "rb") as file:
        tf.import_graph_def(tf.GraphDef.FromString(file.read()), name="")
        wanted = session.run(
            {name: name + ":0" for name, value in values.items() if value is not None}
        )
    assert len(wanted) > 200
    for name, value in wanted.items():
        assert values[name].dtype == value.dtype and values[name].tobytes() == value.tobytes(), name


def run_saved_model(directory, pictures=PICTURES):
    """The outputs of a SavedModel on pictures, by name, and its signature."""
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.load(session, ["serve"], directory).signature_def[
            "serving_default"
        ]
        outputs = {name: info.name for name, info in signature.outputs.items()}
        return [
            session.run(outputs, {signature.inputs["inputs"].name: one[None]})
            for one in judging.decode(open(picture, "rb").read() for picture in pictures)
        ], signature


@pytest.fixture(scope="module")
def exported(stock_python, tmp_path_factory):
    """exported(era): the directory of what that era's exporter makes of the trained detector."""
    made = {}

    def export(era):
        if era not in made:
            made[era] = str(tmp_path_factory.mktemp("exported"))
            judging.ask(
                [
                    (
                        stock_python(era),
                        judging.job(judging.DETECTOR, "export", output_directory=made[era]),
                    )
                ]
            )
        return made[era]

    return export


@pytest.mark.parametrize("era, variant", CASES)
def test_the_rewritten_graph_is_the_exporters_own(era, variant, exported, stock_python, tmp_path):
    out = judging.convert(
        exported(era),
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--target_api",
        "2021-05" if era == "2021" else era,
        *VARIANTS[variant],
    )
    judging.ask(
        [(stock_python(era), judging.job(out, "export", output_directory=str(tmp_path / "native")))]
    )
    ours = run(os.path.join(out, "frozen_inference_graph.pb"))
    theirs = run(str(tmp_path / "native" / "frozen_inference_graph.pb"))
    assert ours[0] == theirs[0] and set(OUTPUTS[:4]) <= set(ours[0])
    assert sum(int(one[3][0]) for one in theirs[1]) > 0
    for one, other in zip(ours[1], theirs[1]):
        for left, right in zip(one, other):
            assert left.shape == right.shape and left.tobytes() == right.tobytes()
    saved, signature = run_saved_model(os.path.join(out, "saved_model"))
    assert os.listdir(os.path.join(out, "saved_model", "variables")) == []
    assert signature == run_saved_model(str(tmp_path / "native" / "saved_model"), ())[1]
    for one, other in zip(ours[1], saved):
        named = dict(zip(ours[0], one))
        assert other and all(
            value.tobytes() == named[name].tobytes() for name, value in other.items()
        )


def test_a_subset_finds_what_the_source_found_of_it(tmp_path):
    """Ring (6) and star (4) become 1 and 2; the caps on detections do not cut in these pictures."""
    out = judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--num_classes",
        "2",
        "--map",
        "1=ring",
        "--map",
        "2=star",
    )
    _, before = run(os.path.join(judging.DETECTOR, "frozen_inference_graph.pb"))
    _, after = run(os.path.join(out, "frozen_inference_graph.pb"))
    found = 0
    for one, other in zip(before, after):
        number = int(one[3][0])
        kept = np.isin(one[2][0][:number], (6, 4))
        count = int(kept.sum())
        assert count == int(other[3][0]) < 100
        found += count
        assert one[0][0][:number][kept].tobytes() == other[0][0][:count].tobytes()
        assert one[1][0][:number][kept].tobytes() == other[1][0][:count].tobytes()
        assert (
            np.where(one[2][0][:number][kept] == 6, 1, 2).tolist()
            == other[2][0][:count].astype(int).tolist()
        )
    assert found > 0


@pytest.mark.parametrize("era", judging.ERAS)
def test_thawed_variables_are_the_checkpoints(era, exported, graphfix, tmp_path):
    directory = exported(era)
    for source in ("frozen_inference_graph.pb", "saved_model"):
        out = tmp_path / source
        done = graphfix("thaw", os.path.join(directory, source), "--output_directory", out)
        assert done.code == 0, done.err
        before = judging.tensors(os.path.join(directory, "model.ckpt"))
        after = judging.tensors(str(out / "model.ckpt"))
        assert sorted(after) == sorted(before)
        assert all(
            after[name].tobytes() == value.tobytes()
            for name, value in before.items()
            if name != "global_step"
        )


def registered():
    """TensorFlow's operations by name."""
    return {
        op.name: op
        for op in op_def_pb2.OpList.FromString(
            pywrap_tensorflow.TF_GetBuffer(pywrap_tensorflow.TF_GetAllOpList())
        ).op
    }


def test_the_operations_with_effects_are_tensorflows():
    """Of contrib, or only of the core without its registration, are a few."""
    listed = {name for _, names in EFFECTS for name in names}
    assert listed - set(registered()) <= {
        "BigtableClient",
        "KafkaDataset",
        "KinesisDataset",
        "DecodeAudio",
        "DecodeAudioV2",
        "DecodeVideo",
        "EncodeAudio",
        "Send",
        "Recv",
    }
    names = re.compile(
        r"(file|vocab_?file|file_?name|file_pattern|ckpt_path|debug_url|logdir|"
        r"descriptor_source|data_source_name|address)s?"
    )
    for name, op in registered().items():
        fields = [one.name for one in list(op.attr) + list(op.input_arg)]
        if any(names.fullmatch(field) for field in fields):
            assert name in listed, name
    assert {"DecodeRaw", "DecodeJpeg", "Assert"} <= set(registered()) - listed


def test_operations_take_the_inputs_that_tensorflow_registers():
    for op in registered().values():
        lists = [
            one.number_attr or one.type_list_attr
            for one in op.input_arg
            if one.number_attr or one.type_list_attr
        ]
        if op.name in LISTS:
            assert (lists, len(op.input_arg) - 1) == (["N"], LISTS[op.name])
        elif any(op.name in names for names in INPUTS.values()):
            assert not lists and op.name in INPUTS[len(op.input_arg)], op.name
        else:
            # "Assert" alone takes a list of any types.
            assert op.name not in RULES or op.name == "Assert", op.name
    assert {name for names in INPUTS.values() for name in names} <= set(registered())
