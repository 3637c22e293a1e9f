"""Recipes: what is refused, and those of docs/batch.md."""

import os
import re
import shutil

import builders
import pytest
import readme
from batch_runs import recipe

from graphfix.batch.recipe import read_recipe
from graphfix.formats.regular_files import read_file


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
            'model { download { url: "http://x/a.rar" size: 1 sha256: "%s" } }' % ("0" * 64),
            ["a.rar"],
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


def test_records_are_relative_to_the_recipe(tmp_path, monkeypatch):
    """Wherever batch is run."""
    other = tmp_path / "other"
    other.mkdir()
    given = [
        "a.record",
        "../b/x.record*",
        "/c/x",
        "gs://d/x",
        "C:\\\\e\\\\x",
        "PATH_TO_BE_CONFIGURED/x",
    ]
    here = str(tmp_path)
    wanted = [here + "/a.record", os.path.dirname(here) + "/b/x.record*", "/c/x", "gs://d/x"]
    wanted += ["C:\\e\\x", given[-1]]
    text = "".join(
        f'model {{ source: "m{number}" target {{ num_classes: 1 train_record: "{one}" }} }}\n'
        for number, one in enumerate(given)
    )
    text += 'defaults { eval_record: "v" }'
    path = builders.write(tmp_path, "recipe.txt", text)
    for directory, name in ((tmp_path, "recipe.txt"), (other, path)):
        monkeypatch.chdir(directory)
        targets = [entry.target for entry in read_recipe(read_file(name), name)]
        assert [one["train_record"] for one in targets] == wanted
        assert {one["eval_record"] for one in targets} == {here + "/v"}


def test_an_output_that_cannot_be(graphfix, place):
    path = recipe(place, 'source: "one"')
    done = graphfix("batch", path, "--output_directory", place / "labels.pbtxt")
    assert done.code == 3 and "cannot be written" in done.err
    assert graphfix("batch", path, "--output_directory", "x", "--jobs", "0").code == 2


@pytest.mark.slow
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
    assert "2 models: 2 converted, 0 unchanged, 0 failed\n" in printed
    with open(str(place / "converted" / "quiet" / "pipeline.config")) as file:
        assert 'fine_tune_checkpoint: "/models/quiet/model.ckpt"' in file.read()
