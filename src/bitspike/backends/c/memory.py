"""Where each edge lies: element types from proven ranges, and one arena for each type, shared by edges in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bitspike.ir.ranges import Range

__all__ = ["ROW", "WORD", "Buffer", "CType", "Stored", "arena_sizes", "element_type", "number_type", "place"]


class CType(NamedTuple):
    """An exact-width C integer."""

    name: str
    bytes: int
    lo: int
    hi: int


def _signed(bits: int) -> CType:
    return CType(f"int{bits}_t", bits // 8, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _unsigned(bits: int) -> CType:
    return CType(f"uint{bits}_t", bits // 8, 0, 2**bits - 1)


_SMALL = (_signed(8), _unsigned(8), _signed(16), _unsigned(16))
_NUMBERS = (_signed(32), _signed(64))
WORD = _unsigned(32)
"""A piece of a bit plane."""
ROW = _signed(16)
"""A weight that is unpacked; vectors multiply and add pairs of these."""


def element_type(held: Range) -> CType:
    """The smallest type in memory for a range."""
    return next(t for t in (*_SMALL, *_NUMBERS) if t.lo <= held.lo and held.hi <= t.hi)


def number_type(held: Range) -> CType:
    """The type to compute in: at least C's int, so that nothing is promoted on the way."""
    return next(t for t in _NUMBERS if t.lo <= held.lo and held.hi <= t.hi)


@dataclass(frozen=True)
class Stored:
    """An edge that needs memory from the layer that ``makes`` it to the ``last`` one that reads it, both included."""

    name: str
    type: CType
    elements: int
    makes: int
    last: int


@dataclass(frozen=True)
class Buffer:
    """A stored edge with its place: an offset, in elements, into the arena of its type."""

    stored: Stored
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.stored.elements


def place(edges: Sequence[Stored]) -> dict[str, Buffer]:
    """Offsets such that no two edges overlap in memory while both are needed. Largest first, each as low as it goes."""
    placed: dict[str, Buffer] = {}
    for edge in sorted(edges, key=lambda e: -e.elements):
        taken = sorted(
            (b for b in placed.values() if b.stored.type == edge.type and _meet(b.stored, edge)),
            key=lambda b: b.offset,
        )
        offset = 0
        for buffer in taken:
            if offset + edge.elements <= buffer.offset:
                break
            offset = max(offset, buffer.end)
        placed[edge.name] = Buffer(edge, offset)
    return {edge.name: placed[edge.name] for edge in edges}


def arena_sizes(buffers: dict[str, Buffer]) -> dict[CType, int]:
    """Elements of each type's arena."""
    sizes: dict[CType, int] = {}
    for buffer in buffers.values():
        sizes[buffer.stored.type] = max(sizes.get(buffer.stored.type, 0), buffer.end)
    return sizes


def _meet(a: Stored, b: Stored) -> bool:
    return a.makes <= b.last and b.makes <= a.last
