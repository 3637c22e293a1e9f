#!/usr/bin/env python3
"""What fitting anchors to a million boxes takes.

    anchors_fit.py [--boxes N] [--repetitions N] [--cache DIR] [--write]

Synthetic boxes, some seven an image, as TFRecords and as COCO's JSON; `graphfix anchors fit` as a
whole process for an SSD and for the first stage of a Faster R-CNN.  Prints a table; --write puts it
into docs/benchmarks_anchors.md.  Needs no TensorFlow.
"""

import argparse
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import convert  # noqa: E402

from graphfix.formats.checksum import crc32c, mask  # noqa: E402
from graphfix.formats.schema import message_class  # noqa: E402

# What is aimed at: for TFRecords, for COCO, for all.
SECONDS, COCO_SECONDS, MEBIBYTES = 6, 60, 500
ENCODED = bytes(500)  # stands for a picture, which nobody decodes
SSD = """model { ssd { num_classes: 9
  image_resizer { fixed_shape_resizer { height: 300 width: 300 } }
feature_extractor { type: "ssd_mobilenet_v1" } matcher { argmax_matcher { matched_threshold: 0.5 } }
anchor_generator { ssd_anchor_generator { num_layers: 6 min_scale: 0.2 max_scale: 0.95
aspect_ratios: [1, 2, 0.5, 3, 0.3333] } } } }"""
FASTER = """model { faster_rcnn { num_classes: 9 image_resizer { keep_aspect_ratio_resizer {
min_dimension: 600 max_dimension: 1024 } } feature_extractor { type: "faster_rcnn_resnet50" }
first_stage_anchor_generator { grid_anchor_generator { scales: [0.25, 0.5, 1, 2]
aspect_ratios: [0.5, 1, 2] } } } }"""
CASES = (
    ("SSD, 33 anchor shapes, TFRecords", SSD, "boxes.record"),
    ("SSD, 33 anchor shapes, COCO JSON", SSD, "boxes.json"),
    ("Faster R-CNN, 12 anchor shapes, images of several sizes, TFRecords", FASTER, "boxes.record"),
)
TEXT = """# Fitting anchors

<!-- Written by benchmarks/anchors_fit.py --write: the text is in it, the figures are measured. -->

`graphfix anchors fit` on %(boxes)d synthetic boxes of %(images)d images, whole processes: reading,
searching, and judging what was found on all boxes. TFRecords: medians of %(repetitions)d runs. The
records have no pictures to speak of (500 bytes an image); with pictures, reading costs what their
bytes cost to read and to checksum. Peak memory is the process's largest resident set.

Measured %(date)s with `benchmarks/anchors_fit.py` on %(machine)s;
load average before it %(load).1f.

%(table)s
Of the seconds of an SSD with TFRecords (CPython 3.13, one core): reading 2.8, of which 1.7 is
taking the fields from the bytes of 143,000 small records, 0.5 checking them and 0.6 collecting the
boxes; the search 2.3, of which 0.7 is overlaps and 1 building and describing 10,000 generators;
judging all boxes 0.5; figures 0.2; starting up and writing 0.4.
"""


def images(count):
    """(height, width, [(ymin, xmin, ymax, xmax, class)]) of images, edges in pixels, in all `count`
    boxes: of every size, most of them small, wider than high."""
    made = random.Random(0)
    while count > 0:
        height, width = made.choice(((480, 640), (427, 640), (640, 480), (500, 375), (1080, 1920)))
        boxes = []
        for _ in range(min(count, made.randint(1, 13))):
            high = min(max(made.lognormvariate(-2, 0.9), 0.01), 1) * height
            wide = min(max(high * made.lognormvariate(0.4, 0.5), 4), width)
            top, left = made.random() * (height - high), made.random() * (width - wide)
            boxes.append((top, left, top + high, left + wide, made.randint(1, 9)))
        count -= len(boxes)
        yield height, width, boxes


def write_records(path, count):
    example_class = message_class("graphfix.example.Example")
    written = 0
    with open(path, "wb") as file:
        for height, width, boxes in images(count):
            example = example_class()

            def feature(key, kind, values, example=example):
                entry = example.features.feature.add(key=key)
                getattr(entry.value, kind).value.extend(values)

            for number, edge in enumerate((b"ymin", b"xmin", b"ymax", b"xmax")):
                side = (height, width)[number % 2]
                feature(
                    b"image/object/bbox/" + edge,
                    "float_list",
                    [box[number] / side for box in boxes],
                )
            feature(b"image/object/class/label", "int64_list", [box[4] for box in boxes])
            feature(
                b"image/object/class/text", "bytes_list", [b"class %d" % box[4] for box in boxes]
            )
            feature(b"image/height", "int64_list", [height])
            feature(b"image/width", "int64_list", [width])
            feature(b"image/encoded", "bytes_list", [ENCODED])
            data = example.SerializeToString()
            length = struct.pack("<Q", len(data))
            file.write(
                length
                + struct.pack("<I", mask(crc32c(length)))
                + data
                + struct.pack("<I", mask(crc32c(data)))
            )
            written += 1
    return written


def write_coco(path, count):
    annotations, listed = [], []
    for number, (height, width, boxes) in enumerate(images(count)):
        listed.append(
            {"id": number, "height": height, "width": width, "file_name": f"{number}.jpg"}
        )
        annotations += [
            {
                "image_id": number,
                "category_id": box[4],
                "iscrowd": 0,
                "bbox": [box[1], box[0], box[3] - box[1], box[2] - box[0]],
            }
            for box in boxes
        ]
    with open(path, "w") as file:
        json.dump(
            {
                "images": listed,
                "annotations": annotations,
                "categories": [
                    {"id": number, "name": f"class {number}"} for number in range(1, 10)
                ],
            },
            file,
        )


def measure(config, records, output):
    """Seconds, CPU seconds, peak MiB and the figures of one run."""
    command = [
        sys.executable,
        "-m",
        "graphfix",
        "anchors",
        "fit",
        config,
        "--train_record",
        records,
        "--output",
        output,
        "--overwrite",
        "--json",
    ]
    # Modules are compiled in the first run, as an installer does it.
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        sys.exit(f"{' '.join(command)}: status {status}")
    # Kibibytes on Linux.
    return (
        time.monotonic() - started,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        json.loads(out.decode()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=1000000)
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--cache", help="where the annotations go (default: a temporary directory)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks_anchors.md")
    parser.add_argument("--make", metavar="DIR", help="only write the annotations, there")
    args = parser.parse_args()
    if args.make:
        print(write_records(os.path.join(args.make, "boxes.record"), args.boxes))
        write_coco(os.path.join(args.make, "boxes.json"), args.boxes)
        return
    load = os.getloadavg()[0]
    rows = [
        "| | seconds | CPU s | peak MiB | recall before | after |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    good = True
    with tempfile.TemporaryDirectory(dir=args.cache) as work:
        print(f"writing {args.boxes} boxes ...", file=sys.stderr)
        # In a process of its own: one that is started counts the memory of what started it.
        count = int(
            subprocess.check_output(
                [
                    sys.executable,
                    os.path.abspath(__file__),
                    "--make",
                    work,
                    "--boxes",
                    str(args.boxes),
                ]
            )
        )
        for title, text, name in CASES:
            config = os.path.join(work, "pipeline.config")
            with open(config, "w") as file:
                file.write(text)
            is_json = name.endswith(".json")
            runs = [
                measure(config, os.path.join(work, name), os.path.join(work, "anchors.pbtxt"))
                for _ in range(1 if is_json else args.repetitions)
            ]
            seconds, cpu, peak = (statistics.median(figures) for figures in list(zip(*runs))[:3])
            data = runs[0][3]
            assert all(run[3]["boxes"] == args.boxes for run in runs)
            aim = COCO_SECONDS if is_json else SECONDS
            good = good and seconds < aim and peak < MEBIBYTES
            rows.append(
                f"| {title} | {seconds:.1f} | {cpu:.1f} | {peak:.0f} | "
                f"{100 * data['before']['recall']:.1f}% | {100 * data['after']['recall']:.1f}% |"
            )
            print(rows[-1], file=sys.stderr)
    rows += [
        "",
        f"Aimed at: below {SECONDS} seconds, {COCO_SECONDS} for JSON, and {MEBIBYTES} MiB; "
        f"{'reached' if good else 'missed'}.",
        "",
    ]
    text = TEXT % {
        "boxes": args.boxes,
        "images": count,
        "date": time.strftime("%Y-%m-%d"),
        "machine": convert.machine(),
        "load": load,
        "repetitions": args.repetitions,
        "table": "\n".join(rows),
    }
    print(text)
    if args.write:
        with open(os.path.join(ROOT, "docs", "benchmarks_anchors.md"), "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
