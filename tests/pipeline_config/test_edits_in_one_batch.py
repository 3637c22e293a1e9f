"""apply_edits against the same edits made one at a time, and how often it parses."""

import glob
import os
import random

import builders
import pytest
import repository
import textproto_cases
import thorough
from sequential_edits import apply_sequentially

from graphfix.errors import GraphfixError, RequestError, SourceError
from graphfix.formats.textproto import Document, parser, quote
from graphfix.pipeline_config.anchor_generators import anchor_edits, parse_anchors
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.pipeline_config.schema_history import LAST_MONTH
from graphfix.planning.config_edits import Paths, plan_config
from graphfix.restore import trainers

CONFIG = builders.CONFIG % {"classes": 4}
FAMILIES = sorted(glob.glob(os.path.join(repository.FAMILIES, "*.config")))
RECORDS = Paths("/out/model.ckpt", "/out/label_map.pbtxt", "/data/train.record", "/data/val.record")
NO_RECORDS = Paths("/out/model.ckpt", "/out/label_map.pbtxt", None, None)
FREEZE = (
    ConfigEdit(("train_config", "freeze_variables"), '["^FeatureExtractor/", "^a"]', ""),
    ConfigEdit(("train_config", "update_trainable_variables"), None, ""),
)
# Layouts of the same config that published files do not have.
LAYOUTS = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "one line": lambda text: " ".join(line.partition("#")[0] for line in text.split("\n")),
    "no blanks": lambda text: text.replace(": ", ":").replace(" {", "{"),
    "no last line end": lambda text: text.rstrip("\n"),
}


def outcome(apply, *arguments):
    """What comes of it: the text, or the error and what it says."""
    try:
        return apply(*arguments)
    except GraphfixError as error:
        return type(error).__name__, str(error)


def at_once(text, edits):
    return apply_edits(Document.parse(text, subject="pipeline.config"), edits).text


def check(text, edits):
    expected = outcome(apply_sequentially, text, edits)
    assert outcome(at_once, text, edits) == expected
    return expected


@pytest.fixture
def parsed(monkeypatch):
    """The texts parsed since the test began."""
    texts = []
    parse = parser._Parser.document

    def document(self):
        texts.append(self.text)
        return parse(self)

    monkeypatch.setattr(parser._Parser, "document", document)
    return texts


def plan(config, revision, *, trainer="any", paths=RECORDS, extra=(), new_ids=None):
    meta = config.message.model.WhichOneof("model")
    return plan_config(
        config,
        meta,
        3,
        target_api=revision,
        trainer=trainer,
        resumable=False,
        paths=paths,
        extra=extra,
        new_ids=new_ids,
    )[0]


def new_anchors(config, field, generators):
    """Edits that put in the anchors of another family with the same generator."""
    meta = config.message.model.WhichOneof("model")
    kind = getattr(getattr(config.message.model, meta), field).WhichOneof("anchor_generator_oneof")
    for other in generators.get(kind, ()):
        edits = anchor_edits(("model", meta, field), config.document, other)
        if edits:
            return edits
    return ()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def config_of(text):
    return parse_config(text.encode("utf-8"), "pipeline.config")


@pytest.fixture(scope="module")
def generators():
    """The anchors of every family as documents, by the name of their generator."""
    found = {}
    for path in FAMILIES:
        config = parse_config(read(path), path)
        for field in ("anchor_generator", "first_stage_anchor_generator"):
            for block in config.document.values(("model", "ssd", field)) + config.document.values(
                ("model", "faster_rcnn", field)
            ):
                inside = block.source.text[block.body_start : block.body_end]
                document, message = parse_anchors(inside.encode(), path)
                kind = message.WhichOneof("anchor_generator_oneof")
                found.setdefault(kind, []).append(document)
    return found


MONTHS = ("2017-06", "2017-10", "2018-02", "2018-04", "2018-07", "2019-04", "2019-07", LAST_MONTH)


def check_plans(path, generators, cells):
    """Plans of a family, each for one date, in one layout and with one choice of options."""
    original = read(path).decode("utf-8")
    meta = "ssd" if "ssd {" in original else "faster_rcnn"
    field = "anchor_generator" if meta == "ssd" else "first_stage_anchor_generator"
    made = 0
    for revision, layout, choice in cells:
        config = config_of(LAYOUTS[layout](original))
        options = (
            {},
            {"paths": NO_RECORDS},
            {"extra": FREEZE},
            {"extra": new_anchors(config, field, generators)},
            {"new_ids": {1: 3, 2: 1}},
            {"trainer": trainers.LEGACY, "new_ids": {}},
        )[choice]
        try:
            edits = list(plan(config, revision, **options))
        except RequestError:
            continue  # this API does not have the model
        assert isinstance(check(config.document.text, edits), str)
        made += 1
        # And in another order, in which other edits meet.
        random.Random(made).shuffle(edits)
        check(config.document.text, edits)
    assert made


@pytest.mark.parametrize("path", thorough.sampled(FAMILIES, 6), ids=os.path.basename)
def test_the_plans_of_every_family(path, generators):
    """Each date once, in any layout and with any options; the last one has every model."""
    pick = random.Random(os.path.basename(path))
    cells = [(month, pick.choice(sorted(LAYOUTS)), pick.randrange(6)) for month in MONTHS]
    check_plans(path, generators, cells + [(MONTHS[-1], "as it is", 0)])


@pytest.mark.slow
@pytest.mark.parametrize("path", FAMILIES, ids=os.path.basename)
def test_the_plans_of_every_family_for_all_dates_and_options(path, generators):
    pick = random.Random(os.path.basename(path))
    check_plans(
        path,
        generators,
        [(month, pick.choice(sorted(LAYOUTS)), choice) for month in MONTHS for choice in range(6)],
    )


NAMES = ("a", "b", "c", "d", "g", "i", "l", "m", "n", "o", "u", "v", "w", "z", "[p.q/r.s]", "new")
LITERALS = (
    "1", "-2", "- 3", "0.5", "inf", "TRUE_NAME", '"text"', "'it'", '"two" "parts"',
    '"two" # lines\n"parts"', "[]", "[1]", "[1, 2]", '["x", "y"]', "  7", "{}",
)  # fmt: skip
BAD_LITERALS = ("", "1 2", "{ a: 1 }", "1 # comment", "x: 1", "]", '"open')
BAD_NAMES = ("1a", "a b", "[", "a-b")
DOCUMENTS = dict(
    textproto_cases.DOCUMENTS,
    **{name: textproto_cases.sections(name)["before"] for name in textproto_cases.NAMES},
    **{
        "tight": 'a:"x"b:2,c{d:"y"e:[1]f:3}b:"z"[p.q/r.s]:4a{b:"x"c{}}a{b:1,}<'.rstrip("<"),
        "separators on the next line": "a: 1\n, b { c: 1\n ; d: 2 },\n\tb: 3 # z\n; z: 4\n,",
        "empty lists": "a [] b: [] c[]d: 1 a [ {} ] n{l:[]m []}",
    },
)


def random_edits(pick, document):
    """Edits of fields that are there, of fields put there by edits before, and of others."""
    paths = [path for path, _ in document.walk()] or [("a",)]
    edits = []
    for _ in range(pick.randrange(1, 9)):
        path = list(pick.choice(paths))
        if pick.random() < 0.3:
            path = path[: pick.randrange(len(path))]
        if pick.random() < 0.4 or not path:
            path += pick.choices(NAMES, k=pick.randrange(1, 4))
        path = [
            f"{name}[{pick.choice((0, 0, 1, 1, 2, 7))}]" if pick.random() < 0.25 else name
            for name in path
        ]
        if pick.random() < 0.01:
            path[pick.randrange(len(path))] = pick.choice(BAD_NAMES)
        literal = pick.choice(LITERALS)
        if pick.random() < 0.3:
            literal = None
        elif pick.random() < 0.02:
            literal = pick.choice(BAD_LITERALS)
        paths.append(tuple(name.partition("[")[0] or name for name in path))
        edits.append(ConfigEdit(tuple(path), literal, "any"))
    return edits


def accepted(text, edits):
    """Without the edits that are refused, after which no more would be made."""
    kept = []
    for edit in edits:
        if isinstance(outcome(apply_sequentially, text, kept + [edit]), str):
            kept.append(edit)
    return kept


@pytest.mark.parametrize("name", thorough.sampled(sorted(DOCUMENTS), 6))
def test_random_edits_of_odd_layouts(name):
    texts = [DOCUMENTS[name], DOCUMENTS[name].replace("\n", "\r\n"), "\ufeff" + DOCUMENTS[name]]
    for number, text in enumerate(texts):
        try:
            document = Document.parse(text, subject="pipeline.config")
        except SourceError:
            continue
        pick = random.Random(f"{name} {number}")
        for _ in range(20):
            edits = random_edits(pick, document)
            check(text, edits)
            check(text, accepted(text, edits))


@pytest.mark.slow
@pytest.mark.parametrize("layout", thorough.sampled(sorted(LAYOUTS), 3))
def test_random_edits_of_a_config(layout):
    text = LAYOUTS[layout](CONFIG)
    document = Document.parse(text, subject="pipeline.config")
    pick = random.Random(layout)
    for _ in range(20):
        edits = random_edits(pick, document)
        check(text, edits)
        check(text, accepted(text, edits))


@pytest.mark.parametrize(
    "text, edits, says",
    [
        ('a: "x"b: 2', [("a", "1")], "1b is not"),
        ("z: 0 a: 1", [("z", None)], None),
        ("z { a: 1\n, b: 2 }", [("z.a", None)], "expected"),
        ("a: 0\nb: 1\n, c: 2", [("b", None)], None),
        ("a []", [("a", "1")], "colon"),
        ("a: inf[p.q]: 2 b: 1", [("[p.q]", None)], "expected"),
        (" a {" * 100 + "}" * 100, [(".".join(["a"] * 100 + ["b"]), "{}")], "nest more than"),
        (" a {" * 99 + "}" * 99, [(".".join(["a"] * 99 + ["b"]), "{}")], None),
        ("", [(".".join(["a"] * 101), "{}")], "nest more than"),
    ],
    ids=str.split(
        "merged last_field separator kept_separator colon name full_depth depth new_depth"
    ),
)
def test_a_text_that_would_not_parse_is_refused_as_parsing_it_does(text, edits, says):
    edits = [ConfigEdit(tuple(_steps(path)), literal, "any") for path, literal in edits]
    found = check(text, edits)
    if says is None:
        assert isinstance(found, str)
    else:
        assert found[0] == "SourceError" and says in found[1]


def _steps(path):
    return [path] if path.startswith("[") else path.split(".")


@pytest.mark.parametrize(
    "edits, subject",
    [
        ([("a.b", "2"), ("a", "1")], "a"),
        ([("c.d", "1"), ("c.d.e", "1")], "c.d.e"),
        ([("a[1]", None)], "a[1]"),
        ([("f.g", "1 2")], "f.g"),
        ([("1f", "1")], "1f"),
    ],
)
def test_an_error_names_the_edit(edits, subject):
    edits = [ConfigEdit(tuple(path.split(".")), literal, "any") for path, literal in edits]
    found = check("a: [{ b: 1 }, { b: 2 }]", edits)
    assert found[0] == "RequestError" and found[1].startswith(subject + ": cannot be edited")


def test_a_batch_parses_only_what_it_writes(parsed):
    document = Document.parse(CONFIG, subject="pipeline.config")
    edits = [
        ConfigEdit(("model", "ssd", "num_classes"), "3", "any"),
        ConfigEdit(("train_config", "new", "block"), "{}", "any"),
        ConfigEdit(("train_config", "new", "block", "value"), quote("x"), "any"),
        ConfigEdit(("train_config", "new", "other"), "1", "any"),
        ConfigEdit(("model", "ssd", "anchor_generator"), None, "any"),
    ]
    edited = apply_edits(document, edits)
    assert [text for text in parsed if len(text) > 100] == [CONFIG]
    assert edited.values(("train_config", "new", "other")) == edited.values(
        ("train_config", "new", "other")
    )
    assert [text for text in parsed if len(text) > 100] == [CONFIG, edited.text]


def test_edits_that_are_made_already_cost_no_parse(parsed):
    document = Document.parse(CONFIG, subject="pipeline.config")
    edits = [ConfigEdit(("model", "ssd", "num_classes"), "4", "any")]
    edits += [ConfigEdit(("model", "ssd", "nothing"), None, "any")]
    assert apply_edits(document, edits) is document
    assert all(apply_edits(document, [edit]) is document for edit in edits)
    assert parsed == [CONFIG]


@pytest.mark.parametrize("revision", ["2017-10", "2018-04", "2019-07", "2021-05"])
def test_planning_and_applying_parses_the_source_once_and_the_result_once(parsed, revision):
    for path in FAMILIES:
        del parsed[:]
        text = read(path).decode("utf-8")
        config = config_of(text)
        try:
            edits = plan(config, revision, extra=FREEZE, new_ids={1: 3, 2: 1})
        except RequestError:
            continue
        result = apply_edits(config.document, edits).text
        assert [one for one in parsed if len(one) > 400] == [text, result], path
