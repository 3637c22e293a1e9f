"""What Keras names goes out under every name by which a trainer looks for it."""

import pytest

from graphfix.modeldir.openers import open_source
from graphfix.planning.classes import SurgeryRequest, same_classes, trained_ids
from graphfix.planning.edits import Copy
from graphfix.planning.plan import plan_tensors

SCOPE = "ssd_mobile_net_v1keras_feature_extractor/"
SECOND = "ssd_mobile_net_v1keras_feature_extractor_1/"
PREDICTOR = "mask_rcnn_keras_box_predictor/mask_rcnn_class_head/"


def planned(directory, scope, revision, trainer, extra=()):
    """The copies that a plan adds, name of the original by name."""
    source = open_source(directory)
    metas = {}
    for name, meta in source.metas.items():
        for other in [name.replace("FeatureExtractor/", scope)] + [
            name.replace("FeatureExtractor/", one) for one in extra
        ]:
            metas[other] = meta._replace(name=other)
    request = SurgeryRequest(
        same_classes(None, 4)[0], trained_ids(None, 4), "prior", 0, "auto", trainer, revision
    )
    _, additions = plan_tensors(
        source.model, metas, request, averages_used=False, shadowed=False, quantization_delay=0
    )
    return {one.name: one.of for one in additions if isinstance(one, Copy)}, metas


@pytest.mark.parametrize("trainer", ["any", "model_main"])
@pytest.mark.parametrize(
    "scope, second", [(SCOPE, SECOND), (PREDICTOR, PREDICTOR.replace("/", "_1/"))]
)
def test_model_main_finds_it_under_its_second_name(model, trainer, scope, second):
    copies, metas = planned(model, scope, "2019-07", trainer)
    assert copies == {name.replace(scope, second): name for name in metas if name.startswith(scope)}
    assert len(copies) > 100


@pytest.mark.parametrize(
    "scope, revision, trainer",
    [
        (SCOPE, "2019-04", "any"),
        (SCOPE, "2019-07", "legacy"),
        ("FeatureExtractor/", "2019-07", "any"),
    ],
)
def test_nothing_is_copied_where_no_trainer_asks(model, scope, revision, trainer):
    assert planned(model, scope, revision, trainer)[0] == {}


def test_what_has_both_names_gets_no_third(model):
    assert planned(model, SCOPE, "2019-07", "any", extra=[SECOND])[0] == {}
