"""Every family in PyTorch beside the stock API's graph: layers, detections, losses, gradients."""

import pytest
import thorough

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import cases
import comparing
import detectors
import table
import torch

from graphfix.torch import layers, ssd
from graphfix.torch.mask_rcnn import MaskRcnn

pytestmark = pytest.mark.slow

TITLES = thorough.cases(list(cases.ALL)[:1], list(cases.ALL)[1:])
# What a batch's own statistics do shows where maps are large.
TRAINS = "ssd_one_feature_map"


@pytest.fixture(scope="module")
def judged(stock_python, tmp_path_factory):
    """What the stock API computes for each case, asked for all of them at once: that of 2021, for
    whose meaning of a config (docs/eras.md) detectors are exported."""
    there = [title for title in TITLES if cases.is_there(title)]
    texts = [(cases.ALL[title][0], detectors.config_of(*cases.ALL[title])) for title in there]
    if thorough.ALL:
        texts.append((TRAINS, detectors.config_of(TRAINS, steady=False)))
    found = detectors.judge(stock_python("2021"), tmp_path_factory.mktemp("torch"), texts)
    return dict(zip((*there, TRAINS), found))


@pytest.fixture(params=TITLES)
def case(request, judged):
    if request.param not in judged:
        pytest.skip("there are no files of published models")
    return judged[request.param]


def test_each_layer_is_the_stock_api_s(case):
    assert comparing.first_that_parts(comparing.load(case), case) is None


def test_detections_are_the_stock_api_s(case):
    seen = 0
    for ours, stock in comparing.detections(comparing.load(case), case):
        (boxes, labels, scores), (stock_boxes, stock_labels, stock_scores) = ours, stock
        assert labels == stock_labels
        assert comparing.gap(scores, stock_scores) <= comparing.ALIKE
        assert comparing.gap(boxes, stock_boxes) <= comparing.ALIKE
        seen += len(labels)
    assert seen


def test_losses_and_gradients_are_the_stock_api_s(case):
    found = dict(comparing.trained(comparing.load(case), case))
    heads = {name: one for name, one in found.items() if comparing.is_head(name)}
    assert len(heads) >= 4
    assert min(value for name, value in case.stock.items() if name.startswith("loss/")) > 0.001
    for name in (*(name for name in comparing.LOSSES if name in found), *heads):
        assert found[name] <= comparing.ALIKE_GRADIENTS, name
    assert max(found.get(name, 0) for name in ("sampled", "counts")) <= comparing.ALIKE


def test_masks_are_the_stock_api_s(case):
    detector = comparing.load(case)
    if not isinstance(detector, MaskRcnn):
        pytest.skip("it has no masks")
    seen = 0
    for (own, image), (stock, pasted) in comparing.masks(detector, case):
        assert comparing.gap(own, stock) <= comparing.ALIKE
        # Whether the last row of a box is in it, the last bit decides.
        both = (image.numpy() > 0) & (pasted > 0)
        assert comparing.gap(image.numpy()[both], pasted[both]) <= comparing.ALIKE
        assert (both == ((image.numpy() > 0) | (pasted > 0))).mean() > 0.98
        seen += len(own)
    assert seen


@thorough.only
def test_statistics_move_as_the_stock_api_s(judged):
    case = judged[TRAINS]
    found = dict(comparing.trained(comparing.load(case), case))
    moved = [one for name, one in found.items() if name.startswith("moved ")]
    # A step moves them by 3e-4 of their value, of which float32 leaves three digits.
    assert len(moved) > 40 and max(moved) <= 2e-3
    for name in ("classification", "bbox_regression"):
        assert found[name] <= comparing.ALIKE_GRADIENTS, name


@thorough.only
def test_a_row_of_the_page(tmp_path, capsys):
    assert table.main(["--work", str(tmp_path), "--rows", "shapes detector"]) == 0
    assert "'gradients of heads': " in capsys.readouterr().out


class TestAFaultIsFound:
    """A fault put in on purpose names the first layer that parts."""

    @pytest.fixture
    def one(self, judged):
        return judged[TITLES[0]]

    def test_padding_before_instead_of_behind(self, one, monkeypatch):
        right = layers.same_padding
        monkeypatch.setattr(layers, "same_padding", lambda *args: right(*args)[::-1])
        name, _ = comparing.first_that_parts(comparing.load(one), one)
        assert name == "FeatureExtractor/MobilenetV1/Conv2d_0/weights/0"

    def test_an_epsilon(self, one):
        detector = comparing.load(one)
        detector["FeatureExtractor/MobilenetV1/Conv2d_5_pointwise/BatchNorm"].eps = 0.01
        name, _ = comparing.first_that_parts(detector, one)
        assert name == "FeatureExtractor/MobilenetV1/Conv2d_6_depthwise/depthwise_weights/0"

    def test_an_order_of_proposals(self):
        """But for those whose scores are equal within rounding."""
        boxes = torch.arange(20.0).reshape(1, 5, 4)
        scores = torch.tensor([[0.9, 0.9 - 1e-6, 0.5, 0.4, 0.3]])
        found = comparing.in_order_of(boxes[:, [1, 0, 2, 4, 3]], boxes, scores)
        assert torch.equal(found, boxes[:, [1, 0, 2, 3, 4]])

    def test_an_order_of_anchors(self, one, monkeypatch):
        right = ssd.anchors
        monkeypatch.setattr(ssd, "anchors", lambda *args: right(*args)[::-1].copy())
        name, _ = comparing.first_that_parts(comparing.load(one), one)
        assert name == "anchors"
