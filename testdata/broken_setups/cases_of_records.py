"""Training and evaluation records, and their images."""

import struct

from broken_setups.files import SIZE, SQUARE, example, framed, jpeg, one_bad, png, records, set_of


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    whole = set_of()
    yield case("record_truncated", "RECORDS_DAMAGED").train_on(whole[:-100])
    yield case("record_corrupt", "RECORDS_DAMAGED").train_on(
        whole[:700] + bytes([whole[700] ^ 1]) + whole[701:]
    )
    yield case("record_is_csv", "RECORDS_DAMAGED").train_on(
        b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,160,160,star,1,2,30,40\n"
    )
    yield case("record_empty", "RECORDS_EMPTY").train_on(b"")
    yield case("record_is_no_example", "RECORD_NOT_EXAMPLE").train_on(framed([b"\x0a\xff"]) + whole)
    yield case("boxes_as_integers", "FEATURE_KIND").train_on(set_of(box=(40, 40, 80, 80)))
    yield case("image_missing", "IMAGE_MISSING").train_on(one_bad(encoded=None))
    yield case("image_is_webp", "IMAGE_UNREADABLE").train_on(
        one_bad(encoded=[b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0"])
    )
    yield case("image_cut_off", "IMAGE_CUT").train_on(
        one_bad(encoded=[jpeg(end=b"")], format=[b"jpeg"])
    )
    yield case("image_is_gif", "IMAGE_GIF").train_on(
        one_bad(encoded=[b"GIF89a" + struct.pack("<HH", SIZE, SIZE) + b"\0\0\0;"], format=[b"gif"])
    )
    yield case("no_boxes_at_all", "RECORDS_WITHOUT_BOXES").train_on(
        set_of(boxes=(), text=[], label=[])
    )
    yield case("box_edges_of_other_lengths", "BOX_COUNTS").train_on(
        records(
            dict(example(number), **({"image/object/bbox/ymax": [0.5, 0.6]} if number == 3 else {}))
            for number in range(8)
        )
    )
    yield case("fewer_labels_than_boxes", "CLASS_COUNTS").train_on(
        one_bad(boxes=(SQUARE, (0.1, 0.1, 0.3, 0.3)))
    )
    yield case("boxes_in_pixels", "BOX_PIXELS").train_on(set_of(box=(40.0, 40.0, 80.0, 80.0)))
    yield case("boxes_as_corner_and_size", "BOX_IS_SIZE").train_on(
        set_of(boxes=((0.5, 0.5, 0.25, 0.25),))
    )
    yield case("box_inverted", "BOX_INVERTED").train_on(one_bad(box=(0.9, 0.2, 0.3, 0.6)))
    yield case("box_is_nan", "BOX_NO_NUMBER").train_on(one_bad(box=(0.2, 0.2, float("nan"), 0.6)))
    yield case("class_id_outside", "CLASS_ID_OUTSIDE").train_on(one_bad(text=None, label=[9]))
    yield case("class_id_zero", "CLASS_ID_OUTSIDE").train_on(
        records(example(number, text=None, label=[number]) for number in range(8))
    )
    yield case("class_name_unknown", "CLASS_TEXT_UNKNOWN").train_on(one_bad(text=[b"Star"]))

    yield (
        case("masks_missing", "MASK_MISSING")
        .train_on(whole)
        .change(
            '  tf_record_input_reader { input_path: "broken/masks_missing/train.record" }',
            "  load_instance_masks: true\n"
            '  tf_record_input_reader { input_path: "broken/masks_missing/train.record" }',
        )
    )

    # Warnings, which come first where there is no error
    yield case("box_far_outside", "BOX_FAR").evaluate_on(one_bad(box=(0.2, 0.1, 0.6, 2.03)))
    yield case("box_outside", "BOX_OUTSIDE").train_on(one_bad(box=(0.2, -0.05, 0.6, 0.5)))
    yield case("boxes_divided_by_the_other_side", "BOX_OTHER_SIDE").train_on(
        set_of(encoded=[png(80, SIZE)], height=[80], width=[SIZE], box=(0.1, 0.9, 0.5, 1.7))
    )
    yield case("box_without_area", "BOX_EMPTY").train_on(one_bad(box=(0.2, 0.3, 0.6, 0.3)))
    yield case("boxes_too_small", "BOXES_TOO_SMALL").train_on(set_of(box=(0.5, 0.5, 0.52, 0.52)))
    yield case("text_and_label_disagree", "CLASS_DISAGREES").train_on(one_bad(label=[1]))
    yield (
        case("more_boxes_than_kept", "MAX_BOXES")
        .train_on(one_bad(boxes=(SQUARE,) * 9, text=[b"star"] * 9, label=[4] * 9))
        .fixable()
    )
    yield case("image_turned", "IMAGE_TURNED").train_on(
        one_bad(encoded=[png(80, SIZE)], height=[SIZE], width=[80])
    )
    yield case("image_of_other_size", "IMAGE_SIZE").train_on(one_bad(height=[320], width=[320]))
    yield case("image_of_other_format", "IMAGE_FORMAT").train_on(one_bad(format=[b"jpeg"]))
    yield case("image_in_cmyk", "IMAGE_CMYK").train_on(
        one_bad(encoded=[jpeg(channels=4)], format=[b"jpeg"])
    )
    yield case("image_huge", "IMAGE_HUGE").train_on(
        one_bad(encoded=[jpeg(6000, 4000)], format=[b"jpeg"], height=[6000], width=[4000])
    )
    yield (
        case("images_left_small", "IMAGE_SMALL")
        .flag("--target_api", "2021-06")
        .change("fixed_shape_resizer { height: 160 width: 160 }", "identity_resizer {}")
        .train_on(set_of(encoded=[png(30, 30)], height=[30], width=[30]))
    )
    yield case("image_gray", "IMAGE_GRAY").train_on(one_bad(encoded=[png(channels=1)]))
    yield case("image_twice", "IMAGE_TWICE").train_on(one_bad(encoded=[png(shade=2)]))
    yield case("source_id_twice", "SOURCE_ID_TWICE").evaluate_on(set_of(source=[b"0.png"]))
    yield case("class_unused", "CLASS_UNUSED").train_on(set_of(7))
    yield (
        case("one_class_in_a_hundred", "CLASS_IMBALANCE")
        .train_on(one_bad(boxes=(SQUARE,) * 60, text=[b"star"] * 60, label=[4] * 60))
        .change("max_number_of_boxes: 8", "max_number_of_boxes: 60")
    )
    yield case("most_images_without_boxes", "IMAGES_WITHOUT_BOXES").train_on(
        records(
            [example(number) for number in range(8)]
            + [example(number, boxes=(), text=[], label=[]) for number in range(8, 20)]
        )
    )
    yield (
        case("images_without_boxes_unused", "EMPTY_IMAGES_UNUSED")
        .change(
            "      classification_weight",
            "      hard_example_miner { max_negatives_per_positive: 3 }\n"
            "      classification_weight",
        )
        .train_on(
            records(
                [example(number) for number in range(8)]
                + [example(number, boxes=(), text=[], label=[]) for number in range(8, 10)]
            )
        )
        .fixable()
    )
    yield (
        case("evaluated_on_training_images", "TRAIN_EVAL_OVERLAP")
        .train_on(whole)
        .evaluate_on(whole)
    )
    yield case("source_ids_missing", "SOURCE_ID_MISSING").evaluate_on(set_of(source=None))
    yield (
        case("eval_counts_too_many", "EVAL_COUNT")
        .change("num_examples: 120", "num_examples: 8000")
        .fixable()
    )
