"""What flows between two ops: shape, steps, and which integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from bitspike.bits import FULL_PRECISION, alphabet_width
from bitspike.errors import UserError
from bitspike.ir.ranges import Bounds, Range

__all__ = ["STRICT", "Edge"]

STRICT: Any = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
"""How pydantic reads graph data from a file: no unknown field, no type that is nearly right."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The output of one op.

    Args:
        shape: of one image at one step, without batch: ``(C, H, W)`` or ``(D,)``.
        T: steps; 1 is a value that is the same at every step.
        lo, hi: integer range, both included; ``None`` where a current or another unquantized value flows.
        scale: value of one level; ``None`` where it is not one known number.
    """

    shape: tuple[int, ...]
    T: int
    lo: int | None = None
    hi: int | None = None
    scale: float | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if not self.shape or any(size < 1 for size in self.shape):
            raise UserError("shape", self.shape, "every axis must have at least one element")
        if self.T < 1:
            raise UserError("T", self.T, "want at least one step")
        if (self.lo is None) != (self.hi is None):
            raise UserError("range", (self.lo, self.hi), "give both ends or neither")
        if self.lo is not None and self.hi is not None and self.lo > self.hi:
            raise UserError("range", (self.lo, self.hi), "want lo <= hi")

    @property
    def size(self) -> int:
        """Elements of one step."""
        return prod(self.shape)

    @property
    def plane(self) -> tuple[int, int, int]:
        """Channels, rows and columns of what a window looks at: ``(C, L)`` is one row.

        Raises:
            UserError: it is neither ``(C, H, W)`` nor ``(C, L)``.
        """
        if len(self.shape) not in (2, 3):
            raise UserError("shape", self.shape, "want (C, H, W) or (C, L)")
        return self.shape[0], 1 if len(self.shape) == 2 else self.shape[1], self.shape[-1]

    @property
    def bounds(self) -> Bounds | None:
        """What ``lo .. hi`` proves; ``None`` of an unquantized edge."""
        if self.lo is None or self.hi is None:
            return None
        return Bounds.of_any_steps(self.T, Range(self.lo, self.hi))

    @property
    def highest(self) -> int | None:
        """The largest ``|level|``; ``None`` of an unquantized edge."""
        return None if self.lo is None or self.hi is None else max(-self.lo, self.hi)

    @property
    def bits(self) -> int:
        """``b_s``: bits of one element, ``ceil(log2(hi - lo + 1))``; an unquantized value counts as 16."""
        if self.lo is None or self.hi is None:
            return FULL_PRECISION
        return alphabet_width(self.lo, self.hi)

    def unquantized(self, shape: tuple[int, ...] | None = None) -> Edge:
        """The same steps, carrying a value that is not on an integer grid."""
        return Edge(shape=self.shape if shape is None else shape, T=self.T)

    def at_one_step(self) -> Edge:
        """What flows at any one step."""
        return replace(self, T=1)

    def reshaped(self, shape: tuple[int, ...]) -> Edge:
        return replace(self, shape=shape)
