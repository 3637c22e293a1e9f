"""Checks of the records themselves, and of the images in them."""

from graphfix.doctor.checks import Check
from graphfix.doctor.record_notes import AGAIN, EVAL, SCRIPT, noted
from graphfix.findings import ERROR, INFO, WARNING

# What the decoder stops at.
DECODING = (
    Check(
        "RECORD_NOT_EXAMPLE",
        ERROR,
        "A record is not a tf.Example, so that the decoder stops at it.",
        SCRIPT,
        noted("RECORD_NOT_EXAMPLE", "is not a tf.Example"),
    ),
    Check(
        "FEATURE_KIND",
        ERROR,
        'A feature has another type than the decoder expects, which stops at it ("Data types '
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
        "TensorFlow decodes only JPEG, PNG and BMP images, and this is none of them.",
        "convert the image, or remove its record",
        noted("IMAGE_UNREADABLE", "has an image that is not a JPEG, PNG or BMP"),
    ),
    Check(
        "IMAGE_CUT",
        ERROR,
        "An image is cut off, so that decoding it fails.",
        "copy the image again, or remove its record",
        noted("IMAGE_CUT", "has an image that is cut off"),
    ),
    Check(
        "IMAGE_GIF",
        ERROR,
        "A GIF is decoded to a sequence of frames, which the trainer can't use as one image.",
        "convert the image to JPEG or PNG",
        noted("IMAGE_GIF", "has a GIF"),
    ),
)

CHECKS = (
    Check(
        "IMAGE_TURNED",
        WARNING,
        "The record and the image swap height and width, as they do for a photo that its Exif "
        "data rotate. TensorFlow does not rotate it, so that boxes drawn on the rotated photo "
        "are in the wrong place.",
        "rotate the images before writing the records",
        noted("IMAGE_TURNED", "has an image that may be rotated"),
    ),
    Check(
        "IMAGE_SIZE",
        WARNING,
        "The record has another size than the image: boxes that were divided by it are in the "
        "wrong place.",
        AGAIN + " with the images' own sizes",
        noted("IMAGE_SIZE", "has another size than its image"),
    ),
    Check(
        "IMAGE_FORMAT",
        WARNING,
        "image/format is not the image's format; some versions of TensorFlow stop at that.",
        "write the image's format",
        noted("IMAGE_FORMAT", "has another format than its image"),
    ),
    Check(
        "IMAGE_CMYK",
        WARNING,
        "TensorFlow decodes a CMYK JPEG to other colours than other programs do.",
        "convert the image to RGB",
        noted("IMAGE_CMYK", "has a CMYK image"),
    ),
    Check(
        "IMAGE_HUGE",
        WARNING,
        "An image has more than 12 million pixels: such images wait decoded in the input queue "
        "until memory runs out.",
        "shrink the images before writing the records",
        noted("IMAGE_HUGE", "has a huge image"),
    ),
    Check(
        "IMAGE_TWICE",
        WARNING,
        "The records have the same image twice.",
        "write every image once, with all of its boxes",
        noted("IMAGE_TWICE", "has an image that another record has"),
    ),
    Check(
        "SOURCE_ID_TWICE",
        WARNING,
        "Two images have the same image/source_id: evaluation takes them for one.",
        "give every image its own",
        noted("SOURCE_ID_TWICE", "has a source id that another record has", only=EVAL),
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
        "nothing to do",
        noted("IMAGE_GRAY", "has a gray image"),
    ),
)
