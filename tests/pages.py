"""The documents' blocks of commands, and a directory for each page in which they can be run."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

import readme

TOP = readme.REPOSITORY
# What a block of commands begins with, where its fence does not say that it is one.
COMMAND = re.compile(r"(graphfix|python3?(\.\d+)?|pip|docker|make|conda|curl|tar) ")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.S | re.M)

# Pages whose commands are run one after the other.
PLAYED = (
    "tutorial.md",
    "howto_records.md",
    "howto_add_a_class.md",
    "howto_keep_three.md",
    "howto_anchors.md",
    "howto_frozen_graph.md",
    "howto_doctor.md",
    "howto_docker.md",
    "howto_notebook.md",
)
# Commands that tests/stock/test_pages_training.py runs, in the Python that has what they need.
STOCK = re.compile(
    r"graphfix verify .*--stock|graphfix doctor --environment|python -m object_detection\."
    r"|graphfix export tflite |sed -i 's/6000"
    r"|graphfix records show |graphfix anchors show |import tensorflow|mine\.record"
)
# Commands that are not run as they stand, and where the same is tried.
ELSEWHERE = (
    (r"docker (build|run) .*", "tests/stock/test_dockerfile.py replays what the image does"),
    (r"tensorboard --logdir .*", "serves until it is stopped; TensorFlow's own"),
    (r"curl -O http.*", "fetches a published model"),
    (r"graphfix export onnx tutorial/.*", "tests/stock/test_tools.py, which has a tf2onnx"),
)


def documents():
    """The names of the documents in docs/."""
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(TOP, "docs", "*.md")))


def text(name):
    with open(os.path.join(TOP, "docs", name), encoding="utf-8") as file:
        return file.read()


def blocks(words):
    """(language, commands, expected output or "") of every block of commands, Python's too."""
    for language, body, expected in BLOCK.findall(words):
        if language in ("bash", "python") or (not language and COMMAND.match(body)):
            yield language or "bash", body, expected


def elsewhere(commands):
    """Whether every command is one of ELSEWHERE."""
    return all(
        any(re.fullmatch(pattern, line) for pattern, _ in ELSEWHERE)
        for line in re.sub(r" \\\n *", " ", commands).splitlines()
    )


def make_sources(directory, convert):
    """Fills a directory with what pages name: an archive, records, graphs; gives the environment
    that has the commands."""
    sys.path.insert(0, os.path.join(TOP, "testdata"))
    try:
        from relabel import relabel
    finally:
        sys.path.pop(0)
    directory = str(directory)
    environment = readme.place(directory, convert)
    for folder in ("records", "exported", "pictures"):
        os.mkdir(os.path.join(directory, folder))
    for split in ("train", "val"):
        relabel(
            os.path.join(TOP, "testdata", "shapes", split + ".record"),
            os.path.join(directory, "records", split + ".record"),
            (("person", "square"), ("van", "circle"), ("forklift", "star")),
        )
    archive = os.path.join(directory, readme.MODEL + ".tar.gz")
    subprocess.run(["tar", "xzf", archive, "-C", directory], check=True)
    shutil.copy(
        os.path.join(directory, readme.MODEL, "frozen_inference_graph.pb"),
        os.path.join(directory, "exported"),
    )
    shutil.rmtree(os.path.join(directory, readme.MODEL))
    shutil.copy(
        os.path.join(TOP, "testdata", "shapes", "demo_00000.jpg"),
        os.path.join(directory, "pictures"),
    )
    annotate(directory)
    with open(os.path.join(directory, "my_classes.pbtxt"), "w") as file:
        for number, name in enumerate(("person", "van", "forklift"), 1):
            file.write(f"item {{ id: {number} name: '{name}' }}\n")
    return environment


def annotate(directory):
    """Annotates the picture that is there, in the forms that the page about records reads."""
    box = {"xmin": 12, "ymin": 20, "xmax": 70, "ymax": 84}
    name, number = "demo_00000", 1
    with open(os.path.join(directory, "boxes.csv"), "w") as file:
        file.write("filename,class,xmin,ymin,xmax,ymax\n")
        file.write(f"{name}.jpg,van," + ",".join(map(str, box.values())) + "\n")
    coco = {
        "images": [{"id": number, "file_name": name + ".jpg", "height": 160, "width": 160}],
        "categories": [{"id": 2, "name": "van"}],
        "annotations": [{"id": 1, "image_id": number, "category_id": 2, "bbox": [12, 20, 58, 64]}],
    }
    coco["annotations"][0].update(area=58 * 64, iscrowd=0)
    with open(os.path.join(directory, "coco.json"), "w") as file:
        json.dump(coco, file)
    top = os.path.join(directory, "VOCdevkit", "VOC2012")
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        os.makedirs(os.path.join(top, folder))
    shutil.copy(os.path.join(directory, "pictures", name + ".jpg"), os.path.join(top, "JPEGImages"))
    with open(os.path.join(top, "ImageSets", "Main", "aeroplane_train.txt"), "w") as file:
        file.write(name + "\n")
    edges = "".join(f"<{one}>{value}</{one}>" for one, value in box.items())
    with open(os.path.join(top, "Annotations", name + ".xml"), "w") as file:
        file.write(
            f"<annotation><folder>VOC2012</folder><filename>{name}.jpg</filename>"
            "<size><width>160</width><height>160</height><depth>3</depth></size>"
            "<object><name>van</name><pose>Unspecified</pose><truncated>0</truncated>"
            f"<difficult>0</difficult><bndbox>{edges}</bndbox></object></annotation>"
        )


def directory_of(name, sources, converted):
    """A directory for a page, beside those of others: what it names is there, and what it does not
    write itself."""
    place = os.path.join(str(sources), "pages", name)
    os.makedirs(place)
    for entry in os.listdir(str(sources)):
        if entry not in ("pages", "bin", "converted"):
            os.symlink(os.path.join(str(sources), entry), os.path.join(place, entry))
    for folder in ("testdata", "examples"):
        os.symlink(os.path.join(TOP, folder), os.path.join(place, folder))
    if "-o converted\n" not in text(name) and '"converted"' not in text(name):
        os.symlink(str(converted), os.path.join(place, "converted"))
    return place


def run(language, commands, place, environment):
    if language == "python":
        path = os.path.join(place, "block.py")
        with open(path, "w") as file:
            file.write(commands)
        commands = "python block.py"
    return readme.run(commands, place, environment)
