"""What the raw outputs of a detection network mean, as data that is kept with the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from bitspike.errors import UserError

__all__ = ["Head"]

Anchors = tuple[tuple[float, float], ...]
_KEYS = "want kind, classes, strides, anchors, lowest and overlap"
_MOST = 1 << 12  # strides, anchors and classes that a head may have


@dataclass(frozen=True)
class Head:
    """The outputs of a detection network, in the order of ``strides``, each ``[C, H, W]`` with a cell every stride.

    ``points``: one box a cell. Its channels are ``K`` logits, then the distances to the left, upper, right and lower
    edge from the middle of the cell, in units of the stride. All are linear, without sigmoid or exponential, so that
    in a frozen network boxes are whole linear functions of integers, and boxes are as sure as their logits are high.

    ``anchors``: YOLOv3's (J. Redmon, A. Farhadi, *YOLOv3: An Incremental Improvement*, arXiv:1804.02767, 2018). For
    each anchor ``tx, ty, tw, th``, how sure it is that there is an object, and ``K`` logits.

    Args:
        kind: which of them.
        classes: their names.
        strides: pixels from cell to cell, of each output.
        anchors: of each output, widths and heights in pixels; none of ``points``.
        lowest: probability below which there is no box, where nobody says otherwise.
        overlap: IoU with a surer box of its class above which a box is left out.

    Raises:
        UserError: another kind, a stride below 1, or anchors that do not fit.
    """

    kind: Literal["points", "anchors"]
    classes: tuple[str, ...]
    strides: tuple[int, ...]
    anchors: tuple[Anchors, ...] = ()
    lowest: float = 0.01
    overlap: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("points", "anchors"):
            raise UserError("head", self.kind, "want points or anchors")
        if not 1 <= len(self.classes) <= _MOST or len(set(self.classes)) < len(self.classes):
            raise UserError("head classes", self.classes, "want one name for each class")
        if not 1 <= len(self.strides) <= _MOST or not all(1 <= stride <= 1024 for stride in self.strides):
            raise UserError("head strides", self.strides, "want one of 1 to 1024 pixels for each output")
        if len(self.anchors) != (len(self.strides) if self.kind == "anchors" else 0):
            raise UserError("head anchors", self.anchors, "want some for each output of anchors, none of points")
        for anchors in self.anchors:
            if not 1 <= len(anchors) <= _MOST or not all(0 < side < 1 << 20 for pair in anchors for side in pair):
                raise UserError("head anchors", anchors, "want widths and heights above 0")
        for name in ("lowest", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"head {name}", getattr(self, name), "want a number of 0 to 1")

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def channels(self) -> tuple[int, ...]:
        """How many each output has."""
        if self.kind == "points":
            return (self.num_classes + 4,) * len(self.strides)
        return tuple(len(anchors) * (self.num_classes + 5) for anchors in self.anchors)

    def shapes(self, size: tuple[int, int]) -> tuple[tuple[int, int, int], ...]:
        """Shape of each output for images of ``size``, height and width.

        Raises:
            UserError: a stride does not divide the size.
        """
        for stride in self.strides:
            if size[0] % stride or size[1] % stride:
                raise UserError("image size", size, f"want multiples of {stride}, the stride of an output")
        pairs = zip(self.channels, self.strides, strict=True)
        return tuple((channels, size[0] // stride, size[1] // stride) for channels, stride in pairs)

    def size_of(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
        """Height and width of the images that outputs of these shapes are of.

        Raises:
            UserError: they are not the outputs of this head.
        """
        first = shapes[0] if shapes and len(shapes[0]) == 3 else (0, 0, 0)
        size = (first[1] * self.strides[0], first[2] * self.strides[0])
        if min(size) < 1 or self.shapes(size) != tuple(tuple(shape) for shape in shapes):
            want = f"want {len(self.strides)} outputs of {self.channels} channels at strides {self.strides}"
            raise UserError("outputs", tuple(tuple(shape) for shape in shapes), want)
        return size

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: _listed(value) for name, value in asdict(self).items() if value != ()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Head:
        """The head that `as_json` was written of.

        Raises:
            UserError: what no head is.
        """
        try:
            anchors = tuple(
                tuple((float(width), float(height)) for width, height in one) for one in value.get("anchors", ())
            )
            strides = tuple(int(stride) for stride in value["strides"])
            numbers = {key: float(value[key]) for key in ("lowest", "overlap") if key in value}
            known = cls(value["kind"], tuple(str(name) for name in value["classes"]), strides, anchors, **numbers)
        except (TypeError, ValueError, KeyError, AttributeError) as wrong:
            if isinstance(wrong, UserError):
                raise
            raise UserError("head", value, _KEYS) from wrong
        if value.keys() - {field.name for field in fields(cls)}:
            raise UserError("head", sorted(value), _KEYS)
        return known


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value
