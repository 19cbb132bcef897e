"""What a network answers, as the boxes that stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from bitspike.detection.boxes import Boxes
from bitspike.detection.decode import decode
from bitspike.detection.head import Head
from bitspike.detection.nms import nms
from bitspike.detection.whole import WholeHead
from bitspike.errors import UserError

__all__ = ["found_in_floats", "found_in_integers", "narrowed"]

REACH = 64.0
"""Logits, and distances in strides, that 32 bits have to reach."""


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
        narrow = [narrowed(output, scale) for output, scale in zip(outputs, known, strict=True)]
        whole_head = WholeHead(head, tuple(scale for _, scale in narrow), lowest)
        return [whole.boxes for whole in whole_head.found([output for output, _ in narrow])]
    return found_in_floats([output * scale for output, scale in zip(outputs, known, strict=True)], head, lowest)


def narrowed(output: NDArray[Any], scale: float) -> tuple[NDArray[Any], float]:
    """An output without the lowest bits that leave 32 of them too few for any logit or distance, and its scale.

    The outputs of a converted network have as many as its exactness takes, more than boxes can show.
    """
    shift = max(0, math.ceil(math.log2(REACH / (scale * 2.0**31))))
    return output >> shift, scale * 2.0**shift
