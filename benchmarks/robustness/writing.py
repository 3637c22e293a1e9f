"""Command lines that write, in the random places of a world, for `ownership`."""

import collections
import hashlib
import os
import shutil
import sys

from robustness import worlds

# The directories and the file that a run writes; whether it may replace the file.
Run = collections.namedtuple("Run", "verb words directories file replaces")
Run.__new__.__defaults__ = (None, False)


def furnished(world):
    """Fills a world's `place`; how its first destination is."""
    how = world.furnish(world.path("place", "out"))
    world.furnish(world.path("place", "train"), ("trained",))
    batch = world.path("place", "batch")
    if world.choose.random() < 0.5:
        world.copy("batched", batch)
        for name in worlds.MODELS:
            again = world.choose.random()
            if again < 0.4:
                world.scatter(os.path.join(batch, name))
            elif again < 0.6:
                shutil.rmtree(os.path.join(batch, name))
                world.furnish(os.path.join(batch, name))
    elif world.choose.random() < 0.5:
        os.mkdir(batch)
        for name in worlds.MODELS:
            world.furnish(os.path.join(batch, name))
    private = os.path.join(batch, ".graphfix-batch")
    if os.path.isdir(batch) and world.choose.random() < 0.3:
        shutil.rmtree(private, ignore_errors=True)
        how_private = world.choose.randrange(4)
        if how_private == 0:
            os.symlink(world.path("home", "stuff"), private)
        elif how_private == 1:
            world.put(private)
        else:
            os.makedirs(os.path.join(private, "work"))
            if how_private == 2:
                os.mkdir(os.path.join(private, "work", worlds.MODELS[0]))
                world.write(os.path.join(private, "work", worlds.MODELS[0], "letter"))
            else:
                os.symlink(
                    world.path("home", "stuff"), os.path.join(private, "work", worlds.MODELS[0])
                )
    return how


def convert(world):
    out, train = destination(world), world.path("place", "train")
    words = ["convert", source(world), "--output_directory", out]
    places = [out]
    if world.choose.random() < 0.4:
        words += ["--plan", alias(world, world.path("in", "plan.json"))]
    else:
        words += [
            "--label_map_path",
            alias(world, world.path("in", "new.pbtxt")),
            "--target_api",
            "2019-07",
            "--seed",
            str(world.choose.randrange(9)),
            "--new_rows",
            "random",
        ]
    if world.choose.random() < 0.4:
        words += ["--model_dir", train]
        places.append(train)
    yield Run(
        "convert" + " --overwrite" * overwrites(world, words) + " --model_dir" * (len(places) > 1),
        words,
        places,
    )


def thaw(world):
    out = destination(world)
    words = ["thaw", alias(world, world.path("in", "frozen")), "--output_directory", out]
    overwrites(world, words)
    yield Run("thaw", words, [out])


def batch(world):
    out = world.path("place", "batch")
    for recipe in ("recipe.txt", "recipe.txt", "changed.txt"):
        yield Run(
            "batch",
            ["batch", world.path("in", recipe), "--output_directory", out],
            [os.path.join(out, name) for name in worlds.MODELS],
        )


def anchors_show(world):
    out = destination(world)
    words = ["anchors", "show", alias(world, world.path("in", "model")), "--output_directory", out]
    overwrites(world, words)
    yield Run("anchors show", words, [out])


def anchors_fit(world):
    path = file_destination(world, "anchors.pbtxt")
    words = [
        "anchors",
        "fit",
        world.path("in", "model"),
        "--train_record",
        alias(world, world.path("in", "wide.csv")),
        "--output",
        path,
    ]
    yield Run("anchors fit", words, [], path, overwrites(world, words))


def anchors_apply(world):
    path = file_destination(world, "anchors.config")
    words = [
        "anchors",
        "apply",
        alias(world, world.path("in", "model")),
        alias(world, world.path("in", "anchors.pbtxt")),
        "--output",
        path,
    ]
    yield Run("anchors apply", words, [], path, overwrites(world, words))


def check_update(world):
    path = file_destination(world, "golden.json")
    words = ["check", checked(world), "--update", "--golden", path]
    yield Run(
        "check --update", words, [], path, overwrites(world, words) or is_ours(path, b'"config": {')
    )


def check_junit(world):
    path = file_destination(world, "results.xml")
    words = [
        "check",
        checked(world),
        "--golden",
        alias(world, world.path("in", "golden.json")),
        "--junit",
        path,
    ]
    yield Run(
        "check --junit",
        words,
        [],
        path,
        overwrites(world, words) or is_ours(path, b'"graphfix check"'),
    )


def doctor_fix(world):
    path = file_destination(world, "fixed.config")
    words = ["doctor", alias(world, world.path("in", "ill.config")), "--fix", path]
    yield Run("doctor --fix", words, [], path, overwrites(world, words))


def verify_images(world):
    out = destination(world)
    images = [world.path("in", f"demo_0000{one}.jpg") for one in (0, 1)]
    if world.choose.random() < 0.6:
        out = world.path("place", "seen")
        world.copy("converted", out)
        if world.choose.random() < 0.4:
            world.scatter(out)
        if world.choose.random() < 0.3 and not os.path.lexists(os.path.join(out, "pictures")):
            os.mkdir(os.path.join(out, "pictures"))
            with open(images[0], "rb") as file:
                name = hashlib.sha256(file.read()).hexdigest()[:16] + ".jpg"
            world.put(os.path.join(out, "pictures", name))
    python = world.path("stock-python")
    with open(python, "w") as file:
        file.write(worlds.STOCK % sys.executable)
    os.chmod(python, 0o755)
    for number in range(2):
        kept = os.path.join(out, "pictures")
        if number and os.path.isdir(kept) and world.choose.random() < 0.5:
            images = [os.path.join(kept, name) for name in os.listdir(kept)]
        images = [one for one in images if os.path.isfile(one)]
        chosen = world.choose.sample(images, min(len(images), world.choose.randint(1, 2)))
        if not chosen:
            return
        yield Run(
            "verify --images",
            [
                "verify",
                out,
                "--stock",
                "--stock_python",
                python,
                "--source",
                world.path("in", "model"),
                "--images",
            ]
            + chosen,
            [out],
        )


VERBS = {
    one.__name__: one
    for one in (
        convert,
        thaw,
        anchors_show,
        anchors_fit,
        anchors_apply,
        check_update,
        check_junit,
        doctor_fix,
        verify_images,
    )
}


def overwrites(world, words):
    asked = world.choose.random() < 0.7
    words += ["--overwrite"] * asked
    return asked


def destination(world):
    """Mostly the furnished one; or one in it, or by way of a link."""
    out = world.path("place", "out")
    how = world.choose.random()
    if how < 0.1:
        link = world.path("place", f"link-{world.choose.getrandbits(32):08x}")
        os.symlink("out", link)
        return link
    if how < 0.2:
        return os.path.join(out, world.choose.choice(("inner", "training", "eval")))
    if how < 0.25:
        return world.choose.choice(
            (
                world.path("home"),
                world.path("in", "model"),
                world.path("home", "stuff"),
                world.path("home", "kept"),
            )
        )
    return out


def file_destination(world, name):
    """Where a file is to be written: where there is none, or something, or an input."""
    folder = world.choose.choice(
        (world.path("place"), world.path("home"), world.path("place", "out"))
    )
    if world.choose.random() < 0.1:
        return world.choose.choice(world.inputs())
    path = os.path.join(folder, name)
    if os.path.isdir(folder) and world.choose.random() < 0.7:
        world.put(path)
        if world.choose.random() < 0.2:
            world.leave(path)
    return path


def source(world):
    """A model to convert: mostly a user's, sometimes the output itself, or by way of a link."""
    out = world.path("place", "out")
    if world.choose.random() < 0.15 and os.path.isdir(out):
        return out
    return alias(world, world.path("in", "model"))


def checked(world):
    out = world.path("place", "out")
    return out if world.choose.random() < 0.4 and os.path.isdir(out) else world.path("home", "kept")


def alias(world, path):
    """An input, by one of its names; or moved into a destination, where it is in the way."""
    how = world.choose.random()
    out = world.path("place", "out")
    if how < 0.15:
        link = world.path("home", f"link-{world.choose.getrandbits(32):08x}")
        os.symlink(path, link)
        return link
    if how < 0.25 and os.path.isfile(path):
        link = world.path("home", f"hard-{world.choose.getrandbits(32):08x}")
        os.link(path, link)
        return link
    if how < 0.35 and os.path.isdir(out) and not os.path.islink(out):
        place = os.path.join(out, os.path.basename(path))
        if not os.path.lexists(place):
            os.rename(path, place)
            os.symlink(place, path)
            return world.choose.choice((place, path))
    return path


def is_ours(path, mark):
    """Whether check wrote the file that a path leads to."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return mark in file.read(4096)
    except OSError:
        return False
