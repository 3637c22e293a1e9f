#!/usr/bin/env python3
"""Makes docs/api.md from the docstrings of the public face, docs/options.md from the options, and
docs/cli.md from the command line's parser.

python docs/generate.py          writes all
python docs/generate.py --check  says whether one is stale; exit status 1 then
"""

import argparse
import dataclasses
import inspect
import os
import re
import sys
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import graphfix  # noqa: E402
from graphfix import api as api_module  # noqa: E402
from graphfix import options  # noqa: E402
from graphfix.cli import command_line  # noqa: E402

MADE_BY = "<!-- Made by docs/generate.py; change the docstrings, not this file. -->"
# The functions, in the order in which somebody meets them.
FUNCTIONS = (
    "open_model model_in_memory inspect plan convert convert_lite export thaw verify "
    "try_with_stock_api check update_golden diff diagnose explain fit_anchors show_anchors "
    "apply_anchors convert_batch"
).split()
_SECTION = re.compile(r"^(Args|Returns|Raises|Example):$", re.M)
_ITEM = re.compile(r"^  (\w[\w, ]*): ", re.M)


def api():
    """docs/api.md."""
    yield "# The Python API"
    yield MADE_BY
    example = graphfix.__doc__.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]
    yield "```python\n" + textwrap.dedent(example).strip("\n") + "\n```"
    yield inspect.getdoc(api_module)
    for name in FUNCTIONS:
        function = getattr(graphfix, name)
        yield f"## {name}"
        yield f"```python\n{signature(name, function)}\n```"
        yield docstring(function)
    yield "## Options"
    yield "`ConvertOptions` and the values of its fields are in [options.md](options.md)."
    yield "## Types"
    for name in graphfix.__all__:
        value = getattr(graphfix, name)
        if inspect.isclass(value) and name != "ConvertOptions":
            yield f"### {name}"
            yield docstring(value)
            members = "\n".join(public_members(value))
            if members:
                yield members


def option_rows():
    """Lines of a Markdown table: every option, its values, its default and what it means."""
    yield "| option | values | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for option in options.OPTIONS.values():
        if option.choices:
            values = ", ".join(f"`{one.value}`" for one in option.choices)
        else:
            values = option.metavar or option.kind.value
        default = option.default
        shown = "" if default in (None, (), False) else f"`{default}`"
        yield f"| `{option.name}` | {values} | {shown} | {option.help} |"


def option_reference():
    """docs/options.md."""
    yield "# Options of a conversion"
    yield MADE_BY
    yield (
        "Each is a flag of `graphfix convert` and `graphfix plan` (`--freeze backbone`), a field "
        "of a recipe's target (`freeze: backbone`) and a field of `graphfix.ConvertOptions` "
        '(`freeze="backbone"`).'
    )
    yield "\n".join(option_rows())
    for option in options.OPTIONS.values():
        if option.choices:
            yield f"`{option.name}`: {inspect.getdoc(option.choices)}"


def signature(name, function):
    """A function's signature as the source has it."""
    source = inspect.getsource(function)
    head = source[source.index(f"def {name}") + len("def ") : source.index(':\n    """')]
    # Types that are not loaded yet are quoted; defaults are lower case.
    return re.sub(r'"((?:[A-Z]|np\.|os\.)[^"]*)"', r"\1", head)


def docstring(value):
    """A docstring as Markdown: sections become headings, arguments a list, examples code."""
    text = inspect.getdoc(value)
    parts = _SECTION.split(text)
    out = [parts[0].strip()]
    for title, body in zip(parts[1::2], parts[2::2]):
        body = body.strip("\n")
        if title == "Example":
            out.append("```pycon\n" + textwrap.dedent(body).strip() + "\n```")
            continue
        rows = _ITEM.split("\n" + body)
        if len(rows) > 1 and title in ("Args", "Raises"):
            items = "\n".join(
                f"- `{name}`: {' '.join(words.split())}"
                for name, words in zip(rows[1::2], rows[2::2])
            )
            out.append(f"**{title}**\n\n{items}")
        else:
            out.append(f"**{title}** " + " ".join(body.split()))
    return "\n\n".join(part for part in out if part)


def public_members(value):
    if dataclasses.is_dataclass(value):
        fields = ", ".join(f"`{one.name}`" for one in dataclasses.fields(value))
        if fields:
            yield f"Fields: {fields}."
    for name, member in sorted(vars(value).items()):
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        words = inspect.getdoc(member)
        if words:
            call = "" if isinstance(member, property) else "()"
            yield f"- `{name}{call}`: {' '.join(words.split(chr(10) * 2)[0].split())}"


# Those that every verb has, told once.
EVERYWHERE = ("--help", "--helpshort", "--helpfull", "--verbose", "--quiet", "--color")


def command_lines(parser, words):
    """(the words of a verb, its parser) of every verb that can be run, in their order."""
    nested = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not nested:
        yield words, parser
    for action in nested:
        for name, one in action.choices.items():
            yield from command_lines(one, (*words, name))


def flag_rows(parser, actions):
    """Lines of a Markdown table: words and flags of a verb."""
    yield "| flag | meaning |"
    yield "| --- | --- |"
    formatter = argparse.HelpFormatter(parser.prog)
    for action in actions:
        value = formatter._metavar_formatter(action, action.dest.upper())(1)[0]
        names = ", ".join(f"`{one}`" for one in action.option_strings) or f"`{value}`"
        if action.option_strings and action.nargs != 0:
            shown = [f"`{one}`" for one in action.choices or [value]]
            names += " " + ", ".join(shown)
        words = formatter._expand_help(action) if action.help else ""
        words = " ".join(words.split()).replace("|", "\\|")
        yield f"| {names} | {words} |"


def command_reference():
    """docs/cli.md."""
    top = command_line.parser()
    verbs = list(command_lines(top, ()))
    yield "# The command line"
    yield MADE_BY.replace("the docstrings", "graphfix/cli/")
    yield (
        "`graphfix help VERB` shows the same. [SOURCE](sources.md) is a model in any of its forms; "
        "what is written, and exit codes, are in [written.md](written.md). Hyphens may stand for "
        "underscores (`--label-map-path`); `--flagfile FILE` reads flags from a file, one a line; "
        "`graphfix --version` says which version this is."
    )
    _, every = verbs[0]
    yield "Flags of every verb:"
    told = [
        one
        for one in every._actions
        if set(one.option_strings) & set(EVERYWHERE) and one.help != argparse.SUPPRESS
    ]
    yield "\n".join(flag_rows(every, told))
    for words, parser in verbs:
        yield f"## graphfix {' '.join(words)}"
        yield parser.description[0].upper() + parser.description[1:] + "."
        for group in parser._action_groups:
            rows = [
                one
                for one in group._group_actions
                if not set(one.option_strings) & set(EVERYWHERE) and one.help != argparse.SUPPRESS
            ]
            if rows:
                if group.title not in ("positional arguments", "optional arguments", "options"):
                    yield f"**{group.title}**"
                yield "\n".join(flag_rows(parser, rows))
        if parser.epilog:
            examples = textwrap.dedent(parser.epilog.partition("\n")[2]).strip("\n")
            yield "Examples:"
            yield "```text\n" + examples + "\n```"


FILES = {"api.md": api, "options.md": option_reference, "cli.md": command_reference}


def text_of(name):
    return "\n\n".join(FILES[name]()).rstrip() + "\n"


def main(arguments):
    stale = []
    for name in FILES:
        path = os.path.join(HERE, name)
        text = text_of(name)
        if arguments == ["--check"]:
            with open(path, encoding="utf-8") as file:
                if file.read() != text:
                    stale.append(name)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    if stale:
        print(f"stale: {', '.join(stale)}; run python docs/generate.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
