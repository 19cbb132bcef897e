"""Images with the boxes that are wanted, and beside them those that networks have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitspike.detection import Boxes
from bitspike.errors import UserError, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Shown", "boxes_figure"]

WIDTH = 3.4
"""Inches of an image."""
COLOURS = ("#0057e7", "#d62d20", "#008744", "#ffa700", "#7b1fa2", "#00acc1", "#5d4037", "#c2185b", "#9e9d24", "#37474f")
"""Of the classes, in turn: dark enough for a light image, and with a bright rim seen on a dark one."""
FEW = 40
"""Boxes of an image that have their numbers written beside them; more would cover it."""


@dataclass(frozen=True)
class Shown:
    """An image and its boxes.

    Args:
        name: of its file.
        pixels: ``uint8 [H, W, 3]``.
        wanted: what is in it.
        found: by network what it has found, with probabilities for scores.
    """

    name: str
    pixels: NDArray[np.uint8]
    wanted: Boxes
    found: Mapping[str, Boxes]


def boxes_figure(images: Sequence[Shown], classes: Sequence[str], data: str) -> Figure:
    """A row for each image: its boxes as annotated, and as each network has found them.

    Args:
        images: of which each has the same networks.
        classes: their names.
        data: which images they are, in a few words.

    Raises:
        UserError: no image, or matplotlib is not installed.
    """
    if not images:
        raise UserError("images", "none", "want at least one to show")
    networks = list(images[0].found)
    heights = [WIDTH * image.pixels.shape[0] / image.pixels.shape[1] + 0.25 for image in images]
    size = (WIDTH * (len(networks) + 1), sum(heights) + 0.9)
    figure: Any = require("matplotlib.figure", "viz").Figure(figsize=size, layout="constrained")
    figure.suptitle(f"Boxes in images of {data}").set_parse_math(False)
    axes = figure.subplots(len(images), len(networks) + 1, squeeze=False, height_ratios=heights)
    for row, image in zip(axes, images, strict=True):
        _image(row[0], image, image.wanted, f"{image.name}: {_count(image.wanted)} wanted")
        for one, network in zip(row[1:], networks, strict=True):
            _image(one, image, image.found[network], f"{network}: {_count(image.found[network])}")
    _legend(figure, classes)
    return figure


def _count(boxes: Boxes) -> str:
    return f"{len(boxes)} box" if len(boxes) == 1 else f"{len(boxes)} boxes"


def _image(axes: Axes, image: Shown, boxes: Boxes, title: str) -> None:
    rectangle = require("matplotlib.patches", "viz").Rectangle
    rim = require("matplotlib.patheffects", "viz")
    height, width = image.pixels.shape[:2]
    axes.imshow(image.pixels, extent=(0, width, height, 0), interpolation="bilinear")
    axes.set_axis_off()
    letters = int(WIDTH * 15)
    axes.set_title("\n".join(wrap(title, letters)), fontsize=8).set_parse_math(False)
    line = max(width, height) / 640
    order = range(len(boxes))[::-1]  # the surest on top
    for place in order:
        left, top, right, bottom = (float(edge) for edge in boxes.xyxy[place])
        colour = COLOURS[int(boxes.labels[place]) % len(COLOURS)]
        dashed = ":" if boxes.ignored[place] else "-"
        drawn = rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linestyle=dashed)
        drawn.set_linewidth(1.2)
        drawn.set_path_effects([rim.withStroke(linewidth=2.2, foreground="white", alpha=0.7)])
        axes.add_patch(drawn)
        if boxes.scores is not None and len(boxes) <= FEW:
            axes.text(
                left + 3 * line,
                top + 3 * line,
                f"{100 * float(boxes.scores[place]):.0f}",
                color=colour,
                fontsize=5.5,
                va="top",
                path_effects=[rim.withStroke(linewidth=1.5, foreground="white", alpha=0.9)],
                clip_on=True,
            )


def _legend(figure: Figure, classes: Sequence[str]) -> None:
    patch = require("matplotlib.patches", "viz").Patch
    colours = [COLOURS[label % len(COLOURS)] for label in range(len(classes))]
    legend = figure.legend(
        [patch(facecolor=colour) for colour in colours],
        [str(label) for label in range(len(classes))],
        loc="outside lower center",
        title="classes; numbers beside boxes are probabilities in percent",
        title_fontsize=8,
        fontsize=8,
        frameon=False,
        ncols=min(len(classes), 10),
    )
    for text, name in zip(legend.get_texts(), classes, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
