"""What a network answers, as the boxes that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from bitspike.detection.boxes import Boxes
from bitspike.detection.decode import decode
from bitspike.detection.head import Head
from bitspike.detection.nms import nms
from bitspike.detection.whole import WholeHead
from bitspike.errors import UserError

__all__ = ["found_in_floats", "found_in_integers"]


def found_in_floats(outputs: Sequence[NDArray[Any]], head: Head, lowest: float | None = None) -> list[Boxes]:
    """The boxes of each image of real outputs ``[N, C, H, W]``, the surest first, in pixels of the network's input.

    Args:
        lowest: probability below which there is no box; by default the head's.

    Raises:
        UserError: they are not the outputs of such a head.
    """
    return [nms(boxes, head.overlap) for boxes in decode(outputs, head, lowest)]


def found_in_integers(
    outputs: Sequence[NDArray[Any]], head: Head, scales: Sequence[float | None], lowest: float | None = None
) -> list[Boxes]:
    """The same of a frozen network's outputs: in integers where the head is one of points, as the exported C does.

    Args:
        scales: value of one unit of each output.

    Raises:
        UserError: as `found_in_floats`; or an output whose scale is not known.
    """
    known = tuple(scale for scale in scales if scale is not None)
    if len(known) < len(scales):
        raise UserError("outputs", "no scale", "want a network whose file says what one unit of each output is worth")
    if head.kind == "points":
        return [whole.boxes for whole in WholeHead(head, known, lowest).found(outputs)]
    return found_in_floats([output * scale for output, scale in zip(outputs, known, strict=True)], head, lowest)
