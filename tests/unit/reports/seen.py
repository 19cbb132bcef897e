"""What a picture shows beside its data: where its legends lie, and what its axes say."""

from __future__ import annotations

from typing import Any


def legends(drawn: Any) -> list[Any]:
    """Of the picture and of its axes."""
    own = [axes.get_legend() for axes in drawn.axes]
    return [*drawn.legends, *(legend for legend in own if legend is not None)]


def texts(drawn: Any) -> list[str]:
    """What stands in the legends."""
    return [text.get_text() for legend in legends(drawn) for text in legend.get_texts()]


def faults(drawn: Any) -> list[str]:
    """Legends that lie on an axis or leave the picture, and axes that do not say what they measure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(drawn).draw()
    found = []
    for legend in legends(drawn):
        box = legend.get_window_extent()
        found += [f"on axis {index}" for index, axes in enumerate(drawn.axes) if box.overlaps(axes.bbox)]
        if not (drawn.bbox.x0 <= box.x0 and box.x1 <= drawn.bbox.x1 and drawn.bbox.y0 <= box.y0 <= drawn.bbox.y1):
            found.append("out of the picture")
    return found + [f"axis {index} has no label" for index, axes in enumerate(drawn.axes) if not axes.get_ylabel()]
