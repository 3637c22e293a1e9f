"""The text of a config: what the parser stops at, and what it should have been."""

import pytest

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.pipeline_config import schema_history

OPTIONS = Options("2019-07", schema_history.schema("2019-07"), ("model_main",), {})


@pytest.mark.parametrize(
    "path, right",
    [
        (r"/Users/a/r\&d/train.record", "/Users/a/r&d/train.record"),
        (r"/data/my\ pictures/train.record", "/data/my pictures/train.record"),
        (r"C:\Users\a\train.record", "C:/Users/a/train.record"),
        (r"data\Users/train.record", "data/Users/train.record"),
    ],
)
def test_backslashes_of_a_path(path, right):
    text = f'train_input_reader {{ tf_record_input_reader {{ input_path: "{path}" }} }}'
    fixed, done, _ = diagnosis.fix(text.encode(), "pipeline.config", OPTIONS)
    assert f'"{right}"' in fixed.decode()
    assert done[0].check.code == "WINDOWS_PATH"
