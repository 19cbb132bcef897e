"""The integer arithmetic of bitspike: the one definition of rounding, shifting and saturation (ADR-0001).

Everything that computes integers, in any language, agrees with these functions. They take integers (a float
is refused, not truncated) and return fresh NumPy arrays or scalars: of the type of a signed array, of ``int64`` for
anything else. Overflow is the caller's to exclude by range analysis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["half", "round_half_up", "saturate", "shift_right", "shift_right_round"]

Int = NDArray[np.signedinteger[Any]]


def round_half_up(x: ArrayLike) -> NDArray[np.int64]:
    """``floor(x + 1/2)`` without the rounding error of the float addition: halves go up, also below zero.

    >>> [int(v) for v in round_half_up([-1.5, -0.5, 0.5, 1.5, 0.49999999999999994])]
    [-1, 0, 1, 2, 0]
    """
    x = np.asarray(x, dtype=np.float64)
    below = np.floor(x)
    return (below + (x - below >= 0.5)).astype(np.int64)  # x - floor(x) may round, but never across 1/2


def shift_right(x: ArrayLike, n: int) -> Int:
    """Arithmetic shift: ``floor(x / 2^n)``, toward minus infinity."""
    return np.right_shift(_signed(x), _distance(n))


def shift_right_round(x: ArrayLike, n: int) -> Int:
    """``floor(x / 2^n + 1/2)``: the shift that rounds as `round_half_up` does."""
    x = _signed(x)
    last_out = np.right_shift(x, n - 1) & 1 if _distance(n) else 0
    return np.right_shift(x, n) + last_out  # no sum that could overflow


def half(n: int) -> int:
    """What is added before a shift by ``n`` so that it rounds half up: ``2^(n - 1)``, and 0 if ``n`` is 0.

    A Python integer: for range proofs and for text. Where a sum could overflow, `shift_right_round` needs none.

    >>> [half(n) for n in (0, 1, 2, 8)]
    [0, 1, 2, 128]
    """
    return 1 << _distance(n) >> 1


def saturate(x: ArrayLike, lo: int, hi: int) -> Int:
    """Clips to ``lo .. hi``, both included: what the type of ``x`` must hold."""
    return np.clip(_signed(x), lo, hi)


def _signed(x: ArrayLike) -> Int:
    x = np.asarray(x)
    return x if np.issubdtype(x.dtype, np.signedinteger) else x.astype(np.int64, casting="safe")


def _distance(n: int) -> int:
    if not 0 <= n <= 63:
        raise ValueError(f"shift distance {n} is outside 0..63")
    return n
