"""README.md's blocks, and a directory in which its commands can be run."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile

import builders
import repository

REPOSITORY = repository.TOP
DETECTOR = os.path.join(REPOSITORY, "testdata", "shapes_detector")
MODEL = "ssd_mobilenet_v1_coco_2018_01_28"


def text():
    with open(os.path.join(REPOSITORY, "README.md"), encoding="utf-8") as file:
        return file.read()


def blocks():
    """(commands, expected output or "") of every bash block."""
    return [
        (commands, expected)
        for commands, expected in re.findall(
            r"```bash\n(.*?)```(?:\n\n```text\n(.*?)```)?", text(), re.S
        )
    ]


def place(directory, convert):
    """Fills a directory with what the commands name; gives the environment to run them in.

    The published model is played by the detector of testdata at 90 classes: the same variables,
    narrower.
    """
    directory = str(directory)
    convert(
        DETECTOR,
        os.path.join(directory, MODEL),
        "--num_classes",
        "90",
        "--target_api",
        "2019-07",
        "--trainer",
        "model_main",
    )
    with open(os.path.join(directory, MODEL, "pipeline.config"), encoding="utf-8") as file:
        config = file.read()
    for old, new in (("    use_moving_average: false\n", ""), ("num_steps: 6000", "num_steps: 1")):
        assert old in config
        config = config.replace(old, new)
    builders.write(os.path.join(directory, MODEL), "pipeline.config", config)
    os.remove(os.path.join(directory, MODEL, "label_map.pbtxt"))
    builders.write_saved_model(
        os.path.join(directory, MODEL, "saved_model"),
        os.path.join(directory, MODEL, "frozen_inference_graph.pb"),
        # The signature's shapes are of eight classes; a shape that is not known is none wrong.
        lambda saved: [
            info.tensor_shape.Clear()
            for info in saved.meta_graphs[0].signature_def["serving_default"].outputs.values()
        ],
    )
    with tarfile.open(os.path.join(directory, MODEL + ".tar.gz"), "w:gz") as archive:
        archive.add(os.path.join(directory, MODEL), MODEL)
    shutil.rmtree(os.path.join(directory, MODEL))
    os.mkdir(os.path.join(directory, "bin"))
    return commands(os.path.join(directory, "bin"))


def commands(directory):
    """Makes `graphfix` and `python` commands in a directory; the environment that has them."""
    for name, words in (("graphfix", "-m graphfix "), ("python", "")):
        path = builders.write(directory, name, f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return dict(
        os.environ,
        PATH=directory + os.pathsep + os.environ["PATH"],
        PYTHONPATH=os.pathsep.join(filter(None, (REPOSITORY, os.environ.get("PYTHONPATH")))),
    )


def run(commands, directory, environment):
    """stdout of a block; every command in it has to succeed."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=str(directory),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, f"{commands}\n{done.stderr[-3000:]}"
    return done.stdout


def needs_stock(commands):
    """Whether it runs the stock API, here."""
    here = not commands.startswith("docker ")
    return here and ("--stock" in commands or "-m object_detection." in commands)
