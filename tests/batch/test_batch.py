"""batch: what convert would write for each model, once; whatever fails, ends it, or runs beside
it."""

import contextlib
import dataclasses
import fcntl
import hashlib
import http.server
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import builders
import pytest
import readme

from graphfix.batch.recipe import read_recipe
from graphfix.batch.worker import LOCKS
from graphfix.modeldir import manifest

PLACE = 'fine_tune_checkpoint: "/m/{name}/model.ckpt"'
DEFAULTS = f'defaults {{ label_map_path: "labels.pbtxt" target_api: "2019-07" {PLACE} }}\n'
BESIDE = [".graphfix-batch"]


def start(*words, **more):
    path = os.pathsep.join([readme.REPOSITORY] + os.environ.get("PYTHONPATH", "").split(os.pathsep))
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, "-m", "graphfix", "batch"] + [str(word) for word in words],
        env=dict(os.environ, PYTHONPATH=path),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **more,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), (err or b"").decode()


@pytest.fixture
def place(tmp_path, model):
    """A directory with labels, a model's directory `one` and its archive `two.tar.gz`."""
    top = tmp_path / "place"
    top.mkdir()
    builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
    shutil.copytree(model, str(top / "one"))
    shutil.make_archive(str(top / "two"), "gztar", os.path.dirname(model), os.path.basename(model))
    return top


def recipe(place, *models, defaults=DEFAULTS, name="recipe.txt"):
    return builders.write(place, name, defaults + "".join(f"model {{ {one} }}\n" for one in models))


def tree(directory):
    found = {}
    for top, folders, files in os.walk(str(directory)):
        folders[:] = [one for one in folders if one != BESIDE[0]]
        for one in files:
            path = os.path.join(top, one)
            with open(path, "rb") as file:
                found[os.path.relpath(path, str(directory))] = file.read()
    return found


def inodes(directory):
    return {name: os.stat(os.path.join(str(directory), name)).st_ino for name in tree(directory)}


def verdicts(done):
    return [line.split()[:2] for line in done.out.splitlines()[:-1]]


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
    assert done.out.endswith("\n3 models: 3 converted, 0 unchanged, 0 failed\n")
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
        made = tree(place / "out" / name)
        alone = tree(place / "alone")
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
    whole = tree(place / "out")
    assert run(u, u, u) == first and tree(place / "out") == whole
    os.remove(str(place / "out" / "one" / "plan.json"))
    run(c, u, u)
    assert tree(place / "out") == whole
    builders.write(place / "out" / "two", "model.ckpt.data-00000-of-00001", b"cut")
    shutil.rmtree(str(place / "out" / "three"))
    run(u, c, c)
    assert tree(place / "out") == whole
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
        "nowhere.index: does not exist",
        "cut.tar.gz: is not a valid tar archive",
        "names 'a', which is no new class",
        "exists already, and no batch made it",
    ):
        assert words in done.out
    assert done.out.endswith("7 models: 2 converted, 0 unchanged, 5 failed\n")
    assert sorted(os.listdir(str(place / "out"))) == BESIDE + ["mine", "one", "two"]
    assert os.listdir(str(place / "out" / "mine")) == ["precious"]
    rows = json.loads(graphfix("batch", path, "--output_directory", place / "out", "--json").out)
    assert [row["verdict"] for row in rows].count("unchanged") == 2
    assert all(0 < row["worker_mib"] < 150 for row in rows)


def test_a_failing_model_leaves_what_an_earlier_run_made(graphfix, place):
    path = recipe(place, 'source: "one"')
    graphfix("batch", path, "--output_directory", place / "out")
    whole = tree(place / "out")
    builders.write(place / "one", "pipeline.config", "nonsense")
    assert graphfix("batch", path, "--output_directory", place / "out").code == 1
    assert tree(place / "out") == whole


@pytest.mark.parametrize("link", [False, True])
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
    "change", [{"summary": None}, {"findings": []}, {"findings": {"warning": "x"}}]
)
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


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(graphfix, place):
    os.makedirs(str(place / "out" / ".graphfix-batch" / "locks"))
    os.makedirs(str(place / "out" / ".graphfix-batch" / "work" / "left"))
    os.mkfifo(str(place / "out" / ".graphfix-batch" / "locks" / "left"))
    assert (
        graphfix("batch", recipe(place, 'source: "one"'), "--output_directory", place / "out").code
        == 0
    )


def test_the_same_bytes_in_any_order(graphfix, place):
    models = [f'source: "one" name: "m{one}" target {{ seed: {one} }}' for one in range(5)]
    trees = []
    for jobs, order in ((1, models), (3, models[::-1]), (2, models[2:] + models[:2])):
        path = recipe(place, *order)
        done = graphfix("batch", path, "--output_directory", place / "out", "--jobs", str(jobs))
        assert done.code == 0
        trees.append(tree(place / "out"))
        shutil.rmtree(str(place / "out"))
    assert trees[0] == trees[1] == trees[2] and len(trees[0]) == 5 * 9


@pytest.mark.slow
def test_two_runs_at_once(graphfix, place):
    models = [f'source: "one" name: "m{one}" target {{ seed: {one} }}' for one in range(4)]
    path = recipe(place, *models)
    runs = [start(path, "--output_directory", place / "out", "--jobs", jobs) for jobs in (1, 2)]
    done = [finish(run) for run in runs]
    assert [(code, err) for code, _, err in done] == [(0, "")] * 2
    count = sum(int(re.search(r"(\d+) converted", out).group(1)) for _, out, _ in done)
    assert count == 4, done
    for one in range(4):
        assert graphfix("verify", place / "out" / (f"m{one}")).code == 0


def whole_or_absent(graphfix, out, names):
    """How many of the models are there, each of them whole."""
    there = 0
    for name in names:
        if os.path.exists(os.path.join(str(out), name)):
            done = graphfix("verify", os.path.join(str(out), name))
            assert done.code == 0, done
            there += 1
    return there


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, code", [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_ended_at_any_moment(graphfix, place, number, code):
    """benchmarks/robustness does this hundreds of times."""
    names = [f"m{one}" for one in range(4)]
    path = recipe(place, *[f'source: "one" name: "{one}"' for one in names])
    moments = random.Random(5)
    partly = ended = turns = 0
    while ended < 2 or not partly:
        turns += 1
        assert turns < 40
        # Begun is what has a lock's file: before, Python is still importing.
        locks, begun = place / "out" / BESIDE[0] / "locks", moments.randint(1, 3)
        shutil.rmtree(str(locks), ignore_errors=True)
        process = start(path, "--output_directory", place / "out", "--jobs", "2")
        while process.poll() is None and not (
            locks.exists() and len(os.listdir(str(locks))) >= begun
        ):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        process.send_signal(number)
        result, _, err = finish(process)
        assert result in (0, code, -number), (result, err)
        assert "Traceback" not in err
        ended += result == code
        there = whole_or_absent(graphfix, place / "out", names)
        partly += 0 < there < 4
        before = inodes(place / "out")
        if number != signal.SIGKILL and result == code:
            assert err.endswith({143: "terminated\n", 130: "interrupted\n"}[code])
            assert sorted(set(os.listdir(str(place / "out"))) - set(names) - set(BESIDE)) == []
            assert os.listdir(str(place / "out" / BESIDE[0] / "work")) == []
        if there == 4 or turns % 3 == 0:
            done = graphfix("batch", path, "--output_directory", place / "out")
            assert done.code == 0
            after = inodes(place / "out")
            assert {name: after[name] for name in before} == before or number == signal.SIGKILL
            assert sorted(os.listdir(str(place / "out"))) == BESIDE + names
            shutil.rmtree(str(place / "out"))


def children(process):
    """The processes that a process, or one of its threads, has started."""
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/children") as file:
            yield from map(int, file.read().split())


def opened(number):
    """The files that a process has open."""
    with contextlib.suppress(OSError):  # it may have ended, or closed one
        return [os.readlink(f"/proc/{number}/fd/{one}") for one in os.listdir(f"/proc/{number}/fd")]
    return []


def test_a_worker_that_is_killed(place):
    path = recipe(place, 'source: "one" name: "stuck"', 'source: "one"', 'source: "two.tar.gz"')
    lock = place / "out" / LOCKS / "stuck"
    lock.parent.mkdir(parents=True)
    with open(str(lock), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # for which its worker waits
        process = start(path, "--output_directory", place / "out", "--jobs", "1")
        stuck = []
        while not stuck:
            assert process.poll() is None
            time.sleep(0.02)
            stuck = [one for one in children(process) if str(lock) in opened(one)]
        for child in stuck:
            os.kill(child, signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 1 and err == ""
    assert "its worker process ended with signal 9" in out
    assert out.endswith("3 models: 2 converted, 0 unchanged, 1 failed\n")


def test_progress_on_a_terminal_only(place):
    path = recipe(place, 'source: "one"', 'source: "two.tar.gz"')
    leader, follower = pty.openpty()
    process = start(path, "--output_directory", place / "out", stderr=follower)
    os.close(follower)
    seen = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while True:
            piece = os.read(leader, 4096)
            if not piece:
                break
            seen += piece
    code, out, _ = finish(process)
    assert code == 0 and out.endswith("2 models: 2 converted, 0 unchanged, 0 failed\n")
    assert b"[##########..........] 1 of 2" in seen and seen.endswith(b"\r\033[K")


# Downloads


@pytest.fixture
def server(tmp_path):
    """(address, requests) of a server of `served`; /cut/NAME promises more than it sends."""
    top = tmp_path / "served"
    top.mkdir()
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            path = str(top / os.path.basename(self.path))
            if not os.path.exists(path):
                self.send_error(404)
                return
            with open(path, "rb") as file:
                data = file.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if "/cut/" in self.path else data)

        def log_message(self, *_):
            pass

    made = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", requests
    made.shutdown()
    made.server_close()
    thread.join()


def download(url, data, **changes):
    said = dict({"size": len(data), "sha256": f'"{hashlib.sha256(data).hexdigest()}"'}, **changes)
    size, sha256 = said["size"], said["sha256"]
    return f'download {{ url: "{url}" size: {size} sha256: {sha256} }}'


@pytest.mark.slow
def test_downloads(graphfix, place, tmp_path, server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    address, requests = server
    shutil.copy(str(place / "two.tar.gz"), str(tmp_path / "served"))
    data = (place / "two.tar.gz").read_bytes()
    good = download(address + "/two.tar.gz", data)
    other = download("file://" + str(place / "two.tar.gz"), data, size=len(data))
    path = recipe(place, good, good + ' name: "again" target { seed: 1 }', other + ' name: "file"')
    done = graphfix("batch", path, "--output_directory", place / "out", "--jobs", "2")
    assert (done.code, done.err) == (0, "")
    assert verdicts(done) == [["two", "converted"], ["again", "converted"], ["file", "converted"]]
    assert requests in (["/two.tar.gz"], [])
    one = tree(place / "out" / "two")
    graphfix(
        "batch",
        recipe(place, 'source: "two.tar.gz"', name="r2"),
        "--output_directory",
        place / "plain",
    )
    for name in ("model.ckpt.data-00000-of-00001", "plan.json", "pipeline.config"):
        assert one[name] == tree(place / "plain" / "two")[name]
    count = len(requests)
    shutil.rmtree(str(place / "out" / BESIDE[0]))
    done = graphfix("batch", path, "--output_directory", place / "out")
    assert [verdict for _, verdict in verdicts(done)] == ["unchanged"] * 3
    assert len(requests) == count


def test_downloads_that_are_wrong(graphfix, place, tmp_path, server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    address, _requests = server
    shutil.copy(str(place / "two.tar.gz"), str(tmp_path / "served"))
    data = (place / "two.tar.gz").read_bytes()
    rows = [
        (download(address + "/two.tar.gz", data, sha256='"%s"' % ("0" * 64)), "SHA-256"),
        (download(address + "/two.tar.gz", data, size=len(data) - 1), "has more than"),
        (download(address + "/two.tar.gz", data, size=len(data) + 1), f"has only {len(data)}"),
        (download(address + "/cut/two.tar.gz", data), ""),
        (download(address + "/none.tar.gz", data), "cannot be downloaded"),
        (download("http://127.0.0.1:1/two.tar.gz", data), "cannot be downloaded"),
        (download("file:///nowhere/two.tar.gz", data), "cannot be downloaded"),
    ]
    path = recipe(
        place,
        *[f'name: "m{number}" {one}' for number, (one, _) in enumerate(rows)],
        'source: "one"',
    )
    done = graphfix("batch", path, "--output_directory", place / "out")
    assert done.code == 1 and done.err == ""
    for (_, words), line in zip(rows, done.out.splitlines()):
        assert line.split()[1] == "failed" and words in line and "Traceback" not in line, line
    assert os.listdir(str(place / "out" / BESIDE[0] / "downloads")) == []
    assert sorted(os.listdir(str(place / "out"))) == BESIDE + ["one"]


# The recipe


@pytest.mark.parametrize(
    "text, fragments",
    [
        ("", ["has no models"]),
        ("model { }", ["model 1", "neither source nor download"]),
        ('model { source: "" }', ["empty source"]),
        (
            'model { source: "a" download { url: "http://x/a.tar.gz" } }',
            ["both source and download"],
        ),
        ('model { source: "a" } model { source: "b/a.tar.gz" }', ["two models the name 'a'"]),
        ('model { source: "a" name: "../b" }', ["the name '../b'"]),
        ('model { source: "a" name: ".graphfix-batch" }', ["the name '.graphfix-batch'"]),
        ('model { source: ".." }', ["the name '..'"]),
        ('model { source: "a*" name: "b" }', ["one name for all"]),
        (
            'model { source: "a" target { new_rows: loud } }',
            ["new_rows", "prior, mean, random, zero"],
        ),
        ('model { source: "a" nome: "b" }', ["did you mean 'name'?"]),
        ('model { source: "a"', ["recipe.txt:"]),
        (
            'model { download { url: "ftp://x/a.tar.gz" size: 1 sha256: "%s" } }' % ("0" * 64),
            ["ftp://x/a.tar.gz"],
        ),
        (
            'model { download { url: "http://x/a.zip" size: 1 sha256: "%s" } }' % ("0" * 64),
            ["a.zip"],
        ),
        ('model { download { url: "http://x/a.tar.gz" } }', ["size 0", "sha256 ''"]),
    ],
)
def test_what_is_no_recipe(graphfix, tmp_path, text, fragments):
    path = builders.write(tmp_path, "recipe.txt", text)
    done = graphfix("batch", path, "--output_directory", tmp_path / "out")
    assert done.code == 3 and done.out == ""
    assert all(line.startswith("graphfix: " + path) for line in done.err.splitlines())
    assert all(fragment in done.err for fragment in fragments), done.err
    assert os.listdir(str(tmp_path)) == ["recipe.txt"]


def test_an_output_that_cannot_be(graphfix, place):
    path = recipe(place, 'source: "one"')
    done = graphfix("batch", path, "--output_directory", place / "labels.pbtxt")
    assert done.code == 3 and "cannot be written" in done.err
    assert graphfix("batch", path, "--output_directory", "x", "--jobs", "0").code == 2


def test_the_recipes_of_docs(graphfix, place):
    with open(os.path.join(readme.REPOSITORY, "docs", "batch.md"), encoding="utf-8") as file:
        text = file.read()
    first, second = re.findall(r"```prototext\n(.*?)```", text, re.S)
    (entry,) = read_recipe(second.encode(), "it")
    assert entry.name == "detector" and entry.download.size == 76541073
    builders.write(place, "recipe.txt", first)
    builders.write(place, "labels.pbtxt", builders.label_map(["person", "lorry"]))
    for folder in ("zoo", "unpacked", "bin"):
        (place / folder).mkdir()
    shutil.copy(str(place / "two.tar.gz"), str(place / "zoo" / "some.tar.gz"))
    shutil.move(str(place / "one"), str(place / "unpacked" / "detector"))
    builders.write(
        place / "unpacked" / "detector",
        "label_map.pbtxt",
        builders.label_map(["person", "truck", "x", "y"]),
    )
    (command,) = re.findall(r"```bash\n(.*?)```", text, re.S)
    printed = readme.run(command, place, readme.commands(str(place / "bin")))
    assert printed.endswith("2 models: 2 converted, 0 unchanged, 0 failed\n")
    with open(str(place / "converted" / "quiet" / "pipeline.config")) as file:
        assert 'fine_tune_checkpoint: "/models/quiet/model.ckpt"' in file.read()
