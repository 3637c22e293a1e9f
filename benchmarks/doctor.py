#!/usr/bin/env python3
"""How fast doctor reads records.

    doctor.py [--megabytes N] [--repetitions N] [--cache DIR] [--write]

A data set is made of records as the API's own scripts write them, with images that are JPEG files
by their headers and noise behind them, since doctor decodes none.  Prints tables; --write puts them
into docs/benchmarks_doctor.md.  Needs a Python that has TensorFlow 1.15.
"""

import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

import convert
import training
from convert import ARMS, ROOT, cpu, machine, median, peak, rounds, say, timed

DOCTOR, READER = "graphfix doctor", "TensorFlow script"
ALL, ONE = "graphfix doctor, all cores", "graphfix doctor, one file"
CAT = "cat > /dev/null"
# Bytes of an image, more or less; how many times TensorFlow's reader doctor is to be.
IMAGES = (("COCO's", 160000, 2.0), ("small", 20000, 1.5))
FILES = 1000
BOXES = 8  # of a picture, as in COCO


def write_records(directory, image, size):
    """FILES files of records, of `size` bytes and a little more, with images of three to five
    quarters of `image` bytes each."""
    import numpy as np
    import tensorflow.compat.v1 as tf

    noise = np.random.RandomState(1)
    start = (
        b"\xff\xd8\xff\xc0\x00\x11\x08"
        + struct.pack(">HHB", 480, 640, 3)
        + b"\1\x22\0\2\x11\1\3\x11\1"
        + b"\xff\xda\x00\x0c\3\1\0\2\x11\3\x11\0\x3f\0"
    )
    with open(training.LABELS, encoding="utf-8") as file:
        names = re.findall(r"name: '(\w+)'", file.read())[:BOXES]
    texts, ids = [name.encode() for name in names], range(1, BOXES + 1)

    def feature(kind, *values):
        return tf.train.Feature(
            **{kind + "_list": getattr(tf.train, kind.capitalize() + "List")(value=values)}
        )

    written = number = 0
    for count in range(FILES):
        path = os.path.join(directory, f"x.record-{count:05d}-of-{FILES:05d}")
        with tf.python_io.TFRecordWriter(path) as writer:
            while written < size * (count + 1) // FILES:
                corners = np.sort(
                    noise.random_sample((4, BOXES, 1)).repeat(2, 2) * [0.45, 0.45] + [0.05, 0.5],
                    axis=2,
                )
                data = tf.train.Example(
                    features=tf.train.Features(
                        feature={
                            "image/encoded": feature(
                                "bytes",
                                start
                                + noise.bytes(
                                    noise.randint(image * 3 // 4, image * 5 // 4)
                                ).replace(b"\xff", b"\0")
                                + b"\xff\xd9",
                            ),
                            "image/format": feature("bytes", b"jpeg"),
                            "image/source_id": feature("bytes", b"%d.jpg" % number),
                            "image/height": feature("int64", 480),
                            "image/width": feature("int64", 640),
                            "image/object/bbox/ymin": feature("float", *corners[0, :, 0]),
                            "image/object/bbox/ymax": feature("float", *corners[0, :, 1]),
                            "image/object/bbox/xmin": feature("float", *corners[1, :, 0]),
                            "image/object/bbox/xmax": feature("float", *corners[1, :, 1]),
                            "image/object/class/text": feature("bytes", *texts),
                            "image/object/class/label": feature("int64", *ids),
                        }
                    )
                ).SerializeToString()
                writer.write(data)
                written, number = written + len(data), number + 1


def records(cache, image, size):
    """The directory of a data set, which is made if it is not there."""
    path = os.path.join(cache, f"{FILES}-of-{image}-{size}")
    if not os.path.exists(path):
        os.makedirs(path + ".part", exist_ok=True)
        say([f"writing {size // 10**6} MB ..."])
        # By another process: memory of this one, large from TensorFlow, would count for all arms.
        subprocess.check_call(
            [
                sys.executable,
                os.path.abspath(__file__),
                "--make",
                path + ".part",
                str(image),
                str(size),
            ]
        )
        os.rename(path + ".part", path)
    return path


def write_config(path, names):
    """The config of the detector in testdata/, evaluated on the records of these names."""
    train = os.path.join(ROOT, "testdata", "shapes", "train.record*")
    with open(os.path.join(training.DETECTOR, "pipeline.config"), encoding="utf-8") as file:
        text = training.replaced(
            file.read(),
            {
                '"shapes/val.record"': f'"{names}"',
                # More than there are, which doctor then says, and how many there are.
                "num_examples: 400": "num_examples: 1000000000",
                '"shapes/train.record*"': f'"{train}"',
            },
        )
    labels = '"shapes_detector/shapes_label_map.pbtxt"'
    assert labels in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(labels, f'"{training.LABELS}"'))


def measure(cache, image, size, repetitions):
    """The data set's bytes and records, and the runs of each arm."""
    directory = records(cache, image, size)
    paths = sorted(os.path.join(directory, name) for name in os.listdir(directory))
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
        config, one, log = (
            os.path.join(work, name) for name in ("all.config", "one.config", "log")
        )
        write_config(config, os.path.join(directory, f"x.record-?????-of-{FILES:05d}"))
        write_config(one, paths[0])
        doctor = [sys.executable, "-m", "graphfix", "doctor", "--json"]
        arms = {
            DOCTOR: [*doctor, "--jobs", "1", config],
            ALL: [*doctor, config],
            ONE: [*doctor, "--jobs", "1", one],
            READER: [sys.executable, os.path.join(ARMS, "read_records.py"), *paths],
            CAT: ["sh", "-c", 'cat "$@" > /dev/null', "cat", *paths],
        }
        runs = {name: [] for name in arms}
        for number in rounds(f"images of {image} bytes", repetitions):
            for name, command in arms.items():
                run = timed(command, log)
                if number:
                    runs[name].append(run)
                if name in (DOCTOR, ALL):
                    # One of its findings says how many records there are.
                    found = re.search(r"eval_input_reader has (\d+) records", convert.read(log))
                elif name == READER:
                    counted = convert.read(log).split()[-2:]
        if found is None or found.group(1) != counted[0]:
            sys.exit(
                f"doctor and TensorFlow count different records: {found and found.group(1)} and "
                f"{counted[0]}"
            )
        return sum(map(os.path.getsize, paths)), counted, runs


def report(cache, megabytes, repetitions):
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with "
        f"`benchmarks/doctor.py --megabytes {megabytes} --repetitions {repetitions}` "
        f"on {machine()}."
    )
    for what, image, times in IMAGES:
        size, (count, boxes), runs = measure(cache, image, megabytes * 10**6, repetitions)
        yield ""
        yield f"## {what} images, of about {image // 1000} kB"
        yield ""
        yield (
            f"{size / 1e6:.0f} MB, {count} records in {FILES} files, {boxes} boxes; "
            "doctor and the script count the same records."
        )
        yield ""
        yield "| | median s | times graphfix | CPU s | MB a CPU second | peak MiB |"
        yield "|---|---:|---:|---:|---:|---:|"
        for name, those in runs.items():
            rate = f"{size / 1000000.0 / cpu(those):.0f}" if name != ONE and cpu(those) else ""
            yield (
                f"| {name} | {median(those):.2f} | {median(those) / median(runs[DOCTOR]):.2f} "
                f"| {cpu(those):.2f} | {rate} | {peak(those):.0f} |"
            )
        ratio = cpu(runs[READER]) / cpu(runs[DOCTOR])
        grown = peak(runs[DOCTOR]) - peak(runs[ONE])
        yield ""
        yield "| aim | | measured | |"
        yield "|---|---|---:|---|"
        fast, small = ("reached" if met else "missed" for met in (ratio >= times, grown <= 20))
        yield (
            "| MB a second and core, start-up included, as a multiple of TensorFlow's reader "
            f"| at least {times:g} | {ratio:.2f} | {fast} |"
        )
        yield f"| peak memory beyond that for one file, MiB | at most 20 | {grown:.0f} | {small} |"


ABOUT = f"""# Benchmark of doctor's look at records

<!-- Written by benchmarks/doctor.py --write: the text is in it, the figures are measured. -->

`graphfix doctor` reads every record of a data set: both checksums of each, its boxes, classes and
texts, and the header of its image. Images that may be copies of each other are compared. No image
is decoded. Whole processes, one after the other, round by round; the first round is not counted, so
the records are in the page cache. The images are noise behind the header of a JPEG file.

* TensorFlow script: `benchmarks/arms/read_records.py`, which reads the same records by
  TensorFlow's own reader, parses each, and counts boxes. It checks nothing but checksums.
* all cores: without `--jobs 1`, which the first row has.
* one file: the first of the {FILES} files, which is about what starting up takes.
* cat: reading the files and nothing else.

"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000, help="of records, for each case")
    parser.add_argument("--repetitions", type=int, default=5, help="rounds that count")
    parser.add_argument(
        "--cache", default=os.path.join(convert.CACHE, "doctor"), help="where records are kept"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks_doctor.md")
    parser.add_argument(
        "--make",
        nargs=3,
        metavar=("DIRECTORY", "IMAGE", "SIZE"),
        help="write records of SIZE bytes with images of IMAGE bytes, nothing else",
    )
    args = parser.parse_args()
    if args.make:
        write_records(args.make[0], *map(int, args.make[1:]))
        return
    os.makedirs(args.cache, exist_ok=True)
    convert.tell(
        report(args.cache, args.megabytes, args.repetitions),
        "benchmarks_doctor.md" if args.write else None,
        ABOUT,
    )


if __name__ == "__main__":
    main()
