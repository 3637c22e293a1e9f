"""The same config and the same weights in the eras' APIs: docs/eras.md, held against them.

Each model runs in two eras on the same picture.  All that comes out before suppression is equal,
but for DIFFERENT, which must differ: what is fixed upstream some day shall not stay on the page.

`make test` takes a padded SSD, with graphfix's edit and without it; GRAPHFIX_ALL_CONFIGS=1 takes
the families, with every field that changed its meaning (half an hour).
"""

import concurrent.futures
import json
import os
import re
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import config_plans
import judging
import thorough

from graphfix.detectors import meanings
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning.config_edits import plan_config

SCRIPT = os.path.join(judging.HERE, "era_outputs.py")
MONTHS = {"2019-04": "2019-03", "2019-07": "2019-07", "2021": "2021-06"}
CLASSES = "class_predictions_with_background"
EQUAL, APART = 2e-5, 1e-3

_RESIZER = re.compile(r"image_resizer\s*\{\s*\w+\s*\{[^}]*\}\s*\}")
_PAD = "keep_aspect_ratio_resizer { min_dimension: 320 max_dimension: 320 %s }"


def _resizer(text):
    return lambda model: _RESIZER.sub(f"image_resizer {{ {text} }}", model, count=1)


def _field(block, text):
    return lambda model: re.sub(rf"({block}\s*\{{)", rf"\1 {text}", model, count=1)


VARIANTS = {
    "as_it_is": lambda model: model,
    "wide": _resizer("fixed_shape_resizer { height: 192 width: 320 }"),
    "padded": _resizer(_PAD % "pad_to_max_dimension: true"),
    "varying": _resizer(_PAD % ""),
    "explicit": _field("feature_extractor", "use_explicit_padding: true"),
    "scaled": _field("post_processing", "logit_scale: 2"),
    "dropout": _field("weight_shared_convolutional_box_predictor", "use_dropout: true"),
}
PYRAMID = "ssd_mobilenet_v1_fpn"
# Model, variant, the earlier and the later era: which outputs differ.
DIFFERENT = {
    ("ssd_mobilenet_v1", "padded", "2019-07", "2021"): "preprocessed",
    (PYRAMID, "explicit", "2019-07", "2021"): CLASSES,
    (PYRAMID, "dropout", "2019-04", "2019-07"): CLASSES,
    ("faster_rcnn_inception_v2", "padded", "2019-07", "2021"): "proposal_boxes",
}
PLAIN = (
    "embedded_ssd_mobilenet_v1",
    "faster_rcnn_inception_v2",
    "faster_rcnn_resnet50",
    "mask_rcnn",
    "rfcn_resnet50",
    "ssd_inception_v2",
    "ssd_inception_v3",
    "ssd_layers_before_predictor",
    "ssd_mobilenet_v1",
    "ssd_mobilenet_v2",
    "ssd_mobilenet_v2_fpnlite",
    "ssd_resnet50_fpn",
    "ssd_softmax",
    "ssdlite_mobilenet_v2",
    PYRAMID,
)
OTHERS = tuple(
    (name, "as_it_is") + eras
    for name in PLAIN
    for eras in (("2019-04", "2019-07"), ("2019-07", "2021"))
) + (
    ("ssd_mobilenet_v1", "wide", "2019-07", "2021"),
    ("ssd_mobilenet_v1", "explicit", "2019-07", "2021"),
    ("ssd_mobilenet_v1", "scaled", "2019-07", "2021"),
    ("ssd_mobilenet_v1", "varying", "2019-04", "2021"),
)


def config(name, variant, era, *, as_trained=""):
    """A family's config as graphfix writes it for an era; `as_trained` keeps the meaning of another
    era, where that is in graphfix's power."""
    text = VARIANTS[variant](cells.families()[name].config(cells.EDITS["shrink"]))
    source = parse_config(text.encode(), "pipeline.config")
    meta = source.message.model.WhichOneof("model")
    body = getattr(source.message.model, meta)
    kept = tuple(
        edit
        for change in meanings.changes(body, meta)
        for edit in [meanings.same_meaning(change, body, meta, new=change.is_new(MONTHS[era]))]
        if edit is not None and as_trained
        if change.is_new(as_trained) != change.is_new(MONTHS[era])
    )
    edits, _ = plan_config(
        source,
        meta,
        body.num_classes,
        target_api=MONTHS[era],
        trainer="any",
        resumable=False,
        paths=config_plans.NO_RECORDS,
        extra=kept,
    )
    return apply_edits(source.document, edits).text


def run(python, configs, directory):
    """{name: outputs}, or what the API raised."""
    paths = {}
    for name, text in configs.items():
        paths[name] = str(directory / (name + ".config"))
        with open(paths[name], "w") as file:
            file.write(text)
    listed = directory / "configs.json"
    listed.write_text(json.dumps(paths))
    subprocess.run(
        [python, SCRIPT, str(listed), str(directory)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = {}
    for name in configs:
        path = directory / (name + ".npz")
        found[name] = (
            dict(np.load(str(path))) if path.exists() else (directory / (name + ".txt")).read_text()
        )
    return found


def in_two_eras(stock_python, directory, configs):
    """What `configs`, {era: {name: text}}, give."""
    folders = {era: directory / era for era in configs}
    for folder in folders.values():
        folder.mkdir()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = {
            era: pool.submit(run, stock_python(era), configs[era], folders[era]) for era in configs
        }
    return [jobs[era].result() for era in configs]


def differences(one, other):
    """{output: largest difference} of two eras."""
    assert isinstance(one, dict) and isinstance(other, dict), (one, other)
    assert set(one) == set(other)
    return {
        name: float(np.abs(one[name].astype(float) - other[name]).max())
        for name in one
        if not name.startswith("again ")
    }


def test_a_padded_image_is_what_it_was_with_graphfixs_edit(stock_python, tmp_path):
    name = "ssd_mobilenet_v1"
    configs = {
        "2019-07": {"it": config(name, "padded", "2019-07")},
        "2021": {
            "edited": config(name, "padded", "2021", as_trained="2019-07"),
            "unedited": config(name, "padded", "2021"),
        },
    }
    old, new = in_two_eras(stock_python, tmp_path, configs)
    assert max(differences(old["it"], new["edited"]).values()) < EQUAL
    assert differences(old["it"], new["unedited"])["preprocessed"] == pytest.approx(1)


@pytest.mark.parametrize(
    "name, variant, earlier, later", thorough.cases((), OTHERS + tuple(sorted(DIFFERENT)))
)
def test_eras_compute_the_same_but_for_what_is_known(
    name, variant, earlier, later, stock_python, tmp_path
):
    configs = {era: {"it": config(name, variant, era)} for era in (earlier, later)}
    old, new = (found["it"] for found in in_two_eras(stock_python, tmp_path, configs))
    found = differences(old, new)
    other = DIFFERENT.get((name, variant, earlier, later))
    if other is not None:
        assert found[other] > APART, found
    else:
        assert max(found.values()) < EQUAL, found
    if variant == "dropout":
        assert not np.array_equal(old[CLASSES], old["again " + CLASSES])
        assert np.array_equal(new[CLASSES], new["again " + CLASSES])
