"""What the instructions of kernels give on registers alone; and whether anybody else is at the tile unit."""

from __future__ import annotations

import time
from ctypes import c_int32, c_int64

from bitspike.native import Level, detected, library
from bitspike.native.kernels import runs_at

__all__ = ["PEAKS", "dot_rate", "peak", "tiles_are_whole"]

PEAKS = ("dot", "signs", "digits", "table")
"""Loops, as ``csrc/peaks.h`` numbers them."""
ROUNDS, TRIES = 200_000, 5
WHOLE = 6
"""Times as fast as vectors, which tiles are at least: by design eight times, if nobody else has a part of them."""


def peak(level: Level, name: str, rounds: int) -> int:
    """Runs a loop of :data:`PEAKS`; returns the products that it made, 0 of instructions that are not to be had."""
    found = library()
    if found is None or not runs_at(level, detected()):  # tiles are to be had once they were asked for
        return 0
    found.bs_peak.restype, found.bs_peak.argtypes = c_int64, [c_int32, c_int32, c_int64]
    return int(found.bs_peak(level, PEAKS.index(name), rounds))


def dot_rate(level: Level, rounds: int = ROUNDS, tries: int = TRIES) -> float:
    """Products of bytes that one thread adds up in a second of processor time, by a level's dot products: the best try.

    0 of a level that has no instruction for them.
    """
    rates = []
    for _ in range(tries):
        began = time.thread_time()
        if not (products := peak(level, "dot", rounds)):
            return 0.0
        rates.append(products / (time.thread_time() - began))
    return max(rates)


def tiles_are_whole() -> bool:
    """Whether this thread has its processor's tile unit for itself, as of now; false where there is none.

    Another guest of the host, on the same core, takes half of it for seconds at a time.
    """
    tiles, vectors = (dot_rate(level, rounds, 3) for level, rounds in ((Level.amx, 3_000), (Level.avx512, 20_000)))
    return tiles > WHOLE * vectors
