#!/usr/bin/env python3
"""What the stock code of TensorFlow 2 computes of exports, beside that of TensorFlow 1: the figures
of docs/tf2.md.

    tf2_table.py TF2_PYTHON TF1_PYTHON [--rows REGEX] [--page docs/tf2.md]

Each row that was measured is kept in docs/tf2.json at once; --rows measures those again that match,
without it what is missing is measured.  Then the tables are written into the page.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import judged_tf2  # noqa: E402
import lifted_tf2  # noqa: E402
import repository  # noqa: E402
import tf2_cases  # noqa: E402

TRAINED = (
    "ssd_mobilenet_v1",
    "ssd_mobilenet_v2",
    "ssdlite_mobilenet_v2",
    "faster_rcnn_resnet50",
    "faster_rcnn_resnet101",
    "faster_rcnn_resnet152",
    "mask_rcnn_resnet50",
)
FIGURES = os.path.join(repository.TOP, "docs", "tf2.json")


def rows(tf2, tf1):
    """{kind: {title: what measures it in a directory}}."""

    def small(title):
        return judged_tf2.with_training(tf2_cases.text_of(title))

    def exact(title):
        return lambda top: judged_tf2.outputs(small(title), top, tf2, tf1)

    def trained(title):
        return lambda top: judged_tf2.steps(small(title), top, tf2)

    def whole(name):
        return lambda top: judged_tf2.outputs(
            judged_tf2.full_size(name, small=False), top, tf2, tf1
        )

    def whole_trained(name):
        return lambda top: judged_tf2.steps(judged_tf2.full_size(name, small=True), top, tf2)

    return {
        "exact": {title: exact(title) for title in tf2_cases.CASES},
        "trained": {title: trained(title) for title in TRAINED},
        "refused": {
            **dict.fromkeys(lifted_tf2.CASES),
            "quantization, with --drop_quantization": lambda top: judged_tf2.quantized(
                top, tf2, tf1
            ),
        },
        "full size": {name: whole(name) for name in judged_tf2.FULL_SIZE},
        "full size, trained": {name: whole_trained(name) for name in judged_tf2.FULL_SIZE},
    }


def known():
    if not os.path.exists(FIGURES):
        return {}
    with open(FIGURES) as file:
        return json.load(file)


def measured(args):
    found = known()
    lifted = [
        title
        for title in lifted_tf2.CASES
        if (
            re.search(args.rows, f"refused: {title}")
            if args.rows
            else title not in found.get("refused", {})
        )
    ]
    if lifted:
        with tempfile.TemporaryDirectory() as top:
            answers = judged_tf2.lifted(lifted, top, args.tf2, args.tf1)
        found.setdefault("refused", {}).update(answers)
        print(json.dumps(answers, indent=1), flush=True)
        _keep(found)
    for kind, parts in rows(args.tf2, args.tf1).items():
        for title, measure in parts.items():
            if measure is None:
                continue  # was measured together with others
            key = f"{kind}: {title}"
            again = args.rows and re.search(args.rows, key)
            if not again and (args.rows or title in found.get(kind, {})):
                continue
            top = tempfile.mkdtemp()
            started = time.time()
            try:
                result = measure(top)
            except Exception as error:  # one row is not the others
                result = {"failed": f"{type(error).__name__}: {error}"}
            finally:
                shutil.rmtree(top)
            print(f"{time.time() - started:.0f} s", key, json.dumps(result), flush=True)
            if "failed" not in result:
                found.setdefault(kind, {})[title] = result
                _keep(found)
    return found


def _keep(found):
    with open(FIGURES, "w") as file:
        json.dump(found, file, indent=1, sort_keys=True)
        file.write("\n")


def tables(found):
    """{name of a table: its lines}, from what was measured."""
    exact = ["| detector | largest difference |", "|---|---|"]
    exact += [f"| {title} | {_largest(found['exact'].get(title))} |" for title in tf2_cases.CASES]
    whole = ["| detector of the model zoo | variables | largest difference |", "|---|---|---|"]
    for name in judged_tf2.FULL_SIZE:
        one = found["full size"].get(name)
        number = one.get("variables", "-") if one else "-"
        whole.append(f"| {name} | {number} | {_largest(one)} |")
    steps = ["| detector | restored | steps | loss | records |", "|---|---|---|---|---|"]
    for kind, titles, suffix in (
        ("trained", TRAINED, ""),
        ("full size, trained", judged_tf2.FULL_SIZE, ", full size"),
    ):
        for title in titles:
            one = found.get(kind, {}).get(title)
            steps.append(f"| {title}{suffix} | {_steps(one)} |")
    refused = ["| detector, with the refusal lifted | what TensorFlow 2 makes of it |", "|---|---|"]
    for title, one in _in_order(found["refused"]):
        refused.append(f"| {title} | {_refused(one)} |")
    return {"exact": exact, "whole": whole, "steps": steps, "refused": refused}


def _in_order(found):
    titles = [*lifted_tf2.CASES, *(one for one in found if one not in lifted_tf2.CASES)]
    return [(title, found.get(title)) for title in titles]


def _largest(one):
    if one is None:
        return "not measured"
    if "largest" not in one:
        return one.get("error", "nothing to compare")
    return f"{one['largest']:.1e}" + ("; " + "; ".join(one["notes"]) if one["notes"] else "")


def _steps(one):
    if one is None or "total" not in one:
        return f"{_largest(one)} | | | "
    first, last = (value if isinstance(value, str) else f"{value:.3g}" for value in one["losses"])
    finite = "all finite" if one["finite"] else "not all finite"
    return (
        f"{one['restored']} of {one['total']} | {one['steps']} | {first} -> {last}, {finite} | "
        f"{one['records']}"
    )


def _refused(one):
    if one is None:
        return "not measured"
    if "error" in one:
        words = re.sub(r"\s+", " ", one["error"]).replace("|", "/")
        return f"not built or not restored: {words[:160]}"
    parts = sorted(one["figures"].items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name.replace('_', ' ')} {value:.1e}" for name, value in parts[:3])


def written(page, found):
    """Puts each table between the comments with its name."""
    with open(page) as file:
        text = file.read()
    for name, lines in tables(found).items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        assert re.search(pattern, text, re.DOTALL), name
        table = "\n".join(lines) + "\n"
        text = re.sub(
            pattern, lambda match, table=table: match[1] + table + match[2], text, flags=re.DOTALL
        )
    with open(page, "w") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tf2")
    parser.add_argument("tf1")
    parser.add_argument("--rows")
    parser.add_argument("--page")
    args = parser.parse_args()
    found = measured(args)
    if args.page:
        written(args.page, found)


if __name__ == "__main__":
    main()
