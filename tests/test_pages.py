"""The commands of docs/: those of the tutorial and the how-tos are run, and all are known.

Those that need the stock API, Pillow or matplotlib are run in tests/stock/test_pages_training.py.
"""

import os
import re
import shlex

import pages
import pytest
import readme

from graphfix.cli import command_line

DOCUMENTS = [*pages.documents(), "../README.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_graphfix_knows_its_commands(name):
    """Every line that begins with graphfix, in a block or in the middle of a sentence's code."""
    lines = [
        line
        for _, body, _ in pages.BLOCK.findall(pages.text(name))
        for line in body.replace("\\\n", " ").splitlines()
        if line.startswith("graphfix ")
    ]
    for line in lines:
        # A remark, and what a shell does with the command.
        words = shlex.split(re.split(r" \|| > | #", line)[0])[1:]
        try:
            args = command_line.parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"{name}: {line}")
        assert args.verb


def commands():
    """(page, commands) of every block of commands in docs/."""
    return [
        (name, body)
        for name in pages.documents()
        for language, body, _ in pages.blocks(pages.text(name))
        if language == "bash"
    ]


# Pages that other tests run, and pages whose commands are forms: SOURCE stands for a model.
TESTED = {
    "batch.md": "tests/batch/test_recipe.py",
    "ci.md": "tests/comparison/test_check.py",
    "install.md": "tests/stock/test_install.py",
    "devices.md": "tests/stock/test_opencv.py and test_tools.py",
    "tf2.md": "tests/stock/test_tf2.py",
    "torch.md": "tests/torch",
}


def test_every_block_is_run_somewhere():
    there = commands()
    assert len(there) > 20
    left = [(name, body) for name, body in there if name not in (*pages.PLAYED, *TESTED)]
    assert left == []
    for tests in TESTED.values():
        for path in re.findall(r"tests/[\w/]+(?:\.py)?", tests):
            assert os.path.exists(os.path.join(pages.TOP, path))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where pages are run: a directory, the environment, and a detector converted there."""
    directory = tmp_path_factory.mktemp("docs")

    def convert(source, out, *flags):
        assert command_line.main(["convert", source, "--output_directory", out, *flags]) == 0

    environment = pages.make_sources(directory, convert)
    out = str(directory / "converted")
    records = ["--train_record", str(directory / "records" / "train.record")]
    records += ["--eval_record", str(directory / "records" / "val.record")]
    source = str(directory / (readme.MODEL + ".tar.gz"))
    convert(source, out, "--classes", "person,van,forklift", "--map", "van=truck+bus", *records)
    return directory, environment, out


def blocks_run_here(name):
    """Those of a page that need no stock API, which tests/stock/test_pages_training.py has."""
    return [
        block
        for block in pages.blocks(pages.text(name))
        if not pages.STOCK.search(block[1]) and not pages.elsewhere(block[1])
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", filter(blocks_run_here, pages.PLAYED))
def test_the_page_runs(name, place):
    sources, environment, converted = place
    directory = pages.directory_of(name, sources, converted)
    for language, body, expected in blocks_run_here(name):
        assert expected.strip() in pages.run(language, body, directory, environment)
