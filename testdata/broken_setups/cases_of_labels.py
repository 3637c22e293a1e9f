"""Label maps."""

import json

from broken_setups.files import CLASSES, example, label_map, png, records
from broken_setups.setup import IDS, LABELS_OF_TRAIN

MAP = "shapes_detector/shapes_label_map.pbtxt"


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    yield case("label_id_zero", "LABEL_ID_ZERO").labels(
        [(number - 1, name) for number, name in IDS]
    )
    yield case("label_without_id", "LABEL_ID_ZERO").labels(
        label_map(IDS[:7]) + b"item {\n  name: 'crescent'\n}\n"
    )
    yield case("label_id_negative", "LABEL_ID_NEGATIVE").labels(IDS[:7] + [(-1, "crescent")])
    yield case("no_label_map", "LABEL_MAP_UNNAMED").change(LABELS_OF_TRAIN, "train_input_reader {")
    yield case("no_path_of_a_label_map", "LABEL_MAP_MISSING").change(
        LABELS_OF_TRAIN, 'train_input_reader {\n  label_map_path: ""'
    )
    yield (
        case("two_label_maps", "LABEL_MAPS_DIFFER")
        .file("labels.pbtxt", label_map(zip(range(1, 9), CLASSES[::-1])))
        .change(
            LABELS_OF_TRAIN,
            LABELS_OF_TRAIN.replace(
                "shapes_detector/shapes_label_map", "broken/two_label_maps/labels"
            ),
        )
        .fixable()
    )
    yield (
        case("more_slots_than_labels", "LABEL_FEWER")
        .change("num_classes: 8", "num_classes: 9")
        .fixable()
    )
    yield (
        case("labels_with_gaps", "LABEL_GAPS")
        .labels(IDS[:6] + [(8, "crescent")])
        .train_on(records(example(number) for number in (0, 1, 2, 3, 4, 5, 7)))
        .evaluate_on(
            records(
                example(number, encoded=[png(shade=99 + number)])
                for number in (0, 1, 2, 3, 4, 5, 7, 15)
            )
        )
    )
    yield case("label_id_twice", "LABEL_TWICE").labels(IDS[:7] + [(7, "crescent")])
    yield case("label_map_as_json", "LABEL_MAP_UNREADABLE").labels(
        json.dumps({"item": [{"id": 1, "name": "circle"}]}).encode()
    )
    for name, text, fixable in (
        ("label_map_with_bom", b"\xef\xbb\xbf" + label_map(IDS), True),
        ("label_ids_quoted", label_map(IDS).replace(b"id: 1", b"id: '1'"), True),
        ("label_ids_quoted_twice", label_map(IDS).replace(b"id: 8", b"id: '7'"), False),
        ("labels_in_one_item", label_map(IDS).replace(b"}\nitem {\n", b""), True),
        ("label_items", label_map(IDS).replace(b"item {", b"items {"), True),
        ("label_map_of_records", records([example(0)]), False),
    ):
        one = case(name, "LABEL_MAP_UNREADABLE").labels(text)
        yield one.fixable() if fixable else one
    yield (
        case("label_map_and_records_exchanged", "LABEL_MAP_UNREADABLE")
        .change("shapes/train.record", "shapes_detector/shapes_label_map.pbtxt")
        .change(LABELS_OF_TRAIN, LABELS_OF_TRAIN.replace(MAP, "shapes/train.record"))
        .fixable()
    )
    yield (
        case("fewer_slots_than_labels", "LABEL_COUNT")
        .change("num_classes: 8", "num_classes: 7")
        .fixable()
    )
