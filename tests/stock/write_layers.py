"""Writes the layers of feature extractors into their files, from what record_layers.py recorded.

    write_layers.py RECORDED.json...

The files are those of graphfix/detectors/extractors in which the recorded types are; their facts,
above the layers, stay as they are, and so do the layers of types that were not recorded.

Each width is explained by the probes (record_layers.PROBES): the first width that gives
the recorded number in every one of them.  A type whose widths no RULES explain is written with
those it has at a depth_multiplier of 1, and without the feature `m`.
"""

import itertools
import json
import re
import sys

from graphfix.detectors.extractors import loader
from graphfix.detectors.extractors.layers import HEADER, KERNELS
from graphfix.detectors.extractors.widths import Widths

# What record_layers.PROBES varies of widths: (depth_multiplier, min_depth, additional_layer_depth).
WIDTHS = {
    "plain": Widths(1.0, 8, 256),
    "half": Widths(0.5, 8, 256),
    "odd": Widths(0.33, 8, 256),
    "wide": Widths(1.37, 8, 256),
    "least": Widths(0.25, 32, 256),
    "narrow": Widths(0.5, 8, 112),
    "shallow": Widths(1.0, 8, 112),
    "fourfold": Widths(4.0, 8, 256),
    "lesser": Widths(0.71, 8, 256),
    "more": Widths(1.45, 8, 256),
    "spared": Widths(0.3, 20, 256),
}
# What widths may be, one set of rules for all of a type's; the last: nothing but their numbers.
RULES = (("", "S", "R"), ("", "S", "D"), ("",))
# Of MobileDet: how many of a width's channels a convolution is squeezed to.
_RANKS = (0.75, 0.25)
# How many times as wide as its convolutions a residual unit is.
_EXPANDED = 4
_NORM = {"gamma": "g", "beta": "b", "moving_mean": "m", "moving_variance": "v"}  # in order


class Unexplained(Exception):
    """No rule gives a width."""


def explain(numbers, known, rules, hint="", more=()):
    """The width that has these numbers, {probe: number}: the one of `hint`, or of the widths
    `known` so far, in the order they were found, or a new one, or one of `more`."""
    plain = numbers["plain"]
    candidates = [hint] if hint else []
    candidates += [one for one in known if Widths().of(one) == plain]
    candidates += [rule + str(plain) for rule in rules] + [
        "A",
        "SA",
        "DA",
        "I8",
        "I8*3",
        f"T{plain}",
        f"L{plain}",
    ]
    # Of widths that follow from others the one that takes the fewest steps, from the latest.
    latest_first = list(known)[::-1]
    for one in sorted(latest_first, key=lambda one: one.count("*")):
        if one[0] in "DR":
            # What is rounded up has not this very ratio: squeezing takes a quarter.
            candidates += [
                f"{one}*{factor:.9g}" for factor in (plain / float(Widths().of(one)), 0.25)
            ]
    for one in itertools.chain(candidates, more):
        if all(WIDTHS[probe].of(one) == number for probe, number in numbers.items()):
            known[one] = True
            return one
    raise Unexplained(numbers)


def beyond(outs, plain):
    """Candidates where a layer's input is no single layer's output: the sum of some of the outputs
    of a block of branches, and perhaps of the block's input, the latest block first; and the ranks
    to which MobileDet squeezes the width of a layer that is yet to come, or the four times that of
    a residual unit.  `outs` are the widths {scope: (in, out)} so far, `plain` all numbers there
    are."""
    blocks = {}
    for scope, (into, out) in outs.items():
        match = re.match(r".*/Mixed_\w+/", scope)
        if match:
            blocks.setdefault(match.group(), [into]).append(out)
    plain = sorted(plain)
    for widths in reversed(list(blocks.values())):
        for size in range(len(widths), 1, -1):
            for some in itertools.combinations(widths[1:] + widths[:1], size):
                yield "+".join(some)
    yield from (f"R{out}*{rank:.9g}" for rank in _RANKS for out in plain)
    yield from (f"S{out}*{_EXPANDED}" for out in plain)


def explain_name(names, known, rules):
    """A name in which numbers that differ by probe are widths in braces."""
    if len(set(names.values())) == 1:
        return names["plain"]
    pieces = {probe: re.split(r"(\d+)", name) for probe, name in names.items()}
    out = []
    for place, piece in enumerate(pieces["plain"]):
        column = {probe: row[place] for probe, row in pieces.items()}
        if len(set(column.values())) == 1:
            out.append(piece)
        else:
            numbers = {probe: int(one) for probe, one in column.items()}
            out.append(f"{{{explain(numbers, known, rules)}}}")
    return "".join(out)


def grouped(variables, keras):
    """{layer's scope: {leaf: shape}} in the order of creation; a variable of no layer has leaf =.
    Keras's normalizations are layers with names of their own, which are taken together with the
    layer before, and whose last part is under `@`."""
    out, last = {}, ""
    for name, shape, trainable in variables:
        assert trainable == (not name.endswith(("moving_mean", "moving_variance"))), name
        scope, _, leaf = name.rpartition("/")
        match = re.match(rf"(.*)/({'|'.join(KERNELS)}|biases|BatchNorm/\w+)\Z", name)
        if keras and leaf in _NORM:
            out[last].setdefault("@", scope.rpartition("/")[2])
            assert scope == "/".join(last.split("/")[:-1] + [out[last]["@"]]), (last, name)
            out[last]["BatchNorm/" + leaf] = shape
        elif keras and leaf == "bias":
            assert scope == last
            out[last]["biases"] = shape
        else:
            last = match.group(1) if match else name
            out.setdefault(last, {})[match.group(2) if match else "="] = shape
    return out


def norm(scope, plain, others):
    """The NORM column of a layer; `others` are the layers of the probes bare, override and
    unscaled, where there are such."""
    letters = "".join(letter for leaf, letter in _NORM.items() if "BatchNorm/" + leaf in plain)
    if not letters:
        return "b" if "biases" in plain else "-"
    beside = {
        probe: {leaf for leaf in layers[scope] if leaf not in KERNELS and leaf != "@"}
        for probe, layers in others.items()
        if scope in layers
    }
    changed = {probe for probe, leaves in beside.items() if len(leaves) < len(letters)}
    means = {"BatchNorm/moving_mean", "BatchNorm/moving_variance"}
    known = {
        "unscaled": (means, means | {"BatchNorm/gamma"}, means | {"biases"}),
        "bare": ({"biases"},),
        "override": ({"biases"}, set()),
    }
    for probe in changed:
        assert beside[probe] in known[probe], (scope, beside)
    if "bare" in changed:
        assert changed == set(beside), (scope, changed)
        return "c"
    if "override" in changed:
        assert changed == {"override", "unscaled"}, (scope, changed)
        return (
            "u:"
            if not beside["override"]
            else "s:"
            if "BatchNorm/gamma" in beside["unscaled"]
            else "o:"
        ) + letters
    return ("p:" if changed else "f:") + letters


def built(probes, name):
    return "variables" in probes.get(name, {})


def lines_of(probes, prefix, rules, known, hints, keras):
    """Lines of the layers in one group of probes, and maps; `hints` are the widths of the other
    group's kernels, {(scope, leaf, axis): width}, and get this one's."""
    # Without rules nothing follows depth_multiplier.
    names = [
        one
        for one in WIDTHS
        if built(probes, prefix + one) and (len(rules) > 1 or WIDTHS[one].multiplier == 1)
    ]
    found = {
        probe: list(grouped(probes[prefix + probe]["variables"], keras).items()) for probe in names
    }
    others = {
        one: grouped(probes[prefix + one]["variables"], keras)
        for one in ("bare", "override", "unscaled")
        if built(probes, prefix + one)
    }
    plain = {
        shape[-1]
        for _, leaves in found["plain"]
        for leaf, shape in leaves.items()
        if leaf in KERNELS
    }
    out, outs = [], {}
    for place, (scope, leaves) in enumerate(found["plain"]):
        column = {probe: rows[place] for probe, rows in found.items()}
        name = explain_name({probe: row[0] for probe, row in column.items()}, known, rules)
        kernels = []
        for leaf in leaves:
            if leaf in KERNELS or leaf == "=":
                axes = []
                for axis in range(len(leaves[leaf])):
                    key = scope, leaf, axis
                    axes.append(
                        explain(
                            {probe: row[1][leaf][axis] for probe, row in column.items()},
                            known,
                            rules,
                            hints.get(key, ""),
                            beyond(outs, plain),
                        )
                    )
                    hints.setdefault(key, axes[-1])
                kernels.append(f"{leaf}:{'x'.join(axes)}")
                outs[scope] = axes[-2:] if len(axes) > 1 else ("1", axes[-1])
        assert kernels, scope
        beside = norm(scope, leaves, others)
        if "@" in leaves and beside not in "-b":
            beside = re.sub(
                r"\A\w",
                lambda match: (
                    match.group()
                    + "@"
                    + explain_name(
                        {probe: row[1]["@"] for probe, row in column.items()}, known, rules
                    )
                ),
                beside,
            )
        out.append(
            f"  {name} {','.join(kernels)} {beside}"
            f"{converted(scope, leaves, probes[prefix + 'plain'])}"
            f"{read(scope, leaves, probes, prefix)}"
        )
    maps = []
    for place in range(len(probes[prefix + "plain"]["maps"])):
        maps.append(
            explain(
                {probe: probes[prefix + probe]["maps"][place] for probe in names},
                known,
                rules,
                hints.get(place, ""),
                beyond(outs, plain),
            )
        )
        hints.setdefault(place, maps[-1])
    return out, maps


def converted(scope, leaves, probe):
    """The word for what a layer is called in a classifier of slim's, if it has another name
    there."""
    names = probe.get("converted", {})
    found = names.get(scope + "/kernel")
    if found is None:
        return ""
    own = found.rpartition("/")[0]
    for leaf in leaves:
        if leaf.startswith("BatchNorm/"):
            beside = f"{scope.rpartition('/')[0]}/{leaves['@']}/{leaf.rpartition('/')[2]}"
            assert names[beside] == own + "/" + leaf
    assert "biases" not in leaves or names[scope + "/bias"] == own + "/biases"
    return " =" + own


def read(scope, leaves, probes, prefix):
    """The word for from how many feature maps on, or from which level of an FPN, a layer is read,
    if it is not always."""
    kernel = next(leaf for leaf in leaves if leaf in KERNELS or leaf == "=")
    name = scope if kernel == "=" else scope + "/" + kernel
    found = probes[prefix + "plain"].get("read")
    if not found or name.endswith(("moving_mean", "moving_variance")):
        return ""
    tops = [int(probe[3:]) for probe in probes if probe.startswith("top")]
    if tops and not re.search(r"/(projection|smoothing|bottom_up)_", scope):
        first = min([top for top in tops if name in probes[f"top{top}"]["read"]] + [5])
        return f" <{first}" if first > min(tops) else ""
    if name not in found:
        return " <-"
    always = tops or scope.startswith(("FirstStage", "SecondStage")) or not found[name]
    return "" if always else f" <{found[name] + 1}"


def section(kind, probes):
    """A type's section."""
    keras = kind.endswith("_keras")
    for rules in (
        RULES[-1:]
        if kind.startswith("faster_rcnn")
        else ((("", "S"),) + RULES[-1:] if kind.startswith("ssd_resnet") else RULES)
    ):
        known, hints = {}, {}
        try:
            lines, maps = lines_of(probes, "", rules, known, hints, keras)
            break
        except (Unexplained, IndexError) as error:
            print(f"{kind}: not by the rules {rules!r}: {error!r}", file=sys.stderr)
    features = "m" if len(rules) > 1 else ""
    if built(probes, "depthwise_plain") and (
        probes["depthwise_plain"]["variables"] == probes["plain"]["variables"]
    ):
        features += "d"
    elif built(probes, "depthwise_plain"):
        separable, separable_maps = lines_of(probes, "depthwise_", rules, known, hints, keras)
        if separable_maps == maps:
            features += "d"
            lines = [line if line in separable else line + " n" for line in lines] + [
                line + " d" for line in separable if line not in lines
            ]
    return [f"{HEADER} {kind} {features or '-'} {' '.join(maps)}"] + lines


def with_sections(text, kinds, sections):
    """A file's text with new sections, {type: lines}, in the order of its types."""
    facts, *old = re.split(rf"^(?={HEADER} )", text, flags=re.MULTILINE)
    every = {one.split()[1]: one for one in old}
    every.update((kind, "\n".join(lines) + "\n") for kind, lines in sections.items())
    return facts.rstrip("\n") + "\n" + "".join(every[kind] for kind in kinds if kind in every)


def main(*paths):
    sections = {}
    for path in paths:
        with open(path) as file:
            for kind, probes in json.load(file).items():
                sections[kind] = section(kind, probes)
    types = {}
    for one in loader.extractors().values():
        types.setdefault(one.path, []).append(one.type)
    for path, kinds in types.items():
        own = {kind: sections.pop(kind) for kind in kinds if kind in sections}
        if own:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(with_sections(text, kinds, own))
    if sections:
        sys.exit(f"in no file, so not written: {', '.join(sections)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
