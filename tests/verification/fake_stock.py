"""The stock API's Python, played by a script."""

FAKE = """#!%(python)s
import json, os, sys
arguments = sys.argv[1:]
if arguments[0].endswith("api_revision.py"):
    print(json.dumps({"api": {"revision": "2019-07"}, "tensorflow": True}))
else:
    jobs = json.load(open(arguments[1]))
    for job in jobs:
        if "pipeline_config" in job and job["verb"] == "detect":
            job["config"] = open(job["pipeline_config"]).read()
            job["index"] = os.path.getsize(job["checkpoint"] + ".index")
    json.dump(jobs, open(%(asked)r, "w"))
    open(arguments[2] + ".begun", "w").write("." * len(jobs))
    answers = json.load(open(%(answers)r))
    names = [job.get("trainer", "graph" if "graph" in job else job["verb"]) for job in jobs]
    json.dump([answers[name] for name in names], open(arguments[2], "w"))
"""


def compared(*sides):
    """An answer to a job that compares; what is said of each side adds to what an equal one has."""
    apart = {"largest": 2e-7, "scale": 0.5, "why": ""}
    stage = {"stage": "", "anchors": 4, "anchor": apart, "rows": 4, "logit": apart, "box": apart}
    equal = {
        "equal": True,
        "part": None,
        "notes": [],
        "stages": [stage],
        "masks": None,
        "proposals": None,
    }
    return {
        "verb": "compare",
        "api": {"revision": "2019-07"},
        "pictures": [[240, 320], [333, 251]],
        "compared": [dict(equal, **one) for one in sides],
    }


def restored(trainer, **changes):
    return dict(
        {
            "verb": "restore",
            "api": {"revision": "2019-07"},
            "trainer": trainer,
            "steps": 0,
            "counts": {"model": {"total": 2, "restored": 2}},
            "moving_averages": {"from_checkpoint": 0, "from_variable": 0, "from_initialiser": []},
            "restored": [],
            "dropped": [],
            "missing": [],
            "not_asked_for": [],
            "losses": [],
            "finite": True,
            "verdict": "complete",
        },
        **changes,
    )
