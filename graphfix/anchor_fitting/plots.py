"""Pictures of anchors: on the feature grids, beside the boxes, and how many boxes they cover.

The only module that imports matplotlib, which is an extra (`plots`).
"""

import dataclasses
import logging
import os
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import SSD_GENERATOR
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.setting import Setting
from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.feature_maps import map_shapes
from graphfix.errors import RequestError

GRID, BOXES, COVERAGE = "grid.png", "boxes.png", "coverage.png"
_DPI = 110
_DRAWN = 20000  # boxes in a picture
_BINS = 40  # of the sizes
_GREY, _DARK = "#8a8f98", "#2b2f36"
# One colour a series: the config's anchors, and those of the file beside them.
_COLOURS = ("#1f6fb4", "#d9541e")
_STYLES = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclasses.dataclass(frozen=True)
class Series:
    """Anchors to draw: their name in the legend, and how they cover the boxes, if there are any."""

    name: str
    spec: AnchorSpec
    best: Any  # a Best where there are boxes


def require() -> None:
    """Raises RequestError where matplotlib is not installed."""
    # It takes its settings from a file in the current directory, if there is one, and says on
    # stderr what it does not understand of it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib

        matplotlib.rcdefaults()
    except ImportError:
        raise RequestError(
            "anchors show",
            "draws with matplotlib, which is not installed here",
            "pip install matplotlib",
        ) from None


def draw(
    directory: str, setting: Setting, series: Sequence[Series], boxes: Optional[BoxSet]
) -> Tuple[str, ...]:
    """Writes the pictures into a directory; gives their names."""
    image = _image(setting, boxes)
    pictures = [(GRID, _grid(setting, series, image))]
    if boxes is not None:
        pictures += [
            (BOXES, _sizes(series, boxes, image)),
            (COVERAGE, _coverage(setting, series, boxes)),
        ]
    for name, figure in pictures:
        figure.savefig(os.path.join(directory, name), dpi=_DPI)
    return tuple(name for name, _ in pictures)


def _figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _image(setting: Setting, boxes: Optional[BoxSet]) -> Tuple[float, float]:
    """The size of the image to draw on: all images', or the boxes' median, or what the config says
    of the sides."""
    if setting.image:
        return setting.image
    if boxes is not None:
        height, width = np.median(boxes.images, axis=0)
        return float(height), float(width)
    keep = setting.resizer.keep_aspect_ratio_resizer
    return float(keep.min_dimension), float(keep.max_dimension)


def _pixels(spec: AnchorSpec, level: int, image: Tuple[float, float]) -> np.ndarray:
    """(height, width) in pixels of the anchors at a location of a map: [A, 2]."""
    unit = min(image) if spec.generator == SSD_GENERATOR else 1
    return np.array(spec.maps[level].sizes) * unit


def _centres(spec: AnchorSpec, level: int, shape: Any, image: Tuple[float, float]):
    """The grid's rows and columns, in pixels."""
    one = spec.maps[level]
    stride = one.stride or tuple(side / count for side, count in zip(image, shape))
    offset = one.offset or tuple(step / 2 for step in stride)
    return [
        np.arange(int(count)) * step + first for count, step, first in zip(shape, stride, offset)
    ]


def _grid(setting: Setting, series: Sequence[Series], image: Tuple[float, float]):
    """A panel for each feature map: the cells' centres, and the anchors of the middle cell."""
    from matplotlib.patches import Rectangle

    count = len(series[0].spec.maps)
    across = min(count, 3)
    down = (count + across - 1) // across
    shapes = map_shapes(setting.maps.body, setting.maps.meta, np.array([image]))
    # All panels show the same: the image, and as much around it as the largest anchor needs, but
    # no more than half as much again.
    largest = max(_pixels(one.spec, level, image).max() for one in series for level in range(count))
    margin = min(max(0, (largest - min(image)) / 2), min(image) / 2) + 0.04 * max(image)
    ratio = (image[0] + 2 * margin) / (image[1] + 2 * margin)
    wide = 3.6 if across > 1 else 6.4
    figure = _figure(wide * across, ((wide - 0.5) * ratio + 0.85) * down + 0.6)
    for level in range(count):
        axes = figure.add_subplot(down, across, level + 1)
        rows, columns = _centres(series[0].spec, level, shapes[level][0], image)
        axes.add_patch(Rectangle((0, 0), image[1], image[0], fill=False, edgecolor=_DARK, lw=1.2))
        axes.scatter(
            *np.meshgrid(columns, rows),
            s=max(0.6, min(9, 240 / len(rows) ** 1.3)),
            color=_GREY,
            linewidths=0,
        )
        middle = rows[(len(rows) - 1) // 2], columns[(len(columns) - 1) // 2]
        for number, one in enumerate(series):
            sizes = _pixels(one.spec, level, image)
            for size in sizes:
                axes.add_patch(
                    Rectangle(
                        (middle[1] - size[1] / 2, middle[0] - size[0] / 2),
                        size[1],
                        size[0],
                        fill=False,
                        lw=1.3,
                        edgecolor=_COLOURS[number],
                        alpha=0.85,
                        linestyle=("-", "--")[number],
                    )
                )
        axes.scatter([middle[1]], [middle[0]], s=14, color=_DARK, zorder=3, linewidths=0)
        anchors = " / ".join(str(one.spec.per_map[level]) for one in series)
        axes.set_title(
            f"map {level}: {len(rows)} x {len(columns)} cells, {anchors} anchors each", fontsize=9
        )
        axes.set_xlim(-margin, image[1] + margin)
        axes.set_ylim(image[0] + margin, -margin)
        axes.set_aspect("equal")
        axes.tick_params(labelsize=7)
    figure.suptitle(
        f"Anchors of the middle cell, on an image of {image[0]:g} x {image[1]:g} pixels "
        "(height x width)",
        fontsize=11,
    )
    if len(series) > 1:
        _legend(figure, series)
    figure.tight_layout(rect=(0, 0.05 * (len(series) > 1), 1, 0.95), h_pad=2)
    return figure


def _legend(figure: Any, series: Sequence[Series]) -> None:
    from matplotlib.lines import Line2D

    figure.legend(
        handles=[
            Line2D([], [], color=_COLOURS[number], linestyle=("-", "--")[number], label=one.name)
            for number, one in enumerate(series)
        ],
        loc="lower center",
        ncol=len(series),
        fontsize=9,
        frameon=False,
    )


def _sizes(series: Sequence[Series], boxes: BoxSet, image: Tuple[float, float]):
    """Widths and heights of the boxes, and of the anchors: a panel for each series."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import ScalarFormatter

    figure = _figure(5.6 * len(series) + 0.6, 5.6)
    height, width = boxes.boxes[:, 2], boxes.boxes[:, 3]
    anchors = [
        _pixels(one.spec, level, image) for one in series for level in range(len(one.spec.maps))
    ]
    every = np.concatenate([np.stack([height, width], 1)[:_DRAWN]] + anchors)
    low, high = every.min() / 1.25, every.max() * 1.25
    edges = np.exp(np.linspace(np.log(low), np.log(high), _BINS + 1))
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if low < tick < high]
    for number, one in enumerate(series):
        axes = figure.add_subplot(1, len(series), number + 1)
        counts, _, _ = np.histogram2d(width, height, bins=(edges, edges))
        shown = np.ma.masked_equal(counts.T, 0)
        mesh = axes.pcolormesh(
            edges,
            edges,
            shown,
            cmap="Greys",
            norm=LogNorm(vmin=0.3, vmax=max(1.0, float(counts.max()) * 2)),
        )
        mesh.set_rasterized(True)
        for level in range(len(one.spec.maps)):
            sizes = _pixels(one.spec, level, image)
            axes.scatter(
                sizes[:, 1],
                sizes[:, 0],
                s=42,
                marker=_STYLES[level % len(_STYLES)],
                facecolors="none",
                edgecolors=_colour(level, len(one.spec.maps)),
                linewidths=1.5,
                label=f"map {level}",
                zorder=3,
            )
        axes.plot([low, high], [low, high], color=_GREY, lw=0.7, linestyle=":")
        for axis, name in ((axes.xaxis, "width"), (axes.yaxis, "height")):
            (axes.set_xscale if name == "width" else axes.set_yscale)("log")
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(_none())
            axis.set_ticks(ticks)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        axes.set_xlabel("width in pixels of the resized image", fontsize=9)
        axes.set_ylabel("height", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_title(
            f"{one.name}: mean best IoU {one.best.iou.mean(dtype=np.float64):.3f}", fontsize=10
        )
        axes.legend(fontsize=8, loc="upper left", framealpha=0.9)
    figure.suptitle(f"Boxes ({len(boxes)}, grey: the darker, the more) and anchors", fontsize=11)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    return figure


def _none():
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _colour(level: int, count: int):
    # matplotlib 3.9 has no get_cmap in cm any more, and 3.4 not yet the other.
    import matplotlib
    from matplotlib import cm

    shades = (
        matplotlib.colormaps["plasma"]
        if hasattr(matplotlib, "colormaps")
        else cm.get_cmap("plasma")
    )
    return shades(0.85 * level / max(1, count - 1))


def _coverage(setting: Setting, series: Sequence[Series], boxes: BoxSet):
    """How many boxes reach an IoU, and how many of each size reach the threshold."""
    figure = _figure(11.6, 4.8)
    axes = figure.add_subplot(1, 2, 1)
    levels = np.linspace(0, 1, 101)
    threshold = setting.matching.threshold
    possible = series[0].best.possible
    lines: List[Tuple[str, Any, Tuple[str, str]]] = [
        ("best possible on this grid", possible, (_GREY, ":"))
    ]
    lines += [
        (one.name, one.best.iou, (_COLOURS[number], ("-", "--")[number]))
        for number, one in enumerate(series)
    ]
    for name, iou, style in lines:
        share = 1 - np.searchsorted(np.sort(iou), levels, side="left") / len(iou)
        axes.plot(
            levels,
            100 * share,
            color=style[0],
            linestyle=style[1],
            lw=1.8,
            label=(f"{name}: {100 * (iou >= threshold).mean():.1f}% at {threshold:g}"),
        )
    axes.axvline(threshold, color=_DARK, lw=0.8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 101)
    axes.set_xlabel("IoU", fontsize=9)
    axes.set_ylabel("boxes (%) with an anchor of that IoU or more", fontsize=9)
    axes.legend(fontsize=8, loc="lower left")
    axes.set_title("Coverage of all boxes; the line is the matcher's threshold", fontsize=10)
    axes = figure.add_subplot(1, 2, 2)
    sides = boxes.sides
    edges = np.exp(np.linspace(np.log(sides.min() * 0.999), np.log(sides.max() * 1.001), 13))
    where = np.searchsorted(edges, sides) - 1
    counts = np.bincount(where, minlength=12)
    middles = np.sqrt(edges[:-1] * edges[1:])
    filled = counts > 0
    bars = axes.twinx()
    bars.bar(
        edges[:-1], counts, width=np.diff(edges), align="edge", color="#d8dbe0", edgecolor="white"
    )
    bars.set_ylabel("boxes (grey)", fontsize=9, color=_GREY)
    bars.tick_params(labelsize=8, colors=_GREY)
    axes.set_zorder(bars.get_zorder() + 1)
    axes.patch.set_visible(False)
    for name, iou, style in lines:
        reached = np.bincount(where, iou >= setting.matching.threshold, 12)[filled] / counts[filled]
        axes.plot(
            middles[filled],
            100 * reached,
            color=style[0],
            linestyle=style[1],
            lw=1.8,
            marker=None if iou is possible else "o",
            markersize=4,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_xlabel("side of the box (square root of its area) in pixels", fontsize=9)
    axes.set_ylabel(f"boxes (%) with an anchor of IoU {threshold:g} or more", fontsize=9)
    axes.set_ylim(0, 101)
    _plain_ticks(axes, edges)
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title("Coverage by size", fontsize=10)
    for one in figure.axes:
        one.tick_params(labelsize=8)
    figure.tight_layout()
    return figure


def _plain_ticks(axes: Any, edges: np.ndarray) -> None:
    from matplotlib.ticker import ScalarFormatter

    ticks: List[int] = [
        tick for tick in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if edges[0] <= tick <= edges[-1]
    ]
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(_none())
    axes.xaxis.set_ticks(ticks)
