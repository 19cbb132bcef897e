"""An image fitted into another size with its proportions kept, bars on two sides; and boxes there and back."""

from __future__ import annotations

from dataclasses import dataclass

from bitspike.detection.boxes import Boxes

__all__ = ["BARS", "Letterbox"]

BARS = 114
"""The grey of the bars, as YOLO's trainings have it."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Letterbox:
    """Where the image lies in the other.

    Args:
        original: height and width of the image.
        size: height and width of what it is fitted into.
    """

    original: Size
    size: Size

    @property
    def fitted(self) -> Size:
        """Height and width of the image in there."""
        height, width = self.original
        factor = min(self.size[0] / height, self.size[1] / width)
        return (
            min(max(1, round(height * factor)), self.size[0]),
            min(max(1, round(width * factor)), self.size[1]),
        )

    @property
    def corner(self) -> Size:
        """Row and column of its upper left pixel."""
        rows, columns = self.fitted
        return (self.size[0] - rows) // 2, (self.size[1] - columns) // 2

    @property
    def scale(self) -> tuple[float, float]:
        """Across and down: they differ by the rounding of `fitted` to whole pixels."""
        rows, columns = self.fitted
        return columns / self.original[1], rows / self.original[0]

    def inside(self, boxes: Boxes) -> Boxes:
        """Boxes of the image, in there."""
        top, left = self.corner
        return boxes.mapped(self.scale, (left, top))

    def back(self, boxes: Boxes) -> Boxes:
        """Boxes in there as those of the image, cut off at its border; what lay in the bars has no area."""
        (top, left), (across, down) = self.corner, self.scale
        return boxes.mapped((1 / across, 1 / down), (-left / across, -top / down)).clipped(self.original)
