#!/usr/bin/env python3
"""Runs frozen graphs side by side on the same pictures.

    run_graphs.py GRAPH GRAPH EXPORTED --pictures N

Prints JSON: for each GRAPH the milliseconds of every picture (the graphs take turns), its size in
bytes and its number of nodes; and whether the second GRAPH finds what EXPORTED does, bit for bit.
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

OUTPUTS = tuple(f"detection_{name}:0" for name in ("boxes", "scores", "classes")) + (
    "num_detections:0",
)
WARMING = 3


def load(path):
    graph_def = tf.compat.v1.GraphDef()
    with open(path, "rb") as file:
        graph_def.ParseFromString(file.read())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    return tf.compat.v1.Session(graph=graph), len(graph_def.node)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("graphs", nargs=3)
    parser.add_argument("--pictures", type=int, required=True)
    args = parser.parse_args()
    random = np.random.RandomState(0)
    pictures = random.randint(0, 256, (WARMING + args.pictures, 1, 300, 300, 3)).astype(np.uint8)
    sessions = [load(path) for path in args.graphs]
    found, times = [[], [], []], [[], [], []]
    for picture in pictures:
        for number, (session, _) in enumerate(sessions):
            start = time.perf_counter()
            found[number].append(session.run(OUTPUTS, {"image_tensor:0": picture}))
            times[number].append(1000 * (time.perf_counter() - start))
    print(
        json.dumps(
            {
                "graphs": [
                    {
                        "ms": times[number][WARMING:],
                        "nodes": sessions[number][1],
                        "bytes": os.path.getsize(args.graphs[number]),
                    }
                    for number in (0, 1)
                ],
                "same": all(
                    one.tobytes() == other.tobytes()
                    for these, those in zip(found[1], found[2])
                    for one, other in zip(these, those)
                ),
                "detections": float(np.mean([one[3] for one in found[1]])),
            }
        )
    )


if __name__ == "__main__":
    main()
