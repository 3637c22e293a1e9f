"""Writes graphfix/model/layers.txt from what record_layers.py recorded.

    write_layers.py RECORDED.json... > graphfix/model/layers.txt

Each width is explained by the probes (record_layers.PROBES): the first width that gives
the recorded number in every one of them.  A type whose widths no RULES explain is written with those
it has at a depth_multiplier of 1, and without the feature `m`.
"""

import json
import re
import sys

from graphfix.model.layers import Widths

# What record_layers.PROBES varies of widths: (depth_multiplier, min_depth, additional_layer_depth).
WIDTHS = {
    "plain": Widths(1.0, 8, 256), "half": Widths(0.5, 8, 256), "odd": Widths(0.33, 8, 256),
    "wide": Widths(1.37, 8, 256), "least": Widths(0.25, 32, 256), "narrow": Widths(0.5, 8, 112),
    "shallow": Widths(1.0, 8, 112),
}
# What widths may be, one set of rules for all of a type's; the last: nothing but their numbers.
RULES = (("", "S", "R"), ("", "S", "D"), ("",))
_LEAVES = ("weights", "depthwise_weights", "pointwise_weights")
_SCALED = {"BatchNorm/gamma", "BatchNorm/moving_mean", "BatchNorm/moving_variance"}
_NORM = {"gamma": "g", "beta": "b", "moving_mean": "m", "moving_variance": "v"}  # in order


class Unexplained(Exception):
    """No rule gives a width."""


def explain(numbers, known, rules, hint=""):
    """The width that has these numbers, {probe: number}: the one of `hint`, or of the widths `known`
    so far, in the order they were found, or a new one."""
    plain = numbers["plain"]
    candidates = [hint] if hint else []
    candidates += [one for one in known if Widths().of(one) == plain]
    candidates += [rule + str(plain) for rule in rules] + ["A", "SA", "DA"]
    for one in reversed(list(known)):
        if one[0] in "DR":
            # What is rounded up has not this very ratio: squeezing takes a quarter.
            candidates += ["%s*%.9g" % (one, factor) for factor in (
                plain / float(Widths().of(one)), 0.25)]
    for one in candidates:
        if all(WIDTHS[probe].of(one) == number for probe, number in numbers.items()):
            known[one] = True
            return one
    raise Unexplained(numbers)


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
            out.append("{%s}" % explain({probe: int(one) for probe, one in column.items()}, known,
                                        rules))
    return "".join(out)


def grouped(variables):
    """{layer's scope: {leaf: shape}} in the order of creation; a variable of no layer has leaf =."""
    out = {}
    for name, shape, trainable in variables:
        assert trainable == (not name.endswith(("moving_mean", "moving_variance"))), name
        match = re.match(r"(.*)/(%s|biases|BatchNorm/\w+)\Z" % "|".join(_LEAVES), name)
        out.setdefault(match.group(1) if match else name, {})[
            match.group(2) if match else "="] = shape
    return out


def norm(scope, plain, others):
    """The NORM column of a layer; `others` are the layers of the probes bare, override and
    unscaled, where there are such."""
    letters = "".join(letter for leaf, letter in _NORM.items() if "BatchNorm/" + leaf in plain)
    if not letters:
        return "b" if "biases" in plain else "-"
    beside = {probe: {leaf for leaf in layers[scope] if leaf not in _LEAVES}
              for probe, layers in others.items() if scope in layers}
    changed = {probe for probe, leaves in beside.items()
               if len(leaves) < len(letters)}
    for probe in changed:
        assert beside[probe] in (({"BatchNorm/moving_mean", "BatchNorm/moving_variance"},
                                  _SCALED) if probe == "unscaled" else ({"biases"},)), (
                                      scope, beside)
    if "bare" in changed:
        assert changed == set(beside), (scope, changed)
        return "c"
    if "override" in changed:
        assert changed == {"override", "unscaled"}, (scope, changed)
        return ("s:" if beside["unscaled"] == _SCALED else "o:") + letters
    return ("p:" if changed else "f:") + letters


def built(probes, name):
    return "variables" in probes.get(name, {})


def lines_of(probes, prefix, rules, known, hints):
    """Lines of the layers in one group of probes, and maps; `hints` are the widths of the other
    group's kernels, {(scope, leaf, axis): width}, and get this one's."""
    # Without rules nothing follows depth_multiplier.
    names = [one for one in WIDTHS if built(probes, prefix + one) and (
        len(rules) > 1 or WIDTHS[one].multiplier == 1)]
    found = {probe: list(grouped(probes[prefix + probe]["variables"]).items()) for probe in names}
    others = {one: grouped(probes[prefix + one]["variables"])
              for one in ("bare", "override", "unscaled") if built(probes, prefix + one)}
    out = []
    for place, (scope, leaves) in enumerate(found["plain"]):
        column = {probe: rows[place] for probe, rows in found.items()}
        name = explain_name({probe: row[0] for probe, row in column.items()}, known, rules)
        kernels = []
        for leaf in leaves:
            if leaf in _LEAVES or leaf == "=":
                axes = []
                for axis in range(len(leaves[leaf])):
                    key = scope, leaf, axis
                    axes.append(explain({probe: row[1][leaf][axis] for probe, row in column.items()},
                                        known, rules, hints.get(key, "")))
                    hints.setdefault(key, axes[-1])
                kernels.append("%s:%s" % (leaf, "x".join(axes)))
        assert kernels, scope
        out.append("  %s %s %s" % (name, ",".join(kernels), norm(scope, leaves, others)))
    maps = []
    for place in range(len(probes[prefix + "plain"]["maps"])):
        maps.append(explain({probe: probes[prefix + probe]["maps"][place] for probe in names}, known, rules,
                            hints.get(place, "")))
        hints.setdefault(place, maps[-1])
    return out, maps


def section(kind, probes):
    """A type's section."""
    for rules in RULES[-1:] if kind.startswith("faster_rcnn") or "_resnet" in kind else RULES:
        known, hints = {}, {}
        try:
            lines, maps = lines_of(probes, "", rules, known, hints)
            break
        except (Unexplained, IndexError) as error:
            print("%s: not by the rules %r: %r" % (kind, rules, error), file=sys.stderr)
    features = "m" if len(rules) > 1 else ""
    if built(probes, "depthwise_plain"):
        separable, separable_maps = lines_of(probes, "depthwise_", rules, known, hints)
        if separable_maps == maps:
            features += "d"
            lines = [line if line in separable else line + " n" for line in lines] + [
                line + " d" for line in separable if line not in lines]
    return ["extractor %s %s %s" % (kind, features or "-", " ".join(maps))] + lines


def main(*paths):
    print("# Layers of the stock API's feature extractors; see layers.py.")
    for path in paths:
        with open(path) as file:
            for kind, probes in json.load(file).items():
                print("\n".join(section(kind, probes)))


if __name__ == "__main__":
    main(*sys.argv[1:])
