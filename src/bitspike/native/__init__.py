"""The C library (``csrc/``): found, opened, and the instruction set that it may use."""

from __future__ import annotations

import ctypes
import os
from enum import IntEnum
from functools import cache
from pathlib import Path

from bitspike.errors import UserError

__all__ = ["FILE", "VARIABLE", "Level", "detected", "level", "library"]

FILE = Path(__file__).parent / "lib" / "libbitspike.so"
"""Where installation puts the library."""
VARIABLE = "BITSPIKE_CPU"
"""The environment variable that forces a level."""


class Level(IntEnum):
    """An instruction set of the library, as ``csrc/bitspike.h`` numbers them; each includes those below it."""

    scalar = 0
    avx2 = 1
    avx512 = 2
    amx = 3
    neon = 4


@cache
def library() -> ctypes.CDLL | None:
    """The library; ``None`` where there is none that this machine can open."""
    try:
        return ctypes.CDLL(str(FILE))
    except OSError:
        return None


def detected() -> Level:
    """The highest level of this processor; ``scalar`` where there is no library."""
    found = library()
    return Level.scalar if found is None else Level(found.bs_detect())


def level() -> Level:
    """The level to use: the one that ``$BITSPIKE_CPU`` names, else the highest.

    Raises:
        UserError: it names none, or one that this processor does not have.
    """
    named, best = os.environ.get(VARIABLE), detected()
    if not named:
        return best
    allowed = [one.name for one in Level if one in (Level.scalar, best) or (one < best and best != Level.neon)]
    if named not in allowed:
        raise UserError(
            VARIABLE,
            named,
            f"want one of {', '.join(allowed)}, which this processor has",
        )
    return Level[named]
