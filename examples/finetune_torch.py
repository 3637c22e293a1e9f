"""Fine-tunes a TensorFlow 1 detector in PyTorch, on the records that TensorFlow 1 would train on.

    python examples/finetune_torch.py --steps 200

It exports the detector of testdata/ with three of its eight classes, trains it on testdata's
TFRecords, and prints the mean average precision (IoU 0.5) on the validation records before, while
and after it trains.  Needs graphfix[torch] and Pillow.
"""

import argparse
import io
import os
import tempfile

import numpy as np
import torch
from PIL import Image

import graphfix
import graphfix.torch
from graphfix.datasets.tf_example import read_examples
from graphfix.formats.schema import message_class
from graphfix.formats.tfrecord import read_records
from graphfix.torch.boxes import overlaps

TESTDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "testdata")


def read(path, classes, most=None):
    """(image [3, height, width] of 0 to 1, target) of each record, as torchvision's loops take
    them: boxes as x1, y1, x2, y2 in pixels, labels from 1."""
    example_class = message_class("graphfix.example.Example")
    for (number, _, data), boxes in zip(read_records(path), read_examples(path)):
        if number == most:
            return
        features = {one.key: one.value for one in example_class.FromString(data).features.feature}
        encoded = features[b"image/encoded"].bytes_list.value[0]
        pixels = np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
        height, width = pixels.shape[:2]
        known = [
            (box, classes.index(name) + 1)
            for box, name in zip(boxes.boxes, boxes.classes)
            if name in classes
        ]
        corners = np.array([box for box, _ in known], np.float32).reshape(-1, 4)[:, [1, 0, 3, 2]]
        yield (
            torch.from_numpy(pixels).permute(2, 0, 1) / 255.0,
            {
                "boxes": torch.from_numpy(corners * np.float32([width, height] * 2)),
                "labels": torch.tensor([label for _, label in known], dtype=torch.int64),
            },
        )


def mean_average_precision(detector, pictures, classes):
    """AP at an IoU of 0.5, the area under each class's curve, and their mean."""
    detector.eval()
    with torch.no_grad():
        found = [detector([image])[0] for image, _ in pictures]
    values = []
    for label in range(1, len(classes) + 1):
        rows, total = [], 0
        for one, (_, target) in zip(found, pictures):
            truth = target["boxes"][target["labels"] == label]
            own = one["labels"] == label
            total += len(truth)
            taken = set()
            for box, score in zip(one["boxes"][own], one["scores"][own].tolist()):
                shared = overlaps(box[None], truth)[0] if len(truth) else torch.zeros(1)
                best = int(shared.argmax())
                hit = float(shared[best]) >= 0.5 and best not in taken
                taken.update([best] if hit else [])
                rows.append((score, hit))
        hits = np.array([hit for _, hit in sorted(rows, key=lambda row: -row[0])], np.float64)
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        values.append(float((envelope * hits).sum() / max(total, 1)))
    return float(np.mean(values))


def batches(pictures, size, seed):
    """Pictures in an order of their own, again and again."""
    random = np.random.RandomState(seed)
    while True:
        order = random.permutation(len(pictures))
        for start in range(0, len(order) - size + 1, size):
            yield [pictures[number] for number in order[start : start + size]]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", default="star,ring,circle")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, default=0.0003)
    parser.add_argument("--pictures", type=int, help="of each file of records; all by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    classes = given.classes.split(",")

    with tempfile.TemporaryDirectory() as directory:
        exported = os.path.join(directory, "exported")
        options = graphfix.ConvertOptions(classes=given.classes)
        graphfix.export("torch", os.path.join(TESTDATA, "shapes_detector"), exported, options)
        detector = graphfix.torch.load(exported)

    train, held_out = (
        list(read(os.path.join(TESTDATA, "shapes", name), classes, given.pictures))
        for name in ("train.record", "val.record")
    )
    found = mean_average_precision(detector, held_out, classes)
    print(f"step 0: mAP {found:.3f} of {len(held_out)} pictures")
    optimizer = torch.optim.Adam(detector.parameters(), lr=given.learning_rate)
    for step, batch in enumerate(batches(train, given.batch_size, given.seed), start=1):
        detector.train()
        losses = detector([image for image, _ in batch], [target for _, target in batch])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        if step % 50 == 0 or step == given.steps:
            shown = ", ".join(f"{name} {value.item():.3f}" for name, value in losses.items())
            found = mean_average_precision(detector, held_out, classes)
            print(f"step {step}: {shown}; mAP {found:.3f}")
        if step == given.steps:
            return found
    raise ValueError("there are fewer pictures than one batch has")


if __name__ == "__main__":
    main()
