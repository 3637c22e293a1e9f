"""--require_graph, and what the summary says of a graph that is left out."""

import os
import shutil

import pytest
import repository

import graphfix as package

FROZEN = "frozen_inference_graph.pb"
FLAGS = ["--num_classes", "1", "--map", "1=2"]


@pytest.fixture
def source(tmp_path):
    """The trained detector, to be changed."""
    directory = tmp_path / "source"
    shutil.copytree(repository.DETECTOR, str(directory))
    return directory


def damage(path):
    os.remove(str(path))
    path.write_bytes(b"no graph")


def test_the_summary_names_what_is_left_out(graphfix, source, tmp_path):
    damage(source / FROZEN)
    done = graphfix("convert", source, *FLAGS, "--output_directory", tmp_path / "out")
    assert done.code == 0
    summary = done.out.split("\n")[0]
    assert summary.endswith(f"1 class carried, 0 new; {FROZEN} left out (FROZEN_GRAPH)")
    last = done.out.rstrip("\n").split("\n")[-1]
    assert last.startswith(f"{FROZEN} left out (FROZEN_GRAPH): ") and len(last) > 60
    done = graphfix("convert", source, *FLAGS, "--output_directory", tmp_path / "quiet", "--quiet")
    assert done.out == summary + "\n"


@pytest.mark.parametrize("name", [FROZEN, "tflite_graph.pb", "saved_model/saved_model.pb"])
@pytest.mark.parametrize(
    "make",
    [lambda path: path.symlink_to("/nowhere/it"), lambda path: os.mkfifo(str(path)), os.mkdir],
    ids=["link", "pipe", "directory"],
)
def test_what_has_a_graphs_name_and_is_no_file(graphfix, source, tmp_path, name, make):
    """A link to a disk that is not there, say: said, as of a graph that is damaged."""
    os.remove(str(source / FROZEN))
    (source / name).parent.mkdir(exist_ok=True)
    make(source / name)
    words = ["convert", source, *FLAGS, "--output_directory", tmp_path / "out"]
    done = graphfix(*words, "--require_graph")
    assert done.code == 3 and f"{name}: cannot be read: " in done.err
    done = graphfix(*words)
    last = done.out.rstrip("\n").split("\n")[-1]
    assert done.code == 0
    assert last.startswith(f"{os.path.basename(name)} left out (FROZEN_GRAPH): cannot be read: ")


@pytest.mark.parametrize("harm", [damage, lambda path: os.remove(str(path))], ids=["bad", "none"])
def test_a_graph_that_has_to_be_there(graphfix, source, tmp_path, harm):
    words = ["convert", source, *FLAGS, "--output_directory", tmp_path / "out", "--require_graph"]
    harm(source / FROZEN)
    done = graphfix(*words)
    assert done.code == 3 and not done.out and not (tmp_path / "out").exists()
    assert "frozen" in done.err and "Traceback" not in done.err
    options = package.ConvertOptions(num_classes=1, map=["1=2"], require_graph=True)
    with pytest.raises(package.GraphfixError):
        package.convert(str(source), str(tmp_path / "out"), options)


def test_a_graph_that_is_there(graphfix, source, tmp_path):
    plan = graphfix("plan", source, *FLAGS, "--json")
    (tmp_path / "plan.json").write_text(plan.out)
    done = graphfix(
        "convert",
        source,
        *("--plan", tmp_path / "plan.json", "--require_graph"),
        *("--output_directory", tmp_path / "out"),
    )
    assert done.code == 0 and (tmp_path / "out" / FROZEN).exists()
    assert "left out" not in done.out
