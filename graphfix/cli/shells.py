"""Scripts by which shells complete a command: verbs, flags, their values, files.

They are made from the parsers alone, and have all words in them: completing starts no Python.
"""

import argparse
import re
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

_DIRECTORIES = ("DIR",)
# Of values that are no files.
_TEXTS = ("NEW=OLD", "NAME,NAME", "YYYY-MM")
# absl's: what --help lists already.
_LEFT_OUT = ("--helpfull",)


class Value(NamedTuple):
    """What a flag or an operand takes: one of `choices`, a `directory`, a `file`, or `text`."""

    name: str
    kind: str
    choices: Tuple[str, ...] = ()


class Flag(NamedTuple):
    """A flag's spellings, what it is for, and its value, if it takes one; `many`: it may come
    again, or takes several."""

    names: Tuple[str, ...]
    help: str
    value: Any
    many: bool


class Command(NamedTuple):
    """A verb, or a verb of a verb: its words, what it is for, its flags and operands (`rest`: the
    last one may come again) and the verbs below it."""

    words: Tuple[str, ...]
    help: str
    flags: Tuple[Flag, ...]
    operands: Tuple[Value, ...]
    rest: bool
    below: Tuple["Command", ...]


def script(shell: str, parser: argparse.ArgumentParser) -> List[str]:
    """The lines of the script for a shell, one of SCRIPTS."""
    return "\n".join(SCRIPTS[shell](command(parser))).split("\n")


def command(
    parser: argparse.ArgumentParser, words: Tuple[str, ...] = (), help: str = ""
) -> Command:
    """What a parser takes, as data."""
    flags: List[Flag] = []
    operands: List[Value] = []
    below: List[Command] = []
    rest = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {one.dest: one.help or "" for one in action._choices_actions}
            below = [
                command(leaf, (*words, name), told[name]) for name, leaf in action.choices.items()
            ]
        elif action.option_strings:
            names = tuple(action.option_strings)
            if action.help != argparse.SUPPRESS and names[0] not in _LEFT_OUT:
                flags.append(Flag(names, _plain(action.help), _value(action), _comes_again(action)))
        else:
            operands.append(_value(action))
            rest = rest or action.nargs in ("+", "*")
    if not words:
        help_of = Value("VERB", "choices", tuple(one.words[0] for one in below))
        below.append(
            Command(("help",), "show a verb's flags and examples", (), (help_of,), False, ())
        )
    return Command(words, help, tuple(flags), tuple(operands), rest, tuple(below))


def _comes_again(action: argparse.Action) -> bool:
    return isinstance(action, argparse._AppendAction) or action.nargs in ("+", "*")


def _value(action: argparse.Action) -> Any:
    """What an action takes; None where that is nothing."""
    if action.nargs == 0:
        return None
    name = str(action.metavar or action.dest.upper())
    if action.choices is not None:
        return Value(name, "choices", tuple(map(str, action.choices)))
    if action.type is not None or name in _TEXTS:
        return Value(name, "text")
    return Value(name, "directory" if name in _DIRECTORIES else "file")


def _plain(text: Any) -> str:
    """A help for a list of completions: its first part."""
    return re.split(r"[;(]| \(", str(text or ""))[0].strip()


def leaves(one: Command) -> Iterator[Command]:
    """A command and those below it."""
    yield one
    for each in one.below:
        yield from leaves(each)


def _bash(top: Command) -> Iterator[str]:
    yield _BASH_HEAD
    yield from _bash_words(top)
    yield '  case "$command" in'
    for one in leaves(top):
        pattern = " ".join(("graphfix", *one.words))
        yield f'    "{pattern}")'
        yield f'      flags="{" ".join(name for flag in one.flags for name in flag.names)}"'
        yield f'      verbs="{" ".join(each.words[-1] for each in one.below)}"'
        taken = [flag for flag in one.flags if flag.value]
        if taken:
            yield '      case "$before" in'
            for flag in taken:
                yield f"        {'|'.join(flag.names)}) {_bash_value(flag.value)}; return ;;"
            yield "      esac"
        chosen = [value for value in one.operands if value.kind == "choices"]
        if chosen:
            yield f'      [ "$operands" = 0 ] && verbs="{" ".join(chosen[0].choices)}"'
        yield "      ;;"
    yield "  esac"
    yield _BASH_TAIL


def _bash_words(top: Command) -> Iterator[str]:
    """Finds the command and the number of operands in the words before the cursor."""
    paths = [" ".join(("graphfix", *one.words)) for one in leaves(top) if one.words]
    taking = sorted({n for one in leaves(top) for f in one.flags if f.value for n in f.names})
    yield f'  local paths="|{"|".join(paths)}|" taking=" {" ".join(taking)} "'
    yield _BASH_WORDS


def _bash_value(value: Value) -> str:
    if value.kind == "choices":
        return f'_graphfix_words "{" ".join(value.choices)}"'
    return {
        "text": "COMPREPLY=()",
        "directory": "_graphfix_files -d",
        "file": "_graphfix_files -f",
    }[value.kind]


def _zsh(top: Command) -> Iterator[str]:
    yield "#compdef graphfix\n# zsh completion for graphfix, made by: graphfix completion zsh"
    for one in leaves(top):
        yield f"\n{_zsh_name(one.words)}() {{"
        yield "  local curcontext=$curcontext state line; typeset -A opt_args"
        specs = [_zsh_flag(flag) for flag in one.flags]
        if one.below:
            told = " ".join(_zsh_told(each.words[-1], each.help) for each in one.below)
            specs += [_quoted(f"1:verb:(({told}))"), "'*::argument:->below'"]
        for number, value in enumerate(one.operands, 1):
            last = one.rest and number == len(one.operands)
            specs.append(_quoted(f"{'*' if last else number}:{value.name}:{_zsh_action(value)}"))
        yield "  _arguments -C -S \\\n    " + " \\\n    ".join(specs)
        if one.below:
            yield f"  [[ $state != below ]] || {_zsh_name(one.words)}_$words[1]"
        yield "}"
    # Sourced, or called by compinit, which finds it by its first line.
    yield '\nif [ "$funcstack[1]" = _graphfix ]; then _graphfix "$@"'
    yield "else compdef _graphfix graphfix; fi"


def _zsh_name(words: Sequence[str]) -> str:
    return "_".join(("_graphfix", *words))


def _zsh_flag(flag: Flag) -> str:
    told = "[" + re.sub(r"([\[\]:\\])", r"\\\1", flag.help) + "]"
    value = f":{flag.value.name}:{_zsh_action(flag.value)}" if flag.value else ""
    again = "*" if flag.many else f"({' '.join(flag.names)})" if len(flag.names) > 1 else ""
    specs = []
    for name in flag.names:
        joint = ("=" if name.startswith("--") else "+") if flag.value else ""
        specs.append(_quoted(f"{again}{name}{joint}{told}{value}"))
    return " ".join(specs)


def _zsh_told(word: str, help: str) -> str:
    told = re.sub(r'([":\\()\[\]])', r"\\\1", help)
    return f'{word}\\:"{told}"'


def _zsh_action(value: Value) -> str:
    if value.kind == "choices":
        return f"({' '.join(value.choices)})"
    return {"text": " ", "directory": "_files -/", "file": "_files"}[value.kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(top: Command) -> Iterator[str]:
    yield _FISH_HEAD
    for one in leaves(top):
        at = f"'__graphfix_at {' '.join(one.words)}'" if one.words else "__graphfix_next"
        following = f"'{' '.join(('__graphfix_next', *one.words))}'"
        for each in one.below:
            words = f"-a {each.words[-1]} -d {_fish_quoted(each.help)}"
            yield f"complete -c graphfix -n {following} {words}"
        chosen = [value for value in one.operands if value.kind == "choices"]
        for operand in chosen:
            yield f"complete -c graphfix -n {following} -a '{' '.join(operand.choices)}'"
        if len(one.operands) > len(chosen):
            beside = f"; and not __graphfix_next {' '.join(one.words)}" if chosen else ""
            yield f"complete -c graphfix -n {at[:-1]}{beside}' -F"
        for flag in one.flags:
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in flag.names
            )
            value = f" {_fish_value(flag.value)}" if flag.value else ""
            told = _fish_quoted(flag.help)
            yield f"complete -c graphfix -n {at} {names} -d {told}{value}"


def _fish_value(value: Value) -> str:
    if value.kind == "choices":
        return f"-x -a '{' '.join(value.choices)}'"
    return {"text": "-x", "directory": "-x -a '(__fish_complete_directories)'", "file": "-r -F"}[
        value.kind
    ]


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_FISH_HEAD = """\
# fish completion for graphfix, made by: graphfix completion fish

# The words before the cursor begin with these.
function __graphfix_at
    set -l words (commandline -opc)[2..]
    string match -q -- "$argv *" "$words "
end

# The words before the cursor are these.
function __graphfix_next
    set -l words (commandline -opc)[2..]
    test "$words" = "$argv"
end

complete -c graphfix -f"""

_BASH_HEAD = """\
# bash completion for graphfix, made by: graphfix completion bash

_graphfix_words() {
  COMPREPLY=($(compgen -W "$1" -- "$word"))
}

_graphfix_files() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\\n'
  COMPREPLY=($(compgen "$1" -- "$word"))
}

# A flag as it is declared: hyphens stand for underscores.
_graphfix_flag() {
  case "$1" in
    --*) flag="${1#--}" flag="--${flag//-/_}" ;;
    *) flag="$1" ;;
  esac
}

_graphfix() {
  COMPREPLY=()
  # --flag=value comes as three words: readline breaks them at "=".
  local word="${COMP_WORDS[COMP_CWORD]}" before="" at=$((COMP_CWORD - 1)) command=graphfix
  local flag flags="" verbs="" operands=0
  if [ "$word" = "=" ]; then
    word="" before="${COMP_WORDS[at]}"
  elif [ "$at" -gt 1 ] && [ "${COMP_WORDS[at]}" = "=" ]; then
    before="${COMP_WORDS[at - 1]}"
  elif [ "$at" -gt 0 ]; then
    before="${COMP_WORDS[at]}"
  fi
  _graphfix_flag "$before"
  before="$flag\""""

_BASH_WORDS = """\
  local number=1 skip=0
  while [ "$number" -lt "$COMP_CWORD" ]; do
    _graphfix_flag "${COMP_WORDS[number]}"
    if [ "$skip" = 1 ]; then
      [ "$flag" = "=" ] || skip=0
    elif [ "${flag#-}" != "$flag" ]; then
      [ "${taking#* "$flag" }" = "$taking" ] || skip=1
    elif [ "${paths#*"|$command $flag|"}" != "$paths" ]; then
      command="$command $flag"
    else
      operands=$((operands + 1))
    fi
    number=$((number + 1))
  done"""

_BASH_TAIL = """\
  case "$word" in
    -*)
      _graphfix_flag "$word"
      word="$flag"
      _graphfix_words "$flags"
      ;;
    *)
      if [ -n "$verbs" ]; then
        _graphfix_words "$verbs"
      else
        _graphfix_files -f
      fi
      ;;
  esac
}

complete -F _graphfix graphfix"""

# Shell: what makes its script.
SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
