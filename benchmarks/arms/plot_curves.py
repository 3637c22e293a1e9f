#!/usr/bin/env python3
"""Draws curves of figures by training steps: `plot_curves.py OUT.png`, with the panels on stdin.

Panels are JSON: [{"title", "ylabel", "curves": {arm: [{step: value}, one a seed]}}].  A curve is
the mean of its seeds, its band the least and the most of them; an arm has the same colour in every
panel.  Needs matplotlib.
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    panels = json.load(sys.stdin)
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(6 * across, 4 * down), dpi=110, squeeze=False
    )
    colors = {}
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels):
        for arm, runs in panel["curves"].items():
            steps = sorted(int(step) for step in runs[0])
            values = [[run[str(step)] for run in runs] for step in steps]
            color = colors.setdefault(arm, f"C{len(colors)}")
            means = [sum(one) / len(one) for one in values]
            axis.plot(steps, means, marker="o", label=arm, color=color)
            axis.fill_between(
                steps,
                [min(one) for one in values],
                [max(one) for one in values],
                color=color,
                alpha=0.2,
            )
        axis.set_title(panel["title"])
        axis.set_xlabel("training steps")
        axis.set_ylabel(panel["ylabel"])
        axis.set_ylim(0, 1)
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(sys.argv[1])


if __name__ == "__main__":
    main()
