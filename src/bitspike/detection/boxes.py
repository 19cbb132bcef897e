"""Boxes of one image: wanted by its annotation, or found by a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError

__all__ = ["Boxes"]

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes, what they hold, and how sure a network is.

    A box reaches from its left and upper edge to its right and lower one, in pixels as lengths: the whole image is
    ``0, 0, width, height``.

    Args:
        xyxy: ``float32 [M, 4]``: left, top, right, bottom.
        labels: ``int64 [M]``.
        scores: ``float64 [M]`` of boxes that were found, higher is surer; ``None`` of wanted ones.
        ignored: ``bool [M]`` of wanted boxes: to find one is neither right nor wrong (VOC's difficult ones, crowds of
            COCO). By default none is.

    Raises:
        UserError: the arrays are not of these shapes.
    """

    xyxy: Float
    labels: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    ignored: NDArray[np.bool_] = None  # type: ignore[assignment]  # none of them

    def __post_init__(self) -> None:
        count = len(self.labels)
        ignored = np.zeros(count, bool) if self.ignored is None else self.ignored
        given: dict[str, tuple[Any, Any]] = {"xyxy": (self.xyxy, np.float32), "labels": (self.labels, np.int64)}
        given |= {} if self.scores is None else {"scores": (self.scores, np.float64)}
        given |= {"ignored": (ignored, np.bool_)}
        for name, (array, dtype) in given.items():
            own = np.asarray(array, dtype)
            if own.size == 0 and count == 0:
                own = own.reshape((0, 4) if name == "xyxy" else (0,))
            if own.shape != ((count, 4) if name == "xyxy" else (count,)):
                raise UserError("boxes", f"{name} of shape {own.shape}", f"want one for each of {count} boxes")
            object.__setattr__(self, name, own)

    @classmethod
    def none(cls, scored: bool = False) -> Boxes:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0) if scored else None)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Any) -> Boxes:
        """Those at ``rows``: indices, a mask or a slice."""
        scores = None if self.scores is None else self.scores[rows]
        return Boxes(self.xyxy[rows], self.labels[rows], scores, self.ignored[rows])

    @property
    def area(self) -> NDArray[np.float64]:
        """Square pixels of each."""
        sides = (self.xyxy[:, 2:].astype(np.float64) - self.xyxy[:, :2]).clip(0)
        return sides[:, 0] * sides[:, 1]

    def mapped(self, scale: tuple[float, float], shift: tuple[float, float]) -> Boxes:
        """Every point ``p`` becomes ``p * scale + shift``; both have the horizontal direction first."""
        moved = self.xyxy.astype(np.float64) * (scale * 2) + shift * 2
        return replace(self, xyxy=moved.astype(np.float32))

    def clipped(self, size: tuple[int, int]) -> Boxes:
        """What of each lies in an image of ``size``, height and width; boxes outside have no area."""
        height, width = size
        bounds = np.array((width, height, width, height), np.float32)
        return replace(self, xyxy=self.xyxy.clip(0, bounds))
