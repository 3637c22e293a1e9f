"""What pip is asked for, and docs/install.md's recipes, held against the pins of the tests.

tests/stock/test_install.py installs for real.
"""

import glob
import os
import re
import runpy
import sys
import types

import pytest
import repository
from packaging.requirements import Requirement

from graphfix.doctor import python_environment

SERIES = [f"3.{minor}" for minor in range(6, 14)]
PIN = re.compile(r"([A-Za-z][\w-]*)==([\w.*]+)")


def text(*parts):
    with open(os.path.join(repository.TOP, *parts), encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def arguments(monkeypatch):
    """What setup.py gives to setuptools."""
    kept = {}
    fake = types.ModuleType("setuptools")
    fake.setup, fake.find_packages = lambda **more: kept.update(more), lambda **_: []
    monkeypatch.setitem(sys.modules, "setuptools", fake)
    runpy.run_path(os.path.join(repository.TOP, "setup.py"))
    return kept


def applying(lines, series):
    """[(package, versions)] of the requirements that apply to a CPython."""
    found = [Requirement(line) for line in lines]
    return [
        (one.name, one.specifier)
        for one in found
        if one.marker is None or one.marker.evaluate({"python_version": series})
    ]


@pytest.mark.parametrize("series", SERIES)
def test_one_line_of_each_package_applies(arguments, series):
    """pip 18.1 reads only the first of several."""
    for lines in [arguments["install_requires"], *arguments["extras_require"].values()]:
        names = [name for name, _ in applying(lines, series)]
        assert len(names) == len(set(names))
    versions = dict(applying(arguments["install_requires"], series))
    assert {"numpy", "protobuf", "crc32c", "absl-py", "jinja2"} <= set(versions)
    assert versions["protobuf"].contains("3.19.6")
    # TensorFlow 1.15 may be installed afterwards.
    assert versions["protobuf"].contains("4.21.0") == (series not in ("3.6", "3.7", "3.8"))
    # The last with a wheel for 3.6 is 2.5, and for 3.7 2.7.1.
    assert not (series == "3.7" and versions["crc32c"].contains("2.7.1.post0"))
    assert versions["crc32c"].contains("2.8") == (series not in ("3.6", "3.7", "3.8"))


@pytest.mark.parametrize("series", SERIES)
def test_the_extra_tf_adds_tensorflow_where_there_is_one(arguments, series):
    names = [name for name, _ in applying(arguments["extras_require"]["tf"], series)]
    assert names == (["tensorflow", "protobuf"] if series in ("3.6", "3.7") else [])


def test_the_documents_that_are_named_are_installed(arguments):
    """By messages, help texts and docstrings."""
    ((_, installed),) = arguments["data_files"]
    named = set()
    for path in glob.glob(os.path.join(repository.TOP, "graphfix", "**", "*.*"), recursive=True):
        if path.endswith((".py", ".txt", ".html")):
            named |= set(re.findall(r"(?<![\w/])docs/[\w.-]+\.md", text(path)))
    named.remove("docs/spec.md")  # Git LFS's
    assert len(named) > 2 and named <= set(installed)


def test_the_source_distribution_has_what_the_readme_and_the_documents_link_to():
    """Each link's first folder, or the file itself, is in MANIFEST.in."""
    taken = {word for line in text("MANIFEST.in").splitlines() for word in line.split()[1:]}
    for path in glob.glob(os.path.join(repository.TOP, "*.md")) + glob.glob(
        os.path.join(repository.TOP, "docs", "*.md")
    ):
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text(path)):
            full = os.path.normpath(os.path.join(os.path.dirname(path), target))
            assert os.path.exists(full), (path, target)
            first = os.path.relpath(full, repository.TOP).split(os.sep)[0]
            known = first in taken or first == "graphfix" or first.endswith(".md")
            assert known, f"{path} links to {target}, which MANIFEST.in leaves out"


def test_what_the_manifest_names_is_there():
    for line in text("MANIFEST.in").splitlines():
        if line.startswith(("include", "graft")):
            for word in line.split()[1:]:
                assert glob.glob(os.path.join(repository.TOP, word)), word


def recipe(title):
    """The commands of docs/install.md below a heading."""
    (found,) = re.findall(rf"^## {title}\n(.*?)^## ", text("docs", "install.md"), re.M | re.S)
    return "".join(re.findall(r"```\n(.*?)```", found, re.S)).splitlines()


def test_the_recipes_install_what_the_tests_are_run_with():
    pinned = {}
    for path in glob.glob(os.path.join(repository.TESTS, "environments", "*.txt")):
        if os.path.basename(path) not in ("fast.txt", "lint.txt", "docs.txt"):
            for package, version in PIN.findall(text(path)):
                pinned.setdefault(package.lower(), set()).add(version)
    named = PIN.findall(text("docs", "install.md"))
    assert len(named) > 15
    assert [one for one in named if one[1] not in pinned[one[0].lower()]] == []


def test_doctor_gives_the_recipe_of_the_document():
    lines = recipe("CPython 3.7")
    assert all(line in lines for line in python_environment._RECIPE.split("; "))
    assert any('pip install --upgrade "pip<22"' == line for line in recipe("CPython 3.6"))


def test_an_upper_bound_of_pip_comes_with_upgrade():
    """pip 18.1 is below 22: without --upgrade nothing happens."""
    for path in glob.glob(os.path.join(repository.TOP, "docs", "*.md")) + ["README.md", "setup.py"]:
        for line in text(path).splitlines():
            assert not re.search(r'pip install ["\']pip', line), (path, line)


def test_the_citation_is_of_this_version(arguments):
    assert f"\nversion: {arguments['version']}\n" in text("CITATION.cff")
    assert f"\nlicense: {arguments['license']}\n" in text("CITATION.cff")


def test_issues_are_asked_for_the_environment():
    templates = glob.glob(os.path.join(repository.TOP, ".github", "ISSUE_TEMPLATE", "*.md"))
    assert len(templates) == 2
    assert all("graphfix doctor --environment" in text(path) for path in templates)
