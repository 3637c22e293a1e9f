"""Records what the stock code of TensorFlow 2 saves for each case of tests/tf2_cases.py.

PYTHONPATH=.:tests python tests/stock/record_tf2.py TF2_PYTHON
"""

import gzip
import json
import os
import sys
import tempfile

import tf2_cases

import graphfix
from graphfix.stock_api import runner


def objects(titles, python):
    """{title: {path: [name, shape]}} as the model of TensorFlow 2 has them."""
    with tempfile.TemporaryDirectory() as top:
        jobs = []
        for number, title in enumerate(titles):
            memory = graphfix.Memory()
            graphfix.export("tf2", tf2_cases.model_of(tf2_cases.text_of(title)), memory)
            path = os.path.join(top, f"{number}.config")
            with open(path, "wb") as file:
                file.write(memory.files["pipeline.config"])
            jobs.append({"verb": "tf2_objects", "pipeline_config": path})
        found = runner.run_jobs(jobs, python=python)
    for one in found:
        assert "error" not in one, one["error"]
    return {title: one["objects"] for title, one in zip(titles, found)}


if __name__ == "__main__":
    text = json.dumps(objects(list(tf2_cases.CASES), sys.argv[1]), sort_keys=True)
    with open(tf2_cases.RECORDED, "wb") as file:
        file.write(gzip.compress(text.encode("ascii"), mtime=0))
