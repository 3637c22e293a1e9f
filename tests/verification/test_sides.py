"""Which graphs the stock API runs beside each other."""

import os
import shutil

import builders
import pytest

from graphfix.formats.graphdef import files
from graphfix.modeldir.openers import open_source
from graphfix.planning.plan_json import read_plan
from graphfix.verification import sides

FROZEN = "frozen_inference_graph.pb"


@pytest.fixture
def own(graphfix, model, tmp_path):
    """A model of this test's own, and what it was converted to."""
    source, out = str(tmp_path / "own"), str(tmp_path / "own_out")
    shutil.copytree(model, source)
    done = graphfix("convert", source, "--num_classes", "2", "--output_directory", out)
    assert done.code == 0, done.err
    return source, out


@pytest.fixture
def with_effects(frozen):
    """The same, of a source whose graph also reads a file."""
    source, out = frozen
    for directory in frozen:
        path = os.path.join(directory, FROZEN)
        graph_def = files.read_graph_def(path)
        graph_def.node.add(name="it", op="ReadFile", input=[graph_def.node[0].name])
        next(one for one in graph_def.node if one.name == "detection_boxes").input.append("^it")
        with open(path, "wb") as file:
            file.write(graph_def.SerializeToString())
    return source, out


def opened(frozen, **flags):
    source, out = frozen
    settings = dict({"allow_effects": False, "pictures": False}, **flags)
    plan = read_plan(os.path.join(out, "plan.json"))
    return sides.opened(out, plan, open_source(source), **settings)


def test_the_source_s_own_graph_is_run(frozen):
    with opened(frozen) as found:
        assert found.names == ["checkpoint", FROZEN] and not found.remarks
        assert found.what == f"the frozen graph of {frozen[0]}"
        # Its constants are what was converted, and no checkpoint has others.
        assert "checkpoint" not in found.source
        graph_def = files.read_graph_def(found.source["graph"])
        # Nothing that detections do not need.
        assert len(graph_def.node) <= len(
            files.read_graph_def(os.path.join(frozen[0], FROZEN)).node
        )
    assert not os.path.exists(found.source["graph"])


@pytest.mark.slow
def test_no_graph_with_effects_is_run_unless_allowed(with_effects):
    with opened(with_effects) as found:
        # The stock API's own graph of the source stands in, with the variables of its graph.
        assert "graph" not in found.source and found.names == ["checkpoint"]
        assert os.path.getsize(found.source["checkpoint"] + ".index") > 5000
        assert "that this API builds" in found.what
        own, rewritten = found.remarks
    assert "own graph was not run" in own and "ReadFile 'it'" in own and "--allow_effects" in own
    assert FROZEN in rewritten and "ReadFile 'it'" in rewritten
    with opened(with_effects, allow_effects=True) as found:
        assert found.source["allow_effects"] and found.names == ["checkpoint", FROZEN]


def test_a_graph_beside_a_checkpoint_gets_its_values(own, frozen):
    shutil.copy(os.path.join(frozen[0], FROZEN), own[0])
    with opened(own) as found:
        assert found.what.startswith("the frozen graph")
        assert found.source["checkpoint"] == os.path.join(own[0], "model.ckpt")
        assert found.source["moving_averages"] is False


def test_the_source_is_found_where_the_report_names_it(own, tmp_path):
    model, out = own
    plan = read_plan(os.path.join(out, "plan.json"))
    found, why = sides.find_source(out, plan, None, None)
    assert found.path == model and why == ""
    os.rename(os.path.join(model, "pipeline.config"), str(tmp_path / "pipeline.config"))
    found, why = sides.find_source(out, plan, None, None)
    assert found is None and "pipeline.config does not exist" in why and "--source" in why
    shutil.rmtree(model)
    builders.write_model(model, tensors=builders.values(4, seed=1))
    found, why = sides.find_source(out, plan, None, None)
    assert found is None and f"{model} is not what {out} was made from" in why
    shutil.rmtree(model)
    found, why = sides.find_source(out, plan, None, None)
    assert found is None and why == f"the source, {model}, is not there; name it with --source"
