"""Shells complete what they are told by `graphfix completion`."""

import re
import shutil
import subprocess

import pytest

from graphfix.choices import Target, Weights
from graphfix.cli import command_line, shells

BASH = r"""
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMPREPLY=()
_graphfix
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with a file, one whose name has a space, and a directory."""
    (tmp_path / "ssd.tar.gz").write_text("")
    (tmp_path / "my model.pb").write_text("")
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scripts(graphfix, tmp_path_factory):
    """{shell: the file of its script}."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in shells.SCRIPTS:
        done = graphfix("completion", shell)
        assert done.code == 0 and done.err == ""
        (folder / shell).write_text(done.out)
    return {shell: str(folder / shell) for shell in shells.SCRIPTS}


def in_bash(scripts, line):
    # As readline gives them: "=" is a word, and so is the nothing behind a space.
    words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", scripts["bash"], *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def in_fish(scripts, line):
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {scripts['fish']}; complete -C '{line}'"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stderr == ""
    return [one.split("\t")[0].rstrip("/") for one in done.stdout.splitlines()]


@pytest.fixture(params=["bash", "fish"])
def complete(request, scripts, place):
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param}")
    ask = {"bash": in_bash, "fish": in_fish}[request.param]
    return lambda line: sorted(ask(scripts, line))


FILES = ["models", "my model.pb", "ssd.tar.gz"]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("graphfix ", sorted([*command_line.VERBS, "help"])),
        ("graphfix con", ["convert"]),
        ("graphfix help anc", ["anchors"]),
        ("graphfix anchors ", ["apply", "fit", "show"]),
        ("graphfix export ", sorted(one.value for one in Target)),
        ("graphfix export tf2 ", FILES),
        ("graphfix convert ", FILES),
        ("graphfix convert ssd.tar.gz --weights ", sorted(one.value for one in Weights)),
        ("graphfix convert ssd.tar.gz --label_map_path ", FILES),
        ("graphfix convert ssd.tar.gz -o ", ["models"]),
        ("graphfix convert ssd.tar.gz --seed ", []),
        ("graphfix convert --no", []),
        ("graphfix convert ssd.tar.gz --anchor_b", ["--anchor_boxes"]),
        # A file or a value that is called as a verb is.
        ("graphfix convert plan --weights ra", ["raw"]),
        ("graphfix verify --trainer legacy -o plan --st", ["--steps", "--stock", "--stock_python"]),
    ],
)
def test_what_is_completed(complete, line, expected):
    assert complete(line) == expected


def test_bash_completes_behind_an_equals_sign_and_takes_hyphens(scripts, place):
    assert in_bash(scripts, "graphfix convert --weights=r") == ["raw"]
    assert len(in_bash(scripts, "graphfix convert --weights=")) == len(Weights)
    assert in_bash(scripts, "graphfix convert --anchor-b") == ["--anchor_boxes"]
    assert len(in_bash(scripts, "graphfix convert --anchor-boxes ")) == 2


@pytest.mark.parametrize("shell", sorted(shells.SCRIPTS))
def test_every_shell_reads_its_script(scripts, shell):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    words = [shell, "-n", scripts[shell]]
    subprocess.run(words, check=True, timeout=60)


def test_every_flag_is_in_every_script(scripts):
    texts = {shell: open(path).read() for shell, path in scripts.items()}
    for one in shells.leaves(shells.command(command_line.parser())):
        for flag in one.flags:
            for name in flag.names:
                assert name in texts["bash"] and name in texts["zsh"]
                assert f" -{'l' if name[1] == '-' else 's'} {name.lstrip('-')} " in texts["fish"]
