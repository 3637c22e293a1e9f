"""Exports to TensorFlow 2 that its stock code judges beside that of TensorFlow 1, as figures."""

import os
import re
import tempfile

import cells
import lifted_tf2
import numpy as np
import repository
import tf2_cases
import zoo

import graphfix
from graphfix.detectors.extractors.loader import extractors
from graphfix.detectors.quantization import is_quantization
from graphfix.exporting.tf2 import exactness, trial
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore, constant
from graphfix.stock_api import runner

RECORD = os.path.join(repository.TOP, "testdata", "shapes", "train.record")
LABELS = os.path.join(repository.DETECTOR, "shapes_label_map.pbtxt")
# Of the model zoo, by their configs.  Its Mask R-CNN ResNet 50 is of stride 8, which TensorFlow 2
# does not build, and it has none of 152 layers: those two are 101's with another ResNet.
FULL_SIZE = (
    "ssd_mobilenet_v1_coco_2018_01_28",
    "ssd_mobilenet_v2_coco_2018_03_29",
    "ssdlite_mobilenet_v2_coco_2018_05_09",
    "faster_rcnn_resnet50_coco",
    "faster_rcnn_resnet101_coco",
    "faster_rcnn_resnet152_coco",
    "mask_rcnn_resnet50_pets",
    "mask_rcnn_resnet101_pets",
    "mask_rcnn_resnet152_pets",
)
# Pictures small enough to train on here.
_SMALL = (r"keep_aspect_ratio_resizer \{[^}]*\}", "fixed_shape_resizer { height: 192 width: 192 }")
# Those that train on the records of testdata; others need masks, which those have not.
STEPS = 50


def source(text, directory, *, global_step=False, more=None):
    """A model's directory, with values that are nowhere what an initializer gives; `more` has
    further variables, by their names."""
    model = tf2_cases.model_of(text)
    values = {name: view.load() for name, view in model.store.items()}
    views = [
        constant(name, dtypes.FLOAT32, cells.perturbed(name, value))
        for name, value in {**values, **(more or {})}.items()
    ]
    if global_step:
        views.append(constant("global_step", dtypes.INT64, np.array(1)))
    os.makedirs(directory)
    writer.write_bundle(TensorStore(views), os.path.join(directory, "model.ckpt"))
    with open(os.path.join(directory, "pipeline.config"), "w") as file:
        file.write(text)
    return directory


def frozen(source, directory, python):
    """The directory that the stock exporter writes of a model's directory."""
    job = {
        "verb": "export",
        "pipeline_config": os.path.join(source, "pipeline.config"),
        "checkpoint": os.path.join(source, "model.ckpt"),
        "output_directory": directory,
    }
    found = runner.run_job(job, python=python)
    assert "error" not in found, found["error"]
    return directory


def with_training(text):
    with open(os.path.join(tf2_cases.FAMILIES, "training.txt")) as file:
        rate = "learning_rate { constant_learning_rate { learning_rate: 0.0001 } }"
        optimizer = f"rms_prop_optimizer {{ {rate} }}"
        return text + file.read() % {"optimizer": optimizer, "averages": "true"}


def full_size(name, *, small):
    """The config of a detector of the model zoo; `small` for small pictures."""
    edits = [_SMALL] if small and "rcnn" in name else []
    if name in ("mask_rcnn_resnet50_pets", "mask_rcnn_resnet152_pets"):
        layers = re.search(r"resnet\d+", name)[0]
        name = "mask_rcnn_resnet101_pets"
        edits.append(("faster_rcnn_resnet101", f"faster_rcnn_{layers}"))
    for path in (f"{name}/pipeline.config", f"sample_configs/{name}.config"):
        path = os.path.join(zoo.DIRECTORY, path)
        if os.path.exists(path):
            with open(path) as file:
                text = file.read()
            for old, new in edits:
                assert re.search(old, text), old
                text = re.sub(old, new, text)
            return text
    return None


def exported(text, directory, **options):
    """The directory that export writes of a config's model."""
    out = os.path.join(directory, "out")
    options = graphfix.ConvertOptions(**options)
    graphfix.export("tf2", source(text, os.path.join(directory, "source")), out, options)
    return out


def outputs(text, directory, tf2, tf1, **options):
    """What is computed of a model by both, with some of its classes and a new one."""
    options = options or {"num_classes": 3, "map": ["1=2", "2=1", "3="]}
    out = exported(text, directory, **options)
    return _figures(graphfix.try_with_stock_api(out, stock_python=tf2, tf1_python=tf1))


def steps(text, directory, tf2, number=STEPS):
    """What model_main_tf2 makes of a model: on the records of testdata, or with masks on made-up
    ones."""
    masks = "predict_instance_masks: true" in text
    if masks:
        out = exported(text, directory, num_classes=3, map=["1=2", "2=1", "3="])
    else:
        with open(LABELS) as file:
            names = re.findall(r'name: [\'"](\w+)', file.read())
        carried = [f"{name}={number}" for number, name in enumerate(names, 1)]
        out = exported(text, directory, label_map_path=LABELS, map=carried)
    record = None if masks else RECORD
    found = graphfix.try_with_stock_api(out, stock_python=tf2, steps=number, train_record=record)
    return dict(_figures(found), records="made-up, with masks" if masks else "testdata/shapes")


def lifted(titles, directory, tf2, tf1):
    """{title: what is computed of a refused model, or the `error` where it is not built or
    restored}; each side is asked once for all of them."""
    texts, jobs = {}, []
    for number, title in enumerate(titles):
        place = os.path.join(directory, str(number))
        texts[title] = with_training(lifted_tf2.text_of(title))
        source(texts[title], os.path.join(place, "source"))
        path = os.path.join(place, "tf2.config")
        with lifted_tf2.refusals({}), open(path, "w") as file:
            file.write(lifted_tf2.config_of_tf2(texts[title]))
        jobs.append({"verb": "tf2_objects", "pipeline_config": path})
    built = dict(zip(titles, runner.run_jobs(jobs, python=tf2)))
    found, before, after = {}, [], []
    for number, title in enumerate(titles):
        if "error" in built[title]:
            found[title] = {"error": _words(built[title]["error"])}
            continue
        place = os.path.join(directory, str(number))
        where, out = (os.path.join(place, name) for name in ("source", "out"))
        with lifted_tf2.refusals({where: built[title]["objects"]}, title):
            graphfix.export("tf2", where, out)
        before.append(_job("raw_outputs", where, "model.ckpt", os.path.join(place, "tf1.npz")))
        after.append(_job("tf2_outputs", out, "checkpoint/ckpt-0", os.path.join(place, "tf2.npz")))
    for one in runner.run_jobs(before, python=tf1):
        assert "error" not in one, one["error"]
    remaining = [title for title in titles if title not in found]
    for title, job, other, one in zip(remaining, after, before, runner.run_jobs(after, python=tf2)):
        found[title] = (
            {"error": _words(one["error"])}
            if "error" in one
            else _differences(trial.compared("TensorFlow 2", other["output"], job["output"]))
        )
    return found


def _job(verb, directory, checkpoint, output):
    return {
        "verb": verb,
        "pipeline_config": os.path.join(directory, "pipeline.config"),
        "checkpoint": os.path.join(directory, checkpoint),
        "output": output,
    }


def _words(error):
    return f"{error['type']}: {error['message'].strip()[:500]}"


def quantized(directory, tf2, tf1):
    """What leaving out the ranges of a quantized model changes."""
    text = with_training(tf2_cases.edited("ssd_mobilenet_v2_quantized", ()))
    out, fresh, path = (os.path.join(directory, one) for one in ("out", "fresh", "config"))
    with open(path, "w") as file:
        file.write(text)
    job = {"verb": "save", "pipeline_config": path, "output": fresh}
    saved = runner.run_job(job, python=tf1)
    assert "error" not in saved, saved["error"]
    ranges = {
        name: view.load()
        for name, view in graphfix.open_model(fresh, pipeline_config_path=path).store.items()
        if is_quantization(name) and view.meta.dtype == dtypes.FLOAT32
    }
    assert ranges
    where = source(text, os.path.join(directory, "source"), more=ranges)
    graphfix.export("tf2", where, out, drop_quantization=True)
    return _figures(graphfix.try_with_stock_api(out, stock_python=tf2, tf1_python=tf1))


def without_a_class(tf2):
    """{type: what TensorFlow 2 says of it}, for every extractor that is refused as without one."""
    kinds = [
        kind
        for kind, one in extractors().items()
        if kind not in exactness.EXACT
        and kind not in exactness.DIFFERS
        and not kind.endswith("_keras")
    ]
    jobs = []
    with tempfile.TemporaryDirectory() as top:
        for kind in kinds:
            family = {"ssd": "ssd_mobilenet_v2", "faster_rcnn": "faster_rcnn_resnet50"}
            text = tf2_cases.edited(family[extractors()[kind].meta], ())
            for name in (kind, kind + "_keras"):
                path = os.path.join(top, f"{name}.config")
                with open(path, "w") as file:
                    file.write(re.sub('type: "[^"]*"', f'type: "{name}"', text))
                jobs.append({"verb": "tf2_objects", "pipeline_config": path})
        found = runner.run_jobs(jobs, python=tf2)
    said = [one.get("error", {}).get("message", "") for one in found]
    return {kind: (said[2 * at], said[2 * at + 1]) for at, kind in enumerate(kinds)}


def _figures(found):
    restored = found.verifications[0]
    result = {}
    if not restored.complete:
        return {"error": restored.summary}
    for one in found.details:
        if one["verb"] == "tf2_outputs":
            result["variables"] = one["variables"]
        if one["verb"] == "tf2_train":
            result.update((key, one.get(key)) for key in ("restored", "total", "finite", "error"))
            result["steps"] = len(one.get("losses", ()))
            result["losses"] = one.get("losses", [])[:: max(1, len(one.get("losses", ())) - 1)]
    for one in found.outputs:
        result.update(_differences(one))
    return result


def _differences(outputs):
    figures = {one.name.rpartition("/")[2]: one.difference / one.largest for one in outputs.figures}
    return {"figures": figures, "largest": max(figures.values()), "notes": list(outputs.notes)}
