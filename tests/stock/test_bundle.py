"""TensorFlow 1.15 as the judge of the checkpoint format: its writer's files read here, files
written here read by it, and the same tensors give the same bytes."""

import hashlib
import os

import handmade
import numpy as np
import pytest
import zoo
from bundle_cases import CASES, LAYOUTS, NAMES, SIZES, fixed, lay, save

from graphfix.errors import SourceError
from graphfix.formats.checkpoint import reader, stored_bytes, table, writer

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")
tf = tensorflow.compat.v1
# tf.bitcast has no row for bool and complex128; NumPy has those types.
_SAME_IN_NUMPY = ("bool", "complex64", "complex128")


def run(*fetches):
    """Values of tensors; `fetches` are functions that make them in a graph of their own."""
    with tf.Graph().as_default(), tf.Session() as session:
        return [session.run(fetch()) for fetch in fetches]


def bits(size):
    return np.dtype(f"<u{size}")


def tensor_of(one):
    """A TensorFlow tensor with a handmade one's bytes."""
    name, size = NAMES[one.dtype], SIZES.get(one.dtype)
    if name == "string":
        lengths, position = [], 0
        for _ in range(int(np.prod(one.shape, dtype=np.int64))):
            length, position = reader.entries.varint.decode(one.data, position)
            lengths.append(length)
        position += 4
        values = []
        for length in lengths:
            values.append(one.data[position : position + length])
            position += length
        return tf.constant(np.array(values, object).reshape(one.shape), tf.string)
    dtype = np.dtype(name) if name in _SAME_IN_NUMPY else bits(size)
    value = tf.constant(np.frombuffer(one.data, dtype).reshape(one.shape))
    return value if name in _SAME_IN_NUMPY else tf.bitcast(value, tf.as_dtype(name))


def bytes_of(prefix, name, dtype):
    """The bytes of a tensor that TensorFlow restores; of strings, the elements."""

    def fetch():
        (value,) = tf.raw_ops.RestoreV2(
            prefix=prefix, tensor_names=[name], shape_and_slices=[""], dtypes=[tf.as_dtype(dtype)]
        )
        if dtype == "string" or dtype in _SAME_IN_NUMPY:
            return value
        size = tf.as_dtype(dtype).size
        return tf.bitcast(value, tf.as_dtype(bits(size).name))

    (value,) = run(fetch)
    return np.ravel(value).tolist() if dtype == "string" else value.tobytes()


def save_by_tensorflow(prefix, tensors):
    names = sorted(tensors, key=str.encode)
    run(
        lambda: tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=[name.encode() for name in names],
            shape_and_slices=[""] * len(names),
            tensors=[tensor_of(tensors[name]) for name in names],
        )
    )


def content(path):
    with open(path, "rb") as file:
        return file.read()


DATA = ".data-00000-of-00001"
SAVED = sorted(
    name
    for name, tensors in CASES.items()
    if tensors and all(one.dtype != 21 for one in tensors.values())
)


@pytest.mark.parametrize("case", SAVED)
def test_same_bytes(case, tmp_path):
    """TensorFlow's, the handmade, and graphfix's; by which handmade.py is judged, too."""
    saved, ours = str(tmp_path / "tf"), str(tmp_path / "ours")
    save_by_tensorflow(saved, CASES[case])
    pairs, data = lay(CASES[case])
    assert content(saved + DATA) == data
    assert content(saved + ".index") == handmade.plain_table(pairs)
    store = reader.open_bundle(saved)
    for view in store.values():
        stored_bytes.check(view)
    writer.write_bundle(store, ours)
    assert content(ours + DATA) == data
    assert content(ours + ".index") == content(saved + ".index")


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("case", SAVED)
def test_tensorflow_reads_every_layout(case, layout, tmp_path):
    """What graphfix reads, TensorFlow does: the layouts of the tests are the format's."""
    prefix = str(tmp_path / "m")
    index, shards = LAYOUTS[layout](CASES[case])
    save(prefix, index, *shards)
    judge = tensorflow.train.NewCheckpointReader(prefix)
    shapes, dtypes = judge.get_variable_to_shape_map(), judge.get_variable_to_dtype_map()
    store = reader.open_bundle(prefix)
    # The binding wants names in UTF-8 without NUL bytes behind which it would cut them off.
    names = [name for name in CASES[case] if "\0" not in name]
    for name in names:
        one = CASES[case][name]
        assert tuple(shapes[name]) == store[name].meta.shape
        assert dtypes[name].name == store[name].meta.dtype.name
        if one.dtype in SIZES:
            assert bytes_of(prefix, name, NAMES[one.dtype]) == one.data
            assert store[name].load().tobytes() == one.data


def test_an_index_of_several_blocks(tmp_path):
    """Names that share no prefixes make the index of 6,000 scalars larger than a block."""
    saved, ours = str(tmp_path / "tf"), str(tmp_path / "ours")
    names = sorted(hashlib.sha256(b"%d" % at).hexdigest() * 2 for at in range(6000))
    run(
        lambda: tf.raw_ops.SaveV2(
            prefix=saved,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(float(at)) for at in range(len(names))],
        )
    )
    index = content(saved + ".index")
    assert len(index) > 3 * 256 * 1024
    store = reader.open_bundle(saved)
    assert list(store) == names
    assert [float(view.load()) for view in store.values()] == list(map(float, range(len(names))))
    writer.write_bundle(store, ours)
    assert content(ours + ".index") == index
    assert content(ours + DATA) == content(saved + DATA)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "complex64"])
def test_partitioned_variables(dtype, axis, tmp_path):
    """A Saver's slices come out as the one variable, and can be restored from what is written."""
    saved, ours = str(tmp_path / "tf"), str(tmp_path / "ours")
    value = np.arange(5 * 300).reshape(5, 300) % 100

    def build():
        with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(3, axis)):
            return tf.get_variable(
                "v", (5, 300), dtype=tf.as_dtype(dtype), initializer=tf.zeros_initializer()
            )

    with tf.Graph().as_default(), tf.Session() as session:
        variable = build()
        session.run(tf.global_variables_initializer())
        for part in variable:
            start = part._save_slice_info.var_offset
            piece = value[
                tuple(slice(at, at + size) for at, size in zip(start, part.shape.as_list()))
            ]
            session.run(part.assign(tf.cast(piece, part.dtype.base_dtype)))
        tf.train.Saver().save(session, saved, write_meta_graph=False, write_state=False)
    pairs = dict(table.read(content(saved + ".index"), "saved"))
    assert sum(key.startswith(b"\0") for key in pairs) == 3
    view = reader.open_bundle(saved)["scope/v"]
    stored_bytes.check(view)
    assert view.load().tobytes() == bytes_of(saved, "scope/v", dtype)
    writer.write_bundle(reader.open_bundle(saved), ours)
    assert bytes_of(ours, "scope/v", dtype) == view.load().tobytes()
    with tf.Graph().as_default(), tf.Session() as session:
        variable = build()
        tf.train.Saver().restore(session, ours)
        whole = tf.convert_to_tensor(variable)
        whole = tf.math.real(whole) if whole.dtype.is_complex else tf.cast(whole, tf.int64)
        assert (session.run(whole) == value).all()


@pytest.mark.parametrize("name", ["v", "a\u00ff/\uffff"])
@pytest.mark.parametrize(
    "cut",
    [
        1,
        63,
        64,
        65,
        8191,
        8192,
        1 << 20,
        1 << 27,
        1 << 34,
        1 << 41,
        1 << 48,
        1 << 55,
        (1 << 62) - 1,
    ],
)
def test_slice_keys(cut, name, tmp_path):
    """Numbers of every length in slice keys: tensors of no bytes have shapes of any size."""
    saved = str(tmp_path / "tf")
    size = 2 * cut + 1
    where = [[(0, cut), None], [(cut, cut + 1), None]]
    run(
        lambda: [
            tf.raw_ops.SaveV2(
                prefix=saved,
                tensor_names=[name.encode()] * 2,
                shape_and_slices=[f"{size} 0 0,{cut}:-", f"{size} 0 {cut},{cut + 1}:-"],
                tensors=[
                    tf.fill(tf.constant([length, 0], tf.int64), tf.constant(0, tf.uint8))
                    for length in (cut, cut + 1)
                ],
            )
        ]
    )
    expected = [
        (b"", handmade.header()),
        (name.encode(), handmade.entry(4, (size, 0), slices=where)),
    ]
    expected += [
        (
            handmade.slice_key(name.encode(), one),
            handmade.entry(4, (one[0][1], 0), crc=handmade.masked(b"")),
        )
        for one in where
    ]
    assert content(saved + ".index") == handmade.plain_table(expected)
    assert reader.open_bundle(saved)[name].meta.shape == (size, 0)


def test_shards(tmp_path):
    """A sharded Saver's files: one of each device, merged under one index."""
    saved, ours = str(tmp_path / "tf"), str(tmp_path / "ours")
    values = {
        f"cpu{device}/v{at}": np.full((at + 1, 3), 10 * device + at, np.float32)
        for device in range(3)
        for at in range(4)
    }
    config = tf.ConfigProto(device_count={"CPU": 3})
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        for name, value in sorted(values.items()):
            with tf.device("/cpu:" + name[3]):
                tf.Variable(value, name=name)
        session.run(tf.global_variables_initializer())
        tf.train.Saver(sharded=True).save(session, saved, write_meta_graph=False, write_state=False)
    assert os.path.exists(saved + ".data-00002-of-00003")
    store = reader.open_bundle(saved)
    assert {view.extent.path for view in store.values()} == {
        f"{saved}.data-0000{shard}-of-00003" for shard in range(3)
    }
    writer.write_bundle(store, ours)
    judge = tensorflow.train.NewCheckpointReader(ours)
    assert sorted(judge.get_variable_to_shape_map()) == sorted(values)
    for name, value in values.items():
        stored_bytes.check(store[name])
        assert store[name].load().tobytes() == value.tobytes() == judge.get_tensor(name).tobytes()


@pytest.mark.parametrize("case", SAVED)
def test_tensorflow_restores_what_is_written(case, tmp_path):
    source, ours = str(tmp_path / "source"), str(tmp_path / "ours")
    pairs, data = lay(CASES[case])
    save(source, handmade.plain_table(pairs), data)
    writer.write_bundle(reader.open_bundle(source), ours)
    for name, one in CASES[case].items():
        if "\0" not in name:
            (expected,) = run(lambda: tensor_of(one)) if one.dtype == 7 else (None,)
            assert bytes_of(ours, name, NAMES[one.dtype]) == (
                one.data if expected is None else np.ravel(expected).tolist()
            )


def test_variants(tmp_path):
    """A TensorList is a variant: carried as it is, and its odd checksum is understood."""
    saved, ours = str(tmp_path / "tf"), str(tmp_path / "ours")
    value = np.arange(6, dtype=np.float32).reshape(3, 2)

    def made():
        return tf.raw_ops.TensorListFromTensor(tensor=tf.constant(value), element_shape=[2])

    def restored():
        (handle,) = tf.raw_ops.RestoreV2(
            prefix=ours, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.variant]
        )
        return tf.raw_ops.TensorListStack(
            input_handle=handle, element_shape=[2], element_dtype=tf.float32, num_elements=3
        )

    run(
        lambda: tf.raw_ops.SaveV2(
            prefix=saved,
            tensor_names=["x", "y"],
            shape_and_slices=["", ""],
            tensors=[made(), tf.stack([made(), made()])],
        )
    )
    store = reader.open_bundle(saved)
    assert [view.meta.shape for view in store.values()] == [(), (2,)]
    for view in store.values():
        stored_bytes.check(view)
    writer.write_bundle(store, ours)
    assert content(ours + ".index") == content(saved + ".index")
    assert (run(restored)[0] == value).all()
    data = bytearray(content(saved + DATA))
    data[20] ^= 1
    with open(saved + DATA, "wb") as file:
        file.write(data)
    with pytest.raises(SourceError, match="tensor 'x' is damaged"):
        stored_bytes.check(reader.open_bundle(saved)["x"])


def test_v1_checkpoint_is_told(tmp_path):
    prefix = str(tmp_path / "old")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("v", (2,))
        session.run(tf.global_variables_initializer())
        tf.train.Saver(write_version=tf.train.SaverDef.V1).save(
            session, prefix, write_meta_graph=False, write_state=False
        )
    assert os.path.exists(prefix)
    with pytest.raises(SourceError, match="is a V1 checkpoint"):
        reader.open_bundle(prefix)


@pytest.mark.parametrize("path", zoo.files("**/*.index"))
def test_published_indexes(path, tmp_path):
    """TensorFlow lists the same names, types and shapes, also of what is written again; a shard
    of the size the index says need not hold anything for that."""
    source, ours = str(tmp_path / "m"), str(tmp_path / "ours")
    index = content(path)
    pairs = list(table.read(index, path))
    size = 0
    for _, value in pairs[1:]:
        entry = reader.entries.entry_class().FromString(value)
        size = max(size, entry.offset + entry.size)
    save(source, index, b"")
    os.truncate(source + DATA, size)
    with open(ours + ".index", "wb") as file:
        file.write(table.write(pairs))
    store = reader.open_bundle(source)
    for prefix in (source, ours):
        judge = tensorflow.train.NewCheckpointReader(prefix)
        dtypes = judge.get_variable_to_dtype_map()
        assert {
            name: (tuple(shape), dtypes[name].name)
            for name, shape in judge.get_variable_to_shape_map().items()
        } == {name: (view.meta.shape, view.meta.dtype.name) for name, view in store.items()}


def test_damage_that_tensorflow_refuses_too(tmp_path):
    """One flipped bit anywhere in a tensor: both readers refuse it, and only it."""
    prefix = str(tmp_path / "m")
    tensors = {"a": fixed(1, (3,)), "b": CASES["strings"]["many"], "c": fixed(9, (2,))}
    pairs, data = lay(tensors)
    for place in range(0, len(data), 7):
        broken = bytearray(data)
        broken[place] ^= 4
        save(prefix, handmade.plain_table(pairs), bytes(broken))
        store = reader.open_bundle(prefix)
        for name, one in tensors.items():
            extent = store[name].extent
            if extent.offset <= place < extent.offset + extent.length:
                with pytest.raises(SourceError):
                    stored_bytes.check(store[name])
                with pytest.raises(tf.errors.OpError):
                    bytes_of(prefix, name, NAMES[one.dtype])
            else:
                stored_bytes.check(store[name])
                bytes_of(prefix, name, NAMES[one.dtype])
