"""Checks of the records themselves, and of the images in them."""

from graphfix.doctor.checks import Check
from graphfix.doctor.record_notes import AGAIN, EVAL, SCRIPT, noted
from graphfix.findings import ERROR, INFO, WARNING

# What the decoder stops at.
DECODING = (
    Check(
        "RECORD_NOT_EXAMPLE",
        ERROR,
        "A record is no tf.Example, so that the decoder stops at it.",
        SCRIPT,
        noted("RECORD_NOT_EXAMPLE", "is no tf.Example"),
    ),
    Check(
        "FEATURE_KIND",
        ERROR,
        'A feature has another type than the decoder asks for, which stops at it ("Data types '
        "don't match\").",
        SCRIPT,
        noted("FEATURE_KIND", "has a feature of another type"),
    ),
    Check(
        "IMAGE_MISSING",
        ERROR,
        "A record has no image/encoded, so that decoding its image fails.",
        SCRIPT,
        noted("IMAGE_MISSING", "has no image (image/encoded)"),
    ),
    Check(
        "IMAGE_UNREADABLE",
        ERROR,
        "An image is none that TensorFlow decodes (JPEG, PNG, BMP).",
        "convert the picture, or leave its record out",
        noted("IMAGE_UNREADABLE", "holds no JPEG, PNG or BMP image"),
    ),
    Check(
        "IMAGE_CUT",
        ERROR,
        "An image ends before its format says it does, so that decoding it fails.",
        "copy the picture again, or leave its record out",
        noted("IMAGE_CUT", "holds an image that is cut off"),
    ),
    Check(
        "IMAGE_GIF",
        ERROR,
        "A GIF is decoded to a row of frames, which the trainer can't take for one image.",
        "convert the picture to JPEG or PNG",
        noted("IMAGE_GIF", "holds a GIF"),
    ),
)

CHECKS = (
    Check(
        "IMAGE_TURNED",
        WARNING,
        "An image has its height and width the other way round, as one that is turned by its "
        "Exif data: TensorFlow does not turn it, and boxes drawn on the turned picture are "
        "elsewhere.",
        "turn the pictures before writing the records",
        noted("IMAGE_TURNED", "holds an image that may be turned"),
    ),
    Check(
        "IMAGE_SIZE",
        WARNING,
        "The record says another size than the image has: boxes that were divided by it lie "
        "elsewhere.",
        AGAIN + " with the images' own sizes",
        noted("IMAGE_SIZE", "says another size than its image has"),
    ),
    Check(
        "IMAGE_FORMAT",
        WARNING,
        "image/format says another format than the image has; some versions of TensorFlow stop "
        "at that.",
        "write what the image is",
        noted("IMAGE_FORMAT", "says another format than its image has"),
    ),
    Check(
        "IMAGE_CMYK",
        WARNING,
        "A JPEG holds CMYK: its colours come out otherwise than in other programs.",
        "convert the picture to RGB",
        noted("IMAGE_CMYK", "holds a CMYK image"),
    ),
    Check(
        "IMAGE_HUGE",
        WARNING,
        "An image has more than 12 million pixels: each waits decoded in the input queue, and "
        "memory runs out.",
        "shrink the pictures before writing the records",
        noted("IMAGE_HUGE", "holds a huge image"),
    ),
    Check(
        "IMAGE_TWICE",
        WARNING,
        "The same image is in the records twice.",
        "write every picture once, with all of its boxes",
        noted("IMAGE_TWICE", "holds an image that is there already"),
    ),
    Check(
        "SOURCE_ID_TWICE",
        WARNING,
        "Two images have the same image/source_id: evaluation takes them for one.",
        "give every image its own",
        noted("SOURCE_ID_TWICE", "has a source id that is there already", only=EVAL),
    ),
    Check(
        "SOURCE_ID_MISSING",
        WARNING,
        "Images have no image/source_id: COCO's metrics take all of them for one image.",
        "write a different one for every image",
        noted("SOURCE_ID_MISSING", "has no image/source_id", only=EVAL),
    ),
    Check(
        "IMAGE_GRAY",
        INFO,
        "An image is gray; the decoder repeats its channel three times.",
        "there is nothing to do",
        noted("IMAGE_GRAY", "holds a gray image"),
    ),
)
