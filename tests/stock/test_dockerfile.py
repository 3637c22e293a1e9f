"""The Dockerfile's pip steps, replayed where no Docker engine is needed.

The environment `docker` stands for the image that the Dockerfile starts from: CPython 3.6 with the
same TensorFlow, NumPy, protobuf and pip.  A fresh environment that sees its packages but has none
of its own gets what the steps install, so what they add, or replace, is told apart.
"""

import fnmatch
import glob
import json
import os
import re
import shutil
import subprocess

import pytest
import repository

TOP = repository.TOP
DETECTOR = os.path.join(TOP, "testdata", "shapes_detector")


def instructions():
    """The Dockerfile's [(instruction, its text)]."""
    with open(os.path.join(TOP, "Dockerfile")) as file:
        lines = [line for line in file if not line.startswith("#")]
    text = "".join(lines).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def ignored(path):
    """Whether .dockerignore keeps `path` out: its last line that names it, or a parent, decides."""
    parts = path.split(os.sep)
    result = False
    with open(os.path.join(TOP, ".dockerignore")) as file:
        for line in file.read().split():
            pattern = line.lstrip("!")
            if pattern.startswith("**/"):
                named = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
            else:
                depth = pattern.count("/") + 1
                named = fnmatch.fnmatch("/".join(parts[:depth]), pattern) and len(parts) >= depth
            result = not line.startswith("!") if named else result
    return result


def copy(sources, target):
    """COPY: files by name, and what is in folders, as far as .dockerignore lets them through."""
    copied = 0
    for source in sources:
        for path in glob.glob(os.path.join(TOP, source)):
            inside = os.path.isdir(path)
            names = (
                [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
                if inside
                else [path]
            )
            for name in names:
                if not ignored(os.path.relpath(name, TOP)):
                    place = os.path.join(
                        target, os.path.relpath(name, path if inside else os.path.dirname(path))
                    )
                    os.makedirs(os.path.dirname(place), exist_ok=True)
                    shutil.copy(name, place)
                    copied += 1
    assert copied, f"nothing to COPY: {sources}"


def run(command, cwd, **settings):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=str(cwd),
        env=dict(environment, **settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def packages(python):
    """{name: (version, folder)} of what pip sees."""
    program = (
        "import json, pkg_resources as p; "
        "print(json.dumps({d.key: (d.version, d.location) for d in p.working_set}))"
    )
    return json.loads(run([python, "-c", program], TOP))


@pytest.fixture(scope="module")
def image(image_python, tmp_path_factory):
    """The replayed image: (its folder of programs, packages before, packages after)."""
    root = tmp_path_factory.mktemp("image")
    run([image_python, "-m", "venv", "--without-pip", "env"], root)
    programs = str(root / "env" / "bin")
    python = os.path.join(programs, "python3")
    (own,) = glob.glob(str(root / "env" / "lib" / "python3.6" / "site-packages"))
    (base,) = glob.glob(
        os.path.join(os.path.dirname(image_python), "..", "lib", "python3.6", "site-packages")
    )
    with open(os.path.join(own, "image.pth"), "w") as file:
        file.write(os.path.abspath(base) + "\n")
    before = packages(python)

    settings, folder, replayed = {"PATH": programs + os.pathsep + os.environ["PATH"]}, root, 0
    for instruction, text in instructions():
        if instruction == "ARG":
            name, value = text.split("=")
            settings[name] = value.strip()
        elif instruction == "WORKDIR":
            folder = root / text.strip().lstrip("/")
            folder.mkdir(parents=True)
        elif instruction == "COPY":
            *sources, target = text.split()
            copy(sources, str(folder / target))
        elif instruction == "RUN" and "pip " in text:
            run(text, folder, **settings)
            replayed += 1
    assert replayed == 3
    return programs, before, packages(python)


def test_nothing_of_the_image_is_replaced(image):
    _, before, after = image
    assert before["tensorflow"][0] == "1.15.5" and "numpy" in before and "protobuf" in before
    assert {name: after.get(name) for name in before} == before
    assert "graphfix" in after and "tf-object-detection" in after


def test_what_graphfix_requires_is_there(image):
    run(
        [
            os.path.join(image[0], "python3"),
            "-c",
            "import pkg_resources; pkg_resources.require('graphfix')",
        ],
        TOP,
    )


def test_graphfix_converts_and_the_stock_api_restores(image, tmp_path):
    graphfix = os.path.join(image[0], "graphfix")
    assert "convert" in run([graphfix, "--help"], tmp_path)
    assert "ssd_mobilenet_v1" in run([graphfix, "inspect", DETECTOR], tmp_path)
    run(
        [graphfix, "convert", DETECTOR, "--num_classes", "3", "--output_directory", "out"], tmp_path
    )
    said = run([graphfix, "verify", "out", "--stock", "--trainer", "legacy"], tmp_path)
    restored, total = re.search(r"API 2019-07 legacy: restored (\d+) of (\d+)", said).groups()
    assert restored == total and int(total) > 100


def test_the_other_trainer_imports(image, tmp_path):
    run([os.path.join(image[0], "python3"), "-c", "import object_detection.model_main"], tmp_path)


def test_the_image_runs_graphfix_as_nobody_special():
    last = dict(instructions())
    assert last["ENTRYPOINT"] == '["graphfix"]'
    assert last["USER"] not in ("root", "0")


def test_without_words_it_shows_what_there_is():
    assert dict(instructions())["CMD"] == '["--help"]'


def test_the_label_names_the_api_that_is_installed():
    assert ("LABEL", 'graphfix.api="${ERA}"') in instructions()
    assert any("api-${ERA}.txt" in text for what, text in instructions() if what == "RUN")


def test_another_image_can_take_the_official_ones_place():
    (base,) = [text for what, text in instructions() if what == "FROM"]
    assert base == "${BASE}" and ("ARG", "BASE=tensorflow/tensorflow:${TAG}") in instructions()


def test_every_era_that_is_offered_has_pins():
    with open(os.path.join(TOP, "Dockerfile")) as file:
        (offered,) = re.findall(r"# The stock API's: (.*)\.\nARG ERA=", file.read())
    eras = re.split(", | or ", offered)
    assert len(eras) == 3
    for era in eras:
        assert os.path.exists(os.path.join(TOP, "tests", "environments", f"api-{era}.txt"))
