"""The demonstration behind `make demo`: the shapes detector, carried over to other classes.

    PYTHONPATH=. python testdata/demo.py [OPENCV_PYTHON]

Runs the commands that a user would, and shows them: the trained detector of eight shapes becomes
one of three classes, two of them old ones in another order (one under a new name) and one new;
the stock trainers then start from it on the pictures in testdata/, labelled with the new names;
what it computes is shown to be what the source's own graph does (`outputs equal`); and the report
gets the same pictures with the detections of both models, those of the new one by its rewritten
frozen graph.  Then the new detector leaves TensorFlow: it is exported to OpenCV, which finds the
same in the same pictures, if OPENCV_PYTHON has it.  All of it is written to demo-output/.  Needs
TensorFlow 1.15 and the stock Object Detection API.
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

OWN = """
Now with a model of your own, such as an archive of the TensorFlow 1 detection model zoo:

    pip install .
    graphfix inspect ssd_mobilenet_v2_coco_2018_03_29.tar.gz
    graphfix convert ssd_mobilenet_v2_coco_2018_03_29.tar.gz \\
        --classes person,van,forklift --map van=truck+bus -o converted

(or `graphfix plan` with the same words: it writes nothing). What it says last is how to train it;
converted/report.html goes on from there to a device.
"""
NO_OPENCV = """
OpenCV finds the same with it: python3 tests/environments/make.py opencv-4 makes a Python that has
it (70 MB), and with that `make demo` shows it."""


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


def leave_tensorflow(converted, images, opencv):
    """The second act: the same detections without TensorFlow."""
    words = ["export", "opencv", converted, "--output_directory", f"{OUTPUT}/for_opencv"]
    if opencv:
        words += ["--runtime_python", opencv, "--tf1_python", sys.executable, "--images", *images]
    run(*words)
    if not opencv:
        print(NO_OPENCV)


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
    images = sorted(glob.glob("testdata/shapes/demo_*.jpg"))
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
        *images,
    )
    leave_tensorflow(converted, images, (sys.argv[1:] or [""])[0])
    report = os.path.join(os.getcwd(), converted, "report.html")
    print(
        f"\nDone in {time.time() - started:.0f} s. What became of every class and tensor, and the "
        f"pictures before and after:\n\n    {report}"
    )
    print(OWN)


if __name__ == "__main__":
    main()
