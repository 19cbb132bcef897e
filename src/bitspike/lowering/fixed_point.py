"""Widths of the fixed point that freezing writes: bits after the point, and bits that multipliers need beyond them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.intmath import round_half_up
from bitspike.ir import Node
from bitspike.lowering.values import Channels, Reach

__all__ = [
    "EXACT",
    "LEAK_BITS",
    "LEVEL_BITS",
    "MOST_FRACTION_BITS",
    "MOST_RELEASED_BITS",
    "WIDE_WORD",
    "WORD",
    "checked_most",
    "fraction_bits",
    "multiplier_shift",
    "ratio",
    "rounded",
]

MOST_FRACTION_BITS = 20
"""More would not change a spike: float32, in which the network was trained, resolves no finer."""
WORD = 30
"""Bits of magnitude that potentials and logits may use, so that they fit 32-bit integers with one bit to spare."""
WIDE_WORD, MOST_RELEASED_BITS = 48, 30
"""The same of a network whose images are released over its first steps. Nothing of it is rounded after a product, so
that what its steps add up to is exact: the multipliers alone have to be fine, and products fit into 64 bits."""
COARSE, OFF = 2.0**-4, 2.0**-6
"""Part of a unit by which a term may be off, and part of a multiplier by which that may be: one of both has to hold."""
LEAK_BITS = 15
LEVEL_BITS, EXACT = 32, 51
"""Bits of the value of one membrane level; bits that a product with a potential or a current may use. ONNX has 53 for
the sum."""


def checked_most(bits: int | None) -> int | None:
    """Bits after the point that are allowed, or ``None``.

    Raises:
        UserError: they are none.
    """
    if bits is not None and not 1 <= bits <= MOST_FRACTION_BITS:
        raise UserError("--fraction-bits", bits, f"want 1 to {MOST_FRACTION_BITS}")
    return bits


def fraction_bits(node: Node, largest: float, most: int = MOST_FRACTION_BITS, word: int = WORD) -> int:
    """As many bits after the point as fit into a word beside a magnitude of ``largest``."""
    whole = math.ceil(math.log2(largest + 1)) if math.isfinite(largest) else word
    if whole > word - 4:
        raise node.refuse(largest, f"its values are too large for {word + 2}-bit fixed point")
    return min(most, word - whole)


def ratio(value: float, bits: int, most: int) -> tuple[int, int]:
    """``numerator / 2^shift`` nearest to ``value``, in lowest terms: to ``2^bits`` the one, to ``most`` the other."""
    shift = min(max(bits - math.frexp(value)[1], 0), most)
    numerator = min(int(round_half_up(min(value, 2.0**bits) * 2.0**shift)), 1 << bits)
    while shift and numerator % 2 == 0:
        numerator, shift = numerator // 2, shift - 1
    return numerator, shift


def multiplier_shift(multiplier: Channels, reach: Reach) -> int:
    """Bits that a multiplier needs beyond the fraction: few, if it is exact with them.

    Else so many that its rounding times ``reach`` stays below one unit, as long as that product has ``EXACT`` bits.
    """
    product_bits = math.frexp(float((np.abs(multiplier) * reach).max()))[1]
    most = max(min(int(np.max(reach)).bit_length() - 1, WORD, EXACT - product_bits), 0)
    scaled = (multiplier * 2.0**shift for shift in range(most))
    return next((shift for shift, m in enumerate(scaled) if (m == np.floor(m)).all()), most)


def rounded(name: str, multiplier: Channels, reach: Reach, bits: int) -> NDArray[np.int64]:
    """Multipliers with ``bits`` after the point as integers.

    Raises:
        UserError: rounding changes what they make of integers as large as ``reach``: these have too many bits.
    """
    made = round_half_up(multiplier)
    lost = np.abs(multiplier - made)
    if (lost * reach).max() > COARSE * 2.0**bits and lost.max() > OFF * np.abs(multiplier).max():
        seen = f"integers up to {int(np.max(reach)).bit_length()} bits, of which so little is left"
        wanted = "want fewer products or smaller factors before its threshold, or more --fraction-bits"
        raise UserError(f"sum of {name}", seen, wanted)
    return made
