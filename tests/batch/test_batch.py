"""batch: what convert would write for each model, once; whatever fails, ends it, or runs beside
it."""

import dataclasses
import json
import os
import re
import shutil

import builders
import pytest
import thorough
from batch_runs import BESIDE, DEFAULTS, inodes, recipe, verdicts
from directories import tree

from graphfix.batch.batch import batch
from graphfix.modeldir import manifest
from graphfix.process import workers


@pytest.mark.slow
def test_each_model_is_as_convert_writes_it(graphfix, place):
    path = recipe(
        place,
        'source: "one"',
        'source: "t*.tar.gz"',
        'name: "three" source: "one/model.ckpt" target { new_rows: zero map: "zebra=2" '
        'trainer: model_main fine_tune_checkpoint: "x" }',
    )
    done = graphfix("batch", path, "--output_directory", place / "out", "--jobs", "2")
    assert (done.code, done.err) == (0, "")
    assert verdicts(done) == [["one", "converted"], ["two", "converted"], ["three", "converted"]]
    assert "\n3 models: 3 converted, 0 unchanged, 0 failed\n" in done.out
    assert sorted(os.listdir(str(place / "out"))) == BESIDE + ["one", "three", "two"]
    words = ["--label_map_path", place / "labels.pbtxt", "--target_api", "2019-07"]
    for name, source, flags in (
        ("one", "one", ["--fine_tune_checkpoint", "/m/one/model.ckpt"]),
        ("two", "two.tar.gz", ["--fine_tune_checkpoint", "/m/two/model.ckpt"]),
        (
            "three",
            "one/model.ckpt",
            [
                "--new_rows",
                "zero",
                "--map",
                "zebra=2",
                "--trainer",
                "model_main",
                "--fine_tune_checkpoint",
                "x",
            ],
        ),
    ):
        graphfix(
            "convert",
            place / source,
            "--output_directory",
            place / "alone",
            "--overwrite",
            *(words + flags),
        )
        made = tree(place / "out" / name, but=BESIDE)
        alone = tree(place / "alone", but=BESIDE)
        records = [json.loads(files.pop("manifest.json").decode()) for files in (made, alone)]
        assert made == alone and records[0].pop("made_of")["graphfix"] == "0.1.0"
        assert records[1].pop("made_of") is None
        assert {record.pop("checksum") != 0 for record in records} and records[0] == records[1]
    assert os.listdir(str(place / "out" / BESIDE[0] / "work")) == []


@pytest.mark.slow
def test_a_second_run_does_what_is_missing_or_changed_and_nothing_else(graphfix, place):
    path = recipe(
        place,
        'source: "one"',
        'source: "two.tar.gz"',
        'source: "one" name: "three" target { anchors: "anchors" source_label_map_path: "old" }',
    )
    builders.write(place, "old", builders.label_map(builders.CLASSES))
    builders.write(
        place, "anchors", re.search(r"ssd_anchor_generator \{.*?\}", builders.CONFIG, re.S).group()
    )

    def run(*expected):
        done = graphfix("batch", path, "--output_directory", place / "out")
        assert [verdict for _, verdict in verdicts(done)] == list(expected), done
        return inodes(place / "out")

    c, u = "converted", "unchanged"
    first = run(c, c, c)
    whole = tree(place / "out", but=BESIDE)
    assert run(u, u, u) == first and tree(place / "out", but=BESIDE) == whole
    os.remove(str(place / "out" / "one" / "plan.json"))
    run(c, u, u)
    assert tree(place / "out", but=BESIDE) == whole
    builders.write(place / "out" / "two", "model.ckpt.data-00000-of-00001", b"cut")
    shutil.rmtree(str(place / "out" / "three"))
    run(u, c, c)
    assert tree(place / "out", but=BESIDE) == whole
    builders.write(place, "old", builders.label_map(list(builders.CLASSES)) + "# a comment\n")
    run(u, u, c)
    config = builders.CONFIG % {"classes": 4}
    builders.write(place / "one", "pipeline.config", config + "# a comment\n")
    run(c, u, c)
    two = str(place / "out" / "two")
    record = manifest.read_manifest(two)
    for text in ("{", "{}", dataclasses.replace(record, made_of=None).to_json()):
        builders.write(two, "manifest.json", text)
        run(u, "failed", u)
    builders.write(
        two,
        "manifest.json",
        dataclasses.replace(record, made_of=dict(record.made_of, graphfix="0.0.9")).to_json(),
    )
    run(u, c, u)
    builders.write(place, "labels.pbtxt", builders.label_map(["person"]))
    run(c, c, c)
    recipe(
        place,
        'source: "one"',
        'source: "two.tar.gz" target { seed: 3 }',
        'source: "one" name: "three" target { anchors: "anchors" source_label_map_path: "old" }',
    )
    run(u, c, u)
    recipe(
        place,
        'source: "one"',
        'source: "two.tar.gz"',
        'source: "one" name: "three"',
        defaults=DEFAULTS.replace("/m/", "/n/"),
    )
    run(c, c, c)
    assert run(u, u, u)


@pytest.mark.slow
def test_one_failure_does_not_stop_the_rest(graphfix, place, tmp_path):
    builders.write(place, "cut.tar.gz", (place / "two.tar.gz").read_bytes()[:5000])
    (place / "out" / "mine").mkdir(parents=True)
    builders.write(place / "out" / "mine", "precious", "x")
    path = recipe(
        place,
        'source: "nowhere"',
        'source: "cut.tar.gz"',
        'source: "one"',
        'source: "none*"',
        'source: "one" name: "bad" target { map: "a=b" }',
        'source: "one" name: "mine"',
        'source: "two.tar.gz"',
    )
    done = graphfix("batch", path, "--output_directory", place / "out", "--jobs", "3")
    assert done.code == 1 and done.err == ""
    assert verdicts(done) == [
        [name, verdict]
        for name, verdict in zip(
            ["nowhere", "cut", "one", "none*", "bad", "mine", "two"],
            ["failed", "failed", "converted", "failed", "failed", "failed", "converted"],
        )
    ]
    for words in (
        "nowhere: does not exist",
        "cut.tar.gz: is not a valid tar archive",
        "names 'a', which is not a new class",
        "exists already, and no batch made it",
    ):
        assert words in done.out
    assert "7 models: 2 converted, 0 unchanged, 5 failed\n" in done.out
    assert sorted(os.listdir(str(place / "out"))) == BESIDE + ["mine", "one", "two"]
    assert os.listdir(str(place / "out" / "mine")) == ["precious"]
    rows = json.loads(graphfix("batch", path, "--output_directory", place / "out", "--json").out)
    assert [row["verdict"] for row in rows].count("unchanged") == 2
    assert all(0 < row["worker_mib"] < 150 for row in rows)


@pytest.mark.slow
def test_a_failing_model_leaves_what_an_earlier_run_made(graphfix, place):
    path = recipe(place, 'source: "one"')
    graphfix("batch", path, "--output_directory", place / "out")
    whole = tree(place / "out", but=BESIDE)
    builders.write(place / "one", "pipeline.config", "nonsense")
    assert graphfix("batch", path, "--output_directory", place / "out").code == 1
    assert tree(place / "out", but=BESIDE) == whole


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.slow
def test_what_lies_where_archives_are_unpacked_stays(graphfix, place, link):
    path = recipe(place, 'source: "one"', 'source: "two.tar.gz"')
    work = place / "out" / BESIDE[0] / "work"
    work.mkdir(parents=True)
    builders.write(place / "mine", "letter", "x")
    (work / "one").symlink_to(place / "mine") if link else (place / "mine").rename(work / "one")
    done = graphfix("batch", path, "--output_directory", place / "out")
    assert done.code == 1 and verdicts(done) == [["one", "failed"], ["two", "converted"]]
    assert "work/one: holds what no batch put there; move it elsewhere" in done.out
    assert (work / "one" / "letter").read_text() == "x" and os.listdir(str(work)) == ["one"]


@pytest.mark.slow
def test_outputs_where_archives_are_unpacked_stay(graphfix, place):
    """Such as where somebody made that a link."""
    kept = place / "kept"
    builders.publish(str(kept / "earlier"), "model")
    builders.publish(str(kept / "one"), "model")
    os.makedirs(str(place / "out" / ".graphfix-batch"))
    os.symlink(str(kept), str(place / "out" / ".graphfix-batch" / "work"))
    before = tree(kept)
    done = graphfix("batch", recipe(place, 'source: "one"'), "--output_directory", place / "out")
    assert done.code == 1 and "holds what no batch put there" in done.out
    assert tree(kept) == before


@pytest.mark.parametrize(
    "change",
    thorough.sampled([{"summary": None}, {"findings": []}, {"findings": {"warning": "x"}}], 3),
)
@pytest.mark.slow
def test_a_record_with_other_than_a_batch_writes_is_none(graphfix, place, change):
    words = ("batch", recipe(place, 'source: "one"'), "--output_directory", place / "out")
    assert graphfix(*words).code == 0
    out = str(place / "out" / "one")
    record = manifest.read_manifest(out)
    builders.write(
        out,
        "manifest.json",
        dataclasses.replace(record, made_of=dict(record.made_of, **change)).to_json(),
    )
    done = graphfix(*words)
    assert done.code == 1 and "exists already, and no batch made it" in done.out


@pytest.mark.slow
def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(graphfix, place):
    os.makedirs(str(place / "out" / ".graphfix-batch" / "locks"))
    os.makedirs(str(place / "out" / ".graphfix-batch" / "work" / "left"))
    os.mkfifo(str(place / "out" / ".graphfix-batch" / "locks" / "left"))
    assert (
        graphfix("batch", recipe(place, 'source: "one"'), "--output_directory", place / "out").code
        == 0
    )


@pytest.mark.slow
def test_the_same_bytes_in_any_order(graphfix, place):
    models = [f'source: "one" name: "m{one}" target {{ seed: {one} }}' for one in range(5)]
    trees = []
    for jobs, order in ((1, models), (3, models[::-1]), (2, models[2:] + models[:2])):
        path = recipe(place, *order)
        done = graphfix("batch", path, "--output_directory", place / "out", "--jobs", str(jobs))
        assert done.code == 0
        trees.append(tree(place / "out", but=BESIDE))
        shutil.rmtree(str(place / "out"))
    assert trees[0] == trees[1] == trees[2] and len(trees[0]) == 5 * 9


@pytest.mark.parametrize("jobs", [1, 2])
def test_workers_are_started_once(place, tmp_path, monkeypatch, jobs):
    """Five models, and as many processes as jobs."""
    started, start = [], workers.start
    monkeypatch.setattr(workers, "start", lambda module: started.append(module) or start(module))
    models = [f'source: "one" name: "model_{number}"' for number in range(5)]
    outcomes = batch(
        str(recipe(place, *models)),
        output_directory=str(tmp_path / "out"),
        jobs=jobs,
        progress=lambda done, count, running: None,
    )
    assert [one.verdict for one in outcomes] == ["converted"] * 5
    assert len(started) == jobs
