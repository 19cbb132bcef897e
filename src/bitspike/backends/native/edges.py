"""How an edge is stored: channels last, in the smallest type of its range, with a border where convolutions read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from bitspike.backends.native.structs import Edge, Type
from bitspike.ir import Range

__all__ = ["MOST_BATCH", "Life", "Prepared", "Stored", "place"]

MOST_BATCH = 64
"""Images at once."""
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

    def struct(self, images: int, place: int) -> Edge:
        """The edge as the library reads it, with room for so many images."""
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
            step=self.image * images,
            lo=self.lo,
            images=images,
        )


@dataclass(frozen=True)
class Prepared:
    """Cells that a kernel prepares: ``each`` bytes for an image."""

    name: str
    each: int

    def bytes(self, batch: int) -> int:
        return -(-self.each * batch // ALIGNED) * ALIGNED + ALIGNED  # and what a kernel may read behind them


@dataclass(frozen=True)
class Life:
    """What lies in the arena, from the stage that makes it to the last one that reads it.

    Attributes:
        images: that it lies there of at once, at most: what its stages take in one turn, if no others read it.
    """

    edge: Stored | Prepared
    makes: int
    last: int
    images: int = MOST_BATCH

    def bytes(self, batch: int) -> int:
        return self.edge.bytes(min(batch, self.images))


def place(lives: Iterable[Life], batch: int) -> tuple[dict[str, int], int]:
    """Where each edge lies in the arena, in bytes, while no other lies there, and how large that is.

    Args:
        lives: of all edges.
        batch: images at once.
    """
    placed: list[tuple[int, int, Life]] = []  # start and end
    found: dict[str, int] = {}
    for life in sorted(lives, key=lambda life: -life.bytes(batch)):
        at, size = 0, life.bytes(batch)
        for start, end, other in sorted(placed, key=lambda there: there[:2]):
            if other.makes <= life.last and life.makes <= other.last:
                if at + size <= start:
                    break
                at = max(at, end)
        placed.append((at, at + size, life))
        found[life.edge.name] = at
    return found, max((end for _, end, _ in placed), default=0)
