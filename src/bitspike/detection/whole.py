"""Boxes of a frozen network in integers: the definition that Python and the exported C follow, element for element.

A frozen network's outputs are integers ``y`` with a public scale. With ``y`` a distance, ``y * scale * stride`` pixels
are ``y * scale * stride * 16`` sixteenths of a pixel; of that factor the program keeps a multiplier and a shift, and

    distance = (y * multiplier + 2^(shift - 1)) >> shift

in 64 bits. Logits become units of ``2^-16`` the same way, so that outputs of unlike scales are in one order. All that
follows (corners, borders, areas, their comparison) is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.detection.boxes import Boxes
from bitspike.detection.decode import logit
from bitspike.detection.head import Head
from bitspike.detection.nms import as_iou, kept_rows
from bitspike.errors import UserError
from bitspike.intmath import half, round_half_up, shift_right

__all__ = ["LEAST_SCORE", "SCORE_BITS", "SUBPIXELS", "Factor", "WholeBoxes", "WholeHead"]

SUBPIXELS = 16
"""Units of a corner in a pixel."""
SCORE_BITS = 16
"""Bits of a score after the point."""
LEAST_SCORE = -(1 << 62)
"""A score that every box reaches."""
_WORD = 31  # bits of an output, and of a multiplier: their product fits into 64
_MOST_SHIFT = 62
Int = NDArray[np.int64]


class Factor(NamedTuple):
    """A real factor as ``multiplier / 2^shift``, correct to about 30 bits."""

    multiplier: int
    shift: int

    @classmethod
    def of(cls, value: float) -> Factor:
        """The nearest to ``value``.

        Raises:
            UserError: one that 31 bits and a shift do not have.
        """
        shift = min(_WORD - math.frexp(value)[1], _MOST_SHIFT) if 0 < value < math.inf else -1
        multiplier = int(round_half_up(value * 2.0**shift)) if shift >= 0 else 0
        if multiplier == 1 << _WORD:
            multiplier, shift = multiplier >> 1, shift - 1
        if not 0 < multiplier < 1 << _WORD or shift < 0:
            raise UserError("scale of an output", value, "want one of 2^-62 to 2^31 units: is the network trained?")
        return cls(multiplier, shift)

    def times(self, y: NDArray[Any]) -> Int:
        """The product with integers of 32 bits, rounded half up."""
        return shift_right(y.astype(np.int64) * self.multiplier + half(self.shift), self.shift)


class WholeBoxes(NamedTuple):
    """Boxes of one image in integers: corners in sixteenths of a pixel, scores in ``2^-16`` of a logit."""

    xyxy: Int
    labels: Int
    scores: Int

    @property
    def boxes(self) -> Boxes:
        """The same in pixels and logits, without rounding."""
        return Boxes((self.xyxy / SUBPIXELS).astype(np.float32), self.labels, self.scores / (1 << SCORE_BITS))


@dataclass(frozen=True)
class WholeHead:
    """A head of ``points`` over integer outputs.

    Args:
        head: what the outputs mean.
        scales: value of one unit of each.
        lowest: probability below which there is no box; by default the head's.

    Raises:
        UserError: a head of anchors, whose boxes need an exponential; or an output without a scale.
    """

    head: Head
    scales: tuple[float, ...]
    lowest: float | None = None

    def __post_init__(self) -> None:
        if self.head.kind != "points":
            raise UserError("head", self.head.kind, "want points: boxes of anchors need sigmoid and exp, in floats")
        if len(self.scales) != len(self.head.strides):
            raise UserError("scales", self.scales, f"want one for each of {len(self.head.strides)} outputs")
        _ = self.factors, self.least  # refused here, before anything is computed

    @property
    def factors(self) -> tuple[tuple[Factor, Factor], ...]:
        """What makes scores and distances of each output."""
        pairs = zip(self.scales, self.head.strides, strict=True)
        return tuple(
            (Factor.of(scale * (1 << SCORE_BITS)), Factor.of(scale * stride * SUBPIXELS)) for scale, stride in pairs
        )

    @property
    def iou(self) -> Fraction:
        """The most that two boxes of a class may have in common."""
        return as_iou(self.head.overlap)

    @property
    def least(self) -> int:
        """The lowest score of a box."""
        least = logit(self.head.lowest if self.lowest is None else self.lowest) * (1 << SCORE_BITS)
        return math.ceil(min(max(least, LEAST_SCORE), -LEAST_SCORE))

    def decode(self, outputs: Sequence[NDArray[Any]]) -> list[WholeBoxes]:
        """The boxes of each image of outputs ``[N, C, H, W]``, as `bitspike.detection.decode` orders and cuts them.

        Raises:
            UserError: they are not integers of 32 bits, or not the outputs of this head.
        """
        size = self.head.size_of([output.shape[1:] for output in outputs])
        for output in outputs:
            most = max((abs(int(bound)) for bound in (output.min(), output.max())), default=0) if output.size else 0
            if output.dtype.kind not in "iu" or most >= 1 << _WORD:
                raise UserError("outputs", f"{output.dtype} up to {most}", "want integers of 32 bits")
        return [self._image([output[n] for output in outputs], size) for n in range(len(outputs[0]))]

    def found(self, outputs: Sequence[NDArray[Any]]) -> list[WholeBoxes]:
        """Those that stay of `decode`, the surest first."""
        return [
            WholeBoxes(*(array[kept] for array in boxes))
            for boxes in self.decode(outputs)
            for kept in [kept_rows(boxes.xyxy, boxes.labels, boxes.scores, self.iou)]
        ]

    def _image(self, outputs: Sequence[NDArray[Any]], size: tuple[int, int]) -> WholeBoxes:
        parts = [self._output(output, place, size) for place, output in enumerate(outputs)]
        return WholeBoxes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _output(self, output: NDArray[Any], place: int, size: tuple[int, int]) -> WholeBoxes:
        classes, unit = self.head.num_classes, self.head.strides[place] * SUBPIXELS
        score, distance = self.factors[place]
        labels = output[:classes].reshape(classes, -1).argmax(0).astype(np.int64)
        scores = score.times(output[:classes].reshape(classes, -1).max(0))
        left, top, right, bottom = distance.times(output[classes:].reshape(4, -1))
        rows, columns = np.indices(output.shape[1:]).reshape(2, -1)
        x, y = columns * unit + unit // 2, rows * unit + unit // 2
        bounds = np.array([size[1], size[0]] * 2) * SUBPIXELS
        xyxy = np.stack((x - left, y - top, x + right, y + bottom), 1).clip(0, bounds)
        kept = (scores >= self.least) & (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])
        return WholeBoxes(xyxy[kept], labels[kept], scores[kept])
