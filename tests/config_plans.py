"""Plans of the changes of a config."""

import builders

from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning.config_edits import Paths, plan_config

PATHS = Paths("/out/model.ckpt", "/out/label_map.pbtxt", "/data/train.record", "/data/val.record")

NO_RECORDS = Paths("/out/model.ckpt", "/out/label_map.pbtxt", None, None)

CONFIG = builders.CONFIG % {"classes": 4}


def planned(text, revision="2019-07", trainer="any", resumable=False, paths=PATHS, **more):
    """The emitted text and the findings."""
    config = parse_config(text.encode("utf-8"), "pipeline.config")
    edits, findings = plan_config(
        config,
        config.message.model.WhichOneof("model"),
        3,
        target_api=revision,
        trainer=trainer,
        resumable=resumable,
        paths=paths,
        **more,
    )
    return apply_edits(config.document, edits).text, findings


def message(text):
    return parse_config(text.encode("utf-8"), "out").message


def told(findings, code):
    return [one for one in findings if one.code == code]
