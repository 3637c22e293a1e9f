#!/usr/bin/env python3
"""Changed configs, judged by the stock API and by doctor: where do they differ?

    config_sweep.py ERA [--verb step | --groups 24] [--of train_config] [--seed 18] [--count 300]
                    [--without REGEX] [--seconds 3000] [--directory DIR]

Prints what only one of the two refuses, and how many both do.  What the API said is kept in DIR, so
that a run that was stopped goes on there.  The verbs are those of judge_configs.py, and `parts`, of
judge_parts.py, which cannot tell that a config runs: what doctor alone refuses is printed with a
"?", for another verb to judge.
"""

import argparse
import collections
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import cells  # noqa: E402
import config_groups  # noqa: E402
import config_mutations as mutations  # noqa: E402
import environment_python  # noqa: E402
import judge_configs  # noqa: E402
import small_records  # noqa: E402

from graphfix.doctor import diagnosis  # noqa: E402
from graphfix.doctor.setup import Options  # noqa: E402
from graphfix.findings import ERROR  # noqa: E402
from graphfix.pipeline_config import schema_history  # noqa: E402

PARTS = "parts"
RECORDS, LABELS = "records", "labels.pbtxt"
# Training runs to its end, and learns nothing, or not all; or it stops at some picture, or of some
# models.
SILENT = {"RATE_ZERO", "LABEL_COUNT", "CLASS_ID_OUTSIDE"}
BY_CHANCE = set(
    "BATCH_RAGGED AUGMENTATION_REFUSED BOXES_SCALED MASKS_NOT_AUGMENTED MASKS_UNFOUND LOGIT_SCALE "
    "ANCHORS_NONE".split()
)
# A warning of what runs under Python 2, and not here.
ELSEWHERE = {"PYTHON_3"}

Case = collections.namedtuple("Case", "name what raised codes seconds")
Case.__doc__ = """A config: what was changed, what the API raised or None, doctor's errors."""


def judged(python, changed, month, directory, verb, seconds="inf"):
    """The Cases of what was changed, as far as the API had time for them."""
    directory = str(directory)
    prepare(python, directory)
    what = {written(text, directory): (name, change) for name, text, change in changed}
    said = {}
    for one in ("forward", "step") if verb == "step" else (verb,):
        # The gradients take half of the time, and few changes have a say in them.
        some = [
            path
            for path, (_, change) in what.items()
            if verb != "step" or (one == "step") == mutations.trains(change)
        ]
        answers = os.path.join(directory, f"{month}_{one}.jsonl")
        if some:
            _run(python, one, answers, str(seconds), *some)
        said.update(judge_configs.answered(answers))
    cases = []
    for path, (name, change) in what.items():
        answer = said.get(os.path.basename(path))
        if answer is not None and answer["raised"] != judge_configs.UNDECIDED:
            cases.append(
                Case(name, change, answer["raised"], errors(path, month), answer["seconds"])
            )
    return cases


def grouped(python, changed, month, directory, seed, size, seconds="inf"):
    """The Cases of what was changed, most of them judged by groups; what has no answer is left out.

    The builders say what they refuse.  Of the rest, what doctor passes takes a step in groups of
    `size`, and what it refuses is asked by its parts, and takes a step alone if they run.  A config
    whose group ran is not asked again, even if groups are others since doctor knows more."""
    changed, end = list(changed), time.time() + float(seconds)
    members = os.path.join(directory, f"{month}_groups.jsonl")

    def ask(some, verb):
        return judged(python, some, month, directory, verb, max(0, end - time.time()))

    built = ask(changed, "model")
    answers = {one.name: one for one in built if one.raised}
    running = {one.name: one for one in built if not one.raised}
    loud = {name for name, one in running.items() if one.codes - SILENT}
    quiet = [one for one in changed if one[0] in running and one[0] not in loud]
    paths = {one[0]: written(one[1], directory) for one in quiet}
    have_run = ran(members, directory, month)
    cleared = {name for name, path in paths.items() if path in have_run}
    answers.update((name, running[name]) for name in cleared)
    quiet = [one for one in quiet if one[0] not in cleared]
    open_groups = config_groups.groups(quiet, seed, size, passes(directory, month))
    while open_groups:
        merged = [
            (str(number), config_groups.merged(group), config_groups.what(group))
            for number, group in enumerate(open_groups)
        ]
        with open(members, "a", encoding="utf-8") as file:
            for (_, text, _), group in zip(merged, open_groups):
                of_group = [paths[member.name] for member in group.members]
                print(json.dumps([written(text, directory), of_group]), file=file)
        found = {int(one.name): one for one in ask(merged, "step")}
        halved = []
        for number, group in enumerate(open_groups):
            one = found.get(number)
            if len(group.members) > 1 and (one is None or one.raised):
                halved += config_groups.halves(group) if time.time() < end else []
            elif one is not None:
                for member in group.members:
                    answers[member.name] = running[member.name]._replace(raised=one.raised)
        open_groups = halved
    loud = [one for one in changed if one[0] in loud]
    answers.update((one.name, one) for one in ask(loud, PARTS) if one.raised)
    alone = [one for one in loud if one[0] not in answers]
    answers.update((one.name, one) for one in ask(alone, "step"))
    return [answers[one[0]] for one in changed if one[0] in answers]


def ran(members, directory, month):
    """The paths of the configs whose group took its step."""
    said = {}
    for verb in ("forward", "step"):
        said.update(judge_configs.answered(os.path.join(directory, f"{month}_{verb}.jsonl")))
    found = set()
    if os.path.exists(members):
        with open(members, encoding="utf-8") as file:
            for group, paths in map(json.loads, file):
                answer = said.get(os.path.basename(group))
                if answer is not None and not answer["raised"]:
                    found.update(paths)
    return found


def prepare(python, directory):
    """Writes the records and the label map that configs will name."""
    if not os.path.exists(os.path.join(directory, RECORDS)):
        _run(python, "records", os.path.join(directory, RECORDS))
    with open(os.path.join(directory, LABELS), "w", encoding="utf-8") as file:
        for number in range(1, small_records.CLASSES + 1):
            file.write(f"item {{ id: {number} name: 'class_{number}' }}\n")


def written(text, directory):
    """The path of a config that names what is in the directory, called by its digest."""
    for name, placeholder in (
        (LABELS, "label_map.pbtxt"),
        (RECORDS, "train.record"),
        (RECORDS, "eval.record"),
    ):
        text = text.replace("PATH_TO_BE_CONFIGURED/" + placeholder, os.path.join(directory, name))
    path = os.path.join(directory, hashlib.sha256(text.encode()).hexdigest()[:16] + ".config")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def passes(directory, month):
    """Whether doctor finds no error, of any kind, in a config's text."""

    def passes(text):
        path = written(text, str(directory))
        found = errors(path, month)
        os.unlink(path)
        return not found - SILENT

    return passes


def _run(python, verb, *words):
    judge = ["judge_parts.py"] if verb == PARTS else ["judge_configs.py", verb]
    judge[0] = os.path.join(cells.HERE, judge[0])
    subprocess.run(
        [python, *judge, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def errors(path, month):
    """The codes of doctor's errors, and of warnings of what stops here."""
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    with open(path, "rb") as file:
        found = diagnosis.run_checks(file.read(), path, options).findings
    return {one.code for one in found if one.severity == ERROR or one.code in ELSEWHERE}


def differs(case, verb="step"):
    """Whether only one of the two refuses a config; the builders alone do not refuse all."""
    loud = case.codes - SILENT
    if verb in ("model", PARTS):
        return bool(case.raised and not case.codes)
    return bool(case.raised) != bool(loud) and not (not case.raised and loud <= BY_CHANCE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("era", choices=cells.ERAS)
    parser.add_argument("--verb", default="step", choices=sorted([*judge_configs.JUDGES, PARTS]))
    parser.add_argument(
        "--of", help="every field of this part at each bound, or each choice of this family's model"
    )
    parser.add_argument("--seed", default="18")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--groups", type=int, help="merge so many of those that doctor passes")
    parser.add_argument("--passed", action="store_true", help="only what doctor passes")
    parser.add_argument("--without", help="families to leave out")
    parser.add_argument("--seconds", default="inf")
    parser.add_argument("--directory")
    given = parser.parse_args()
    directory = given.directory or tempfile.mkdtemp()
    os.makedirs(directory, exist_ok=True)
    month = mutations.MONTHS[given.era]
    python = environment_python.python_of("stock-" + given.era)
    if given.of == "augmentations":
        changed = mutations.augmentations(month)
    elif given.of in mutations.base_configs():
        changed = mutations.alternatives(month, given.of)
    elif given.of:
        changed = mutations.settings(month, given.of)
    else:
        changed = mutations.mutants(given.seed, given.count, month, without=given.without)
    if given.passed:
        prepare(python, directory)
        changed = [one for one in changed if passes(directory, month)(one[1])]
    if given.groups:
        cases = grouped(python, changed, month, directory, given.seed, given.groups, given.seconds)
    else:
        cases = judged(python, changed, month, directory, given.verb, given.seconds)
    refused = sum(bool(one.raised) for one in cases)
    different = [one for one in cases if differs(one, given.verb)]
    for one in different:
        print(json.dumps([one.name, one.what, one.raised, sorted(one.codes)]))
    if given.verb == PARTS:
        for one in cases:
            if not one.raised and one.codes:
                print("?", json.dumps([one.name, one.what, sorted(one.codes)]))
    seconds = sum(one.seconds for one in cases)
    print(
        f"{given.era} {given.verb}: {len(cases)} configs in {seconds:.0f} s, of which the API "
        f"refuses {refused}; doctor differs in {len(different)}"
    )


if __name__ == "__main__":
    main()
