"""What two files say, told in another way than graphfix compares them: for the tests that hold
`diff` against it, with the schema's messages or with TensorFlow's own.

A message is what its parser makes of the bytes, serialized in one order, the constants' values as
bytes.  Spellings are other bytes for the same message.
"""

import os
import struct

import builders
import handmade
import mutations

from graphfix.comparison.configs import PRESENCE
from graphfix.comparison.differ import compare
from graphfix.comparison.golden import read_golden, to_json
from graphfix.comparison.snapshots import open_snapshot
from graphfix.errors import SourceError

CONFIG = (
    builders.CONFIG % {"classes": 4}
    + """
graph_rewriter { quantization { delay: 48000 weight_bits: 8 } }
"""
)
LABELS = """item { id: 1 name: "n1" display_name: "dog" keypoints { id: 3 label: "nose" } }
item { name: 'cat' id: 2 ancestor_ids: [4, 5] descendant_ids: 6 frequency: RARE }
# The background may be there.
item { id: 0 name: "background" }
item { id: 3 name: "caf\\303\\251" instance_count: 0 display_name: "" }
"""
# Type -> the list of its elements, and how one of them is packed.
PACKED = {
    1: ("float_val", "f"),
    2: ("double_val", "d"),
    3: ("int_val", "i"),
    4: ("int_val", "B"),
    5: ("int_val", "h"),
    6: ("int_val", "b"),
    9: ("int64_val", "q"),
    10: ("bool_val", "?"),
    14: ("half_val", "H"),
    17: ("int_val", "H"),
    19: ("half_val", "H"),
    22: ("uint32_val", "I"),
    23: ("uint64_val", "Q"),
}


def parsed(message_class, data, errors):
    """What a graph or SavedModel says, as bytes; None for what is none."""
    try:
        message = message_class.FromString(data)
    except errors:
        return None
    _settle(message)
    graphs = (
        [message]
        if message.DESCRIPTOR.name == "GraphDef"
        else [meta.graph_def for meta in message.meta_graphs]
    )
    for graph in graphs:
        for node in graph.node:
            if node.op == "Const" and "value" in node.attr:
                _unify(node.attr["value"])
    return message.SerializeToString(deterministic=True)


def strays(data, descriptor):
    """Whether an entry of a map has a field besides key and value: TensorFlow skips it, and upb
    makes all of the entry an unknown field."""
    for number, kind, value in mutations.fields(data) or ():
        field = descriptor.fields_by_number.get(number)
        if (field is None and descriptor.GetOptions().map_entry) or (
            kind == 2
            and field is not None
            and field.message_type is not None
            and strays(value, field.message_type)
        ):
            return True
    return False


def without_defaults(message):
    """A config without what it sets to the default, but for what is asked for by HasField."""
    for field, value in message.ListFields():
        several = not isinstance(value, (str, bytes, int, float)) and not hasattr(
            value, "ListFields"
        )
        for one in value if several else [value]:
            if hasattr(one, "ListFields"):
                without_defaults(one)
        if (
            not several
            and not hasattr(value, "ListFields")
            and field.containing_oneof is None
            and field.name not in PRESENCE
            and repr(value) == repr(field.default_value)
        ):
            message.ClearField(field.name)
    return message


def _settle(message):
    """Looks up every entry of every map: protobuf's C++ form keeps those that others replace."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None:
            continue
        value = getattr(message, field.name)
        if field.message_type.GetOptions().map_entry:
            scalar = field.message_type.fields_by_name["value"].message_type is None
            for key in list(value):
                if scalar:
                    value[key] = value[key]
                else:
                    _settle(value[key])
        elif hasattr(value, "DESCRIPTOR"):
            if message.HasField(field.name):
                _settle(value)
        else:
            for one in value:
                _settle(one)


def _unify(value):
    """A constant's value as raw bytes, where TensorFlow makes a tensor of it."""
    tensor = value.tensor if value.WhichOneof("value") == "tensor" else None
    if (
        tensor is None
        or tensor.dtype not in PACKED
        or not tensor.HasField("tensor_shape")
        or tensor.tensor_shape.unknown_rank
    ):
        return
    count = 1
    for dim in tensor.tensor_shape.dim:
        count *= dim.size
        if dim.size < 0 or count > 1000:
            return
    name, letter = PACKED[tensor.dtype]
    size = struct.calcsize("<" + letter)
    if tensor.tensor_content:
        return
    elements = getattr(tensor, name)
    if len(elements) > count:
        return
    if name == "float_val":
        # A Python number would lose which NaN it is.
        packed = b"".join(
            content
            for number, _, content in mutations.fields(tensor.SerializeToString())
            if number == 5
        )
    else:
        mask = (1 << 8 * size) - 1
        packed = b"".join(
            struct.pack("<" + letter, one)
            if letter in "d?"
            else (int(one) & mask).to_bytes(size, "little")
            for one in elements
        )
    if len(packed) < count * size:
        packed += (packed[-size:] or bytes(size)) * (count - len(packed) // size)
    tensor.ClearField(name)
    tensor.tensor_content = packed


def held(directory, name, one, two):
    """Whether two files of a name are the same to `diff` and, the first one recorded, to `check`;
    None where the second is refused."""
    paths = []
    for side, data in (("one", one), ("two", two)):
        paths.append(os.path.join(str(directory), side, name))
        os.makedirs(os.path.dirname(paths[-1]), exist_ok=True)
        with open(paths[-1], "wb") as file:
            file.write(data)
    before = open_snapshot(paths[0])
    try:
        after = open_snapshot(paths[1])
        found = compare(before, after).same
    except SourceError:
        return None
    golden = os.path.join(str(directory), "golden.json")
    with open(golden, "w") as file:
        file.write(to_json(before))
    recorded = compare(read_golden(golden), after)
    assert recorded.same == found, recorded
    return found


def spelled(random, data, descriptor):
    """Other bytes of the same message: fields and map entries in another order, numbers and sizes
    longer than they need be, a message in two parts, packed numbers one by one."""
    chunks = []
    for number, kind, value in mutations.fields(data):
        field = descriptor.fields_by_number.get(number)
        inner = field.message_type if field is not None and kind == 2 else None
        if inner is not None:
            value = spelled(random, value, inner)
        content = [
            _number(random, value)
            if kind == 0
            else value
            if kind != 2
            else _number(random, len(value)) + value
        ]
        if inner is not None and not _repeated(field) and random.random() < 0.3:
            parts = mutations.fields(value)
            half = random.randrange(len(parts) + 1)
            content = [
                _number(random, len(part)) + part
                for part in (mutations.message(parts[:half]), mutations.message(parts[half:]))
            ]
        elif (
            field is not None
            and kind == 2
            and inner is None
            and _repeated(field)
            and field.cpp_type == field.CPPTYPE_FLOAT
            and random.random() < 0.5
        ):
            content = [value[at : at + 4] for at in range(0, len(value), 4)]
            kind = 5
        is_map = inner is not None and inner.GetOptions().map_entry
        chunks.append(
            [number, is_map, b"".join(_number(random, number << 3 | kind) + one for one in content)]
        )
    # What is of one field keeps its order, but for a map's entries.
    order = sorted(range(len(chunks)), key=lambda _: random.random())
    fields = {}
    for number, _, chunk in chunks:
        fields.setdefault(number, []).append(chunk)
    for number, is_map, _ in chunks:
        if is_map:
            fields[number].sort(key=lambda _: random.random())
    return b"".join(fields[chunks[at][0]].pop(0) for at in order)


def _repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == 3


def _number(random, value):
    data = handmade.varint(value)
    if random.random() < 0.15 and len(data) < 4:
        more = random.choice((1, 2))
        data = data[:-1] + bytes([data[-1] | 0x80]) + b"\x80" * (more - 1) + b"\0"
    return data


def rich_graph(graph_class):
    """A small graph with something of everything that a GraphDef can say."""
    graph = graph_class()
    graph.versions.producer, graph.versions.min_consumer = 134, 12
    graph.versions.bad_consumers.extend([3, 7])

    def constant(name, dtype, shape, content=b"", **lists):
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = dtype
        tensor = node.attr["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_shape.SetInParent()
        for size in shape:
            tensor.tensor_shape.dim.add().size = size
        tensor.tensor_content = content
        for field, values in lists.items():
            getattr(tensor, field).extend(values)

    constant("weights", 1, [2, 2], struct.pack("<4f", 1.5, -0.0, float("nan"), 3e38))
    constant("bias", 1, [3], float_val=[0.25, 2.0])
    constant("zeros", 3, [4])
    constant("axis", 3, [], int_val=[-1])
    constant("steps", 9, [2], int64_val=[1 << 40, -5])
    constant("half", 19, [2], half_val=[0x3C00, 0x8000])
    constant("flag", 10, [], bool_val=[True])
    constant("words", 7, [2], string_val=[b"a\xff", b""])
    node = graph.node.add(
        name="scope/sum", op="AddV2", input=["weights", "bias:0", "^axis"], device="/cpu:0"
    )
    node.attr["T"].type = 1
    node.attr["_output_shapes"].list.shape.add().dim.add(size=2, name="rows")
    node.attr["_many"].list.i.extend([1, -2, 1 << 33])
    node.attr["_some"].list.f.extend([0.5, -0.0])
    node.attr["_text"].s = b"\x00bytes"
    node.attr["_real"].f = 0.1
    node.attr["_none"].SetInParent()
    node.experimental_debug_info.original_node_names.append("before")
    node = graph.node.add(name="call", op="scale", input=["scope/sum"])
    node.attr["f"].func.name = "scale"
    node.attr["f"].func.attr["T"].type = 1
    node.attr["f"].func.attr["N"].i = 3
    for name, factor in (("scale", 2.0), ("shift", 7.0)):
        function = graph.library.function.add()
        function.signature.name = name
        function.signature.input_arg.add(name="x", type=1)
        function.signature.output_arg.add(name="y", type_attr="T")
        function.signature.is_stateful = True
        inner = function.node_def.add(name="k", op="Const")
        inner.attr["value"].tensor.float_val.append(factor)
        function.attr["_noinline"].b = True
        function.arg_attr[0].attr["_user"].s = b"x"
        function.ret["y"] = "k:output:0"
        function.ret["z"] = "x"
        function.control_ret["c"] = "k"
    graph.library.gradient.add(function_name="scale", gradient_func="shift")
    return graph


def rich_saved_model(saved_class):
    """A small SavedModel with something of everything, and two graphs."""
    saved = saved_class(saved_model_schema_version=1)
    for tags in (["train", "gpu"], ["serve"]):
        meta = saved.meta_graphs.add()
        if len(saved.meta_graphs) > 1:
            rich_graph(lambda: meta.graph_def)
        else:
            meta.graph_def.node.add(name="step", op="VarHandleOp")
        info = meta.meta_info_def
        info.tags.extend(tags)
        info.tensorflow_version, info.tensorflow_git_version = "1.15.5", "v1"
        info.stripped_op_list.op.add(name="AddV2").attr.add(name="T", type="type")
        info.any_info.type_url = "somewhere/Some"
        meta.saver_def.filename_tensor_name = "save/Const:0"
        meta.saver_def.keep_checkpoint_every_n_hours = 10000.0
        meta.collection_def["variables"].bytes_list.value.extend([b"one", b"two"])
        meta.collection_def["losses"].node_list.value.append("call:0")
        meta.collection_def["rates"].float_list.value.extend([0.5, 0.25])
        meta.collection_def["any"].any_list.value.add(type_url="u", value=b"v")
        for name in ("serving_default", "other"):
            signature = meta.signature_def[name]
            signature.inputs["x"].name = "weights:0"
            signature.inputs["x"].dtype = 1
            signature.inputs["s"].coo_sparse.values_tensor_name = "bias:0"
            signature.outputs["y"].name = "call:0"
            signature.method_name = "tensorflow/serving/predict"
        asset = meta.asset_file_def.add(filename="words.txt")
        asset.tensor_info.name = "words:0"
        meta.object_graph_def.nodes.add().user_object.identifier = "root"
    return saved
