"""check: an output is what its golden file says, or what is not is named; and docs/ci.md is run."""

import json
import os
import re
import shutil
from xml.etree import ElementTree

import builders
import pytest
import readme
import thorough
from conversions import converted

PARTS = ["tensors", "config", "label map", "files"]
# The last of two parts of one name counts.
GOLDEN = (
    b'{"format": 2, "config": null, "labels": null, "graphs": null, "files": null, '
    b'"tensors": null, %b}'
)


@pytest.fixture
def out(graphfix, model, tmp_path):
    return converted(graphfix, model, tmp_path, ["dog", "bolt <&\u732b>"])


@pytest.fixture
def golden(graphfix, out, tmp_path):
    path = tmp_path / "golden.json"
    done = graphfix("check", out, "--golden", path, "--update")
    assert done == (0, f"{path} written\n", "")
    return str(path)


def change(out, edit):
    """Rewrites an output's checkpoint with changed tensors."""
    tensors = builders.read_checkpoint(os.path.join(out, "model.ckpt"))
    tensors = {name: value.copy() for name, value in tensors.items()}
    edit(tensors)
    builders.write_checkpoint(os.path.join(out, "model.ckpt"), tensors)


def edit_text(out, name, old, new):
    with open(os.path.join(out, name), encoding="utf-8") as file:
        text = file.read()
    assert old in text
    builders.write(out, name, text.replace(old, new))


def test_the_same_wherever_it_lies(graphfix, out, golden, tmp_path):
    assert graphfix("check", out, "--golden", golden).code == 0
    with open(golden, "rb") as file:
        before = file.read()
    assert str(tmp_path).encode() not in before
    graphfix("check", out, "--golden", golden, "--update")
    with open(golden, "rb") as file:
        assert file.read() == before


def test_xml_in_an_encoding_that_there_is_not_is_not_ours(graphfix, out, golden, tmp_path):
    text = '<?xml version="1.0" encoding="foo"?><testsuite name="graphfix check"/>'
    path = builders.write(tmp_path, "results.xml", text)
    done = graphfix("check", out, "--golden", golden, "--junit", path)
    assert done.code == 3 and "exists" in done.err
    with open(path) as file:
        assert file.read() == text


def test_a_class_is_named_with_level_and_size(graphfix, out, golden, tmp_path):
    def louder(tensors):
        # Classes are background, dog, bolt; anchor 1.
        tensors["BoxPredictor_2/ClassPredictor/weights"][0, 0, 3, 1 * 3 + 2] += 0.01
        tensors["BoxPredictor_1/BoxEncodingPredictor/biases"][:] = 0

    change(out, louder)
    done = graphfix("check", out, "--golden", golden, "--junit", tmp_path / "results.xml")
    assert done.code == 1 and done.err == ""
    assert re.search(
        r"^class 2 'bolt <&\u732b>': weights of level 2 differ: 1 of 192, max 0.01 ", done.out, re.M
    )
    assert (
        "tensor BoxPredictor_1/BoxEncodingPredictor/biases (box biases of level 1): differs\n"
        in done.out
    )
    suite = ElementTree.parse(str(tmp_path / "results.xml")).getroot()
    names = [case.get("name") for case in suite]
    assert names == PARTS + ["background", "class 1 'dog'", "class 2 'bolt <&\u732b>'"]
    failed = {case.get("name"): case.find("failure").text for case in suite if len(case)}
    assert set(failed) == {"tensors", "class 2 'bolt <&\u732b>'"}
    assert (suite.get("tests"), suite.get("failures")) == ("7", "2")
    assert "max 0.01" in failed["class 2 'bolt <&\u732b>'"]
    data = json.loads(graphfix("check", out, "--golden", golden, "--json").out)
    assert len(data["differences"]) == 2
    done = graphfix("check", out, "--golden", golden, "--update")
    assert done.code == 0 and "weights of level 2 differ" in done.err
    assert graphfix("check", out, "--golden", golden).code == 0


def test_a_large_head_is_known_by_digests(graphfix, out, tmp_path, monkeypatch):
    monkeypatch.setattr("graphfix.comparison.golden.MOST_VALUES", 1)
    golden = tmp_path / "golden.json"
    graphfix("check", out, "--golden", golden, "--update")
    assert '"values"' not in golden.read_text()

    def louder(tensors):
        tensors["BoxPredictor_2/ClassPredictor/weights"][0, 0, 3, 5] += 0.01

    change(out, louder)
    done = graphfix("check", out, "--golden", golden)
    assert done.code == 1
    assert done.out.splitlines()[0] == "class 2 'bolt <&\u732b>': weights of level 2 differ"
    assert done.out.count("\n") == 2


def test_config_and_labels(graphfix, out, golden):
    edit_text(out, "pipeline.config", "batch_size: 2", "  batch_size:2 # two")
    assert graphfix("check", out, "--golden", golden).code == 0
    edit_text(out, "pipeline.config", "batch_size:2", "batch_size:3")
    edit_text(out, "label_map.pbtxt", '"dog"', '"hound"')
    done = graphfix("check", out, "--golden", golden)
    assert done.code == 1 and done.out.splitlines()[:-1] == [
        "config train_config.batch_size: 2 -> 3",
        "label map: class 1: 'dog' -> 'hound'",
    ]
    os.remove(os.path.join(out, "label_map.pbtxt"))
    assert "label map: only in the golden file" in graphfix("check", out, "--golden", golden).out


@pytest.mark.parametrize(
    "content",
    thorough.sampled(
        [
            b"",
            b"{}",
            b"[]",
            b"\xff",
            b'{"format": 1}',
            b'{"format": 9}',
            b"[" * 100000,
            b'{"format": 1, "config": 3, "labels": null, "tensors": null, "graph": null}',
            GOLDEN % b'"config": 3',
            GOLDEN % b'"labels": {"x": {}}',
            GOLDEN % b'"files": {"a": 1}',
            GOLDEN % b'"graphs": {"": {"facts": {}, "saved": null}}',
            GOLDEN % b'"graphs": {"": {"facts": {}, "saved": null, "nodes": {"a": ["Const"]}}}',
            GOLDEN
            % b'"tensors": {"a": {"dtype": "float32", "shape": [2], "sha256": "0123456789abcdef", '
            b'"classes": [[1, "a", [7], "x"]]}}',
            GOLDEN
            % b'"tensors": {"a": {"dtype": "float32", "shape": [2], "sha256": "0123456789abcdef", '
            b'"values": "AAAA"}}',
            GOLDEN % b'"tensors": {"a": {"dtype": "float32", "shape": [2], "sha256": "0123"}}',
        ],
        3,
    ),
)
def test_what_is_no_golden_file(graphfix, out, tmp_path, content):
    path = builders.write(tmp_path, "golden.json", content)
    for words in ([], ["--update"]):
        done = graphfix("check", out, "--golden", path, *words)
        assert done.code == 3 and done.out == "" and done.err.startswith("graphfix: " + path)
    with open(path, "rb") as file:
        assert file.read() == content


def test_a_golden_file_of_an_earlier_format(graphfix, out, tmp_path):
    path = builders.write(
        tmp_path,
        "golden.json",
        b'{"format": 1, "config": {"a": "1"}, "labels": '
        b'{"1": ["a", "a"]}, "tensors": null,\n"graph": {"a": ["Const", "x"]}}\n',
    )
    done = graphfix("check", out, "--golden", path)
    assert done.code == 3 and done.out == ""
    assert "is a golden file of format 1, which records less" in done.err
    assert f"graphfix check OUT --golden {path} --update" in done.err
    done = graphfix("check", out, "--golden", path, "--update")
    assert (done.code, done.out) == (0, f"{path} written\n")
    assert done.err == f"{path} had an earlier format: it does not tell what has changed\n"
    assert graphfix("check", out, "--golden", path).code == 0


def test_what_cannot_be_done(graphfix, out, golden, tmp_path):
    done = graphfix("check", out, "--golden", tmp_path / "none.json")
    assert done.code == 3 and "--update" in done.err
    done = graphfix("check", out, "--golden", tmp_path / "no" / "golden.json", "--update")
    assert done.code == 3 and "cannot be written" in done.err
    assert graphfix("check", out, "--golden", golden, "--update", "--json").code == 2
    assert graphfix("check", tmp_path, "--golden", golden).code == 3
    assert sorted(os.listdir(str(tmp_path))) == ["golden.json", "new.pbtxt", "out"]


# docs/ci.md


@pytest.fixture
def repository(tmp_path):
    """Somebody's repository, and the environment in which `graphfix` is a command."""
    place = tmp_path / "repository"
    for name in ("models", "golden", "bin"):
        (place / name).mkdir(parents=True)
    shutil.copytree(readme.DETECTOR, str(tmp_path / "detector"))
    shutil.make_archive(str(place / "models" / "detector"), "gztar", str(tmp_path), "detector")
    builders.write(place, "labels.pbtxt", builders.label_map(["nut", "washer", "bolt"]))
    os.chmod(builders.write(place / "bin", "pip", "#!/bin/sh\n"), 0o755)
    return str(place), readme.commands(str(place / "bin"))


def ci_text():
    with open(os.path.join(readme.REPOSITORY, "docs", "ci.md"), encoding="utf-8") as file:
        return file.read()


@pytest.mark.slow
def test_the_examples_of_docs_run(repository):
    place, environment = repository
    edit_labels = re.compile("--label_map_path labels.pbtxt")
    (shell,) = re.findall(r"```bash\n(.*?)```", ci_text(), re.S)
    readme.run(edit_labels.sub("--num_classes 3", shell), place, environment)
    shutil.rmtree(os.path.join(place, "converted"))
    actions, step, hook, installed = re.findall(r"```yaml\n(.*?)```", ci_text(), re.S)
    steps = re.findall(r"^        run: (.*)$", actions, re.M)
    assert [one.split()[0] for one in steps] == ["pip", "graphfix", "graphfix"]
    for step in steps:
        readme.run(edit_labels.sub("--num_classes 3", step), place, environment)
    path = re.search(r"path: (.*)", actions).group(1)
    assert ElementTree.parse(os.path.join(place, path)).getroot().get("failures") == "0"
    entry = re.search(r"entry: (.*)", hook).group(1)
    readme.run(entry, place, environment)
    edit_text(os.path.join(place, "converted"), "pipeline.config", "batch_size: ", "batch_size: 1")
    with pytest.raises(AssertionError):
        readme.run(entry, place, environment)
    assert re.search(r"files: (.*)", hook).group() == re.search(r"files: (.*)", installed).group()
    files = re.compile(re.search(r"files: (.*)", hook).group(1))
    assert files.search("converted/pipeline.config") and files.search("golden/detector.json")


def own(name):
    with open(os.path.join(readme.REPOSITORY, name), encoding="utf-8") as file:
        return file.read()


def test_the_hooks_that_other_repositories_take():
    hooks = re.findall(
        r"^- id: (.*)\n(?:  .*\n)*?  entry: (.*)$", own(".pre-commit-hooks.yaml"), re.M
    )
    assert hooks == [("graphfix-check", "graphfix check"), ("graphfix-doctor", "graphfix doctor")]
    taken = re.findall(r"- id: (.*)\n        args: \[(.*)\]", ci_text())
    assert taken == [("graphfix-check", "converted, --golden, golden/detector.json")]


@pytest.mark.slow
def test_the_action_converts_and_checks(repository):
    """Its steps, as the example in docs/ci.md gives their inputs."""
    place, environment = repository
    (example,) = re.findall(r"- uses: ./graphfix\n        with:\n((?: {10}.*\n)+)", ci_text())
    inputs = dict(re.findall(r"^ {10}(\w+): (.*)$", example, re.M))
    inputs["convert"] = inputs["convert"].replace(
        "--label_map_path labels.pbtxt", "--num_classes 3"
    )
    text = own("action.yml")
    assert set(inputs) == set(re.findall(r"^  (\w+):\n    description", text, re.M))
    variables = dict(re.findall(r"^ +([A-Z]+): \$\{\{ inputs\.(\w+) \}\}$", text, re.M))
    given = {name: inputs[value] for name, value in variables.items()}
    environment = dict(environment, GITHUB_ACTION_PATH=".", **given)
    install, convert, check = re.findall(r"^      run: (.*)$", text, re.M)
    readme.run(install, place, environment)
    readme.run(convert, place, environment)
    readme.run('graphfix check "$OUTPUT" --golden "$GOLDEN" --update', place, environment)
    readme.run(check, place, environment)
    assert os.path.exists(os.path.join(place, given["JUNIT"]))
    edit_text(os.path.join(place, "converted"), "pipeline.config", "batch_size: ", "batch_size: 1")
    with pytest.raises(AssertionError):
        readme.run(check, place, environment)
