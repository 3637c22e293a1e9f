"""The demonstration behind `make demo`: the shapes detector, carried over to other classes.

    PYTHONPATH=. python testdata/demo.py

Runs the commands that a user would, and shows them: the trained detector of eight shapes becomes
one of three classes, two of them old ones in another order (one under a new name) and one new;
the stock trainers then start from it on the pictures in testdata/, labelled with the new names;
what it computes is shown to be what the source's own graph does (`outputs equal`); and the report
gets the same pictures with the detections of both models, those of the new one by its rewritten
frozen graph.  All of it is written to
demo-output/.  Needs TensorFlow 1.15 and the stock Object Detection API.
"""

import glob
import os
import shlex
import shutil
import subprocess
import sys
import time

from relabel import relabel

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
OUTPUT = "demo-output"
STEPS = 5

# The new classes in the order of their ids, and the names of the same things in testdata's records.
CLASSES = (("donut", "ring"), ("triangle", "triangle"), ("arrow", None))


def run(*arguments):
    """Shows a command line, runs it, and ends here if it fails."""
    print("\n$ graphfix " + " ".join(map(shlex.quote, arguments)), flush=True)
    status = subprocess.call([sys.executable, "-m", "graphfix"] + list(arguments))
    if status:
        sys.exit(f"graphfix ended with status {status}")


def write_label_map(path):
    with open(path, "w") as stream:
        for number, (name, _) in enumerate(CLASSES, start=1):
            stream.write(f"item {{\n  id: {number}\n  name: '{name}'\n}}\n")


def main():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["PYTHONPATH"] = REPOSITORY
    os.chdir(REPOSITORY)
    started = time.time()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    os.mkdir(OUTPUT)
    names = os.path.join(OUTPUT, "new_classes.pbtxt")
    records = {split: os.path.join(OUTPUT, split + ".record") for split in ("train", "val")}
    converted = os.path.join(OUTPUT, "converted")
    detector = os.path.join("testdata", "shapes_detector")
    write_label_map(names)
    for split, path in sorted(records.items()):
        relabel(os.path.join("testdata", "shapes", split + ".record"), path, CLASSES)

    run("inspect", detector)
    run(
        "convert",
        detector,
        "--output_directory",
        converted,
        "--label_map_path",
        names,
        "--source_label_map_path",
        os.path.join(detector, "shapes_label_map.pbtxt"),
        "--map",
        "donut=ring",
        "--train_record",
        records["train"],
        "--eval_record",
        records["val"],
    )
    run(
        "verify",
        converted,
        "--stock",
        "--steps",
        str(STEPS),
        "--train_record",
        records["train"],
        "--source",
        detector,
        "--images",
        *sorted(glob.glob("testdata/shapes/demo_*.jpg")),
    )
    report = os.path.join(os.getcwd(), converted, "report.html")
    print(
        f"\nDone in {time.time() - started:.0f} s. What became of every class and tensor, and the "
        f"pictures before and after:\n\n    {report}\n\n"
        "On a model of your own, a published archive say:\n\n"
        "    graphfix inspect MODEL.tar.gz\n"
        "    graphfix plan MODEL.tar.gz --classes NAME,NAME\n"
        "    graphfix convert MODEL.tar.gz --classes NAME,NAME --output_directory converted\n\n"
        "docs/tutorial.md goes on from there: training, and a file for devices.\n"
    )


if __name__ == "__main__":
    main()
