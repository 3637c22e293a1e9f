"""Paths that lead nowhere."""

from broken_setups.files import png, set_of
from broken_setups.setup import LABELS_OF_TRAIN, TRAIN_PATH


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    yield case("placeholder_left", "PLACEHOLDER").change(
        TRAIN_PATH, 'input_path: "PATH_TO_BE_CONFIGURED/train.record"'
    )
    yield case("home_directory", "PATH_TILDE").change(
        TRAIN_PATH, 'input_path: "~/no_such_directory/train.record"'
    )
    yield (
        case("relative_to_the_config", "PATH_OF_CONFIG")
        .file("train.record", set_of())
        .change(TRAIN_PATH, 'input_path: "train.record"')
    )
    yield case("records_missing", "RECORDS_MISSING").change(
        TRAIN_PATH, 'input_path: "shapes/training.record"'
    )
    yield (
        case("records_in_shards", "RECORDS_MISSING")
        .change(TRAIN_PATH, 'input_path: "broken/records_in_shards/train.record"')
        .file("train.record-00000-of-00002", set_of())
        .file("train.record-00001-of-00002", set_of(encoded=[png(shade=90)]))
        .fixable()
    )
    yield case("no_input_path", "RECORDS_UNNAMED").change(
        f"tf_record_input_reader {{ {TRAIN_PATH} }}", "tf_record_input_reader { }"
    )
    yield (
        case("label_map_lost", "LABEL_MAP_LOST")
        .change(LABELS_OF_TRAIN, LABELS_OF_TRAIN.replace("shapes_label_map", "label_map"))
        .fixable()
    )
