"""What --freeze writes freezes just that, by the stock trainers' own functions."""

import json
import os
import subprocess

import cells
import pytest
import repository

from graphfix.detectors.describe import describe
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.tensors import TensorMeta
from graphfix.options import Freeze
from graphfix.pipeline_config.document import parse_config
from graphfix.planning import freeze
from graphfix.stock_api import runner

ORACLE = os.path.join(repository.TESTS, "stock", "freeze_oracle.py")
# Era, family.
FAMILIES = (
    ("2019-04", "faster_rcnn_shared_boxes"),
    ("2019-07", "mask_rcnn_fixed_width"),
    ("2019-07", "ssd_mobilenet_v1_keras"),
    ("2021", "ssdlite_mobilenet_v2"),
    ("2021", "ssd_fpn_shared_tower"),
)


def ask(python, *arguments):
    subprocess.run(
        [python, ORACLE] + [str(one) for one in arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(
            os.environ,
            PYTHONPATH=os.path.dirname(runner.WORKER),
            TF_CPP_MIN_LOG_LEVEL="3",
            CUDA_VISIBLE_DEVICES="-1",
        ),
    )
    with open(str(arguments[-1])) as file:
        return json.load(file)


@pytest.mark.parametrize("era", cells.ERAS)
def test_frozen_layers(era, stock_python, tmp_path):
    python, result = stock_python(era), tmp_path / "result.json"
    known, paths = cells.families(), []
    names = [name for revision, name in FAMILIES if revision == era]
    for name in names:
        paths.append(tmp_path / (name + ".config"))
        paths[-1].write_text(known[name].config(cells.EDITS["shrink"]))
    models = ask(python, "variables", *(paths + [result]))
    cases, expected = [], []
    for path, variables in zip(paths, models):
        metas = {
            name: TensorMeta(name, BY_NAME[dtype], tuple(shape))
            for name, (dtype, shape, _) in sorted(variables.items())
        }
        message = parse_config(path.read_bytes(), str(path)).message
        model = describe(message, metas, config=str(path), checkpoint="the stock API")
        trainable = [name for name, (_, _, trains) in sorted(variables.items()) if trains]
        for what in Freeze:
            edits, _ = freeze.plan_freeze(model, metas, what, message)
            patterns = edits[0].literal and json.loads(edits[0].literal)
            cases.append({"names": trainable, "patterns": patterns})
            scopes = [
                head.scope
                for head in model.heads
                if what == Freeze.ALL_BUT_HEADS or head.class_axis
            ]
            trained = [
                name
                for name in trainable
                if {
                    Freeze.NONE: True,
                    Freeze.BACKBONE: "FeatureExtractor/" not in name
                    and "feature_extractor/" not in name,
                }.get(what, name.startswith(tuple(scopes)))
            ]
            # Something trains, and unless all does something else does not.
            assert 0 < len(trained) < len(trainable) or what == Freeze.NONE
            expected.append([trained, trained])
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    assert ask(python, "trained", tmp_path / "cases.json", result) == expected
