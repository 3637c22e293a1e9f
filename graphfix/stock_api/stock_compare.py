"""The job `compare`: whether graphs compute for pictures what a source's graph does.

Compared is what comes before suppression, and box by box: class logits, box encodings, decoded
boxes, anchors, masks, and how scores are made of logits.  A second stage computes from the boxes
that the first one proposes, and which are proposed may hang on the last bit of a score: so every
graph gets the proposals (and what it masks) of the source's.

Where a graph differs, the first place in it is looked for: layer by layer, at the input and the
output of every convolution.
"""

from typing import Any, Dict, List

import agreement
import numpy as np
import stock_graph
import stock_layers
import stock_scene
import tensorflow.compat.v1 as tf

# Sizes of the pictures of noise: a wide one, and a high one of odd sides.
_SIZES = ((stock_scene.HEIGHT, stock_scene.WIDTH), (333, 251))


def compare(job, result):
    """Compares `outputs` with `source`, all as `stock_graph.opened` takes them, for the pictures
    in `images` or else for noise.  verification/equality.py describes the rest of the job.

    Gives `compared`, for each output: {"equal", "stages", "notes", "part"} or {"unknown": why}.
    """
    result["compared"] = []
    with stock_graph.opened(job["source"], {}) as graph:
        try:
            source = _Detector(graph, job, 0)
        except stock_graph.Unrecognised as error:
            result["unknown"] = str(error)
            return
        pictures = _pictures(job)
        known: Dict[int, Any] = {}
        result["pictures"] = [list(one.shape[:2]) for one in pictures]
        for side in job["outputs"]:
            with stock_graph.opened(side, {}) as other:
                try:
                    output = _Detector(other, job, 1)
                    result["compared"].append(_compare(source, output, pictures, known, job))
                except stock_graph.Unrecognised as error:
                    result["compared"].append({"unknown": str(error)})


def _pictures(job):
    if not job.get("images"):
        return [_noise(number, *size) for number, size in enumerate(_SIZES)]
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = tf.placeholder(tf.string, [])
        decoded = tf.image.decode_jpeg(encoded, channels=3)
        found = []
        for path in job["images"]:
            with open(path, "rb") as file:
                found.append(session.run(decoded, {encoded: file.read()}))
        return found


def _noise(seed, height, width):
    """A picture of noise with a few plain rectangles, which a detector may take for objects."""
    random = np.random.RandomState(seed)
    picture = random.randint(64, 192, (height, width, 3)).astype(np.uint8)
    for _ in range(stock_scene.BOXES):
        top, left = random.randint(0, height // 2), random.randint(0, width // 2)
        high, wide = (
            random.randint(height // 8, height // 2),
            random.randint(width // 8, width // 2),
        )
        picture[top : top + high, left : left + wide] = random.randint(0, 256, 3)
    return picture


class _Detector:
    """A graph with the tensors of its stages; `side` is 0 for the source, 1 for an output."""

    def __init__(self, graph, job, side):
        self.graph, self.side = graph, side
        self.conversions = []
        self.stages = [self._stage(one) for one in job["stages"]]
        self.ends = [one[key] for one in self.stages for key in ("logits", "encodings")]
        self.masks = None
        if job.get("masks"):
            self.masks = graph.joined([job["masks"]["kernel"][side]])
            self.ends.append(self.masks)
        self.crops = graph.crops(self.ends)

    def _stage(self, spec):
        logits = self.graph.joined([pair[self.side] for pair in spec["class_kernels"]])
        encodings = self.graph.joined([pair[self.side] for pair in spec["box_kernels"]])
        found = {"logits": logits, "encodings": encodings}
        decoding = self.graph.decoding(encodings)
        if decoding:
            found["encodings"], found["anchors"], found["decoded"] = decoding
        kind, found["converted"] = self.graph.conversion(logits)
        self.conversions.append((kind, spec["channels"][self.side]))
        return found

    def rounding(self, job, picture):
        """The largest step by which a head that rounds to 8 bits may differ."""
        kernels = [
            pair[self.side]
            for stage in job["stages"]
            for pair in stage["class_kernels"] + stage["box_kernels"]
        ]
        bounds = [list(one.inputs)[1:] for one in self.graph.roundings(kernels)]
        return max((agreement.step(*one) for one in self.graph.run(bounds, picture)), default=0.0)

    def values(self, picture, crops=(), forced=None):
        """All that is compared, for a picture; features are cropped at `crops`, where given."""
        fetches = {"stages": self.stages, "crops": self.crops}
        if self.masks is not None:
            fetches["masks"] = self.masks
        feeds = dict(zip(self.crops, crops))
        feeds.update(forced or {})
        found = self.graph.run(fetches, picture, feeds)
        for stage, (kind, channels) in zip(found["stages"], self.conversions):
            stage["conversion"] = _conversion(kind, stage, channels)
        return found


def _conversion(kind, stage, channels):
    """How scores are made, in words: of logits that may be scaled, and lack the background."""
    logits, taken = stage["logits"].reshape(-1, channels), stage.pop("converted")
    taken = taken.reshape(-1, taken.shape[-1])
    left_out = channels - taken.shape[-1]
    largest = float(np.abs(taken).max())
    scale = float(np.abs(logits[:, left_out:]).max()) / largest if largest else 1.0
    return (
        kind
        + (f" of logits / {scale:.4g}" if f"{scale:.4g}" != "1" else "")
        + (" without the background" if kind == "Softmax" and left_out else "")
    )


def _compare(source, output, pictures, known, job):
    """What becomes of the comparison of two detectors, over all pictures."""
    rounds = []
    for number, picture in enumerate(pictures):
        if number not in known:
            known[number] = source.values(picture)
        rounds.append(_round(source, output, picture, known[number], job))
    first = next((one for one in rounds if one["part"]), rounds[0])
    found = {
        "equal": not first["part"],
        "part": first["part"],
        "notes": first["notes"],
        "stages": [
            _worst([one["stages"][at] for one in rounds]) for at in range(len(job["stages"]))
        ],
        "masks": _worst([{"mask": one["masks"]} for one in rounds])["mask"],
        "proposals": min(one["proposals"] or [] for one in rounds) or None,
    }
    # JSON has no word for what has no number.
    for figures in found["stages"] + [found]:
        for one in figures.values():
            if isinstance(one, dict) and one["largest"] == agreement.INFINITE:
                one["largest"] = None
    return found


def _worst(rounds):
    """A round's figures, of differences the largest of all rounds."""
    out = dict(rounds[0])
    for key, value in out.items():
        if isinstance(value, dict):
            out[key] = max((one[key] for one in rounds), key=lambda one: one["largest"])
    return out


def _round(source, output, picture, before, job):
    """The comparison for one picture."""
    crops: List[Any] = []
    notes: List[str] = []
    proposals = None
    if source.crops:
        own = output.graph.run(output.crops, picture)
        if len(own) != len(before["crops"]):
            raise stock_graph.Unrecognised(
                f"it crops features {len(own)} times, and the source {len(before['crops'])} times"
            )
        crops = [_fitted(boxes, len(mine)) for boxes, mine in zip(before["crops"], own)]
        proposals = [_shared(before["crops"][0], own[0]), len(before["crops"][0])]
    after = output.values(picture, crops)
    found = _compared(source, output, picture, (before, after), job)
    parts = found.pop("parts")
    first = parts[0] if parts else None
    if {one[0] for one in parts} & {agreement.BOXES, agreement.LOGITS, agreement.MASKS}:
        part, forced = stock_layers.first_difference(source, output, picture, crops, before, job)
        if forced:
            after = output.values(picture, crops, forced)
            rounding = output.rounding(job, picture)
            found = _compared(source, output, picture, (before, after), job, rounding)
            parts = found.pop("parts")
            first = parts[0] if parts else None
            found["notes"].append(
                f"behind {len(forced)} layers, where rounding to 8 bits puts single values a step "
                "further, the source's values were taken"
            )
        first = part or first
    notes += found.pop("notes") + [one[1] for one in parts if one is not first]
    return dict(found, part=first, notes=notes, proposals=proposals)


def _compared(source, output, picture, values, job, rounding=0.0):
    """Figures of the stages and masks, notes, and all parts."""
    before, after = values
    stages, parts, notes = [], [], []
    for number, spec in enumerate(job["stages"]):
        stage = agreement.Stage(spec)
        sides = [dict(one["stages"][number]) for one in values]
        if spec["proposals"] and all("decoded" in one for one in sides):
            sides[1]["decoded"] = _decoded(output, number, sides, stage, spec, picture)
        if spec["proposals"]:
            for one in sides:
                one.pop("anchors", None)
        found = stage.compare(*sides, rounding)
        if any(one[0] == agreement.ANCHORS for one in found["parts"]) and job.get("carried"):
            found = _carried(source, output, picture, job["carried"], found)
        stages.append(found)
        parts += found.pop("parts")
        notes += found.pop("notes")
    masks = None
    if job.get("masks"):
        rows = min(len(before["masks"]), len(after["masks"]))
        pair = [
            one["masks"][:rows].reshape(-1, job["masks"]["channels"][side])[
                :, [both[side] for both in job["masks"]["classes"]]
            ]
            for side, one in enumerate(values)
        ]
        masks = agreement.gap(*pair)
        if not masks.equal:
            parts.append([agreement.MASKS, f"the masks {masks}"])
        masks = masks._asdict()
    return {"stages": stages, "masks": masks, "parts": parts, "notes": notes}


def _fitted(boxes, count):
    """As many boxes as the other graph crops at."""
    return np.resize(boxes, (count, boxes.shape[1]))


def _shared(boxes, others):
    """How many of some boxes are among others."""
    near = agreement.TOLERANCE * max(1.0, float(np.abs(boxes).max()))
    return int(sum(bool((np.abs(others - one).max(axis=1) <= near).any()) for one in boxes))


def _decoded(output, number, sides, stage, spec, picture):
    """What the output's graph decodes from the source's encodings and proposals."""
    tensors = output.stages[number]
    feeds = {}
    for key, codes in (("encodings", spec["codes"]), ("anchors", 4)):
        taken = stage.boxes(sides[0][key], 0, codes)
        given = np.zeros_like(sides[1][key]).reshape(-1, spec["classes"][1], codes)
        rows = min(len(taken), len(given))
        for place, pair in enumerate(spec["boxes"]):
            given[:rows, pair[1]] = taken[:rows, place]
        feeds[tensors[key]] = given.reshape(sides[1][key].shape)
    return output.graph.run(tensors["decoded"], picture, feeds)


def _carried(source, output, picture, heads, found):
    """The comparison where anchors were meant to change: of the channels that were carried."""
    parts: List[Any] = []
    worst: Dict[str, Any] = {}
    for head in heads:
        if head["index"] is not None and max(head["index"]) < 0:
            continue
        raws = [
            one.graph.run(one.graph.raw(head["kernel"][side]), picture)
            for side, one in enumerate((source, output))
        ]
        for one, other in zip(*raws):
            apart = agreement.compare_channels(one, other, head["index"], head["affine"])
            if head["key"] not in worst or worst[head["key"]]["largest"] < apart.largest:
                worst[head["key"]] = apart._asdict()
            if not apart.equal:
                parts.append([head["step"], f"the {head['step']} of carried anchors {apart}"])
    note = "the anchors were changed: compared are the channels that were carried, map by map"
    kept = {key: found[key] for key in ("stage", "rows", "anchors")}
    return dict(kept, parts=parts, notes=[note], **worst)
