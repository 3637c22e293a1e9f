"""Archives with a bit flipped."""

import os
import random
import shutil
import tarfile

from robustness.common import ROOT, Forks, Tally, digest

_DETECTOR = os.path.join(ROOT, "testdata", "shapes_detector")
_CHECKPOINT = "model.ckpt.index", "model.ckpt.data-00000-of-00001"
_HOLDS = (
    ("a checkpoint", _CHECKPOINT + ("pipeline.config",)),
    ("a frozen graph", ("frozen_inference_graph.pb", "pipeline.config")),
)
# What is not the model: it tells of the source's files and of the conversion.
_TOLD = ("plan.json", "report.json", "report.html", "manifest.json")
_ENDS = 64


def archives(scratch, options):
    """Archives with a bit flipped: refused, or converted to the same model"""
    rows, faults = [], []
    choose = random.Random(7)
    with Forks() as forks:
        for what, names in _HOLDS:
            for suffix, mode in ((".tar.gz", "w:gz"), (".tar", "w")):
                path = os.path.join(scratch, "it" + suffix)
                with tarfile.open(path, mode) as made:
                    for name in names:
                        made.add(os.path.join(_DETECTOR, name), "model/" + name)
                tally = _flip(forks, path, choose, options.flips)
                faults += [f"{suffix} with {what}: {fault}" for fault in tally.faults]
                rows.append((f"{suffix} with {what}", tally.said()))
    return rows, faults


def _flip(forks, path, choose, count):
    tally = Tally()
    out = os.path.join(os.path.dirname(path), "out")
    with open(path, "rb") as file:
        whole = file.read()
    code, model = _converted(forks, path, out)
    tally.expect(code == 0, "the archive itself is refused")
    uncovered, headers = _parts(path)
    # Half of the flips anywhere, which is in weights, half where an archive says what is in it.
    for turn in range(count):
        place = choose.randrange(len(whole)) if turn % 2 else choose.choice(headers)
        bit = choose.randrange(8)
        data = bytearray(whole)
        data[place] ^= 1 << bit
        with open(path, "wb") as file:
            file.write(data)
        code, found = _converted(forks, path, out)
        tally.add("flips")
        if code == 3 and found is None:
            tally.add("refused")
        elif code == 0 and found == model:
            tally.add("the same model")
        elif code == 0 and place in uncovered:
            tally.add("taken as they are (tar has no checksum for a config or a frozen graph)")
        else:
            tally.expect(False, f"byte {place}, bit {bit}: exit code {code}")
    return tally


def _parts(path):
    """The bytes of a plain archive for which there is no checksum; where it says what is in it."""
    with open(path, "rb") as file:
        if file.read(2) == b"\x1f\x8b":
            size = os.path.getsize(path)
            return (), list(range(_ENDS)) + list(range(size - _ENDS, size))
    uncovered, headers = set(), []
    with tarfile.open(path) as archive:
        for one in archive:
            headers += range(one.offset, one.offset_data)
            if os.path.basename(one.name) not in _CHECKPOINT:
                uncovered.update(range(one.offset_data, one.offset_data + one.size))
    return uncovered, headers


def _converted(forks, path, out):
    """The exit code of a conversion, and the digests of the model's files, None without any."""
    done = forks.run(
        argv=[
            "convert",
            path,
            "--num_classes",
            "3",
            "--map",
            "1=1",
            "--target_api",
            "2019-07",
            "--output_directory",
            out,
        ]
    )
    code = done["code"] if "Traceback" not in done["err"] else -1
    if not os.path.exists(out):
        return code, None
    model = {
        name: digest(os.path.join(out, name))
        for name in sorted(os.listdir(out))
        if name not in _TOLD
    }
    shutil.rmtree(out)
    return code, model
