"""One cell of the matrix: a family, an era of the stock API, a surgery; and how it is judged.

A family is a file families/NAME.config: a model block, after comments that give its title and,
where not all surgeries are worth their time, which ones are and why.  Its checkpoint is made by
the era's own API, with values that are nowhere what an initializer gives (`perturbed`), and the
surgery is graphfix's.  The stock API then says:

outputs     what it computes from both checkpoints for one image.  All that does not depend on
            classes must be equal, and so must, for every kept class, its logits and its boxes and
            masks (`compare`).
legacy, model_main
            that this trainer restores every variable bit for bit, and that the loss of one step is
            finite.  Where model_main restores nothing, or not all (quantization), it resumes from
            the directory that `convert --model_dir` writes.
"""

import concurrent.futures
import dataclasses
import hashlib
import itertools
import json
import os
import re
import shutil
import zlib

import environment_python
import numpy as np
import repository

import graphfix
from graphfix.detectors.quantization import is_quantization
from graphfix.errors import GraphfixError
from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.tensors import TensorStore, constant
from graphfix.restore import trainers
from graphfix.stock_api import runner

HERE = os.path.join(repository.TESTS, "stock")
FAMILIES = os.path.join(HERE, "families")
STOCK = os.path.dirname(runner.WORKER)
ERAS = ("2019-04", "2019-07", "2021")
CLASSES = 20
OUTPUTS = "outputs"
JUDGES = (OUTPUTS, trainers.LEGACY, trainers.MODEL_MAIN)
PATIENCE = 4 * 3600

# Outputs are equal within this.  An exchange of classes can only be seen where they differ by far
# more, a wrong kernel only where outputs are not the same at every place.
TOLERANCE = 1e-5
DISTINCT = 1e-3
VARIED = 1e-4

# The tensors of the model with an axis of classes, before which there may be a background.
CLASS_AXIS = {
    "predict/class_predictions_with_background": -1,
    "predict/refined_box_encodings": 1,
    "mask_head/masks": 2,
}
# What follows from the scores, and so from which classes there are.
DETECTIONS = re.compile(r"predict/(detection_|num_detections|mask_predictions|raw_)")
DAMPED = ((r"/conv3/.*gamma", 0.2), (r"FeatureExtractor/cell_\d+/.*gamma", 0.75))


@dataclasses.dataclass(frozen=True)
class Edit:
    """A surgery: names of the new classes (old ones are class_1 ... class_20), and with which
    optimizer the config trains them, and whether it keeps moving averages."""

    names: tuple
    optimizer: str
    averages: bool = False


def _old(*numbers):
    return tuple(f"class_{number}" for number in numbers)


_RATE = "learning_rate { constant_learning_rate { learning_rate: 0.0001 } }"
_ALL = range(1, CLASSES + 1)
EDITS = {
    "shrink": Edit(_old(3, 11, 20), f"momentum_optimizer {{ {_RATE} }}", averages=True),
    "grow": Edit(
        _old(*_ALL) + tuple(f"new_{number}" for number in range(100)),
        f"rms_prop_optimizer {{ {_RATE} }}",
    ),
    "reorder": Edit(
        _old(*(number * 7 % CLASSES + 1 for number in _ALL)), f"adam_optimizer {{ {_RATE} }}"
    ),
    "swap": Edit(
        _old(1, 2, 3, 9, 5, 6, 7, 8, 4, 10, 11, 12) + ("new",) + _old(*range(14, 21)),
        f"momentum_optimizer {{ {_RATE} }}",
    ),
}


@dataclasses.dataclass(frozen=True)
class Family:
    """`why` says why only `edits` are made, where that is not all of them."""

    name: str
    title: str
    edits: tuple
    why: str
    model: str

    def config(self, edit):
        """The pipeline.config of the source, with the optimizer that goes with an edit."""
        with open(os.path.join(FAMILIES, "training.txt")) as file:
            return self.model + file.read() % {
                "optimizer": edit.optimizer,
                "averages": str(edit.averages).lower(),
            }


def families():
    """All families, by name."""
    found = {}
    for path in sorted(os.listdir(FAMILIES)):
        name, suffix = os.path.splitext(path)
        if suffix == ".config":
            with open(os.path.join(FAMILIES, path)) as file:
                model = file.read()
            notes = re.findall(r"^# (.*)", model, re.MULTILINE)
            some = re.match(r"edits: (.*) \((.*)\)", notes[1]) if len(notes) > 1 else None
            edits = tuple(some.group(1).split(", ")) if some else tuple(EDITS)
            found[name] = Family(name, notes[0], edits, some.group(2) if some else "", model)
    return found


@dataclasses.dataclass(frozen=True)
class Era:
    """A stock environment: its python, and the revision that it says its API is."""

    name: str
    python: str
    revision: str


def verdicts(result):
    """{category: {variable: what became of it}} of a `restore` job's lists, in doctor's words."""
    found = {}
    for key in ("restored", "dropped", "missing", "not_asked_for"):
        for row in result[key]:
            found.setdefault(row["category"], {})[row["name"]] = {"dropped": "shape_differs"}.get(
                key, key
            )
    return found


def era(name, python=None):
    """The environment of an era, made if it is not there."""
    python = python or environment_python.python_of("stock-" + name)
    return Era(name, python, runner.importable_api(python))


def perturbed(name, value):
    """A value for a variable, by its name: seeded, and such that signals neither die nor
    explode."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    leaf = name.rsplit("/", 1)[-1]
    if value.dtype.kind != "f":
        return np.full(value.shape, 1234, value.dtype)
    if is_quantization(name):
        low, high = (-1.0, 1.0) if "/weights_quant/" in name else (-0.5, 6.0)
        return np.full(
            value.shape, {"min": low, "max": high}[leaf] * random.uniform(1, 1.2), value.dtype
        )
    noise = random.standard_normal(value.shape)
    if leaf in ("gamma", "moving_variance"):
        noise = np.exp(0.2 * noise)
        # What is added to its own input, or to others', grows unless it is small.
        noise *= next((by for pattern, by in DAMPED if re.search(pattern, name)), 1.0)
    elif value.ndim < 2:
        noise *= 0.2
    else:
        inputs = value.shape[:2] if leaf.startswith("depthwise") else value.shape[:-1]
        noise /= np.sqrt(np.prod(inputs))
        if re.search(r"resnet_v1_\d+/conv1/", name):
            noise /= 100  # ResNets take pixels as they are, others from -1 to 1
    return noise.astype(value.dtype)


class Source:
    """A family's checkpoint in an era, with the outputs computed from it; made once.

    `error` is what the stock code raised instead: {type, message, where}.
    """

    def __init__(self, family, era, directory):
        self.family, self.era, self.directory = family, era, directory
        self.prefix = os.path.join(directory, "model.ckpt")
        self.outputs = os.path.join(directory, "outputs.npz")
        answer = os.path.join(directory, "answer.json")
        if not os.path.exists(answer):
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
            error = self._make()
            with open(answer + ".part", "w") as file:
                json.dump(error, file)
            os.rename(answer + ".part", answer)
        with open(answer) as file:
            self.error = json.load(file)

    def _make(self):
        config = os.path.join(self.directory, "pipeline.config")
        _write(config, self.family.config(EDITS["shrink"]))
        _write_labels(os.path.join(self.directory, "label_map.pbtxt"), _old(*_ALL))
        fresh = os.path.join(self.directory, "fresh.ckpt")
        (saved,) = self._ask({"verb": "save", "output": fresh})
        if "error" in saved:
            return saved["error"]
        store = reader.open_bundle(fresh)
        writer.write_bundle(
            TensorStore(
                constant(name, view.meta.dtype, perturbed(name, view.load()))
                for name, view in store.items()
            ),
            self.prefix,
        )
        for path in (reader.index_path(fresh), reader.shard_path(fresh, 0, 1)):
            os.remove(path)
        (raw,) = self._ask(
            {
                "verb": "raw_outputs",
                "checkpoint": self.prefix,
                "detections": False,
                "output": self.outputs,
            }
        )
        return raw.get("error")

    def _ask(self, *jobs):
        common = {
            "pipeline_config": os.path.join(self.directory, "pipeline.config"),
            "log": os.path.join(self.directory, "log"),
        }
        return runner.run_jobs(
            [dict(common, **job) for job in jobs], python=self.era.python, timeout=PATIENCE
        )


class Conversion:
    """A source after a surgery: the directories that convert wrote, or what it raised (`error`)."""

    def __init__(self, source, edit, directory):
        self.source, self.edit, self.directory = source, EDITS[edit], directory
        self.error = None
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        config = os.path.join(directory, "source.config")
        labels = os.path.join(directory, "labels.pbtxt")
        _write(config, source.family.config(self.edit))
        _write_labels(labels, self.edit.names)
        self.out, self.model_dir = (os.path.join(directory, name) for name in ("out", "model_dir"))
        try:
            options = graphfix.ConvertOptions(
                label_map_path=labels,
                target_api=source.era.revision,
                fine_tune_checkpoint="/model/model.ckpt",
                pipeline_config_path=config,
            )
            report = graphfix.convert(source.prefix, self.out, options, model_dir=self.model_dir)
        except GraphfixError as error:
            self.error = {"type": type(error).__name__, "message": str(error), "where": "graphfix"}
            return
        self.classes = len(report.plan.classes)
        # (place among the old classes, place among the new ones), from 0.
        self.kept = [
            (old, new)
            for new, name in enumerate(self.edit.names)
            for old in range(CLASSES)
            if name == f"class_{old + 1}"
        ]

    def resumes(self):
        """Whether model_main has to start from the model_dir to restore everything."""
        ((_, what),) = trainers.restored(self.source.era.revision, trainers.MODEL_MAIN)
        return what == trainers.NOTHING or "graph_rewriter" in self.source.family.model

    def digest(self):
        """Of all that the stock API is given and that decides what it answers."""
        state = hashlib.sha256(repr((self.kept, self.source.era, self.resumes())).encode())
        paths = [os.path.join(self.out, name) for name in ("pipeline.config", "model.ckpt.index")]
        if self.resumes():
            paths.append(os.path.join(self.model_dir, "model.ckpt-0.index"))
        for path in paths + [reader.index_path(self.source.prefix)]:
            with open(path, "rb") as file:
                state.update(hashlib.sha256(file.read()).digest())
        return state.hexdigest()

    def job(self, judge):
        """What the stock API is asked by one of JUDGES: for outputs, or for a step of a trainer."""
        common = {
            "pipeline_config": os.path.join(self.out, "pipeline.config"),
            "checkpoint": os.path.join(self.out, "model.ckpt"),
            "log": os.path.join(self.directory, "log_" + judge),
        }
        if judge == OUTPUTS:
            return dict(
                common,
                verb="raw_outputs",
                mask_features=self.source.outputs,
                detections=False,
                output=os.path.join(self.directory, "outputs.npz"),
            )
        if judge == trainers.MODEL_MAIN and self.resumes():
            common["model_dir"] = self.model_dir
        return dict(common, verb="restore", steps=1, seed=0, trainer=judge)

    def judged(self, results):
        """The parts of the cell, each with `ok` and figures, or an `error`, from the results of
        the judges' jobs."""
        parts = {}
        for name, result in results.items():
            if name == OUTPUTS:
                parts[name] = dict(result, ok=False)
                if "error" not in result:
                    with np.load(self.source.outputs) as before, np.load(
                        os.path.join(self.directory, "outputs.npz")
                    ) as after:
                        parts[name] = compare(before, after, self.kept, CLASSES, self.classes)
                continue
            read = runner.StockResult(result)
            parts[name] = {
                "ok": read.ok and len(result["losses"]) == 1,
                "restored": read.restored,
                "total": read.total,
                "resumed": bool(result.get("resumed_from")),
                "summary": read.summary,
            }
            if "error" in result:
                parts[name]["error"] = result["error"]
        return {
            name: {
                key: part[key]
                for key in (
                    "ok",
                    "error",
                    "restored",
                    "total",
                    "resumed",
                    "summary",
                    "difference",
                    "wrong",
                )
                if key in part
            }
            for name, part in parts.items()
        }


def compare(before, after, kept, old_classes, new_classes):
    """Compares the outputs of two models whose classes `kept` are the same.

    `before` and `after` are arrays by name.  Gives {"ok", "difference": the largest one of what
    should be equal, "wrong": sentences}.
    """
    wrong, worst, told_apart = [], 0.0, 0
    names = [name for name in before if not DETECTIONS.match(name)]
    if set(names) != {name for name in after if not DETECTIONS.match(name)}:
        return {"ok": False, "wrong": ["the models do not have the same outputs"]}
    for name in names:
        old, new = before[name], after[name]
        axis = CLASS_AXIS.get(name)
        if axis is not None and old.shape[axis] > 1:
            background = old.shape[axis] - old_classes
            if background not in (0, 1) or new.shape[axis] - new_classes != background:
                wrong.append(f"{name} counts {old.shape[axis]} and {new.shape[axis]} classes")
                continue
            places = list(range(background))
            old, new = (
                np.moveaxis(array, axis, 0)[places + [background + pair[side] for pair in kept]]
                for side, array in enumerate((old, new))
            )
            told_apart += 1
            wrong += _indistinct(name, old)
        if old.shape != new.shape:
            wrong.append(f"{name} has shape {new.shape} instead of {old.shape}")
        elif old.tobytes() != new.tobytes():
            difference = np.abs(old.astype(np.float64) - new)
            scale = max(1.0, np.abs(old).max())
            if not difference.max() <= TOLERANCE * scale:
                wrong.append(f"{name} differs by {difference.max():g}")
            worst = max(worst, float(difference.max()))
    if not told_apart:
        wrong.append("no output has an axis of classes")
    return {"ok": not wrong, "difference": worst, "wrong": wrong}


def _indistinct(name, classes):
    """Says so, where a wrong class or kernel would not show: axis 0 counts the classes."""
    flat = classes.reshape(len(classes), -1).astype(np.float64)
    if not np.isfinite(flat).all():
        yield f"{name} is not finite"
    closest = min(np.abs(one - other).max() for one, other in itertools.combinations(flat, 2))
    if not closest > DISTINCT:
        yield f"{name} hardly tells classes apart: {closest:g}"
    if not flat.std(axis=1).min() > VARIED:
        yield f"{name} hardly tells places apart: {flat.std(axis=1).min():g}"


def judge_all(source, edits, directory, known=None, judges=JUDGES):
    """Cells of a source by edit.  `known` holds parts by digest from earlier runs of the same
    judges, and is filled."""
    known = {} if known is None else known
    cells, asked = {}, []
    for edit in edits:
        if source.error:
            cells[edit] = {"build": {"ok": False, "error": source.error}}
            continue
        conversion = Conversion(source, edit, os.path.join(directory, edit))
        if conversion.error:
            cells[edit] = {"convert": {"ok": False, "error": conversion.error}}
        elif conversion.digest() in known:
            cells[edit] = known[conversion.digest()]
        else:
            asked.append((edit, conversion))
    jobs = [conversion.job(judge) for _, conversion in asked for judge in judges]
    results = iter(
        runner.run_jobs(jobs, python=source.era.python, timeout=PATIENCE) if jobs else ()
    )
    for edit, conversion in asked:
        cells[edit] = known[conversion.digest()] = conversion.judged(
            {judge: next(results) for judge in judges}
        )
    shutil.rmtree(directory, ignore_errors=True)
    return cells


def in_turns(function, items, workers=2):
    """Results of a function for each item, some at once, as they come."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(function, item) for item in items]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)


def _write_labels(path, names):
    _write(
        path,
        "".join(
            f'item {{ id: {number} name: "{name}" }}\n' for number, name in enumerate(names, 1)
        ),
    )
