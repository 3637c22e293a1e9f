"""Random directories that hold what is not graphfix's, for `ownership`.

A world has inputs (`in`), a user's own files (`home`) and destinations (`place`): outputs of
earlier runs, training directories, and what lies among them by chance or in the way.  Everything is
in it that a link leads to, so that a change behind a link shows.
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess

import builders

from robustness.common import ENVIRONMENT, GRAPHFIX, ROOT

TESTDATA = os.path.join(ROOT, "testdata")
DETECTOR = os.path.join(TESTDATA, "shapes_detector")
MANIFEST, MARKER = "manifest.json", ".graphfix-unfinished"
STAGING, OLD = ".%s.graphfix-staging-%s", ".%s.graphfix-old-%s"
# The models of a batch.
MODELS = ("m0", "m1")
RECIPE = (
    'defaults { label_map_path: "new.pbtxt" target_api: "2019-07" fine_tune_checkpoint: '
    '"/m/{name}/model.ckpt" %s }\n'
    + "".join(f'model {{ source: "model" name: "{name}" }}\n' for name in MODELS)
)
# What a stock API's Python is asked, and answers.
STOCK = """#!%s
import json, sys
if sys.argv[1].endswith("api_revision.py"):
    print(json.dumps({"api": {"revision": "2019-07"}, "tensorflow": True}))
else:
    restored = {"verb": "restore", "api": {"revision": "2019-07"}, "steps": 0, "counts": {
        "model": {"total": 2, "restored": 2}}, "moving_averages": {"from_checkpoint": 0,
        "from_variable": 0, "from_initialiser": []}, "restored": [], "dropped": [], "missing": [],
        "not_asked_for": [], "losses": [], "finite": True, "verdict": "complete"}
    def answer(job):
        if job["verb"] == "restore":
            return dict(restored, trainer=job["trainer"])
        found = {"verb": job["verb"], "api": {"revision": "2019-07"}}
        if job["verb"] == "compare":
            return dict(found, unknown="it computes nothing")
        return dict(found, detections=[[] for _ in job["images"]])
    json.dump([answer(job) for job in json.load(open(sys.argv[2]))], open(sys.argv[3], "w"))
"""


class World:
    """A directory `top` with inputs and a user's files, and copies of what earlier runs `made`."""

    def __init__(self, top, made, choose):
        self.top, self.made, self.choose = top, made, choose
        shutil.copytree(os.path.join(made, "in"), self.path("in"), symlinks=True)
        for name in ("home", "place"):
            os.mkdir(self.path(name))
        for name in ("notes.txt", "thesis.tex", "photo.jpg"):
            self.write(os.path.join(self.path("home"), name))
        os.makedirs(self.path("home", "stuff", "work", MODELS[0]))
        self.write(self.path("home", "stuff", "work", MODELS[0], "letter"))
        shutil.copytree(os.path.join(made, "converted"), self.path("home", "kept"))

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def write(self, path, mode=None):
        with open(path, "wb") as file:
            file.write(b"mine %08x\n" % self.choose.getrandbits(32) * self.choose.randint(0, 40))
        if mode:
            os.chmod(path, mode)

    def copy(self, what, place):
        shutil.copytree(os.path.join(self.made, what), place, symlinks=True)

    def inputs(self):
        return [
            os.path.join(folder, name)
            for folder, _, names in os.walk(self.path("in"))
            for name in names
        ]

    def leads_to(self):
        """What a link may lead to."""
        return self.choose.choice(
            [
                self.path("home", "notes.txt"),
                self.path("home", "stuff"),
                self.path("home", "kept"),
                self.path("home", "nowhere"),
                self.path("in", "model"),
                self.choose.choice(self.inputs()),
            ]
        )

    def put(self, path):
        """Puts one thing there that is not graphfix's."""
        kind = self.choose.choice(
            (
                "file",
                "file",
                "file",
                "locked",
                "link",
                "link",
                "loop",
                "hard",
                "hard",
                "pipe",
                "empty",
                "training",
                "nested",
            )
        )
        if os.path.lexists(path):
            return
        if kind == "file":
            self.write(path)
        elif kind == "locked":
            self.write(path, self.choose.choice((0o400, 0o444, 0o000, 0o755)))
        elif kind == "link":
            target = self.leads_to()
            os.symlink(
                target
                if self.choose.random() < 0.5
                else os.path.relpath(target, os.path.dirname(path)),
                path,
            )
        elif kind == "loop":
            os.symlink(os.path.basename(path), path)
        elif kind == "hard":
            os.link(self.choose.choice([self.path("home", "notes.txt")] + self.inputs()), path)
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "empty":
            os.mkdir(path, self.choose.choice((0o755, 0o700, 0o2775, 0o555)))
        elif kind == "training":
            os.mkdir(path)
            for name in ("checkpoint", "model.ckpt-7.index", "events.out.tfevents.7.host"):
                self.write(os.path.join(path, name))
        else:
            self.copy(self.choose.choice(("converted", "trained", "thawed", "shown")), path)

    def scatter(self, directory):
        """Puts some things into a directory, or one below it."""
        for _ in range(self.choose.randint(1, 4)):
            below = [folder for folder, _, _ in os.walk(directory)]
            self.put(
                os.path.join(
                    self.choose.choice(below),
                    self.choose.choice(
                        (
                            "notes.txt",
                            "training",
                            "events.out.tfevents.1.host",
                            ".hidden",
                            "eval",
                            "0123456789abcdef.jpg",
                            "manifest.json.bak",
                            ".report.json.graphfix-part",
                            ".manifest.json.graphfix-part",
                            "pictures",
                            "model.ckpt-7.meta",
                            "a b\n\u00e4",
                            MARKER,
                            "label_map.pbtxt",
                            "frozen_inference_graph.pb",
                            "saved_model",
                        )
                    ),
                )
            )

    def exchange(self, directory):
        """Puts something else in the place of a file that graphfix made."""
        names = [name for name in os.listdir(directory) if name != MANIFEST]
        if not names:
            return
        path = os.path.join(directory, self.choose.choice(names))
        aside = os.path.join(self.path("home"), f"aside-{self.choose.getrandbits(32):08x}")
        os.rename(path, aside)
        how = self.choose.choice(("gone", "link", "put", "edited"))
        if how == "link":
            os.symlink(aside, path)
        elif how == "put":
            self.put(path)
        elif how == "edited":
            self.write(path)

    def damage(self, directory):
        """Makes a directory's manifest something else."""
        path = os.path.join(directory, MANIFEST)
        data = b""
        if os.path.lexists(path):
            with open(path, "rb") as file:
                data = file.read()
            os.remove(path)
        how = self.choose.randrange(9)
        if how == 0:
            os.symlink(os.path.join(self.path("home", "kept"), MANIFEST), path)
        elif how == 1:
            os.mkfifo(path)
        elif how == 2:
            os.mkdir(path)
        elif how == 3:
            shutil.copy(
                os.path.join(self.made, self.choose.choice(("thawed", "shown")), MANIFEST), path
            )
        elif how == 4:
            return
        else:
            new = [
                b"",
                b"{}",
                b'{"name": "app", "start_url": "/", "display": "standalone"}',
                data.replace(b'"size"', b'"sizes"', 1) or b"[]",
            ][how - 5]
            with open(path, "wb") as file:
                file.write(new)

    def leave(self, directory):
        """Leaves something beside a directory that is named like what graphfix has there for a
        moment."""
        path = os.path.join(
            os.path.dirname(directory),
            self.choose.choice((STAGING, OLD))
            % (os.path.basename(directory), f"{self.choose.getrandbits(128):032x}"),
        )
        how = self.choose.choice(("put", "put", "made", "marked", "link"))
        if how == "put":
            self.put(path)
        elif how == "link":
            os.symlink(
                self.choose.choice(
                    (self.path("home", "kept"), self.path("home", "stuff"), self.path("home"))
                ),
                path,
            )
        else:
            self.copy("converted", path)
            if how == "marked":
                os.remove(os.path.join(path, MANIFEST))
                open(os.path.join(path, MARKER), "w").close()
                os.symlink(self.path("home"), os.path.join(path, "a link"))
        if how == "made" and self.choose.random() < 0.5:
            self.scatter(path)

    def furnish(self, directory, kinds=("converted", "trained", "thawed", "shown")):
        """Makes a destination: absent, empty, an earlier run's, a user's, or both."""
        how = self.choose.choice(
            (
                "absent",
                "empty",
                "made",
                "made",
                "made",
                "mixed",
                "mixed",
                "damaged",
                "exchanged",
                "foreign",
                "link",
                "put",
                "nested",
            )
        )
        if how == "absent":
            pass
        elif how == "empty":
            os.mkdir(directory, self.choose.choice((0o755, 0o700, 0o2775)))
        elif how == "foreign":
            os.mkdir(directory)
            self.scatter(directory)
        elif how == "put":
            self.put(directory)
        elif how == "link":
            target = self.choose.choice(
                (
                    self.path("home", "kept"),
                    self.path("home", "stuff"),
                    self.path("home", "new"),
                    directory,
                    self.path("in", "model"),
                )
            )
            os.symlink(target, directory)
        else:
            self.copy(self.choose.choice(kinds), directory)
            for folder, names, files in os.walk(directory):
                for name in names + files:
                    if self.choose.random() < 0.05:
                        os.chmod(
                            os.path.join(folder, name),
                            self.choose.choice((0o444, 0o600)) | (0o111 if name in names else 0),
                        )
            if how == "mixed":
                self.scatter(directory)
            elif how == "damaged":
                self.damage(directory)
            elif how == "exchanged":
                self.exchange(directory)
            elif how == "nested":
                self.copy(self.choose.choice(kinds), os.path.join(directory, "inner"))
        if self.choose.random() < 0.3:
            self.leave(directory)
        return how


def make(directory):
    """The outputs of earlier runs that worlds have copies of, and inputs."""
    inputs = os.path.join(directory, "in")
    os.makedirs(inputs)
    builders.write_model(os.path.join(inputs, "model"))
    os.mkdir(os.path.join(inputs, "frozen"))
    for name in ("frozen_inference_graph.pb", "pipeline.config"):
        shutil.copy(os.path.join(DETECTOR, name), os.path.join(inputs, "frozen"))
    builders.write(inputs, "new.pbtxt", builders.label_map(["person", "zebra"]))
    builders.write(inputs, "old.pbtxt", builders.label_map(builders.CLASSES))
    builders.write(
        inputs,
        "anchors.pbtxt",
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.1 "
        "max_scale: 0.7 aspect_ratios: [1, 2, 0.5, 3, 0.3333] }\n",
    )
    builders.write(
        inputs,
        "wide.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        + "".join(
            f"a.jpg,400,400,bus,{one},{2 * one},{one + 150},{2 * one + 36}\n" for one in range(9)
        ),
    )
    # What doctor --fix can mend: a backslash in a path.
    builders.write(
        inputs,
        "ill.config",
        (builders.CONFIG % {"classes": 4})
        .replace("PATH_TO_BE_CONFIGURED/model.ckpt", os.path.join(inputs, "model", "model.ckpt"))
        .replace("records/label_map", "records\\\\label_map"),
    )
    builders.write(inputs, "recipe.txt", RECIPE % "")
    builders.write(inputs, "changed.txt", RECIPE % "seed: 3 new_rows: random")
    shutil.copy(os.path.join(TESTDATA, "shapes", "demo_00000.jpg"), inputs)
    shutil.copy(os.path.join(TESTDATA, "shapes", "demo_00001.jpg"), inputs)

    def run(*words):
        done = subprocess.run(
            GRAPHFIX + list(words),
            env=ENVIRONMENT,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout

    words = ["in/model", "--label_map_path", "in/new.pbtxt", "--target_api", "2019-07"]
    with open(os.path.join(inputs, "plan.json"), "wb") as file:
        file.write(run("plan", *(words + ["--json"])))
    run("convert", *(words + ["--output_directory", "converted", "--model_dir", "trained"]))
    run("check", "converted", "--golden", "in/golden.json", "--update")
    run("thaw", "in/frozen", "--output_directory", "thawed")
    builders.publish(os.path.join(directory, "shown"), "anchors.png", "coverage.png")
    run("batch", "in/recipe.txt", "--output_directory", "batched")


def owned(directory):
    """The paths that a valid manifest makes graphfix's; none where there is no such."""
    path = os.path.join(directory, MANIFEST)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return set()
        with open(path, "rb") as file:
            first, body = file.readline(), file.read()
        if first.decode("ascii") != f'{{"checksum": "{hashlib.sha256(body).hexdigest()}",\n':
            return set()
        found = json.loads((first + body).decode("ascii"))
    except (OSError, ValueError):
        return set()
    files = set(found["files"]) | set(found["pending"]) | {MANIFEST}
    parts = {
        os.path.join(os.path.dirname(one), f".{os.path.basename(one)}.graphfix-part")
        for one in files
    }
    listed = set()
    for one in files | parts:
        if os.path.isfile(os.path.join(directory, one)) and not os.path.islink(
            os.path.join(directory, one)
        ):
            listed.add(one)
        while os.path.dirname(one):
            one = os.path.dirname(one)
            listed.add(one)
    return {
        os.path.join(directory, one)
        for one in listed | set(found["directories"])
        if not os.path.islink(os.path.join(directory, one))
    }
