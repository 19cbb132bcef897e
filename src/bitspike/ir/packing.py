"""Integers at their true width: a tensor as bit planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.bits import FULL_PRECISION, signed_range
from bitspike.errors import UserError
from bitspike.ir.ranges import Int, Range

__all__ = ["pack", "pack_codes", "plane_bytes", "unpack", "unpack_codes"]

Planes = NDArray[np.uint8]
WIDEST = 63


def plane_bytes(count: int) -> int:
    """Bytes of one plane of ``count`` integers."""
    return -(-count // 8)


def pack(values: Int, bits: int) -> Planes:
    """Two's complement of ``bits`` bits as planes ``[bits, ceil(n/8)]``, of values in row-major order.

    Plane ``b`` holds bit ``b`` of every value; value ``i`` is bit ``i % 8`` of byte ``i // 8``. The rest is 0.

    Raises:
        UserError: a value does not fit.
    """
    flat = values.reshape(-1)
    top = 1 << (bits - 1)
    if flat.size and not -top <= flat.min() <= flat.max() < top:
        raise UserError("integers", (int(flat.min()), int(flat.max())), f"want {-top} to {top - 1}: {bits} bits")
    planes = (flat[None, :] >> np.arange(bits, dtype=flat.dtype)[:, None]) & 1
    return np.packbits(planes.astype(np.uint8), axis=1, bitorder="little")


def unpack(planes: Planes, count: int) -> Int:
    """The ``count`` integers in planes ``[bits, ceil(count/8)]``, of NumPy's narrowest signed type for so many bits.

    Raises:
        UserError: not planes of that many integers, or a bit is set behind the last one.
    """
    if planes.dtype != np.uint8 or planes.ndim != 2 or not 1 <= len(planes) <= WIDEST:
        raise UserError("planes", (planes.dtype.name, planes.shape), f"want uint8 [bits, bytes], 1 to {WIDEST} bits")
    if planes.shape[1] != plane_bytes(count):
        raise UserError("planes", planes.shape, f"want {plane_bytes(count)} bytes each, for {count} integers")
    ones = np.unpackbits(planes, axis=1, bitorder="little")
    if ones[:, count:].any():
        raise UserError("planes", "a bit behind the last integer", "want 0 there")
    top = 1 << (len(planes) - 1)
    values = np.zeros(count, dtype=Range(-top, top - 1).dtype)
    for bit, plane in enumerate(ones[:, :count]):
        worth = -top if bit == len(planes) - 1 else 1 << bit
        values += plane.astype(values.dtype) * values.dtype.type(worth)
    return values


def pack_codes(codes: Int, bits: int) -> Planes:
    """Weight codes as planes. The two codes of one bit, +1 and -1, are its sign: 0 and 1."""
    return pack((codes - 1) >> 1 if bits == 1 else codes, bits)


def unpack_codes(planes: Planes, count: int) -> Int:
    """Weight codes from planes.

    Raises:
        UserError: as `unpack`; or a code that symmetric weights do not have.
    """
    values = unpack(planes, count)
    bits = len(planes)
    if bits == 1:
        return 2 * values + 1
    lo, hi = signed_range(bits)
    if bits >= FULL_PRECISION or (count and values.min() < lo):
        raise UserError("weight codes", int(values.min()) if count else bits, f"want {lo} to {hi}: {bits} bits")
    return values
