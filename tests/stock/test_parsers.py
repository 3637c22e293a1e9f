"""What TensorFlow and the stock API read of a file counts in `diff` and `check`, and nothing
else."""

import collections
import os
import random
import re
import struct

import handmade
import mutations
import parsed_files
import pytest
import thorough
from bundle_cases import fixed, lay
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from graphfix.comparison.configs import PRESENCE
from graphfix.comparison.differ import compare
from graphfix.comparison.snapshots import open_snapshot
from graphfix.errors import SourceError
from graphfix.formats import extents
from graphfix.formats.graphdef import constants, files, skeleton, wire
from graphfix.formats.schema import message_class, parse

tf = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

FORMS = {
    "GraphDef": skeleton.GRAPH_DEF,
    "MetaGraphDef": skeleton.META_GRAPH,
    "SavedModel": skeleton.SAVED_MODEL,
}


def graph_class(name):
    from tensorflow.core.framework import graph_pb2
    from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

    return next(
        getattr(module, name)
        for module in (graph_pb2, meta_graph_pb2, saved_model_pb2)
        if hasattr(module, name)
    )


def imports(data):
    """Whether the runtime's own parser, in C++, takes bytes as a GraphDef, of whatever nodes."""
    from tensorflow.python import pywrap_tensorflow
    from tensorflow.python.framework import c_api_util

    given = c_api_util.ScopedTFImportGraphDefOptions()
    graph = tf.Graph()
    try:
        with c_api_util.tf_buffer(data) as buffer:
            pywrap_tensorflow.TF_GraphImportGraphDefWithResults(
                graph._c_graph, buffer, given.options
            )
    except tf.errors.OpError as error:
        return "Invalid GraphDef" not in str(error)
    return True


@pytest.mark.parametrize("name", sorted(FORMS))
def test_what_is_a_graph(name, tmp_path, monkeypatch):
    """TensorFlow's verdict on any bytes, and its message.

    Its Python's, which is to say Protocol Buffers': the runtime's own parser takes some files that
    end too soon as well, and never refuses what we take.
    """
    monkeypatch.setattr(skeleton, "LARGE", 2)
    form, kind, path = FORMS[name], graph_class(name), str(tmp_path / "it")
    whole = kind()
    if form == skeleton.SAVED_MODEL:
        whole = parsed_files.rich_saved_model(kind)
    else:
        within = whole if form == skeleton.GRAPH_DEF else whole.graph_def
        parsed_files.rich_graph(lambda: within)
    data, counts = whole.SerializeToString(), collections.Counter()
    for seed in range(thorough.rounds(300, 2000)):
        made = random.Random(f"valid {name} {seed}")
        monkeypatch.setattr(skeleton, "_WINDOW", made.choice((20, 64, 1 << 16)))
        if seed % 6 == 0:
            changed = parsed_files.spelled(made, data, kind.DESCRIPTOR)
        else:
            changed = made.choice(
                (mutations.mutate_bytes, mutations.mutate_message, mutations.mutate_message)
            )(made, data)
        try:
            expected = parse(kind, changed)
        except DecodeError:
            expected = None
        with open(path, "wb") as file:
            file.write(changed)
        short = skeleton.read(path, form)
        try:
            found = files.GraphFile(path, form, short).whole()
        except DecodeError:
            found = None
        counts[found is not None] += 1
        assert (found is None) == (expected is None), (seed, changed)
        if found is not None:
            assert extents.joined(skeleton.pieces(short, form)) == changed, (seed, changed)
            assert wire.canonical(found) == wire.canonical(
                message_class("graphfix.graph." + name).FromString(expected.SerializeToString())
            ), (seed, changed)
            assert form != skeleton.GRAPH_DEF or imports(changed), (seed, changed)
    assert min(counts[False], counts[True]) > 60, counts


@pytest.mark.parametrize(
    "name, make, path",
    [
        ("GraphDef", parsed_files.rich_graph, "it.pb"),
        ("SavedModel", parsed_files.rich_saved_model, "saved_model.pb"),
    ],
    ids=["GraphDef", "SavedModel"],
)
def test_graphs(name, make, path, tmp_path, monkeypatch):
    """Bytes and fields changed at random, and the same message spelled otherwise; all contents of
    constants are taken out of the file before it is parsed."""
    monkeypatch.setattr(skeleton, "LARGE", 2)
    kind = graph_class(name)
    data = make(kind).SerializeToString()
    before, counts = parsed_files.parsed(kind, data, DecodeError), collections.Counter()
    for seed in range(600):
        made = random.Random(f"tensorflow {name} {seed}")
        if seed % 6 == 0:
            changed = parsed_files.spelled(made, data, kind.DESCRIPTOR)
            assert parsed_files.held(tmp_path, path, data, changed) is True, changed
        else:
            changed = made.choice(
                (mutations.mutate_bytes, mutations.mutate_message, mutations.mutate_message)
            )(made, data)
        found = parsed_files.held(tmp_path, path, data, changed)
        assert found in (None, parsed_files.parsed(kind, changed, DecodeError) == before), changed
        counts[found] += 1
    assert counts[False] > 80 and counts[True] >= 100, counts


@pytest.mark.parametrize(
    "path, module, name, text",
    [
        ("it.config", "pipeline_pb2", "TrainEvalPipelineConfig", parsed_files.CONFIG),
        ("it.pbtxt", "string_int_label_map_pb2", "StringIntLabelMap", parsed_files.LABELS),
    ],
    ids=["config", "labels"],
)
def test_texts(path, module, name, text, tmp_path):
    kind = getattr(pytest.importorskip("object_detection.protos." + module), name)
    for field in (
        "ancestor_ids: [4, 5]",
        "descendant_ids: 6",
        "frequency: RARE",
        "instance_count: 0",
        'keypoints { id: 3 label: "nose" }',
    ):
        # Those are of later years.
        if path == "it.pbtxt" and field.split(" ")[0].strip(":") not in (
            kind.DESCRIPTOR.fields_by_name["item"].message_type.fields_by_name
        ):
            text = text.replace(field, "")

    def said(data):
        message = kind()
        try:
            text_format.Merge(data, message)
        except (text_format.ParseError, UnicodeDecodeError, ValueError):
            return None
        if path == "it.config":
            parsed_files.without_defaults(message)
        return message.SerializeToString(deterministic=True)

    before, counts = said(text.encode()), collections.Counter()
    assert before
    for seed in range(600):
        changed = mutations.mutate_text(random.Random(f"stock {path} {seed}"), text)
        found = parsed_files.held(tmp_path, path, text.encode(), changed)
        assert found in (None, said(changed) == before), changed.decode("utf-8", "replace")
        counts[found] += 1
    assert min(counts[False], counts[True]) > 20, counts


def test_the_api_asks_for_these_fields():
    """HasField of a single value, in all of the API's sources."""
    where = os.path.dirname(pytest.importorskip("object_detection.protos").__file__)
    single, pending = set(), [message_class("graphfix.pipeline.TrainEvalPipelineConfig").DESCRIPTOR]
    seen = set()
    while pending:
        descriptor = pending.pop()
        if descriptor.full_name not in seen:
            seen.add(descriptor.full_name)
            pending += [field.message_type for field in descriptor.fields if field.message_type]
            single |= {
                field.name
                for field in descriptor.fields
                if not field.message_type
                and field.label != field.LABEL_REPEATED
                and not field.containing_oneof
            }
    asked = set()
    for folder, _, names in os.walk(os.path.dirname(where)):
        for name in names:
            if name.endswith(".py"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    asked.update(re.findall(r"HasField\(\s*['\"](\w+)['\"]", file.read()))
    assert len(asked) > 20 and asked & single <= PRESENCE


def test_constants_are_what_tensorflow_makes_of_them():
    """Every type, as raw bytes or as a list, whole or going on with its last element."""
    graph = tf.GraphDef()
    made = random.Random("constants")
    for number in range(400):
        dtype = made.choice(sorted(parsed_files.PACKED))
        name, letter = parsed_files.PACKED[dtype]
        shape = [made.randrange(4) for _ in range(made.randrange(3))]
        count, size = 1, struct.calcsize("<" + letter)
        for one in shape:
            count *= one
        node = graph.node.add(name=f"c{number}", op="Const")
        node.attr["dtype"].type = dtype
        tensor = node.attr["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_shape.SetInParent()
        for one in shape:
            tensor.tensor_shape.dim.add(size=one)
        some = [bytes(made.randrange(256) for _ in range(size)) for _ in range(count)]
        if letter == "?":
            some = [bytes([one[0] & 1]) for one in some]
        if letter == "f":
            # A signalling NaN among them.
            some = [made.choice((one, b"\x01\0\x80\x7f", b"\0\0\0\x80")) for one in some]
        if made.random() < 0.4:
            tensor.tensor_content = b"".join(some)
            continue
        some = some[: made.randrange(len(some) + 1)]
        if letter == "f":
            tensor.MergeFromString(handmade.message(5, b"".join(some)))
        else:
            wide = made.choice((0, 1 << 16)) if letter in "HhBb" and size < 4 else 0
            getattr(tensor, name).extend(struct.unpack("<" + letter, one)[0] + wide for one in some)
    with tf.Graph().as_default() as built, tf.Session(graph=built) as session:
        tf.import_graph_def(graph, name="")
        values = session.run([f"c{number}:0" for number in range(len(graph.node))])
    ours = message_class("graphfix.graph.GraphDef").FromString(graph.SerializeToString())
    for node, value in zip(ours.node, values):
        assert constants.value_of(node).tobytes() == value.tobytes(), node


def test_indexes(tmp_path):
    """Entries mutated under checksums that are right: what TensorFlow's reader reads."""
    pairs, data = lay(
        {
            "a": fixed(1, (2, 3)),
            "b/c": fixed(3, (4,), 2),
            "d": fixed(9, (), 3),
            "e": fixed(1, (3, 2)),
        }
    )

    def write(name, index):
        (tmp_path / (name + ".data-00000-of-00001")).write_bytes(data)
        (tmp_path / (name + ".index")).write_bytes(index)
        return str(tmp_path / name)

    def said(prefix):
        try:
            reader = tf.train.NewCheckpointReader(prefix)
            types = reader.get_variable_to_dtype_map()
            return {
                name: (types[name], shape, reader.get_tensor(name).tobytes())
                for name, shape in reader.get_variable_to_shape_map().items()
            }
        except (tf.errors.OpError, UnicodeDecodeError, TypeError, ValueError):
            return None

    one = write("one", handmade.plain_table(pairs))
    before, counts = said(one), collections.Counter()
    assert len(before) == 4
    for seed in range(400):
        made = random.Random(f"tensorflow index {seed}")
        # Two in three headers go through unchanged: TensorFlow's end the process where they lie.
        changed = [(key, value) for key, value in mutations.mutate_pairs(made, pairs[1:]) if key]
        two = write("two", handmade.split_table(pairs[:1] + changed, made.choice((1, 2, 9))))
        try:
            same = compare(open_snapshot(one), open_snapshot(two)).same
        except SourceError:
            counts["refused"] += 1
            continue
        assert same == (said(two) == before), changed
        counts[same] += 1
    assert counts[True] > 20 and counts[False] > 15, counts
