#!/usr/bin/env python3
"""Fine-tunes in PyTorch as arms/train.py does in TensorFlow 1, and detects at the steps wanted.

    torch_train.py EXPORTED --config CONFIG --steps 0,50,150,300 --seed 0 --record TRAIN VAL
        --output OUT --saved DIRECTORY --times TIMES

EXPORTED is what `graphfix export torch` wrote, CONFIG the pipeline.config of the TensorFlow arm,
which says how to train: Adam, a cosine with a warm-up, an l2_regularizer, pictures flipped half of
the time.  OUT gets what arms/pascal.py evaluates, DIRECTORY the last weights as TensorFlow 1's
checkpoint, and TIMES what arms/train.py's does.  One thread; needs graphfix[torch] and Pillow.
"""

import argparse
import json
import math
import os
import sys
import time

import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, "examples")]

from finetune_torch import batches, read  # noqa: E402

import graphfix.torch  # noqa: E402
from graphfix.pipeline_config.document import parse_config  # noqa: E402


def cosine(schedule, step):
    """The learning rate of a CosineDecayLearningRate message at a step."""
    base, warm = schedule.learning_rate_base, schedule.warmup_learning_rate
    if step < schedule.warmup_steps:
        return warm + (base - warm) * step / schedule.warmup_steps
    part = (step - schedule.warmup_steps) / (schedule.total_steps - schedule.warmup_steps)
    return 0.5 * base * (1 + math.cos(math.pi * part))


def flipped(image, target):
    """A picture and its target from left to right."""
    boxes = target["boxes"][:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1])
    boxes[:, [0, 2]] += image.shape[2]
    return image.flip(2), dict(target, boxes=boxes)


def detected(detector, pictures, seconds):
    """[ymin, xmin, ymax, xmax, score, class id] of all that is found in each picture."""
    detector.eval()
    rows = []
    for image, _ in pictures:
        started = time.process_time()
        with torch.no_grad():
            (found,) = detector([image])
        seconds.append(time.process_time() - started)
        height, width = image.shape[1:]
        boxes = found["boxes"][:, [1, 0, 3, 2]] / torch.tensor([height, width] * 2)
        columns = boxes, found["scores"][:, None], found["labels"][:, None]
        rows.append(torch.cat(columns, dim=1).tolist())
    return rows


def train(detector, config, pictures, steps, seed, at_step, seconds):
    """Trains, and calls `at_step(step)` before the first step and after all those of `steps`."""
    torch.manual_seed(seed)
    settings = config.train_config
    rates = settings.optimizer.adam_optimizer.learning_rate.cosine_decay_learning_rate
    regularizer = config.model.ssd.feature_extractor.conv_hyperparams.regularizer
    kernels = [one for one in detector.parameters() if one.ndim == 4]
    others = [one for one in detector.parameters() if one.ndim != 4]
    optimizer = torch.optim.Adam(
        [{"params": kernels, "weight_decay": regularizer.l2_regularizer.weight}, {"params": others}]
    )
    if 0 in steps:
        at_step(0)
    for step, batch in enumerate(batches(pictures, settings.batch_size, seed), start=1):
        started = time.process_time()
        detector.train()
        shown = [flipped(*one) if torch.rand(()) < 0.5 else one for one in batch]
        losses = detector([image for image, _ in shown], [target for _, target in shown])
        for group in optimizer.param_groups:
            group["lr"] = cosine(rates, step - 1)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        seconds.append(time.process_time() - started)
        if step in steps:
            at_step(step)
        if step == max(steps):
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("exported")
    parser.add_argument("--config", required=True)
    parser.add_argument("--steps", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--record", nargs=2, required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--saved", required=True)
    parser.add_argument("--times", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    detector = graphfix.torch.load(args.exported)
    classes = [name for _, name in sorted(detector.classes.items())]
    shown, held_out = (list(read(path, classes)) for path in args.record)
    with open(args.config, "rb") as file:
        config = parse_config(file.read(), args.config).message
    seconds, found = {"train": [], "detect": []}, {}

    def at_step(step):
        found[step] = detected(detector, held_out, seconds["detect"])

    steps = [int(step) for step in args.steps.split(",")]
    train(detector, config, shown, steps, args.seed, at_step, seconds["train"])
    graphfix.torch.save_tf1(detector, args.saved, overwrite=True)
    for path, content in ((args.times, seconds), (args.output, found)):
        with open(path + ".part", "w") as file:
            json.dump(content, file)
        os.rename(path + ".part", path)


if __name__ == "__main__":
    main()
