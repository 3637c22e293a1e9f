"""No verb runs what lies in the current directory, nor what PYTHONPATH has that it does not need.

Decoys lie there: modules that note that they were run, one for each name of the standard library
and of what graphfix, TensorFlow and the stock API are made of.
"""

import json
import os
import subprocess
import sys

import builders
import pytest
import repository
import thorough

from graphfix.process import import_path
from graphfix.stock_api import api_revision

REPOSITORY = repository.TOP
SHAPES = os.path.join(REPOSITORY, "testdata", "shapes_detector")
STDLIB = os.path.dirname(os.__file__)
LIBRARY = getattr(
    sys,
    "stdlib_module_names",
    [name.split(".")[0] for name in os.listdir(STDLIB)] + list(sys.builtin_module_names),
)
OTHERS = (
    "numpy google absl crc32c dataclasses matplotlib cycler dateutil kiwisolver PIL packaging "
    "pyparsing six yaml tensorflow tensorflow_core object_detection nets deployment slim official "
    "tf_slim pycocotools lvis org java winreg pickle5 cffi snappy sitecustomize usercustomize"
).split()
DECOY = "open(%r, 'a').write(__name__ + '\\n')\n"
# As pip writes a command's script.
SCRIPT = """import re, sys
from graphfix.__main__ import run
if __name__ == "__main__":
    sys.exit(run())
"""
# What Python imports by itself, for a module run by -m and for a script like the above.
NOTHING = "import json, re, sys\nprint(json.dumps(sorted(sys.modules)))\n"


def loaded(*words):
    done = subprocess.run(
        [sys.executable] + list(words), stdout=subprocess.PIPE, check=True, cwd=REPOSITORY
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.decode())}


class Decoys:
    """A directory of decoys, but for the names that nobody can keep Python from."""

    def __init__(self, top, but):
        self.directory, self.note = top / "decoys", top / "note"
        self.directory.mkdir()
        for name in sorted(set(LIBRARY) | set(OTHERS)):
            if name.isidentifier() and name not in but:
                if len(name) % 2:
                    builders.write(self.directory, name + ".py", DECOY % str(self.note))
                else:
                    (self.directory / name).mkdir()
                    builders.write(self.directory / name, "__init__.py", DECOY % str(self.note))

    def run(self, command, words, python_path):
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(python_path))
        done = subprocess.run(
            [sys.executable] + command + [str(word) for word in words],
            cwd=str(self.directory),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=120,
        )
        taken = self.note.read_text().split() if self.note.exists() else []
        return done, taken


@pytest.fixture(scope="module")
def decoys(tmp_path_factory):
    top = tmp_path_factory.mktemp("decoys")
    builders.write(top, "script.py", SCRIPT)
    builders.write(top, "nothing.py", NOTHING)
    (top / "a").mkdir()
    builders.write(top / "a", "__main__.py", NOTHING)
    # encodings and its like Python loads before it looks at a path that is given in PYTHONPATH, or
    # not.
    own = (
        loaded(str(top / "nothing.py"))
        | loaded(str(top / "a"))
        | {"sitecustomize", "usercustomize"}
    )
    found = Decoys(top, own | {"runpy", "pkgutil", "zipimport", "zlib"})
    found.script = str(top / "script.py")
    return found


@pytest.fixture(scope="module")
def words(model, tmp_path_factory):
    """The words of a command line for each verb."""
    top = tmp_path_factory.mktemp("words")
    labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
    builders.write(
        top,
        "recipe.txt",
        (f'defaults {{ label_map_path: "labels.pbtxt" }}\nmodel {{ source: "{model}" }}\n'),
    )
    records = ["--train_record", os.path.join(SHAPES, "..", "shapes", "val.record")]
    given, config = top / "given", os.path.join(SHAPES, "pipeline.config")
    target = [model, "--label_map_path", labels, "--output_directory"]
    frozen = os.path.join(SHAPES, "frozen_inference_graph.pb")
    return [
        ["convert"] + target + [given],
        ["check", given, "--golden", top / "golden", "--update"],
        ["check", given, "--golden", top / "golden", "--junit", top / "junit.xml"],
        ["verify", given],
        ["inspect", model],
        ["plan"] + target + ["x"],
        ["thaw", frozen, "--pipeline_config_path", config, "--output_directory", top / "thawed"],
        ["inspect", frozen],
        ["diff", given, model],
        ["batch", top / "recipe.txt", "--output_directory", top / "batch", "--jobs", "2"],
        ["doctor", config],
        ["doctor", "--explain", "OOM"],
        [
            "anchors",
            "apply",
            config,
            builders.write(top, "anchors", ("ssd_anchor_generator { num_layers: 6 }")),
            "--output",
            top / "a",
        ],
        ["anchors", "show", config, "--output_directory", top / "shown"] + records,
        # Asks a Python that has no stock API: what it is asked with is run.
        ["verify", given, "--stock", "--stock_python", sys.executable],
        ["--help"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "form, python_path, every",
    [
        ("-m", ["", REPOSITORY, "."], 4),
        thorough.slow(("-m", ["", REPOSITORY, "."], 1)),
        thorough.slow(("-m", [REPOSITORY], thorough.rounds(4, 1))),
        thorough.slow(("script", ["", REPOSITORY], thorough.rounds(4, 1))),
        thorough.slow(("script", ["DECOYS", REPOSITORY], thorough.rounds(4, 1))),
    ],
)
def test_no_verb_runs_a_decoy(decoys, words, form, python_path, every, tmp_path):
    command = ["-m", "graphfix"] if form == "-m" else [decoys.script]
    path = [{"DECOYS": str(decoys.directory)}.get(entry, entry) for entry in python_path]
    for one in words[::every]:
        once = [str(word) for word in one]
        for number, word in enumerate(once):  # each form writes to places of its own
            if once[number - 1] in ("--output_directory", "--output") and "convert" not in once:
                once[number] = str(tmp_path / os.path.basename(word))
        if once[0] == "convert":
            once.append("--overwrite")
        done, taken = decoys.run(command, once, path)
        assert taken == [], (once, taken, done.stderr)
        assert done.returncode in (0, 1, 3), (once, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode != 3 or "--stock" in once or "show" in once, done.stderr


def test_the_decoys_would_be_run(decoys):
    """By a program that does nothing against it."""
    done, taken = decoys.run(["-m", "numpy"], [], [])
    decoys.note.unlink()
    assert taken == ["__main__"], done.stderr


def test_no_worker_of_the_stock_api_runs_a_decoy(decoys, tmp_path):
    program = (
        "from graphfix.process import import_path\nimport_path.settle()\n"
        "from graphfix.stock_api import runner\nimport sys\n"
        "print(runner.run_jobs([{'verb': 'probe'}], python=sys.executable))\n"
    )
    builders.write(tmp_path, "program.py", program)
    done, taken = decoys.run([str(tmp_path / "program.py")], [], ["", REPOSITORY])
    assert taken == [] and done.returncode == 0, (taken, done.stderr)
    assert "No module named 'tensorflow'" in done.stdout


def test_the_current_directory_may_be_the_checkout(model):
    """The package comes from there then, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "graphfix", "inspect", str(model)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
    )
    assert done.returncode == 0 and b"SSD" in done.stdout


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A made-up Python: its library, site-packages with numpy; the current directory, others
    beside."""
    for name in (
        "lib/python3",
        "site-packages/numpy",
        "current/numpy",
        "research/object_detection",
        "more/numpy",
        "more/crc32c",
        "nothing",
    ):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(str(tmp_path / "current"))
    own = [str(tmp_path / "lib" / "python3"), str(tmp_path / "site-packages")]

    def settled(before, python_path):
        monkeypatch.setenv(
            "PYTHONPATH",
            os.pathsep.join(
                entry and os.path.join(str(tmp_path), entry)
                if entry not in (".", "../more")
                else entry
                for entry in python_path
            ),
        )
        path = [os.path.join(str(tmp_path), entry) if entry else entry for entry in before] + own
        return [os.path.relpath(entry, str(tmp_path)) for entry in import_path.settled(path)]

    return settled


OWN = [os.path.join("lib", "python3"), "site-packages"]


@pytest.mark.parametrize(
    "before, python_path, after",
    [
        ([], [], OWN),
        ([""], [], OWN),
        (["current"], [], OWN),
        (["current"], [""], OWN),
        (["current", "current"], ["", "."], OWN),
        (["nothing", "research"], ["nothing", "research"], OWN),
        (["more"], ["more"], OWN + ["more"]),  # for the sake of crc32c
        (["more", "nothing"], ["../more", "nothing"], OWN + ["more"]),
        (["current"], ["current"], OWN),
        (
            ["nothing"],
            [],
            ["nothing"] + OWN,
        ),  # of somebody else than PYTHONPATH: a .pth file, an archive
    ],
)
def test_what_a_path_is_settled_to(place, before, python_path, after):
    assert place(before, python_path) == after


def test_it_changes_nothing_twice(place, monkeypatch):
    once = import_path.settled(sys.path)
    assert import_path.settled(once) == once


@pytest.mark.parametrize(
    "value, named", [("", []), (":", []), (":/a::/b:", ["/a", "/b"]), (".:./:/a/.", ["/a"])]
)
def test_the_directories_that_are_named(monkeypatch, value, named):
    monkeypatch.setenv("PYTHONPATH", value)
    assert import_path.named_directories() == named


def test_a_current_directory_that_is_gone_is_no_place(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("PYTHONPATH", "there:/a")
    assert import_path.named_directories() == ["/a"]
    assert "/usr/lib" in import_path.settled(["", "/usr/lib", "/a"])


def test_where_the_api_is_named_comes_before_what_is_installed(tmp_path, monkeypatch):
    for name in ("research/object_detection", "slim/nets", "other/numpy", "site-packages"):
        (tmp_path / name).mkdir(parents=True)
    names = [str(tmp_path / name) for name in ("research", "other", "slim")]
    site = str(tmp_path / "site-packages")
    monkeypatch.setattr(sys, "path", ["/scripts", "/library", site, "/more"])
    api_revision.extend_path(names)
    assert sys.path == ["/scripts", "/library", names[0], names[2], site, "/more", names[1]]
