"""A place in which everything is well, for tests that spoil one thing."""

import os
import shutil

import builders
import pytest

CONFIG = builders.CONFIG % {"classes": 4}


class Place:
    """What a row spoils: a model, a label map, the command's words, an output of before."""

    def __init__(self, top, pristine):
        self.top = str(top)
        self.model = os.path.join(self.top, "model")
        shutil.copytree(pristine, self.model)
        self.prefix = os.path.join(self.model, "model.ckpt")
        self.index = self.prefix + ".index"
        self.data = self.prefix + ".data-00000-of-00001"
        self.config = os.path.join(self.model, "pipeline.config")
        self.labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
        self.out = os.path.join(self.top, "out")
        builders.publish(self.out, "plan.json")
        self.source = self.model
        self.target = ["--label_map_path", self.labels]
        self.flags = ["--overwrite", "--target_api", "2019-07"]

    def words(self):
        return (
            ["convert", self.source] + self.target + ["--output_directory", self.out] + self.flags
        )

    def write(self, path, content):
        """Writes a file, in place of what is there."""
        if os.path.isdir(path):
            shutil.rmtree(path)
        return builders.write(os.path.dirname(path), os.path.basename(path), content)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def change_config(self, *pairs):
        text = CONFIG
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        self.write(self.config, text)

    def directory(self, path):
        if os.path.exists(path):
            os.unlink(path)
        os.mkdir(path)


def tree(top):
    """Everything below a directory: bytes of files, targets of links."""
    found = {}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isdir(path):
                found[path] = None
            else:
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found


class Rows(list):
    """Parameters of tests; called, it makes a function one of them."""

    def __call__(self, subject, *fragments):
        """The function spoils a Place; the refusal is about `subject`, and its message has the
        `fragments`."""

        def add(function):
            name = function.__name__.replace("_", " ")
            self.append(pytest.param(function, subject, fragments, id=name))
            return function

        return add
