"""Draws the shapes data set: small pictures of eight kinds of shape, as TFRecords.

A picture is 160x160, a cluttered and textured background with one to six shapes of different size,
colour, stretch and rotation on it. Shapes may touch and overlap a little; a box always encloses the
whole shape, and none leaves the picture.

Every picture has its own random stream, seeded by (seed, split, index). So the n-th picture of a
split is the same whatever the number of pictures, shards and processes, and the small records that
are committed are the first pictures of the large ones. Only the JPEG bytes depend on Pillow's
version.

    python make_shapes.py --split=val --count=400 --output=val.record
    python make_shapes.py --split=demo --count=4 --images=DIRECTORY
    python make_shapes.py --label_map=shapes_label_map.pbtxt

Needs NumPy and Pillow, and TensorFlow for writing records. The features are those that the Object
Detection API's TfExampleDecoder reads.
"""

import hashlib
import io
import multiprocessing
import os

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw

SIZE = 160
CLASSES = ("circle", "square", "triangle", "star", "cross", "ring", "hexagon", "crescent")
SPLITS = {"train": 0, "val": 1, "demo": 2}
FEWEST = {"train": 1, "val": 1, "demo": 5}  # shapes in a picture; the demo's are for looking at
MOST = 6
SEED = 20190715
SUPERSAMPLE = 4
JPEG_QUALITY = 88


def _regular(corners, radius=1.0, centre=(0.0, 0.0)):
    angle = 2 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + centre


def _star():
    points = _regular(10)
    points[1::2] *= 0.42
    return points


def _cross():
    arm = 0.3
    quarter = np.array([(1.0, -arm), (1.0, arm), (arm, arm)])
    turn = np.array([(0.0, 1.0), (-1.0, 0.0)])
    return np.concatenate([quarter.dot(np.linalg.matrix_power(turn, n)) for n in range(4)])


# A shape is an outline within the unit circle, and a hole in it or None.
OUTLINES = {
    "circle": (_regular(64), None),
    "square": (_regular(4), None),
    "triangle": (_regular(3), None),
    "star": (_star(), None),
    "cross": (_cross(), None),
    "ring": (_regular(64), _regular(64, radius=0.55)),
    "hexagon": (_regular(6), None),
    "crescent": (_regular(64), _regular(64, radius=0.85, centre=(0.55, 0.0))),
}


def _noise(rng, cells):
    """Smooth noise in -1..1, with about `cells` hills along an edge."""
    grid = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32), mode="F")
    return np.asarray(grid.resize((SIZE, SIZE), Image.BICUBIC))


def _background(rng):
    first, second = rng.uniform(30, 225, (2, 3))
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-0.5, 0.5, SIZE)
    blend = 0.5 + ramp[None, :] * np.cos(angle) + ramp[:, None] * np.sin(angle)
    pixels = first + (second - first) * np.clip(blend, 0, 1)[..., None]
    for cells, strength in ((4, 30), (12, 18), (40, 12)):
        pixels = pixels + _noise(rng, cells)[..., None] * strength * rng.uniform(0.3, 1)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    # Clutter that must not be taken for shapes: thin lines, and dots far smaller than any shape.
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.randint(3, 12)):
        draw.line(
            [tuple(point) for point in rng.uniform(0, SIZE, (2, 2))],
            fill=tuple(rng.randint(0, 256, 3)),
            width=rng.randint(1, 3),
        )
    for _ in range(rng.randint(3, 15)):
        x, y = rng.uniform(0, SIZE, 2)
        radius = rng.uniform(1, 4)
        draw.ellipse(
            [x - radius, y - radius, x + radius, y + radius], fill=tuple(rng.randint(0, 256, 3))
        )
    return np.asarray(picture).astype(np.float64)


def _stencil(name, rng):
    """The shape's coverage, 0..1, cropped to its own box."""
    radius = rng.uniform(15, 38)
    stretch = np.array([rng.uniform(0.85, 1.15), 1.0])
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    side = int(np.ceil(radius * 2.4))
    large = Image.new("L", (side * SUPERSAMPLE, side * SUPERSAMPLE))
    draw = ImageDraw.Draw(large)
    for outline, value in zip(OUTLINES[name], (255, 0)):
        if outline is not None:
            points = (outline * stretch).dot(turn) * radius + side / 2.0
            draw.polygon([tuple(point) for point in points * SUPERSAMPLE], fill=value)
    coverage = np.asarray(large.resize((side, side), Image.BOX)) / 255.0
    rows, columns = np.nonzero(coverage >= 0.5)
    return coverage[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _paint(rng, under, coverage):
    """`under` with the shape painted over it, in a colour that stands out from it."""
    height, width = coverage.shape
    colour = rng.uniform(0, 255, 3)
    while np.linalg.norm(colour - under.mean(axis=(0, 1))) < 100:
        colour = rng.uniform(0, 255, 3)
    shade = np.linspace(-1, 1, width)[None, :, None] * rng.uniform(-25, 25)
    fill = colour + shade
    if rng.uniform() < 0.25:
        stripes = np.sin(np.arange(height) * rng.uniform(0.5, 1.5))[:, None, None]
        fill = fill + stripes * rng.uniform(10, 25)
    alpha = coverage[..., None]
    return under * (1 - alpha) + fill * alpha


def _crowded(box, others):
    """Whether the box hides, or is hidden by, more than a sixth of the smaller of the two."""
    top, left, bottom, right = box
    for y0, x0, y1, x1 in others:
        shared = max(0, min(bottom, y1) - max(top, y0)) * max(0, min(right, x1) - max(left, x0))
        if shared * 6 > min((bottom - top) * (right - left), (y1 - y0) * (x1 - x0)):
            return True
    return False


def draw_picture(split, index, seed=SEED):
    """Returns (JPEG bytes, boxes as [(top, left, bottom, right)] in pixels, class names)."""
    rng = np.random.RandomState([seed, SPLITS[split], index])
    pixels = _background(rng)
    boxes, names = [], []
    for _ in range(rng.randint(FEWEST[split], MOST + 1)):
        name = CLASSES[rng.randint(len(CLASSES))]
        coverage = _stencil(name, rng)
        height, width = coverage.shape
        for _ in range(20):
            top, left = rng.randint(SIZE - height + 1), rng.randint(SIZE - width + 1)
            box = (top, left, top + height, left + width)
            if not _crowded(box, boxes):
                under = pixels[top : top + height, left : left + width]
                pixels[top : top + height, left : left + width] = _paint(rng, under, coverage)
                boxes.append(box)
                names.append(name)
                break
    pixels += rng.normal(0, rng.uniform(0, 6), pixels.shape)
    encoded = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
        encoded, format="JPEG", quality=JPEG_QUALITY
    )
    return encoded.getvalue(), boxes, names


def label_map():
    return "".join(
        f"item {{\n  id: {number}\n  name: '{name}'\n}}\n"
        for number, name in enumerate(CLASSES, start=1)
    )


def _example(tf, filename, jpeg, boxes, names):
    def _bytes(values):
        return tf.train.Feature(
            bytes_list=tf.train.BytesList(
                value=[v if isinstance(v, bytes) else v.encode() for v in values]
            )
        )

    def _ints(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def _floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    edges = np.array(boxes, dtype=np.float64) / SIZE
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/height": _ints([SIZE]),
                "image/width": _ints([SIZE]),
                "image/filename": _bytes([filename]),
                "image/source_id": _bytes([filename]),
                "image/key/sha256": _bytes([hashlib.sha256(jpeg).hexdigest()]),
                "image/encoded": _bytes([jpeg]),
                "image/format": _bytes(["jpeg"]),
                "image/object/bbox/ymin": _floats(edges[:, 0]),
                "image/object/bbox/xmin": _floats(edges[:, 1]),
                "image/object/bbox/ymax": _floats(edges[:, 2]),
                "image/object/bbox/xmax": _floats(edges[:, 3]),
                "image/object/class/text": _bytes(names),
                "image/object/class/label": _ints([CLASSES.index(name) + 1 for name in names]),
            }
        )
    )


def _draw_task(task):
    return draw_picture(*task)


def _pictures(split, count, seed):
    """Yields (file name, picture) in order, drawn by one process for each core."""
    pool = multiprocessing.Pool()
    tasks = [(split, index, seed) for index in range(count)]
    for index, picture in enumerate(pool.imap(_draw_task, tasks, chunksize=16)):
        yield f"{split}_{index:05d}.jpg", picture
    pool.close()
    pool.join()


def write_records(paths, split, count, seed=SEED):
    """Writes `count` pictures, dealt to the files in `paths` in turn."""
    import tensorflow as tf  # here, because drawing and the label map do without it

    writers = [tf.io.TFRecordWriter(path) for path in paths]
    for index, (filename, (jpeg, boxes, names)) in enumerate(_pictures(split, count, seed)):
        example = _example(tf, filename, jpeg, boxes, names)
        # Deterministic: the features are a map, whose order otherwise changes from run to run.
        writers[index % len(writers)].write(example.SerializeToString(deterministic=True))
    for writer in writers:
        writer.close()


def write_images(directory, split, count, seed=SEED):
    for filename, (jpeg, _, _) in _pictures(split, count, seed):
        with open(os.path.join(directory, filename), "wb") as stream:
            stream.write(jpeg)


flags.DEFINE_enum("split", "val", sorted(SPLITS), "Which stream of pictures to draw.")
flags.DEFINE_integer("count", 100, "How many pictures.")
flags.DEFINE_integer("seed", SEED, "Another seed, other pictures.")
flags.DEFINE_string("output", None, "TFRecord file to write.")
flags.DEFINE_string("images", None, "Directory to write the pictures into, as JPEG files.")
flags.DEFINE_string("label_map", None, "Label map to write.")


def main(unused_argv):
    FLAGS = flags.FLAGS
    if FLAGS.label_map:
        with open(FLAGS.label_map, "w") as stream:
            stream.write(label_map())
    if FLAGS.images:
        write_images(FLAGS.images, FLAGS.split, FLAGS.count, FLAGS.seed)
    if FLAGS.output:
        write_records([FLAGS.output], FLAGS.split, FLAGS.count, FLAGS.seed)


if __name__ == "__main__":
    app.run(main)
