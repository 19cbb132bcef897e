"""`bitspike.from_nir`: a network in integers out of a NIR file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.files import at_home

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

__all__ = ["from_nir"]


def from_nir(path: str | Path) -> FrozenGraph:
    """Reads the network in integers that a file of ``bitspike export --to nir`` holds beside NIR's floats, exactly.

    >>> bitspike.from_nir("digits.nir").graph == bitspike.ir.load("digits.bitspike").graph
    True

    Args:
        path: of the file.

    Raises:
        UserError: no such file, one without integers (docs/nir-bits.md), or one whose floats are not theirs.
    """
    from bitspike.backends.nir import from_nir as read

    return read(at_home(path))
