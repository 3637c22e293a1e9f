"""The classes that a target names, whatever it is that names them."""

import json

import builders
import pytest
from conversions import API


def target(tmp_path, kind, name):
    if kind == "classes":
        return ("--classes", f"person,{name}")
    text = {
        "target.pbtxt": builders.label_map(["person", name]),
        "target.txt": f"person\n{name}\n",
        "target.yaml": f"names: [person, {name}]",
    }[kind]
    return ("--label_map_path", builders.write(tmp_path, kind, text))


@pytest.mark.parametrize("kind", ["classes", "target.pbtxt", "target.txt", "target.yaml"])
def test_a_class_called_background_is_told_of(kind, model, graphfix, tmp_path):
    for name, told in (("background", 1), ("__Background__", 1), ("backgrounds", 0), ("cat", 0)):
        done = graphfix("plan", model, "--json", *target(tmp_path, kind, name), *API)
        assert done.code == 0, done.err
        found = [one for one in json.loads(done.out)["findings"] if "BACKGROUND" in one["code"]]
        assert [one["severity"] for one in found] == ["warning"] * told
        assert all("id 2" in one["message"] and name in one["message"] for one in found)
