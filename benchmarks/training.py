"""What the benchmarks that fine-tune the detector in testdata/ share.

Whatever takes long is kept as a file, whole or not at all, so that a second run goes on where the
first one was stopped.
"""

import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCS = os.path.join(ROOT, "docs")
DETECTOR = os.path.join(ROOT, "testdata", "shapes_detector")
LABELS = os.path.join(DETECTOR, "shapes_label_map.pbtxt")
ARMS = os.path.join(ROOT, "benchmarks", "arms")
sys.path[:0] = [ROOT, os.path.join(ROOT, "testdata")]

from graphfix.process.console import say  # noqa: E402


def graphfix(*arguments):
    """What a graphfix command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "graphfix"] + list(arguments),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=dict(os.environ, PYTHONPATH=ROOT),
    )
    return done.stdout


def convert(out, records, *arguments):
    """Converts the detector for model_main of 2019-07 and the records {"train": path, "val":
    path}."""
    graphfix(
        "convert",
        DETECTOR,
        "--source_label_map_path",
        LABELS,
        "--train_record",
        records["train"],
        "--eval_record",
        records["val"],
        "--trainer",
        "model_main",
        "--target_api",
        "2019-07",
        "--output_directory",
        out,
        "--overwrite",
        *arguments,
    )


def replaced(text, changes):
    """`text` with each {old: new} put in; an `old` that is not there exactly once is an error."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def open_work(work, settings):
    """Makes a work directory, or goes on in one of the same settings (JSON) only."""
    os.makedirs(work, exist_ok=True)
    path = os.path.join(work, "settings.json")
    if os.path.exists(path):
        with open(path) as file:
            there = json.load(file)
        if there != settings:
            raise SystemExit(
                f"{work} is of another experiment ({json.dumps(there, sort_keys=True)}); take "
                "another --work, or remove it"
            )
    with open(path, "w") as file:
        json.dump(settings, file)


def write_records(directory, pictures, seed):
    """Draws {split: number of pictures}, as make_shapes has it now: {split: record}."""
    import make_shapes

    paths = {split: os.path.join(directory, split + ".record") for split in pictures}
    for split, count in pictures.items():
        if not os.path.exists(paths[split]):
            part = paths[split] + ".part"
            make_shapes.write_records([part], split, count, seed=seed)
            os.rename(part, paths[split])
    return paths


def run_arm(work, name, script, python, *arguments):
    """Runs a script of ARMS, whose output goes to NAME.log."""
    with open(os.path.join(work, name + ".log"), "ab") as log:
        subprocess.run(
            [python, os.path.join(ARMS, script), *arguments],
            check=True,
            stdout=log,
            stderr=log,
            env=dict(os.environ, CUDA_VISIBLE_DEVICES="-1"),
        )


def fine_tune(work, name, config, steps, seed, record, label_map, *more):
    """Trains and evaluates, unless it is done: {step: {"map", "ap"}} (see arms/train.py, which gets
    the arguments `more`)."""
    result = os.path.join(work, name + ".json")
    if not os.path.exists(result):
        model_dir, started = os.path.join(work, "model_dir", name), time.time()
        shutil.rmtree(model_dir, ignore_errors=True)  # the trainer would go on from it
        os.makedirs(model_dir)
        run_arm(
            work,
            name,
            "train.py",
            sys.executable,
            config,
            model_dir,
            "--steps",
            ",".join(map(str, steps)),
            "--seed",
            str(seed),
            "--record",
            record,
            "--label_map",
            label_map,
            "--output",
            result,
            *more,
        )
        shutil.rmtree(model_dir)
        say([f"{name}: {time.time() - started:.0f} s"])
    return by_step(result)


def by_step(path):
    """{step: figures} of a JSON file."""
    with open(path) as file:
        return {int(step): figures for step, figures in json.load(file).items()}


def run_all(jobs, workers):
    """The results of {key: function}, so many at once."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {key: pool.submit(job) for key, job in jobs.items()}
        try:
            return {key: future.result() for key, future in futures.items()}
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise


def spread(values, digits=3):
    """The mean, and the least and the most: `0.389 (0.389-0.390)`; `-` where there is none."""
    if not values:
        return "-"
    mean, least, most = (
        f"{one:.{digits}f}" for one in (statistics.mean(values), min(values), max(values))
    )
    return f"{mean} ({least}-{most})"


def add_arguments(parser, steps, work):
    parser.add_argument("--steps", default=steps)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--work", default=work, help="where to work")
    parser.add_argument("--write", action="store_true", help="write text and plot into docs/")
    parser.add_argument("--plot_python", default=sys.executable, help="a Python with matplotlib")


def write_docs(directory, name, text, figures, panels, plot_python):
    """NAME.md, NAME.json, and NAME.png, which arms/plot_curves.py draws of `panels`."""
    with open(os.path.join(directory, name + ".md"), "w") as file:
        file.write(text)
    write_figures(directory, name, figures, panels, plot_python)


def write_figures(directory, name, figures, panels, plot_python):
    """NAME.json and NAME.png."""
    with open(os.path.join(directory, name + ".json"), "w") as file:
        json.dump(figures, file, indent=1, sort_keys=True)
        file.write("\n")
    subprocess.run(
        [plot_python, os.path.join(ARMS, "plot_curves.py"), os.path.join(directory, name + ".png")],
        input=json.dumps(panels),
        universal_newlines=True,
        check=True,
    )
