"""How the weights of a layer lie in a program: as bit planes for its channels side by side, or in parts of bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LANES", "PIECE", "fields", "in_pieces", "in_planes"]

Int = NDArray[np.int64]
LANES = 16
"""Output channels whose sums are made together."""
PIECE = 4
"""Output channels of these whose weights are unpacked together."""


def in_planes(codes: Int, bits: int) -> NDArray[np.uint32]:
    """Weights ``[O, K]`` of one or two bits, by blocks of channels: for each 32 taps the words of all channels.

    Those of one bit have a word each, with a 1 where the weight is below 0. Those of two have before it the words with
    a 1 where it is not 0. What is behind the last tap is 0.
    """
    planes = [codes < 0] if bits == 1 else [codes != 0, codes < 0]
    count = codes.shape[1]
    padded = [np.pad(plane, ((0, 0), (0, -count % 32))) for plane in planes]
    words = np.stack([np.packbits(plane, axis=1, bitorder="little").view("<u4") for plane in padded])
    blocks = (words[:, c : c + LANES] for c in range(0, len(codes), LANES))  # [planes, lanes, words]
    return np.concatenate([np.moveaxis(block, 2, 0).ravel() for block in blocks])


def in_pieces(codes: Int, bits: int, rows: int, chunk: int) -> NDArray[np.uint8]:
    """Weights ``[O, K]`` by blocks of channels, in these by chunks of taps, in these by pieces of ``rows`` channels."""
    raised = (codes + 1) >> 1 if bits == 1 else codes + (1 << (bits - 1))
    parts: list[NDArray[np.uint8]] = []
    outputs, count = codes.shape
    whole = outputs // rows * rows
    pieces, rests = [], []
    for k in range(0, count, chunk):
        some = raised[:, k : k + chunk]
        pieces.append(_packed(some[:whole].reshape(whole // rows, rows * some.shape[1]), bits))
        rests.append(_packed(some[whole:].reshape(1, -1), bits)[0])
    for c in range(0, outputs, LANES):
        for made, rest in zip(pieces, rests, strict=True):
            parts.append(made[c // rows : (c + LANES) // rows].ravel())
            if c + LANES > whole:
                parts.append(rest)
    return np.concatenate(parts)


def fields(bits: int) -> int:
    """A piece has a multiple of so many codes, so that each of its parts fills bytes."""
    return 8 // (bits & -bits) if bits % 8 else 1


def _packed(codes: Int, bits: int) -> NDArray[np.uint8]:
    """Codes ``[pieces, n]`` of unsigned bits: parts of 8, 4, 2 and 1 bits, the highest bits first."""
    codes = np.pad(codes, ((0, 0), (0, -codes.shape[1] % fields(bits))))
    made = []
    for part in (8, 4, 2, 1):
        if bits & part:
            field = (codes >> (bits & (part - 1))) & ((1 << part) - 1)
            turns = (
                field.reshape(len(codes), 8 // part, codes.shape[1] * part // 8)
                << (part * np.arange(8 // part))[:, None]
            )
            made.append(turns.sum(1).astype(np.uint8))
    return np.concatenate(made, axis=1)
