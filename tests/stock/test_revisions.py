"""What is emitted for an era, judged by that era's own API: its parser and its model builder.

Every published config (and one of each family) is made one for each era, and all of them are
parsed and built there.  With GRAPHFIX_ALL_CONFIGS=1 the inference graph of every one is made as
well, which takes many minutes.
"""

import functools
import glob
import json
import os
import subprocess

import pytest
import repository
import revision_parser
import thorough
import zoo
from google.protobuf import text_format

from graphfix.detectors.extractors.loader import extractors
from graphfix.errors import RequestError
from graphfix.pipeline_config import descriptors, schema_history
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning.config_edits import Paths, plan_config
from graphfix.stock_api import api_revision

HERE = os.path.join(repository.TESTS, "stock")
# The month that the API of each environment is of.
ERAS = {"2019-04": "2019-04", "2019-07": "2019-07", "2021": "2021-06"}
CONFIGS = sorted(
    glob.glob(os.path.join(HERE, "families", "*.config"))
    + glob.glob(os.path.join(zoo.DIRECTORY, "sample_configs", "*.config"))
    + glob.glob(os.path.join(zoo.DIRECTORY, "*", "pipeline.config*"))
    + glob.glob(os.path.join(zoo.DIRECTORY, "finetuned", "*", "*config"))
)


@functools.lru_cache(maxsize=None)
def emitted(path, revision):
    """The text for a month, None where it is refused, and whether a finding says that building
    it stops under Python 3."""
    with open(path, "rb") as file:
        config = parse_config(file.read(), path)
    try:
        edits, findings = plan_config(
            config,
            config.message.model.WhichOneof("model"),
            3,
            target_api=revision,
            trainer="any",
            resumable=False,
            paths=Paths("/out/model.ckpt", "/out/label_map.pbtxt", None, None),
        )
    except RequestError:
        return None, False
    return apply_edits(config.document, edits).encode(), any(
        one.code == "PYTHON_3" for one in findings
    )


def package(python):
    """The directory of the API of an interpreter."""
    done = subprocess.run(
        [
            python,
            "-c",
            (
                f"import sys; sys.path.insert(0, {os.path.dirname(api_revision.__file__)!r}); "
                "import api_revision; "
                "print(api_revision.package_directory())"
            ),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        universal_newlines=True,
    )
    return done.stdout.strip()


@pytest.fixture(params=sorted(ERAS))
def era(request):
    return request.param


def test_the_data_say_what_the_api_itself_says(era, stock_python):
    """Fields, numbers, labels, types, defaults and oneofs: both read by different means."""
    installed = descriptors.read_schema(package(stock_python(era)), "installed")
    known = schema_history.schema(ERAS[era])
    pending, seen = [schema_history.PIPELINE], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        assert installed.messages[name] == known.messages[name], name
        types = {spec.type for spec in known.messages[name].values()}
        pending += types & set(known.messages)
        for enum in types & set(known.enums):
            assert sorted(installed.enums[enum]) == sorted(known.enums[enum])
    assert len(seen) > 100


def test_the_feature_extractors_are_those_of_the_table(era, stock_python):
    installed = descriptors.read_schema(package(stock_python(era)), "installed").extractors
    revision = ERAS[era]
    for kind, extractor in extractors().items():
        since, until = extractor.since, extractor.gone
        if since <= revision and (until is None or revision < until):
            assert kind in installed
        elif revision < since:
            assert kind not in installed


def judged(era, python, verb, paths, directory):
    """{path: None or what that era's API raised} for emitted configs."""
    files = {}
    for number, path in enumerate(paths):
        text = emitted(path, ERAS[era])[0]
        if text is not None:
            name = str(directory / (f"{number}.config"))
            with open(name, "wb") as file:
                file.write(text)
            files[name] = path
    result = str(directory / "result.json")
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    done = subprocess.run(
        [python, os.path.join(HERE, "build_configs.py"), verb, result] + list(files),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    with open(result, encoding="utf-8") as file:
        found = json.load(file)
    return {files[name]: words for name, words in found.items()}


def test_every_config_is_parsed_by_every_era(era, stock_python, tmp_path):
    python = stock_python(era)
    found = judged(era, python, "parse", CONFIGS, tmp_path)
    assert {path: words for path, words in found.items() if words} == {}
    assert len(found) > 30
    # Refused are only those that have no feature extractor there, or that its parser stops at.
    for path in set(CONFIGS) - set(found):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        message = parse_config(text.encode(), path).message
        kind = getattr(message.model, message.model.WhichOneof("model")).feature_extractor.type
        since, until = extractors()[kind].since, extractors()[kind].gone
        if since <= ERAS[era] < (until or "9999"):
            with pytest.raises(text_format.ParseError):
                revision_parser.parse(text, ERAS[era])


def test_every_config_is_built_by_every_era(era, stock_python, tmp_path):
    found = judged(era, stock_python(era), "build", CONFIGS, tmp_path)
    assert {
        path: words for path, words in found.items() if words and not emitted(path, ERAS[era])[1]
    } == {}


@thorough.only
def test_the_inference_graph_of_every_config(era, stock_python, tmp_path):
    found = judged(era, stock_python(era), "graph", CONFIGS, tmp_path)
    for path, words in found.items():
        # Those that stop are those that a finding says it of, no more and no less.
        assert bool(words) == emitted(path, ERAS[era])[1], (path, words)
