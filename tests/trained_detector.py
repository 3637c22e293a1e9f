"""The trained detector of testdata: its graph, and names in it."""

import os

import repository

from graphfix.formats.graphdef import files

FROZEN = os.path.join(repository.DETECTOR, "frozen_inference_graph.pb")
SUPPRESSION = (
    "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/MultiClassNonMaxSuppression/"
)


def open_graph():
    return files.open_graph(files.read_graph_def(FROZEN), FROZEN)
