"""detectors/extractors/loader.py: the files of feature extractors, and what is wrong with one."""

import os
import re

import handgraphs
import pytest

from graphfix.detectors.extractors import layers, loader
from graphfix.detectors.extractors.layers import BadExtractorFile, Norm
from graphfix.detectors.extractors.widths import Widths
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.evidence import GraphEvidence
from graphfix.graph_import.extractor import recognize_extractor

DESCRIBED = list(loader.described_extractors())
# What an extractor is told by that is not its own.
PREDICTOR = "WeightSharedConvolutionalBoxPredictor/ClassPredictor/weights"
TYPE = "type ssd_t ssd 2019-05 -\n"


@pytest.fixture
def read(tmp_path):
    """The extractors of a directory with one file."""

    def one(text, name="t.txt"):
        (tmp_path / name).write_text(text)
        return loader._read_all.__wrapped__((str(tmp_path),))

    return one


def test_facts(read):
    found = read(
        "# A network.\ndefaults\n  batch_norm_decay 0.9\n  epsilon 0.01 always\n"
        "  explicit_padding\ntype ssd_t ssd 2019-05 2020-05\n  scopes F/\n  naming keras\n"
        "  feature_maps fpn\n  levels 3 6\n  epsilon 0.02\n  unpadded 3/2 3/1, 1/2\n"
        "  classifier_name F/a b\n  recognized_by F/a F/b\n"
        "type faster_rcnn_t faster_rcnn 2017-06 -\n\nlayers ssd_t - 4\n  F/a weights:1x1x3x4 -\n"
    )
    assert list(found) == ["ssd_t", "faster_rcnn_t"]
    one, other = found.values()
    assert (one.meta, one.since, one.gone) == ("ssd", "2019-05", "2020-05")
    assert (one.scopes, one.naming, one.has_pyramid, one.levels) == (("F/",), "keras", True, (3, 6))
    assert (one.epsilon, one.epsilon_stays, one.batch_norm_decay) == (0.02, False, 0.9)
    assert one.unpadded == (((3, 2), (3, 1)), ((1, 2),))
    assert one.classifier_name == ("F/a", "b") and one.recognized_by == ("F/a", "F/b")
    assert one.first == ("F/a/weights", "4") and one.network == "a" and one.is_described
    assert (other.epsilon, other.epsilon_stays, other.gone) == (0.01, True, None)
    assert other.explicit_padding and not other.override_required and not other.is_described


@pytest.mark.parametrize(
    "text, words",
    [
        ("  naming slim", "t.txt:1: 'naming slim' is a fact of nothing"),
        ("net t", "t.txt:1: 'net t' does not begin with"),
        (TYPE + "defaults", "t.txt:2: 'defaults' does not begin with"),
        ("type ssd_t ssd 2019-05", "t.txt:1: 'type ssd_t ssd 2019-05' is not 'type NAME META"),
        ("type ssd_t yolo 2019-05 -", "none of ssd, faster_rcnn"),
        ("type ssd_t ssd 2019-13 -", "revision that is not YYYY-MM"),
        ("type ssd_t ssd 2019-05 never", "revision that is not YYYY-MM"),
        (TYPE + "\n  name slim", "t.txt:3: 'name slim' is no fact graphfix knows"),
        (TYPE + "  naming", "t.txt:2: 'naming' has 0 values"),
        (TYPE + "  naming tf", "'naming tf' is none of slim, keras"),
        (TYPE + "  scopes a b c", "has 3 values"),
        (TYPE + "  override_required true", "has 1 values"),
        (TYPE + "  map_count six", "t.txt:2: 'map_count six' invalid literal"),
        (TYPE + "  epsilon 1 sometimes", "has sometimes where only 'always' can be"),
        (TYPE + "  unpadded 3x2", "has '3x2', which is not WINDOW/STRIDE"),
        (TYPE + "  unpadded 3/2,", "ends with a comma"),
        (TYPE + "  levels 3 6\n  levels 3 6", "t.txt:3: 'levels 3 6' is a fact that stands here"),
        (TYPE + TYPE, "t.txt:2: ssd_t is in t.txt already"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_line(read, text, words):
    with pytest.raises(BadExtractorFile) as caught:
        read(text)
    assert words in str(caught.value)


def test_a_described_type_without_layers_is_told(read):
    found = read(TYPE + "  scopes F/\n")["ssd_t"]
    for ask in (lambda: found.first, found.layers):
        with pytest.raises(BadExtractorFile, match=r"t\.txt:2: there is no 'layers ssd_t'"):
            ask()


def test_types_of_two_files_have_different_names(read):
    read(TYPE, "a.txt")
    with pytest.raises(BadExtractorFile, match=r"t\.txt:1: ssd_t is in a\.txt already"):
        read(TYPE)


@pytest.mark.parametrize("extractor", DESCRIBED, ids=lambda one: one.type)
def test_layers_are_recorded_of_every_described_type(extractor):
    found = variables(extractor)
    assert found[extractor.first.name][-1] == Widths().of(extractor.first.width)
    assert all(name.startswith(extractor.scopes) for name in found)


def test_no_layers_are_recorded_of_others():
    for path in {one.path for one in loader.extractors().values()}:
        with open(path) as file:
            kinds = re.findall(rf"^{layers.HEADER} (\S+)", file.read(), re.MULTILINE)
        # In the order of the types, as write_layers.py writes them.
        assert kinds == [one.type for one in DESCRIBED if one.path == path]


@pytest.mark.parametrize(
    "extractor", [one for one in DESCRIBED if one.recognized_by], ids=lambda one: one.type
)
def test_each_type_is_recognized_by_its_own_variables(extractor):
    names = list(variables(extractor))
    if any(pattern.startswith("WeightShared") for pattern in extractor.recognized_by):
        names.append(PREDICTOR)
    metas = {name: TensorMeta(name, BY_NAME["float32"], (1,)) for name in names}
    found = recognize_extractor(GraphEvidence(handgraphs.Made().graph(), metas))
    assert found.type == extractor.type


def variables(extractor):
    """{name: shape}, with all layers of a pyramid."""
    norm = Norm(True, True, True)
    return dict(extractor.layers().variables(Widths(), norm, False, False, 6))


def test_every_file_is_read():
    folder = loader.DIRECTORIES[0]
    names = {os.path.basename(one.path) for one in loader.extractors().values()}
    assert names == {name for name in os.listdir(folder) if name.endswith(loader.SUFFIX)}
