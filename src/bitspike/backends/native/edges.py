"""How an edge is stored: channels last, in the smallest type of its range, with a border where convolutions read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from bitspike.backends.native.structs import Edge, Type
from bitspike.ir import Range

__all__ = ["Life", "Prepared", "Stored", "place"]

ALIGNED = 128


@dataclass(frozen=True)
class Stored:
    """A stored edge: ``[T][N][rows][columns][channels]``.

    Attributes:
        steps: ``T``. shape: of one image at one step, channels first. range: of its levels.
        border: rows and columns of level 0 around each image.
    """

    name: str
    index: int
    steps: int
    shape: tuple[int, ...]
    range: Range
    border: tuple[int, int] = (0, 0)

    @property
    def held(self) -> Range:
        """What is stored: level 0 too, where there is a border of it."""
        return self.range.including(0) if any(self.border) else self.range

    @property
    def type(self) -> Type:
        lo, hi = self.held
        if hi - lo <= 255 and -(2**31) <= lo < 2**31:
            return Type.U8
        return Type.I32 if self.held.signed_bits <= 32 else Type.I64

    @property
    def lo(self) -> int:
        """The level of code 0."""
        return self.held.lo if self.type == Type.U8 else 0

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def positions(self) -> int:
        return prod(self.shape[1:])

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns; what is no image is one row."""
        return (self.shape[1], self.shape[2]) if len(self.shape) == 3 else (1, self.positions)

    @property
    def row(self) -> int:
        """Elements from one row to the next."""
        return (self.sides[1] + 2 * self.border[1]) * self.channels

    @property
    def image(self) -> int:
        """Elements from one image to the next."""
        return (self.sides[0] + 2 * self.border[0]) * self.row

    @property
    def first(self) -> int:
        """Elements to the first position."""
        return self.border[0] * self.row + self.border[1] * self.channels

    def bytes(self, batch: int) -> int:
        """Of all steps and images, as far as the next edge."""
        size = self.steps * batch * self.image * self.type.bytes
        return -(-size // ALIGNED) * ALIGNED

    def at(self, row: int, column: int, channel: int = 0) -> int:
        """Elements from the start of an image, its border included, to an element."""
        return self.first + row * self.row + column * self.channels + channel

    def struct(self, batch: int, place: int) -> Edge:
        whole = not any(self.border)
        return Edge(
            type=self.type,
            steps=self.steps,
            positions=self.positions,
            channels=self.channels,
            columns=self.positions if whole else self.sides[1],
            border=-1 if whole else -self.lo,
            place=place,
            first=self.first,
            row=self.row,
            image=self.image,
            step=self.image * batch,
            lo=self.lo,
        )


@dataclass(frozen=True)
class Prepared:
    """Cells that a kernel prepares: ``each`` bytes for an image."""

    name: str
    each: int

    def bytes(self, batch: int) -> int:
        return -(-self.each * batch // ALIGNED) * ALIGNED + ALIGNED  # and what a kernel may read behind them


Life = tuple[Stored | Prepared, int, int]
"""What lies in the arena, from one stage to another, both included."""


def place(edges: Iterable[Life], batch: int) -> tuple[dict[str, int], int]:
    """Where each edge lies in the arena, in bytes, and how large that is.

    Args:
        edges: each with the stage that makes it and the last one that reads it, between which no other lies there.
        batch: images at once.
    """
    placed: list[tuple[int, int, int, int]] = []  # start, end, and the stages
    found: dict[str, int] = {}
    for edge, makes, last in sorted(edges, key=lambda e: -e[0].bytes(batch)):
        at, size = 0, edge.bytes(batch)
        for start, end, *when in sorted(placed):
            if when[0] <= last and makes <= when[1]:
                if at + size <= start:
                    break
                at = max(at, end)
        placed.append((at, at + size, makes, last))
        found[edge.name] = at
    return found, max((end for _, end, _, _ in placed), default=0)
