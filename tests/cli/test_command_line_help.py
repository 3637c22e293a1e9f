"""help, the examples in it, and flags as people spell them."""

import json
import shlex

import graphfix as package
from graphfix.cli import command_line


def test_help_goes_to_stdout(graphfix):
    for words in (["--help"], ["convert", "--help"], ["verify", "-h"], ["help", "anchors", "fit"]):
        done = graphfix(*words)
        assert done.code == 0 and done.out.startswith("usage: graphfix") and done.err == ""
    assert graphfix("help", "plan").out == graphfix("plan", "-h").out
    assert graphfix("help").out == graphfix("-h").out
    assert graphfix("--version").out == f"graphfix {package.__version__}\n"


def test_without_words_it_shows_its_verbs(graphfix):
    done = graphfix()
    assert done.code == 2 and done.out == "" and "convert" in done.err


def leaves():
    """{words: parser} of every verb."""
    found = {}
    for name, one in command_line._verbs(command_line.parser())[0].choices.items():
        for leaf in command_line._leaves(one):
            found[leaf.prog] = leaf
        assert name in command_line.VERBS
    return found


def test_the_examples_of_every_verb_are_understood():
    for prog, leaf in leaves().items():
        lines = [line.strip() for line in leaf.epilog.splitlines()]
        examples = [shlex.split(line) for line in lines if line.startswith("graphfix ")]
        assert len(examples) >= 2, prog
        for words in examples:
            words = words[: words.index(">")] if ">" in words else words
            assert " ".join(words).startswith(prog)
            leaf.parse_args(words[len(prog.split()) :])


def test_the_flags_of_convert_are_in_groups():
    convert = leaves()["graphfix convert"]
    titles = {
        group.title: [one.dest for one in group._group_actions] for group in convert._action_groups
    }
    del titles["positional arguments"]
    rest = titles.pop("options", None) or titles.pop("optional arguments")  # before CPython 3.10
    assert rest[0] == "help"
    assert list(titles) == ["source", "new classes", "anchors", "training", "output"]
    assert all(len(one) > 1 for one in titles.values())


def test_hyphens_stand_for_underscores(graphfix, model, tmp_path):
    flags = tmp_path / "flags"
    flags.write_text("--num-classes=2\n")
    done = graphfix("plan", model, "--flagfile", flags, "--target-api", "2019-07", "--json")
    assert done.code == 0 and json.loads(done.out)["target_api"] == "2019-07"
    assert graphfix("diff", "--", "--no-such-file", model).code == 3


def test_every_verb_suggests_the_file_that_is_meant(graphfix, model, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    for name in ("it.config", "it.pbtxt", "it.record", "it.json"):
        (tmp_path / name).write_text("")
    for words, meant in (
        ("doctor itt.config", "it.config"),
        ("anchors fit itt.config --train_record it.record -o new", "it.config"),
        ("anchors apply itt.config it.config -o new", "it.config"),
        (f"anchors apply {model} itt.config -o new", "it.config"),
        ("batch itt.config -o new", "it.config"),
        ("inspect itt.config", "it.config"),
        (f"inspect {model} --pipeline_config_path itt.config", "it.config"),
        (f"inspect {model} --source_label_map_path itt.pbtxt", "it.pbtxt"),
        (f"convert {model} --label_map_path itt.pbtxt -o new", "it.pbtxt"),
        (f"convert {model} --plan itt.json -o new", "it.json"),
        (f"anchors fit {model} --train_record itt.record -o new", "it.record"),
        (f"check {model} --golden itt.json", "it.json"),
        ("diff itt.config it.config", "it.config"),
        ("verify it.confi", "it.config"),
    ):
        done = graphfix(*words.split())
        assert (done.code, done.out) == (3, ""), words
        assert f"did you mean {meant}" in done.err, (words, done.err)
