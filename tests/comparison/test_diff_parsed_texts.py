"""What the text format's parser reads of configs, label maps and state files counts, and nothing
else; and of an index, what its tensors are."""

import collections
import os
import random

import handmade
import mutations
import parsed_files
import pytest
import thorough
from bundle_cases import fixed, lay
from google.protobuf import text_format
from parsed_files import CONFIG, LABELS

from graphfix.comparison.configs import PRESENCE
from graphfix.comparison.differ import compare
from graphfix.comparison.folders import other_files
from graphfix.comparison.snapshots import open_snapshot
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class

STATE = """model_checkpoint_path: "model.ckpt-7"
all_model_checkpoint_paths: "model.ckpt-5"
all_model_checkpoint_paths: "/else\\167here/model.ckpt-7"
all_model_checkpoint_timestamps: 1234.5
last_preserved_timestamp: 1.5
"""


def read(name, data):
    """A text as the bytes of its message, None where the parser refuses it."""
    try:
        return text_format.Parse(data, message_class(name)())
    except (text_format.ParseError, UnicodeDecodeError, ValueError):
        return None


@pytest.mark.slow
@pytest.mark.parametrize(
    "path, name, text",
    [
        ("it.config", "graphfix.pipeline.TrainEvalPipelineConfig", CONFIG),
        ("it.pbtxt", "graphfix.labels.StringIntLabelMap", LABELS),
    ],
    ids=["config", "labels"],
)
@pytest.mark.parametrize("mutants", [100, thorough.slow(700)])
def test_changed_texts(path, name, text, mutants, tmp_path):
    def said(data):
        message = read(name, data)
        if message is not None and path == "it.config":
            message = parsed_files.without_defaults(message)
        return message and message.SerializeToString(deterministic=True)

    before, counts = said(text.encode()), collections.Counter()
    for seed in range(mutants):
        made = random.Random(f"{path} {seed}")
        changed = mutations.mutate_text(made, text)
        found = parsed_files.held(tmp_path, path, text.encode(), changed)
        after = said(changed)
        assert found in (None, after == before), changed.decode("utf-8", "replace")
        counts[found] += 1
    assert min(counts[False], counts[True]) > mutants / 20, counts


@pytest.mark.parametrize(
    "path, old, new",
    [
        ("it.config", "num_classes: 4", "num_classes: 4 %s"),
        ("it.config", "shuffle", "%s shuffle"),
        ("it.config", "model {", "%s model {"),
        ("it.pbtxt", "id: 2", "id: 2 %s"),
        ("it.pbtxt", "item { id: 0", "%s item { id: 0"),
    ],
)
def test_fields_that_nobody_knows(path, old, new, tmp_path):
    text = CONFIG if path == "it.config" else LABELS
    assert text.count(old) == 1

    def same(one, two):
        return parsed_files.held(
            tmp_path, path, *[text.replace(old, new % it).encode() for it in (one, two)]
        )

    for one, two in (
        ("a: 1", "  a :1 # one\n"),
        ("a { b: 'x' c: 2 }", 'a: <\nb: "\\170"; c: 2>'),
        ("a: [1, 2]", "a: 1 a: 2"),
    ):
        assert same(one, two) is True
    for one, two in (
        ("", "a: 1"),
        ("a: 1", "b: 1"),
        ("a: 1", "a: 2"),
        ("a: 'x  y'", "a: 'x y'"),
        ("a: 1 a: 2", "a: 2 a: 1"),
        ("a { b: 1 }", "a { } b: 1"),
        ("a: 1", "a: '1'"),
        ("a: 1.0", "a: 1.5"),
        ("a: x", "a: 'x'"),
        ("a: []", ""),
    ):
        assert same(one, two) is False, (one, two)


@pytest.mark.parametrize(
    "path, text", [("it.config", CONFIG), ("it.pbtxt", LABELS)], ids=["config", "labels"]
)
def test_a_byte_order_mark_counts(path, text, tmp_path):
    """The API's parser stops at it."""
    assert parsed_files.held(tmp_path, path, text.encode(), text.encode("utf-8-sig")) is False


def test_fields_that_nobody_knows_have_their_place(tmp_path):
    texts = [
        f"data_augmentation_options {{ {first} }} data_augmentation_options {{ {second} }}"
        for first, second in (("later: 1", ""), ("", "later: 1"))
    ]
    one, two = (CONFIG.replace("num_steps: 1000", "num_steps: 1000 " + text) for text in texts)
    assert parsed_files.held(tmp_path, "it.config", one.encode(), two.encode()) is False


@pytest.mark.parametrize(
    "path, old, new",
    [
        ("it.config", 'label_map_path: "records/label_map.pbtxt"\n  shuffle', "shuffle"),
        (
            "it.config",
            'label_map_path: "records/label_map.pbtxt"\n  shuffle',
            'label_map_path: ""\n  shuffle',
        ),
        ("it.config", "conv_hyperparams {", "conv_hyperparams { op: CONV"),
        ("it.config", "stddev: 0.03", "stddev: 0.03 mean: -0.0"),
        ("it.config", "min_depth: 1", "min_depth: 1 replace_preprocessor_with_placeholder: false"),
        ("it.config", "weighted_sigmoid {}", ""),
        (
            "it.config",
            "aspect_ratios: 2.0\n        aspect_ratios: 0.5",
            "aspect_ratios: 0.5\n        aspect_ratios: 2.0",
        ),
        ("it.pbtxt", 'display_name: ""', ""),
        ("it.pbtxt", "instance_count: 0", ""),
        ("it.pbtxt", "frequency: RARE", "frequency: COMMON"),
        ("it.pbtxt", "item { id: 0", "item {"),
        ("it.pbtxt", 'item { id: 0 name: "background" }', ""),
        ("it.pbtxt", 'item { id: 0 name: "background" }', 'item { id: 0 name: "background" }' * 2),
        ("it.pbtxt", "[4, 5]", "[5, 4]"),
        ("it.pbtxt", '"nose"', '"Nose"'),
        ("it.pbtxt", "name: 'cat'", "display_name: 'cat'"),
    ],
)
def test_what_the_api_would_notice(path, old, new, tmp_path):
    text = CONFIG if path == "it.config" else LABELS
    assert old in text
    assert (
        parsed_files.held(tmp_path, path, text.encode(), text.replace(old, new, 1).encode())
        is False
    )


def test_the_order_of_items_counts(tmp_path):
    one, two = 'item { id: 1 name: "a" }\n', 'item { id: 2 name: "b" }\n'
    assert (
        parsed_files.held(tmp_path, "it.pbtxt", (one + two).encode(), (two + one).encode()) is False
    )
    assert (
        parsed_files.held(tmp_path, "it.pbtxt", (two + one).encode(), (two + one).encode()) is True
    )


@pytest.mark.parametrize("field", sorted(PRESENCE))
def test_whether_a_field_is_set_counts_where_it_is_asked(field):
    """Each name is a field of a single value somewhere, or it would stand there in vain."""
    pending, seen = [message_class("graphfix.pipeline.TrainEvalPipelineConfig").DESCRIPTOR], set()
    while pending:
        descriptor = pending.pop()
        if descriptor.full_name not in seen:
            seen.add(descriptor.full_name)
            if field in descriptor.fields_by_name:
                assert descriptor.fields_by_name[field].message_type is None
                return
            pending += [one.message_type for one in descriptor.fields if one.message_type]
    pytest.fail(f"no message has {field}")


@pytest.mark.slow
def test_state_files(tmp_path):
    place = tmp_path / "checkpoint"

    def told(data):
        place.write_bytes(data)
        return other_files(str(tmp_path), (), ())["checkpoint"][0]

    def said(data):
        message = read("graphfix.tensorflow.CheckpointState", data)
        if message is None:
            return data  # by its bytes
        here = os.path.join(str(tmp_path), "")
        message.model_checkpoint_path = os.path.join(here, message.model_checkpoint_path)
        paths = [os.path.join(here, one) for one in message.all_model_checkpoint_paths]
        del message.all_model_checkpoint_paths[:]
        message.all_model_checkpoint_paths.extend(paths)
        return message.SerializeToString()

    before, counts = STATE.encode(), collections.Counter()
    for seed in range(600):
        changed = mutations.mutate_text(random.Random(f"state {seed}"), STATE)
        same = told(changed) == told(before)
        assert same == (said(changed) == said(before)), changed
        counts[same] += 1
    assert min(counts.values()) > 30, counts
    whole = STATE.replace('"model.ckpt', f'"{tmp_path}/model.ckpt')
    assert told(whole.encode()) == told(before) and whole != STATE


@pytest.mark.slow
def test_changed_entries_of_an_index(tmp_path):
    """Entries mutated under checksums that are right, spelled in another way, laid out anew."""
    pairs, data = lay(
        {
            "a": fixed(1, (2, 3)),
            "b/c": fixed(3, (4,), 2),
            "d": fixed(9, (), 3),
            "e": fixed(1, (3, 2)),
        }
    )
    entry_class = message_class("graphfix.tensorflow.BundleEntryProto")

    def said(some):
        found = {}
        for key, value in some:
            if key:
                entry = entry_class.FromString(value)
                assert not entry.slices and not entry.shard_id
                found[key] = (
                    entry.dtype,
                    [dim.size for dim in entry.shape.dim],
                    data[entry.offset : entry.offset + entry.size],
                )
        return found

    def opened(name, index):
        (tmp_path / (name + ".data-00000-of-00001")).write_bytes(data)
        (tmp_path / (name + ".index")).write_bytes(index)
        return open_snapshot(str(tmp_path / name))

    before, counts = opened("one", handmade.plain_table(pairs)), collections.Counter()
    for seed in range(900):
        made = random.Random(f"index {seed}")
        changed = (
            mutations.mutate_pairs(made, pairs)
            if seed % 3
            else [
                (key, parsed_files.spelled(made, value, entry_class.DESCRIPTOR) if key else value)
                for key, value in pairs
            ]
        )
        index = handmade.split_table(changed, made.choice((1, 2, 9)), made.choice((1, 16)))
        try:
            same = compare(before, opened("two", index)).same
        except SourceError:
            counts["refused"] += 1
            continue
        assert same == (said(changed) == said(pairs)), changed
        counts[same] += 1
    assert counts[True] > 300 and counts[False] > 30 and counts["refused"] > 100, counts
