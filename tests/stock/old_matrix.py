#!/usr/bin/env python3
"""Rewritten graphs of earlier TensorFlows beside the exporters' own: families, versions, classes.

    old_matrix.py --work DIR [--versions 1.4,1.8,...] [--families a,b] [--counts 1,2,90] [--write]

Runs under any Python that runs graphfix.  old_tensorflow.py exports a small detector with made-up
values under each TensorFlow; graphfix converts it to some of its classes in another order
("subset") and to all of them and two new ones ("grown"); the same TensorFlow exports the converted
checkpoint and config, and runs both graphs and the source's on a picture.  DIR keeps the answers: a
run that was stopped goes on where it was.  --write puts the table into docs/frozen.md; of what was
not run, its cells stay.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DOCS = os.path.join(TOP, "docs", "frozen.md")
VERSIONS = ("1.4", "1.8", "1.10", "1.12", "1.13", "1.14", "1.15")
API = {"1.13": "2019-04", "1.14": "2019-04", "1.15": "2019-04"}
COUNTS = (1, 2, 90)
SURGERIES = ("subset", "grown")
TOLERANCE = 1e-5  # of a raw score
# Family: what in its config of tests/stock/families is replaced by what.
FAMILIES = {
    "ssd_mobilenet_v1_half": {},
    "ssd_mobilenet_v1_half, use_static_shapes": {
        "batch_non_max_suppression {": "batch_non_max_suppression { use_static_shapes: true"
    },
    "ssd_softmax": {},
    "faster_rcnn_inception_v2": {},
    "rfcn_resnet50": {'"faster_rcnn_resnet50"': '"faster_rcnn_inception_v2"'},
    "mask_rcnn": {},
}
HEADING = "## Graphs of earlier exporters\n"
LEGEND = """\
Made by `tests/stock/old_matrix.py`; the thorough tests run it. Small detectors with made-up values
(`tests/stock/families`; the networks of two stages are two layers), exported under TensorFlow 1.4
to 1.12 with the API of 2019-01, and under 1.13 to 1.15 with that of 2019-04, for 1, 2 and 90
classes, and rewritten: "subset" for some of the classes in another order (of one class, that one),
"grown" for all of them and two new ones. A cell says:

* `=` if every output of the rewritten graph (detections and raw ones) is, bit for bit, that of the
  graph that the same TensorFlow and API export from the converted checkpoint, or else the largest
  difference;
* `s` if its raw scores of the classes kept are the source graph's own, bit for bit, or else the
  largest difference, as part of the largest score where that is above 1: a convolution of another
  number of channels may add in another order, in the exporter's graph as well. A softmax goes over
  all classes: its scores are taken as parts of those of the background and the classes kept. Where
  a graph has no raw outputs (before 2019-04), what `convert_scores` gives is taken for them;
* or why there is nothing to compare; nothing where it was not run.

For `export_tflite_ssd_graph.py` (1.15, API of 2019-04), `tests/stock/test_old_tensorflow.py`
converts the rewritten graph and the exporter's own to TensorFlow Lite and runs both: from 1 class
to 3, from 2 to 1 and to 3, the four outputs are equal bit for bit; with other anchors, boxes differ
by at most 6e-8.

"""
CONVERT = (
    "import sys, graphfix.detectors.describe as d; d.check_extractor = lambda *given: []; "
    "from graphfix.cli import command_line as c; sys.exit(c.main(sys.argv[1:]))"
)


def python_of(version):
    """The Python that has a TensorFlow and the API."""
    name = "stock-2019-04" if version == "1.15" else "tensorflow-" + version
    return subprocess.run(
        [sys.executable, os.path.join(HERE, "..", "environments", "make.py"), name],
        check=True,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    ).stdout.strip()


def ask(python, work, jobs):
    """What old_tensorflow.py answers to jobs: None, or what was raised, for each."""
    given, taken = (os.path.join(work, name) for name in ("jobs.json", "results.json"))
    with open(given, "w") as file:
        json.dump(jobs, file)
    subprocess.run(
        [python, os.path.join(HERE, "old_tensorflow.py"), given, taken],
        check=True,
        stderr=subprocess.PIPE,
        # TensorFlow Lite's converter calls a command of the environment.
        env=dict(os.environ, PYTHONPATH="", PATH=f"{os.path.dirname(python)}:{os.environ['PATH']}"),
    )
    with open(taken) as file:
        return json.load(file)


def config_of(family, count, path):
    """Writes a family's config for a number of classes."""
    with open(os.path.join(HERE, "families", family.split(",")[0] + ".config")) as file:
        text = re.sub(r"num_classes: \d+", f"num_classes: {count}", file.read(), count=1)
    for old, new in FAMILIES[family].items():
        assert old in text
        text = text.replace(old, new)
    with open(path, "w") as file:
        file.write(text)
    return path


def pairs_of(surgery, count):
    """{new class: old class}, and the number of new classes."""
    if surgery == "grown":
        return {number: number for number in range(1, count + 1)}, count + 2
    kept = {1: {1: 1}, 2: {1: 2}}.get(count, {1: 7, 2: 1, 3: 10})
    return kept, len(kept)


def rewritten(source, target, surgery, count):
    """Converts; why there is no graph, None if there is one."""
    pairs, classes = pairs_of(surgery, count)
    shutil.rmtree(target, ignore_errors=True)
    words = ["convert", source, "--output_directory", target, "--target_api", "2019-04"]
    words += ["--require_graph", "--num_classes", str(classes)]
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, *words, *(f"--map={n}={o}" for n, o in pairs.items())],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    return done.stdout.strip().splitlines()[-1] if done.returncode else None


def judge(version, families, counts, work):
    """{"family/count/surgery": answer} of one TensorFlow."""
    os.makedirs(work, exist_ok=True)
    python, answers, sources, outs = python_of(version), {}, {}, {}
    for family in families:
        for count in counts:
            name = re.sub(r"\W+", "_", f"{family}_{count}")
            path = config_of(family, count, os.path.join(work, name + ".config"))
            sources[family, count] = os.path.join(work, name), path
    jobs = [
        dict(verb="export", config=path, checkpoint=None, directory=directory)
        for directory, path in sources.values()
    ]
    for (family, count), why in zip(sources, ask(python, work, jobs)):
        for surgery in SURGERIES:
            key = f"{family}/{count}/{surgery}"
            source = sources[family, count][0]
            refused = why or rewritten(source, f"{source}.{surgery}", surgery, count)
            if refused:
                answers[key] = {"refused" if not why else "unavailable": refused}
            else:
                outs[key] = f"{source}.{surgery}", source, pairs_of(surgery, count)[0]
    jobs = [
        dict(
            verb="export",
            config=out + "/pipeline.config",
            checkpoint=out + "/model.ckpt",
            directory=out + ".native",
        )
        for out, _, _ in outs.values()
    ]
    graphs = list(
        dict.fromkeys(
            one for out, source, _ in outs.values() for one in (out, out + ".native", source)
        )
    )
    jobs += [
        dict(verb="run", graph=one + "/frozen_inference_graph.pb", outputs=one + ".npz")
        for one in graphs
    ]
    told = dict(
        zip([out + ".native" for out, _, _ in outs.values()] + graphs, ask(python, work, jobs))
    )
    for key, (out, source, pairs) in outs.items():
        why = told[out] or told[out + ".native"] or told[source]
        answers[key] = (
            {"failed": why} if why else compare(out, source, pairs, int(key.split("/")[1]))
        )
    return answers


def compare(out, source, pairs, count):
    """How far outputs are from the exporter's, and whether raw scores are the source's."""
    import numpy as np

    ours, theirs, before = (np.load(one + ".npz") for one in (out, out + ".native", source))
    if sorted(ours.files) != sorted(theirs.files):
        return {"failed": f"outputs {ours.files} and {theirs.files}"}
    worst = None
    for name in ours.files:
        if ours[name].shape != theirs[name].shape:
            return {"failed": f"{name} is {ours[name].shape} and {theirs[name].shape}"}
        if ours[name].tobytes() != theirs[name].tobytes():
            worst = max(worst or 0.0, float(np.abs(ours[name] - theirs[name]).max()))
    return {
        "difference": worst,
        "number": int(ours["num_detections"].sum()),
        "source": from_source(
            *(one["raw_detection_scores"] for one in (ours, before)), pairs, count
        ),
    }


def from_source(after, was, pairs, count):
    """The largest difference of raw scores of the classes kept (pairs, new class: old class) from
    what they were of `count` classes, as part of the largest score, if that is above 1; None if
    they are the same bits.

    A softmax goes over all classes: so that others, dropped or new, do not count, its scores are
    taken as parts of those of the background and the classes kept.
    """
    import numpy as np

    background = list(range(was.shape[-1] - count))
    softmax = background and np.allclose(was.sum(-1), 1, atol=1e-3)
    after, was = (
        scores[..., background + [number - 1 + len(background) for number in numbers]]
        for scores, numbers in ((after, pairs), (was, pairs.values()))
    )
    if after.tobytes() == was.tobytes():
        return None
    if softmax:
        after, was = (one / one.sum(-1, keepdims=True) for one in (after, was))
    return float(np.abs(after - was).max() / max(1, np.abs(was).max()))


def cell(answer):
    """An answer in a few characters, and whether it is right."""
    for name in ("unavailable", "refused", "failed"):
        if name in answer:
            why = answer[name].replace("|", "/")
            why = why if len(why) <= 90 else f"{why[:30]} ... {why[-55:]}"
            return f"{name}: {why}", name == "unavailable"
    texts, right = [], answer["number"] > 0
    for name, same in (("difference", "="), ("source", "s")):
        worst = answer[name]
        texts.append(same if worst is None else f"{worst:.0e}")
        right = right and (worst is None or (name == "source" and worst <= TOLERANCE))
    return " ".join(texts), right


def cells_of(page):
    """{"version/family/count/surgery": cell} of the table in the page."""
    found = {}
    for line in page.splitlines():
        row = [cell.strip() for cell in line.split("|")[1:-1]]
        if row and row[0] in FAMILIES:
            found.update(
                (f"{one}/{'/'.join(row[:3])}", cell) for one, cell in zip(VERSIONS, row[3:])
            )
    return found


def table(answers, before):
    """The table; what was not run now is as in the page `before`."""
    cells = cells_of(before)
    cells.update((key, cell(answer)[0]) for key, answer in answers.items())
    lines = [
        f"| detector | classes | surgery | {' | '.join(VERSIONS)} |",
        "|---|---|---|" + "---|" * len(VERSIONS),
    ]
    for family in FAMILIES:
        for count in COUNTS:
            for surgery in SURGERIES:
                found = [cells.get(f"{one}/{family}/{count}/{surgery}", "") for one in VERSIONS]
                if any(found):
                    lines.append(f"| {family} | {count} | {surgery} | {' | '.join(found)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("--versions", default=",".join(VERSIONS))
    parser.add_argument("--families", default=";".join(FAMILIES), metavar="A;B")
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    args.work = os.path.abspath(args.work)
    os.makedirs(args.work, exist_ok=True)
    path = os.path.join(args.work, "answers.json")
    answers = {}
    if os.path.exists(path):
        with open(path) as file:
            answers = json.load(file)
    for version in args.versions.split(","):
        for family in args.families.split(";"):
            for count in map(int, args.counts.split(",")):
                if f"{version}/{family}/{count}/grown" in answers:
                    continue
                found = judge(version, [family], [count], os.path.join(args.work, version))
                answers.update((f"{version}/{key}", answer) for key, answer in found.items())
                print(version, found, flush=True)
                with open(path, "w") as file:
                    json.dump(answers, file, indent=1, sort_keys=True)
    if args.write:
        with open(DOCS) as file:
            page = file.read()
        above, before = page.split(HEADING)
        made = table(answers, before)
        with open(DOCS, "w") as file:
            file.write(above.rstrip("\n") + "\n\n" + HEADING + "\n" + LEGEND + made)
    return 0 if all(cell(one)[1] for one in answers.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
