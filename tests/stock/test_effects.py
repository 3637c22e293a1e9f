"""What a graph may consist of to be run, held against TensorFlow's own registered operations; and
that a graph which does more is not run."""

import os
import re
import shutil

import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here").compat.v1

import judging  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from tensorflow.python.framework import op_def_registry  # noqa: E402

from graphfix.cli import command_line  # noqa: E402
from graphfix.errors import SourceError  # noqa: E402
from graphfix.formats.graphdef import effects  # noqa: E402
from graphfix.formats.graphdef.files import read_graph_def  # noqa: E402

PICTURE = os.path.join(judging.DETECTOR, "..", "shapes", "demo_00000.jpg")
# Operations that TensorFlow calls stateful, because they hold variables, tables or arrays, draw
# random numbers, call functions, or complain: all that within the process and its run.
STATEFUL = re.compile(
    r"TensorArray|TensorList|Stack|Random|Multinomial|TruncatedNormal|SampleDistorted|Variable|VarHandleOp|"
    r"VarIsInitialized|ResourceGather|HashTable|LookupTable|InitializeTable|^(Case|If|While|"
    r"StatefulPartitionedCall|Assert|CheckNumerics|GuaranteeConst|Print|Empty|DeepCopy|Timestamp)$"
)
# Of arguments that may be the name of a file, a machine, a program, or a whole graph in itself.
REACHING = re.compile(
    r"(file|path|dir|address|host|server|url|vocab|ckpt|checkpoint|descriptor|program|command|token|"
    r"driver|query|protocol|serialized_graph|graph_def|serialized_remote|config$|executor_type)"
)
FUNCTIONS = {
    "Case",
    "If",
    "While",
    "StatelessIf",
    "StatelessWhile",
    "PartitionedCall",
    "StatefulPartitionedCall",
}


def registered():
    return op_def_registry.get_registered_ops()


def test_all_are_tensorflows_and_none_is_known_to_do_more():
    assert effects.computing() <= set(registered())
    known = {
        name for what, names in effects.EFFECTS for name in names if what != "writes to the log"
    }
    assert not effects.computing() & known
    assert len(effects.computing()) > 600


def test_they_do_no_more_than_compute():
    for name in effects.computing():
        op = registered()[name]
        if op.is_stateful:
            assert STATEFUL.search(name), f"what does {name} hold?"
        for one in list(op.attr) + list(op.input_arg):
            if one.name in ("direction", "top_paths") or (
                name in FUNCTIONS and one.name in ("config", "config_proto", "executor_type")
            ):
                # Of a network; of a search; how a function of the graph's own library is run.
                continue
            assert not REACHING.search(one.name), (name, one.name)
        if any(one.type in ("func", "list(func)") for one in op.attr):
            assert name in FUNCTIONS, name


@pytest.mark.parametrize(
    "name",
    [
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "ReadFile",
        "WriteFile",
        "SaveV2",
        "RestoreV2",
        "MergeV2Checkpoints",
        "MatchingFiles",
        "RemoteCall",
        "PrintV2",
        "InitializeTableFromTextFileV2",
        "WholeFileReaderV2",
        "LMDBReader",
        "DatasetFromGraph",
        "Abort",
        "SymbolicGradient",
        "IteratorV2",
        "OneShotIterator",
        "GeneratorDataset",
        "CollectiveBcastSend",
        "WriteSummary",
        "SummaryWriter",
        "QueueDequeueV2",
        "XlaRecv",
        "ImmutableConst",
        "RecordInput",
        "DecodeProtoV2",
        "TextLineDataset",
    ],
)
def test_it_is_not_among_them(name):
    assert name in registered() and name not in effects.computing()


@pytest.mark.parametrize("name", ["DebugIdentity", "Rpc", "_Send", "_Recv", "TRTEngineOp", "MyOp"])
def test_nor_is_what_is_registered_elsewhere(name):
    assert name not in effects.computing()


def test_every_operation_that_stock_detectors_have_is():
    effects.check_computes(
        read_graph_def(os.path.join(judging.DETECTOR, "frozen_inference_graph.pb")), "it"
    )


def hostile(path, note):
    """Has the detector's graph write a file, when its scores are asked for."""
    graph_def = tf.GraphDef()
    with open(path, "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default() as graph:
        tf.write_file(note, "a graph was here", name="w")
    graph_def.node.extend(graph.as_graph_def().node)
    next(node for node in graph_def.node if node.name == "detection_scores").input.append("^w")
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())


def in_function(path, note):
    """The same in a function of the graph's library, which it calls by name."""
    graph_def = tf.GraphDef()
    with open(path, "rb") as file:
        graph_def.ParseFromString(file.read())
    text_format.Merge(
        (
            f"""library {{ function {{ signature {{ name: "Identity2" output_arg {{ name: "o" type: DT_BOOL }} }}
        node_def {{ name: "name" op: "Const" attr {{ key: "dtype" value {{ type: DT_STRING }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING tensor_shape {{}}
                                                        string_val: "{note}" }} }} }} }}
        node_def {{ name: "w" op: "WriteFile" input: "name:output:0" input: "name:output:0" }}
        node_def {{ name: "c" op: "Const" input: "^w" attr {{ key: "dtype" value {{ type: DT_BOOL }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_BOOL tensor_shape {{}}
                                                        bool_val: true }} }} }} }}
        ret {{ key: "o" value: "c:output:0" }} }} }}
        node {{ name: "call" op: "Identity2" }}"""  # noqa: E501
        ),
        graph_def,
    )
    next(node for node in graph_def.node if node.name == "detection_scores").input.append("^call")
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())


@pytest.mark.parametrize(
    "change, told",
    [
        (hostile, "WriteFile 'w' (writes files)"),
        (in_function, "WriteFile 'w' of a function (writes files)"),
    ],
)
def test_a_graph_that_writes_is_run_only_when_that_is_allowed(tmp_path, capsys, change, told):
    source, note = str(tmp_path / "source"), str(tmp_path / "note")
    shutil.copytree(judging.DETECTOR, source)
    change(os.path.join(source, "frozen_inference_graph.pb"), note)
    out = judging.convert(
        source,
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--label_map_path",
        judging.write_labels(tmp_path / "new.pbtxt", ("ring", "star")),
        "--target_api",
        "2019-07",
    )
    graph = os.path.join(str(out), "frozen_inference_graph.pb")
    words = [
        "verify",
        str(out),
        "--stock",
        "--trainer",
        "legacy",
        "--source",
        source,
        "--images",
        PICTURE,
    ]
    capsys.readouterr()
    assert command_line.main(words) == 3
    err = capsys.readouterr().err
    assert told in err and "--allow_effects" in err and graph in err
    assert not os.path.exists(note)
    assert command_line.main(words + ["--allow_effects"]) == 0
    assert os.path.exists(note), "the test's graph does not do what it is to do"
    with pytest.raises(SourceError):
        effects.check_computes(read_graph_def(graph), graph)
