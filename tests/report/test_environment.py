"""The report's templates: every text escaped, no unknown name passed over, compiled once."""

import os
import subprocess
import sys

import jinja2
import markupsafe
import pytest
import repository

from graphfix.report import environment


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """Renders a template's text, with the bytecode in a directory of its own."""
    monkeypatch.setattr(environment, "_TEMPLATES", str(tmp_path))
    monkeypatch.setattr(environment.sys, "dont_write_bytecode", False)

    def render(template, **names):
        (tmp_path / "one.html").write_text(template)
        return environment.make_environment().get_template("one.html").render(**names)

    return render


@pytest.mark.parametrize(
    "text, shown",
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        ("a\nb\x1b[2K\u202e", "a\\nb\\x1b[2K\\u202e"),
        (markupsafe.Markup("<b>\n"), "<b>\n"),
        (3, "3"),
    ],
)
def test_every_text_is_escaped(rendered, text, shown):
    assert rendered("{{ text }}", text=text) == shown
    assert rendered("{% for one in texts %}{{ one }}{% endfor %}", texts=[text]) == shown
    in_a_macro = "{% macro show(one) %}<i>{{ one }}</i>{% endmacro %}{{ show(text) }}"
    assert rendered(in_a_macro, text=text) == f"<i>{shown}</i>"


@pytest.mark.parametrize(
    "text", ["{{ nothing }}", "{{ one.nothing }}", "{% if nothing %}{% endif %}"]
)
def test_an_unknown_name_is_an_error(rendered, text):
    with pytest.raises(jinja2.UndefinedError):
        rendered(text, one=1)


def bytecode(folder):
    return sorted((folder / "__pycache__").iterdir()) if (folder / "__pycache__").exists() else []


def test_a_template_is_compiled_once(rendered, tmp_path, monkeypatch):
    assert rendered("a{{ 1 }}") == "a1"
    (path,) = bytecode(tmp_path)
    monkeypatch.setattr(jinja2.Environment, "compile", None)
    assert rendered("a{{ 1 }}") == "a1"
    monkeypatch.undo()
    assert str(path).endswith(f".{sys.implementation.cache_tag}.pyc")


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_stale_or_damaged_bytecode_is_made_again(rendered, tmp_path, damage):
    rendered("a")
    (path,) = bytecode(tmp_path)
    before = path.read_bytes()
    if damage is None:
        assert rendered("b") == "b" and path.read_bytes() != before
        return
    path.write_bytes(damage or before[: len(before) // 2])
    assert rendered("a") == "a" and path.read_bytes() == before and bytecode(tmp_path) == [path]


def test_options_are_a_part_of_what_bytecode_is_of(rendered, monkeypatch):
    assert rendered("{{ '<' }}") == "&lt;"
    monkeypatch.setitem(environment._OPTIONS, "autoescape", False)
    assert rendered("{{ '<' }}") == "<"


def test_a_directory_that_takes_no_bytecode_is_no_error(rendered, tmp_path):
    (tmp_path / "__pycache__").write_text("a file")
    assert rendered("a") == "a"


def test_nor_is_it_written_where_python_writes_none(rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(environment.sys, "dont_write_bytecode", True)
    assert rendered("a") == "a" and bytecode(tmp_path) == []


@pytest.mark.parametrize("verb, imported", [("plan", False), ("convert", True)])
@pytest.mark.slow
def test_jinja_is_imported_only_for_a_report(tmp_path, verb, imported):
    program = (
        "import sys\nfrom graphfix.cli import command_line\n"
        "assert command_line.main(sys.argv[1:]) == 0\nsys.exit(10 + ('jinja2' in sys.modules))"
    )
    argv = [verb, repository.DETECTOR, "--num_classes", "2", "--output_directory", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, argv)],
        env=dict(os.environ, PYTHONPATH=repository.TOP),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert done.returncode == 10 + imported
