"""Outputs that are changed: whether `verify` notices it, and nothing else."""

import collections
import contextlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import zlib

import builders
import numpy as np
import zoo

from graphfix.cli import command_line
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import entries, table
from graphfix.report import update
from robustness import changed_graphs, changes, forged
from robustness.common import ENVIRONMENT, GRAPHFIX, ROOT, Tally

DETECTOR = os.path.join(ROOT, "testdata", "shapes_detector")
KNOWN = ["--source_label_map_path", os.path.join(DETECTOR, "shapes_label_map.pbtxt")]
# Published models, made again from their indexes, where these are at hand.
PUBLISHED = {
    "quantized": "finetuned/ssd_mobilenet_v1_0.75_quantized_1_class",
    "faster_rcnn": "faster_rcnn_inception_v2_coco_2018_01_28",
}
# How often each output is chosen; the published ones are large.
WEIGHTS = {
    "ssd": 8,
    "averages": 4,
    "carried": 3,
    "model_dir": 3,
    "graphs": 8,
    "graphs_2": 4,
    "thawed": 3,
    "quantized": 1,
    "faster_rcnn": 1,
}
UNREACHED = (
    "out of reach, because a manifest has no key: changes behind a manifest made anew that "
    "contradict "
    "no other part (values of tensors that have no copy in graph, moving averages or plan; shapes "
    "and "
    "types of layers other than the heads; config fields that the plan does not set; edits of the "
    "plan; the page; the manifest's version, `made_of`, `directories` and `pending`), and another "
    "whole output in this one's place. A golden file, which is kept elsewhere, shows them"
)


def tampering(scratch, options):
    """Random changes of outputs that leave them looking valid, and what verify says."""
    tally, choose = Tally(), random.Random(options.seed)
    outputs = made(os.path.join(scratch, "made"))
    rows = [("outputs of", ", ".join(sorted(outputs)))]
    least = options.changes // sum(map(len, changes.CHANGES.values())) + 1
    for group, kinds in changes.CHANGES.items():
        counts = {
            kind: changed(scratch, outputs, change, least, choose, tally, f"{group}, {kind}")
            for kind, change in kinds.items()
        }
        rows.append((group, shown(counts)))
    counts = {
        kind: changed(scratch, outputs, change, max(1, least // 2), choose, tally, f"row of {kind}")
        for kind, change in forged.ROWS.items()
    }
    rows.append(("manifest's rows, behind a right checksum", shown(counts)))
    for title, table_, pick in (
        ("behind a manifest made anew", forged.PLANNED, is_planned),
        ("the same, beside a graph", forged.WITH_GRAPH, has_graph),
    ):
        counts = {
            said(group, kind): changed(
                scratch,
                {name: one for name, one in outputs.items() if pick(one)},
                changes.CHANGES[group][kind],
                max(1, least // 2),
                choose,
                tally,
                f"forged {group}, {kind}",
                anew=True,
            )
            for group, kind in table_
        }
        rows.append((title, shown(counts)))
    alone = {"carried": outputs["carried"]}  # which has neither graph nor moving averages
    passed = {
        said(group, kind): 5
        - changed(scratch, alone, changes.CHANGES[group][kind], 5, choose, None, "", anew=True)
        for group, kind in forged.CONSISTENT
    }
    counts = ", ".join(f"{kind} ({count} of 5 passed)" for kind, count in passed.items())
    rows.append((UNREACHED, counts))
    rows.append(("changes that do not matter", harmless(scratch, outputs, options, choose, tally)))
    shutil.rmtree(os.path.join(scratch, "made"))
    return rows, tally.faults


def said(group, kind):
    return f"{group.split(',')[0]}: {kind}"


def shown(counts):
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"{sum(counts.values())} noticed: {kinds}"


def is_planned(output):
    return os.path.exists(os.path.join(output[0], "plan.json"))


def has_graph(output):
    return is_planned(output) and any(
        os.path.exists(os.path.join(output[0], name)) for name in changed_graphs.GRAPHS
    )


def changed(scratch, outputs, change, count, choose, tally, what, anew=False):
    """Makes a kind of change so often; how often verify noticed it."""
    place = os.path.join(scratch, "changed")
    noticed = tries = done = 0
    names = sorted(outputs)
    while done < count and tries < 40 * count:
        tries += 1
        name = choose.choices(names, [WEIGHTS[one] for one in names])[0]
        directory, source = outputs[name]
        shutil.copytree(directory, place)
        seed = choose.getrandbits(64)
        words = change(
            changes.Output(place, [one for one, _ in outputs.values() if one != directory], source),
            random.Random(seed),
        )
        if words is not None:
            if anew:
                forged.anew(place)
            done += 1
            code, said = verified(place)
            if tally:
                tally.expect(
                    code == 4
                    and any(one in said for one in words)
                    and "Traceback" not in said
                    and "fault of graphfix" not in said,
                    f"{what} of {name} ({seed}): exit code {code}, not {words}: {said[:500]}",
                )
            noticed += code == 4
        shutil.rmtree(place)
    if tally:
        tally.expect(done == count, f"{what}: made {done} times only")
    return noticed


def verified(directory):
    """(exit code, stderr) of verify, in this process."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = command_line.main(["verify", directory])
        except Exception as error:
            code = f"Traceback: {error!r}"
    return code, said.getvalue()


def harmless(scratch, outputs, options, choose, tally):
    """Changes that are none of verify's business."""
    counts = collections.Counter()
    pythons = [sys.executable] + ([options.stock] if options.stock else [])
    for number in range(options.harmless):
        kind = sorted(HARMLESS)[number % len(HARMLESS)]
        place = os.path.join(scratch, "place", "a copy")
        names = sorted(outputs)
        name = choose.choices(names, [WEIGHTS[one] for one in names])[0]
        shutil.copytree(outputs[name][0], place)
        where = HARMLESS[kind](place, choose) or place
        code, said = verified(where)
        if kind == "another process, directory and Python":
            python = choose.choice(pythons)
            done = subprocess.run(
                [python] + GRAPHFIX[1:] + ["verify", "a copy"],
                cwd=os.path.dirname(place),
                env=ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            code, said = done.returncode, done.stderr.decode()
        tally.expect(code == 0, f"{kind} of {name}: exit code {code}: {said}")
        counts[kind] += 1
        shutil.rmtree(os.path.dirname(place))
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def walked(top):
    return [
        os.path.join(folder, name)
        for folder, names, files in os.walk(top)
        for name in names + files
    ]


def times(place, choose):
    for path in walked(place) + [place]:
        os.utime(path, (choose.randrange(1 << 31),) * 2)


def permissions(place, choose):
    for path in walked(place):
        os.chmod(
            path, choose.choice((0o755, 0o700) if os.path.isdir(path) else (0o444, 0o600, 0o755))
        )


def renamed(place, choose):
    new = os.path.join(os.path.dirname(place), f"elsewhere \u00e4 {choose.randrange(9)}")
    os.rename(place, new)
    return new


def through_a_link(place, choose):
    link = os.path.join(os.path.dirname(place), "link")
    os.symlink(os.path.basename(place), link)
    return link


def hard_links(place, choose):
    twin = os.path.join(os.path.dirname(place), "twin")
    shutil.copytree(place, twin, copy_function=os.link)
    return choose.choice((place, twin))


def foreign_files(place, choose):
    for name in choose.sample(
        (
            "notes.txt",
            ".hidden",
            "events.out.tfevents.1.host",
            "README",
            "a b\u00e4.png",
            "model.ckpt.zip",
            "Makefile",
        ),
        3,
    ):
        builders.write(place, name, b"mine %d" % choose.randrange(99))


def training(place, choose):
    below = os.path.join(place, choose.choice(("training", "eval", "train/one")))
    os.makedirs(below)
    for name in (
        "checkpoint",
        "graph.pbtxt",
        "events.out.tfevents.1.host",
        "model.ckpt-7.index",
        "model.ckpt-7.data-00000-of-00001",
        "model.ckpt-7.meta",
        "pipeline.config",
    ):
        builders.write(below, name, b"x")


def odd_things(place, choose):
    os.mkfifo(os.path.join(place, "pipe"))
    os.symlink("nowhere", os.path.join(place, "dangling"))
    os.symlink(".", os.path.join(place, "itself"))
    os.mkdir(os.path.join(place, "empty"))


def empty_directories_gone(place, choose):
    """As a version control system leaves them out."""
    for folder, folders, names in os.walk(place):
        if not folders + names:
            os.rmdir(folder)


def own_pictures(place, choose):
    if os.path.exists(os.path.join(place, "report.json")):
        update.update_report(place, (), ())


def nothing(place, choose):
    pass


HARMLESS = {
    "times": times,
    "permissions": permissions,
    "moved": renamed,
    "a link": through_a_link,
    "hard links": hard_links,
    "other files": foreign_files,
    "a training directory": training,
    "pipes and links": odd_things,
    "a report written anew": own_pictures,
    "empty directories gone": empty_directories_gone,
    "another process, directory and Python": nothing,
}


def made(top):
    """{name: (output, source)}, of several families, each by convert or thaw."""
    os.makedirs(top)
    found = {}

    def run(name, source, verb, *words):
        out = os.path.join(top, name)
        subprocess.run(
            GRAPHFIX + [verb, source, "--output_directory", out] + list(words),
            check=True,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        found[name] = out, source

    new = builders.write(top, "new.pbtxt", builders.label_map(["person", "zebra", "dog"]))
    other = builders.write(top, "other.pbtxt", builders.label_map(["square", "circle", "cat"]))
    api = ["--target_api", "2019-07"]
    ssd = builders.write_model(os.path.join(top, "ssd-source"))
    run(
        "ssd",
        ssd,
        "convert",
        "--label_map_path",
        new,
        "--model_dir",
        os.path.join(top, "model_dir"),
        *api,
    )
    found["model_dir"] = os.path.join(top, "model_dir"), ssd
    trained = builders.write_model(
        os.path.join(top, "trained-source"), tensors=builders.trained_state(builders.values(4))
    )
    run(
        "averages",
        trained,
        "convert",
        "--label_map_path",
        other,
        "--map",
        "square=1+2",
        "--new_rows",
        "random",
        *api,
    )
    anchors = builders.write(
        top,
        "anchors",
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.1 "
        "max_scale: 0.7 aspect_ratios: [1, 2, 0.5, 3, 0.3333] }",
    )
    run("carried", ssd, "convert", "--anchors", anchors, "--trainer", "model_main", *api)
    graphs = os.path.join(top, "graphs-source")
    shutil.copytree(DETECTOR, graphs)
    builders.write_saved_model(
        os.path.join(graphs, "saved_model"), os.path.join(graphs, "frozen_inference_graph.pb")
    )
    run("graphs", graphs, "convert", "--label_map_path", other, *(KNOWN + api))
    run(
        "graphs_2",
        graphs,
        "convert",
        "--label_map_path",
        new,
        "--new_rows",
        "mean",
        "--map",
        "dog=1",
        *(KNOWN + api),
    )
    run(
        "thawed",
        os.path.join(graphs, "saved_model"),
        "thaw",
        "--pipeline_config_path",
        os.path.join(DETECTOR, "pipeline.config"),
    )
    for name, model in PUBLISHED.items():
        if os.path.isdir(os.path.join(zoo.DIRECTORY, model)):
            source = replica(
                os.path.join(zoo.DIRECTORY, model), os.path.join(top, name + "-source")
            )
            run(name, source, "convert", "--num_classes", "2", "--map", "1=1", *api)
    return found


def replica(model, directory):
    """A published model of the same tensors, with other values."""
    os.makedirs(directory)
    shutil.copy(os.path.join(model, "pipeline.config"), directory)
    with open(os.path.join(model, "model.ckpt.index"), "rb") as file:
        pairs = dict(table.read(file.read(), model))
    pairs.pop(b"")
    values = {}
    for key, data in pairs.items():
        entry = entries.entry_class().FromString(data)
        shape = [dim.size for dim in entry.shape.dim]
        dtype = dtypes.BY_NUMBER[entry.dtype].numpy
        noise = np.random.RandomState(zlib.crc32(key)).standard_normal(shape)
        values[key.decode()] = (
            np.asarray(
                abs(noise)
                if re.search(b"variance|max", key)
                else -abs(noise)
                if key.endswith(b"min")
                else noise,
                dtype,
            )
            if dtype == np.float32
            else np.full(shape, 200000, dtype)
        )
    builders.write_checkpoint(os.path.join(directory, "model.ckpt"), values)
    return directory
