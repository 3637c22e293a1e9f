"""Directories: every file counts, each by what it says, and none that cannot be read is waited
for."""

import os
import random
import shutil

import builders
import handmade
import parsed_files
import pytest
import readme
import thorough
from bundle_cases import fixed, one_shard, save, spread

from graphfix.comparison.folders import RECORDS, other_files
from graphfix.formats.schema import message_class
from graphfix.modeldir.names import MANIFEST, PLAN_JSON, REPORT_HTML, REPORT_JSON


@pytest.fixture
def pair(model, tmp_path):
    """A model's directory twice."""
    places = [str(tmp_path / name) for name in ("one", "two")]
    for place in places:
        shutil.copytree(model, place)
    return places


def test_the_records_are_those_that_are_written():
    assert set(RECORDS) == {PLAN_JSON, REPORT_JSON, REPORT_HTML, MANIFEST}


@pytest.mark.parametrize(
    "name, content",
    thorough.sampled(
        [
            ("checkpoint", b'model_checkpoint_path: "model.ckpt-7"'),
            ("words.txt", b""),
            ("assets/words.txt", b"a"),
            (".hidden", b"a"),
            ("other.pb", b"a"),
            ("graph.pbtxt", b"a"),
            ("model.ckpt.meta", b""),
            ("model.ckpt.data-00000-of-00002", b""),
        ],
        3,
    ),
)
def test_a_file_that_one_side_lacks(graphfix, pair, tmp_path, name, content):
    place = os.path.join(pair[1], name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    builders.write(os.path.dirname(place), os.path.basename(place), content)
    # A shard that the index does not name is none of its checkpoint's: nobody reads it.
    same = ".data-" in name
    for one, two, side in ((pair[0], pair[1], 1), (pair[1], pair[0], 0)):
        done = graphfix("diff", one, two)
        assert (done.code == 0) == same
        assert same or done.out.startswith(f"file {name}: only in {'AB'[side]}\n"), done.out
        golden = tmp_path / (f"golden {side}")
        graphfix("check", one, "--golden", golden, "--update")
        done = graphfix("check", two, "--golden", golden)
        assert (done.code == 0) == same
        where = ("the golden file", "the output")[side]
        assert same or done.out.startswith(f"file {name}: only in {where}\n"), done.out
        assert graphfix("check", one, "--golden", golden).code == 0


def test_other_bytes_of_a_file(graphfix, pair):
    for place, content in zip(pair, (b"abcd", b"abce")):
        builders.write(place, "vocabulary", content)
        builders.write(place, "plan.json", content)
    out = graphfix("diff", *pair).out
    assert out.startswith("file vocabulary: 4 bytes, sha256:") and out.count("\n") == 2


def test_the_golden_file_itself_may_lie_there(graphfix, pair):
    golden = os.path.join(pair[0], "golden.json")
    assert graphfix("check", pair[0], "--golden", golden, "--update").code == 0
    assert graphfix("check", pair[0], "--golden", golden).code == 0


def test_what_is_no_file_is_told_and_not_read(graphfix, pair):
    os.mkfifo(os.path.join(pair[1], "pipe"))
    os.mkfifo(os.path.join(pair[1], "checkpoint"))
    os.symlink("/dev/zero", os.path.join(pair[1], "endless"))
    os.symlink(".", os.path.join(pair[1], "loop"))
    os.symlink("nowhere", os.path.join(pair[1], "broken"))
    found = other_files(pair[1], (), ())
    assert {
        name: found[name][0] for name in ("pipe", "checkpoint", "endless", "loop", "broken")
    } == {
        "pipe": "it is a FIFO, not a regular file",
        "checkpoint": found["pipe"][0],
        "endless": "it is a device, not a regular file",
        "loop": "a link to '.'",
        "broken": "a link to 'nowhere'",
    }
    done = graphfix("diff", *pair)
    assert (
        done.code == 1 and "file pipe: only in B" in done.out and "file loop: only in B" in done.out
    )


def test_a_link_to_a_file_is_the_file(graphfix, pair):
    builders.write(pair[0], "words", b"a")
    os.symlink(os.path.join(pair[0], "words"), os.path.join(pair[1], "words"))
    assert graphfix("diff", *pair).code == 0


def test_a_copy_is_the_same_wherever_its_paths_lead(graphfix, tmp_path):
    """Its config and state file name the place that it was copied from."""
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    builders.write_model(one)
    with open(os.path.join(one, "pipeline.config"), encoding="utf-8") as file:
        text = file.read()
    builders.write(one, "pipeline.config", text.replace("PATH_TO_BE_CONFIGURED", one))
    builders.write(one, "checkpoint", f'model_checkpoint_path: "{one}/model.ckpt"\n')
    shutil.copytree(one, two)
    assert graphfix("diff", one, two).code == 0
    # And so it is where the paths lead into the copy itself.
    builders.write(two, "pipeline.config", text.replace("PATH_TO_BE_CONFIGURED", two))
    builders.write(two, "checkpoint", 'model_checkpoint_path: "model.ckpt"\n')
    assert graphfix("diff", one, two).code == 0
    builders.write(two, "pipeline.config", text.replace("PATH_TO_BE_CONFIGURED", "<directory>"))
    builders.write(two, "checkpoint", 'model_checkpoint_path: "<directory>/model.ckpt"\n')
    out = graphfix("diff", one, two).out
    assert "config train_config.fine_tune_checkpoint: " in out and "file checkpoint: " in out


@pytest.mark.parametrize("where", ["variables/variables", "saved_model/variables/variables"])
def test_another_checkpoint_counts_by_its_tensors(graphfix, pair, where):
    tensors = {"a": fixed(1, (3,)), "b": fixed(9, ())}
    for place, (index, shards) in zip(
        pair, (one_shard(tensors, handmade.plain_table), spread(tensors))
    ):
        os.makedirs(os.path.dirname(os.path.join(place, where)))
        save(os.path.join(place, where), index, *shards)
    assert graphfix("diff", *pair).code == 0
    index, shards = spread(dict(tensors, b=fixed(9, (), 2)))
    save(os.path.join(pair[1], where), index, *shards)
    assert graphfix("diff", *pair).out.startswith(f"file {where}.index: checkpoint, sha256:")


def test_a_graph_beside_a_checkpoint_counts_by_what_it_says(graphfix, pair):
    meta = parsed_files.rich_saved_model(message_class("graphfix.graph.SavedModel")).meta_graphs[1]
    data = meta.SerializeToString()
    builders.write(pair[0], "model.ckpt.meta", data)
    builders.write(
        pair[1], "model.ckpt.meta", parsed_files.spelled(random.Random(1), data, meta.DESCRIPTOR)
    )
    assert graphfix("diff", *pair).code == 0
    meta.saver_def.max_to_keep += 1
    builders.write(pair[1], "model.ckpt.meta", meta.SerializeToString())
    assert graphfix("diff", *pair).out.startswith("file model.ckpt.meta: graph, sha256:")


def test_an_archive_is_what_a_conversion_takes_of_it(graphfix, pair, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "it"), "gztar", str(tmp_path), "one")
    builders.write(pair[1], "words", b"a")
    done = graphfix("diff", archive, pair[1])
    assert done.code == 0 and done.out.startswith("tensors, config, label map compared; ")


@pytest.mark.slow
def test_a_frozen_graph_is_no_saved_model(graphfix, tmp_path):
    frozen = os.path.join(readme.DETECTOR, "frozen_inference_graph.pb")
    os.mkdir(str(tmp_path / "one"))
    shutil.copy(frozen, str(tmp_path / "one"))
    builders.write_saved_model(tmp_path / "two", frozen)
    done = graphfix("diff", tmp_path / "one", tmp_path / "two")
    assert done.out.startswith("frozen graph: is a SavedModel now\n") and done.code == 1
    # Of single files, what both have is compared.
    assert graphfix("diff", frozen, tmp_path / "two").code == 0
