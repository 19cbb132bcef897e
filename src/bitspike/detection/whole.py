"""Boxes of a frozen network in integers: the definition that Python and the exported C follow, element for element.

A frozen network's outputs are integers ``Y`` with a public scale. Those of a converted network have as many bits as its
exactness takes: more than boxes can show, and than a product in 64 bits has room for. So where an output's scale is so
small that 32 bits do not reach ``REACH``, its lowest bits are dropped, and what is beyond 32 bits ends there:

    y = min(max(Y >> dropped, -2^31), 2^31 - 1)

With ``y`` a distance, ``y * scale * 2^dropped * stride`` pixels are 16 times as many sixteenths of a pixel; of that
factor the program keeps a multiplier and a shift, and

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
REACH = 1 << 12
"""Logits, and distances in strides, that 32 bits have to reach: beyond them every logit is certain, and every distance
ends outside of the image. What is left of a logit are units of ``2^-19``, finer than those of a score."""
_WORD = 31  # bits of an output beside its sign, and of a multiplier: their product fits into 64
_MOST_SHIFT = 62
_SCALES = "want one of 2^-62 to 2^31 units: is the network trained?"
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
            raise UserError("scale of an output", value, _SCALES)
        return cls(multiplier, shift)

    def times(self, y: NDArray[Any]) -> Int:
        """The product with integers of 32 bits, rounded half up."""
        return shift_right(y.astype(np.int64) * self.multiplier + half(self.shift), self.shift)


def word(output: NDArray[Any], dropped: int) -> Int:
    """An output without its lowest bits, as far as 32 bits go."""
    return shift_right(output.astype(np.int64), dropped).clip(-1 << _WORD, (1 << _WORD) - 1)


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
    def dropped(self) -> tuple[int, ...]:
        """How many of the lowest bits of each output are dropped."""
        for scale in self.scales:
            if not 2.0**-_MOST_SHIFT <= scale < math.inf:
                raise UserError("scale of an output", scale, _SCALES)
        return tuple(max(0, math.ceil(math.log2(REACH / scale)) - _WORD) for scale in self.scales)

    @property
    def factors(self) -> tuple[tuple[Factor, Factor], ...]:
        """What makes scores and distances of each output, once its lowest bits are dropped."""
        kept = [scale * 2.0**bits for scale, bits in zip(self.scales, self.dropped, strict=True)]
        pairs = zip(kept, self.head.strides, strict=True)
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

    def size_of(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
        """Height and width of the images that outputs of these shapes are of.

        Raises:
            UserError: they are not the outputs of this head, or reach farther than a distance does.
        """
        size = self.head.size_of(shapes)
        if max(size) > REACH * min(self.head.strides):
            raise UserError("image size", size, f"want at most {REACH} cells of each output in a row")
        return size

    def decode(self, outputs: Sequence[NDArray[Any]]) -> list[WholeBoxes]:
        """The boxes of each image of outputs ``[N, C, H, W]``, as `bitspike.detection.decode` orders and cuts them.

        Raises:
            UserError: they are not integers, or not the outputs of this head.
        """
        size = self.size_of([output.shape[1:] for output in outputs])
        for output in outputs:
            if output.dtype.kind not in "iu" or output.dtype == np.uint64:
                raise UserError("outputs", str(output.dtype), "want integers of at most 64 bits, with their sign")
        words = [word(output, bits) for output, bits in zip(outputs, self.dropped, strict=True)]
        return [self._image([output[n] for output in words], size) for n in range(len(words[0]))]

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
