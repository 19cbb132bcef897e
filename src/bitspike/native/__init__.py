"""The C library (``csrc/``): found, opened, and the instruction set that it may use."""

from __future__ import annotations

import ctypes
import hashlib
import os
import warnings
from enum import IntEnum
from functools import cache
from pathlib import Path

from bitspike.errors import UserError

__all__ = ["FILE", "VARIABLE", "Level", "detected", "level", "library"]

FILE = Path(__file__).parent / "lib" / "libbitspike.so"
"""Where installation puts the library."""
SOURCES = Path(__file__).parents[3] / "csrc"
"""Its sources, in a checkout; an installed package has none."""
FUNCTIONS = (
    *("bs_detect", "bs_kernel_at", "bs_kernels_version", "bs_peak", "bs_refused", "bs_sources"),
    *("bs_lsq_forward", "bs_lsq_backward"),
    *("bs_runtime_new", "bs_runtime_free", "bs_run", "bs_edge_copy", "bs_neurons_forward", "bs_neurons_backward"),
)
"""What is called in it."""
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
    """The library; ``None`` where there is none that this machine can open.

    Nor is there one where it was built of other sources than those that are here, and lacks what they call: a warning
    says so.
    """
    try:
        found = ctypes.CDLL(str(FILE))
    except OSError:
        return None
    missing = [name for name in FUNCTIONS if not hasattr(found, name)]
    if not missing and _is_of(found, SOURCES):
        return found
    missing = missing or ["its sources of today"]
    warnings.warn(f"{FILE} is another version's, without {missing[0]}: install again to build it anew", stacklevel=2)
    return None


def _is_of(found: ctypes.CDLL, sources: Path) -> bool:
    """Whether the library was built of these sources, where there are any: others may lay its structures out anew."""
    if not sources.is_dir():
        return True
    found.bs_sources.restype = ctypes.c_char_p
    files = sorted(file for file in sources.iterdir() if file.suffix in (".c", ".h"))
    now = hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()
    return bool(found.bs_sources().decode() == now)


def detected() -> Level:
    """The highest level that this processor has and may use; ``scalar`` where there is no library.

    A processor's tiles are tried when they are first asked for: where they are not to be had, or give another sum than
    plain C, the level is the one below, and a warning says so, once.
    """
    found = library()
    if found is None:
        return Level.scalar
    highest = Level(found.bs_detect())
    found.bs_refused.restype = ctypes.c_char_p
    if (why := found.bs_refused()) is not None:
        _say_refused(f"{Level.amx.name} is not used, {why.decode()}: {highest.name} runs instead, as exact")
    return highest


@cache
def _say_refused(line: str) -> None:
    warnings.warn(line, stacklevel=3)


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
