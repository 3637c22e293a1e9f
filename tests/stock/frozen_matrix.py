#!/usr/bin/env python3
"""Rewritten frozen graphs beside the stock exporter's own: families x eras, and published graphs.

    frozen_matrix.py --work DIR [--output docs/frozen.md] [--rows REGEX] [--eras 2019-04,...]

Runs under a Python that has TensorFlow 1.15.  A detector of 90 classes is made from a published
sample config by the era's API (values as it initializes them) and exported; or a published model's
own graph is frozen from its .meta file, around values that take the place of its weights.  graphfix
converts it, and the era's exporter makes the graph it would have made from the converted checkpoint
and config.  Both are run on the same pictures.  DIR keeps what was exported, and the answers: a run
that was stopped goes on where it was.  Exit status 1 says that a graph was neither as it should be
nor refused.
"""

import argparse
import collections
import glob
import json
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import environment_python  # noqa: E402
import judging  # noqa: E402
import numpy as np  # noqa: E402
import old_matrix  # noqa: E402
import replica  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
import zoo  # noqa: E402

from graphfix.cli import command_line  # noqa: E402
from graphfix.pipeline_config.document import parse_config  # noqa: E402

# What the rows are called, and the sample config or published model each is made from.
FAMILIES = (
    ("SSD MobileNet v1", "ssd_mobilenet_v1_coco"),
    ("SSDLite MobileNet v2", "ssdlite_mobilenet_v2_coco"),
    ("SSD MobileNet v1 FPN", "ssd_mobilenet_v1_fpn_shared_box_predictor_640x640_coco14_sync"),
    ("SSD MobileNet v1 PPN", "ssd_mobilenet_v1_ppn_shared_box_predictor_300x300_coco14_sync"),
    ("SSD MobileNet v1 quantized", "ssd_mobilenet_v1_quantized_300x300_coco14_sync"),
    ("Faster R-CNN Inception v2", "faster_rcnn_inception_v2_coco"),
    ("R-FCN ResNet-101", "rfcn_resnet101_coco"),
    ("Mask R-CNN Inception v2", "mask_rcnn_inception_v2_coco"),
)
# Where the pipeline.config beside a published model is another's, the file that is its own.
CONFIGS = {"ssdlite_mobilenet_v2_coco_2018_05_09": "pipeline.config.floydhub_nc90"}
PUBLISHED = (
    "ssd_mobilenet_v1_coco_2018_01_28",
    "ssd_mobilenet_v2_coco_2018_03_29",
    "ssdlite_mobilenet_v2_coco_2018_05_09",
    "ssd_mobilenet_v1_quantized_300x300_coco14_sync_2018_07_18",
    "finetuned/ssd_resnet50_v1_fpn_11_classes",
)
OUTPUTS = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
    "detection_masks",
    "detection_multiclass_scores",
    "raw_detection_boxes",
    "raw_detection_scores",
)
# New class -> old one; the second surgery keeps all, and adds two.
KEPT = {1: 7, 2: 1, 3: 10}
SURGERIES = ("subset", "grown")
PUBLISHED_ERA = "2019-07"  # whose API published models are converted for
TOLERANCE = 1e-5

LEGEND = """\
# Rewritten frozen graphs

Made by `tests/stock/frozen_matrix.py`. A detector's graph is rewritten for three of its classes in
another order ("subset"), and for all of them and two new ones ("grown"). The stock exporter of the
era makes its own graph from the converted checkpoint and config, and both are run on the same
%(pictures)d pictures. A cell says:

* `=` if every output they have in common (boxes, scores, classes, number, masks, and the raw ones)
  is equal bit for bit, or else the largest difference between two numbers;
* `f` if, besides, the subset's detections are the source graph's, filtered to the classes kept, bit
  for bit, down to the lowest score that both show (each shows a hundred at most). Where a softmax
  turns logits into scores, fewer classes give other scores, and this is not compared;
* or why there is no graph to compare; nothing where it was not tried.

The last rows are published graphs, frozen from their `.meta` files around made-up weights,
and held against themselves alone: no exporter of their time is at hand, and that of 2019-07 writes
a graph that finds other boxes for the same model (the first row's, unchanged).

| detector | surgery | %(eras)s |
|---|---|%(rule)s|
"""


def python_of(era):
    """The Python that has the stock API of an era."""
    return environment_python.python_of("stock-" + era)


def exported(work, era, name):
    """The exporter's directory for a sample config, made if it is not there; or raises."""
    directory = os.path.join(work, era, name)
    if not os.path.exists(os.path.join(directory, "frozen_inference_graph.pb")):
        config = os.path.join(zoo.DIRECTORY, "sample_configs", name + ".config")
        prefix = os.path.join(directory + ".src", "model.ckpt")
        os.makedirs(os.path.dirname(prefix), exist_ok=True)
        judging.ask(
            [
                (
                    python_of(era),
                    {"verb": "save", "pipeline_config": config, "output": prefix, "seed": 3},
                )
            ]
        )
        judging.ask(
            [
                (
                    python_of(era),
                    {
                        "verb": "export",
                        "pipeline_config": config,
                        "checkpoint": prefix,
                        "output_directory": directory,
                    },
                )
            ]
        )
    return directory


def frozen_from_meta(work, name):
    """A published model's own graph, frozen around made-up values, beside its config."""
    directory = os.path.join(work, "published", os.path.basename(name))
    path = os.path.join(directory, "frozen_inference_graph.pb")
    if not os.path.exists(path):
        model = os.path.join(zoo.DIRECTORY, name)
        os.makedirs(directory, exist_ok=True)
        replica.make(model, directory)
        if name in CONFIGS:
            os.remove(os.path.join(directory, "pipeline.config"))
            shutil.copy(
                os.path.join(model, CONFIGS[name]), os.path.join(directory, "pipeline.config")
            )
        (meta,) = glob.glob(os.path.join(glob.escape(model), "*.meta"))
        with tf.Graph().as_default() as graph, tf.Session() as session:
            saver = tf.train.import_meta_graph(meta, clear_devices=True)
            saver.restore(session, os.path.join(directory, "model.ckpt"))
            graph_def = graph.as_graph_def()
            names = {node.name for node in graph_def.node}
            graph_def = tf.graph_util.convert_variables_to_constants(
                session, graph_def, [one for one in OUTPUTS if one in names]
            )
        with open(path, "wb") as file:
            file.write(graph_def.SerializeToString())
    return directory


def detect(path):
    """Every output of a frozen graph on every picture: [{name: array}]."""
    with open(path, "rb") as file:
        graph_def = tf.GraphDef.FromString(file.read())
    names = {node.name for node in graph_def.node}
    pictures = sorted(glob.glob(os.path.join(judging.RECORDS, "*.jpg")))[:2]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name="")
        fetched = {name: name + ":0" for name in OUTPUTS if name in names}
        return [
            session.run(fetched, {"image_tensor:0": one[None]})
            for one in judging.decode(open(picture, "rb").read() for picture in pictures)
        ]


def difference(ours, theirs):
    """The largest difference of outputs in common; None if they are the same bits."""
    worst = None
    for one, other in zip(ours, theirs):
        for name in set(one) & set(other):
            if one[name].shape != other[name].shape:
                return float("inf")
            if one[name].tobytes() != other[name].tobytes():
                worst = max(worst or 0.0, float(np.abs(one[name] - other[name]).max()))
    return worst


def detections(outputs, new):
    """{(box, score, class by its new number): how often} of one picture, and the lowest score."""
    count = int(outputs["num_detections"][0])
    scores = outputs["detection_scores"][0][:count]
    found = collections.Counter(
        (
            outputs["detection_boxes"][0][at].tobytes(),
            float(scores[at]),
            new.get(int(outputs["detection_classes"][0][at])),
        )
        for at in range(count)
    )
    return found, float(scores.min()) if count else 0.0


def filtered(before, after):
    """Whether each says what the other says of the classes kept, as far down as both go."""
    for one, other in zip(before, after):
        source, lowest = detections(one, {old: number for number, old in KEPT.items()})
        found, lowest_found = detections(other, {number: number for number in KEPT})
        # Both show a hundred at most; which of those that score alike is left out is chance.
        floor = max(lowest, lowest_found)
        if {key: count for key, count in source.items() if key[1] > floor and key[2]} != {
            key: count for key, count in found.items() if key[1] > floor
        }:
            return False
    return True


def judge(source, era, surgery, scratch, beside_exporter):
    """One cell: {"difference", "filtered"} or {"refused"}."""
    with open(os.path.join(source, "pipeline.config")) as file:
        message = parse_config(file.read(), source).message.model
    body = getattr(message, message.WhichOneof("model"))
    pairs = (
        KEPT
        if surgery == "subset"
        else {number: number for number in range(1, body.num_classes + 1)}
    )
    out = os.path.join(scratch, "out")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    words = [
        "convert",
        source,
        "--output_directory",
        out,
        "--target_api",
        "2021-05" if era == "2021" else era,
        "--num_classes",
        str(len(pairs) + 2 * (surgery == "grown")),
    ]
    assert command_line.main(words + [f"--map={new}={old}" for new, old in pairs.items()]) == 0
    ours = os.path.join(out, "frozen_inference_graph.pb")
    if not os.path.exists(ours):
        with open(os.path.join(out, "report.json")) as file:
            return {
                "refused": next(
                    one["message"]
                    for one in json.load(file)["plan"]["findings"]
                    if one["code"] == "FROZEN_GRAPH"
                )
            }
    found = detect(ours)
    answer = {"filtered": None}
    if beside_exporter:
        native = os.path.join(scratch, "native")
        judging.ask([(python_of(era), judging.job(out, "export", output_directory=native))])
        answer["difference"] = difference(
            found, detect(os.path.join(native, "frozen_inference_graph.pb"))
        )
    if (
        surgery == "subset"
        and getattr(
            body, "post_processing", getattr(body, "second_stage_post_processing", None)
        ).score_converter
        == 1
    ):
        answer["filtered"] = filtered(
            detect(os.path.join(source, "frozen_inference_graph.pb")), found
        )
    return answer


def cell(answer):
    """An answer in a few characters, and whether it is right."""
    if "unavailable" in answer or "refused" in answer:
        return answer.get("unavailable") or "refused: " + answer["refused"], True
    worst, is_filtered = answer.get("difference"), answer["filtered"]
    texts = ([] if "difference" not in answer else ["="] if worst is None else [f"{worst:.0e}"]) + {
        True: ["f"],
        False: ["not filtered"],
        None: [],
    }[is_filtered]
    return " ".join(texts), (worst is None or worst <= TOLERANCE) and is_filtered is not False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--rows", default="", metavar="REGEX")
    parser.add_argument("--surgeries", default=",".join(SURGERIES))
    parser.add_argument("--eras", default=",".join(judging.ERAS))
    args = parser.parse_args()
    eras = list(judging.ERAS)
    path = os.path.join(args.work, "answers.json")
    answers = {}
    if os.path.exists(path):
        with open(path) as file:
            answers = json.load(file)
    rows = [
        (title, surgery, eras, exported, name) for title, name in FAMILIES for surgery in SURGERIES
    ] + [
        (
            os.path.basename(name),
            surgery,
            [PUBLISHED_ERA],
            lambda work, _, name: frozen_from_meta(work, name),
            name,
        )
        for name in PUBLISHED
        for surgery in SURGERIES[:1]
    ]
    for title, surgery, columns, make, name in rows:
        for era in [one for one in columns if one in args.eras.split(",")]:
            key = f"{title}/{surgery}/{era}"
            if (
                key in answers
                or not re.search(args.rows, title)
                or surgery not in args.surgeries.split(",")
            ):
                continue
            try:
                source = make(args.work, era, name)
            except AssertionError as error:
                said = re.search(r"'message': ([\"'])(.{,60}?)(\1|$)", str(error))
                answers[key] = {
                    "unavailable": "none: " + (said.group(2) if said else str(error)[:60])
                }
            else:
                answers[key] = judge(
                    source, era, surgery, os.path.join(args.work, "scratch"), make is exported
                )
            print(key, answers[key], flush=True)
            with open(path, "w") as file:
                json.dump(answers, file, indent=1, sort_keys=True)
    right = True
    lines = [
        LEGEND.rstrip("\n")
        % {"pictures": 2, "eras": " | ".join(eras), "rule": "|".join(["---"] * len(eras))}
    ]
    for title, surgery, _, _, _ in rows:
        cells = [answers.get(f"{title}/{surgery}/{era}") for era in eras]
        if not any(cells):
            continue
        texts = [cell(one) if one else ("", True) for one in cells]
        right = right and all(good for _, good in texts)
        lines.append(f"| {title} | {surgery} | {' | '.join((text for text, _ in texts))} |")
    if args.output:
        others = ""  # old_matrix.py's part of the page stays
        if os.path.exists(args.output):
            with open(args.output) as file:
                others = "".join(file.read().partition("\n" + old_matrix.HEADING)[1:])
        with open(args.output, "w") as file:
            file.write("\n".join(lines) + "\n" + others)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
