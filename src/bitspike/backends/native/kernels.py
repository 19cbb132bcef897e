"""The kernels of the library: which of them take a layer, and the layer as they see it (csrc/kernels.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native import structs
from bitspike.native import Level

__all__ = ["Layer", "Packed", "kernels", "version"]

ALIGNED = 64


@dataclass(frozen=True, eq=False)
class Layer:
    """Sums of codes times weights.

    Attributes:
        weight: ``[out][element][channel]``. initial: of each output channel, what its sum begins with.
        offsets: of each element from the window's first cell, in cells. cell: bytes from cell to cell.
        code_hi: the highest code.
    """

    weight: NDArray[np.int8]
    initial: NDArray[np.int32]
    offsets: NDArray[np.int32]
    cell: int
    code_hi: int

    @property
    def key(self) -> str:
        """What the speed of a kernel depends on."""
        out, window, channels = self.weight.shape
        widths = f"{self.weight.min()}..{self.weight.max()} 0..{self.code_hi}"
        return f"{channels}x{window}->{out} cell {self.cell} {widths}"

    def struct(self) -> structs.Layer:
        out, window, channels = self.weight.shape
        lo, hi = int(self.weight.min()), int(self.weight.max())
        return structs.Layer(channels, out, window, self.cell, lo, hi, self.code_hi, self.offsets.ctypes.data)


@dataclass(frozen=True, eq=False)
class Packed:
    """A layer in the form that one kernel reads.

    Attributes:
        address: of the packed weights. kept: what the structures point to.
        prepared: bytes of a cell that the kernel prepares of one of codes; 0 where it reads codes.
    """

    kernel: Any
    layer: structs.Layer
    address: int
    prepared: int
    kept: tuple[Any, ...]

    @classmethod
    def of(cls, kernel: Any, layer: Layer) -> Packed:
        struct = layer.struct()
        memory, address = aligned(kernel.contents.packed_size(struct))
        weight = np.ascontiguousarray(layer.weight)
        kernel.contents.pack(struct, weight.ctypes.data, layer.initial.ctypes.data, address)
        prepared = kernel.contents.prepared_cell(struct)
        return cls(kernel, struct, address, prepared, (memory, layer.offsets))

    @property
    def name(self) -> str:
        return str(self.kernel.contents.name.decode())

    def sums(self, bases: NDArray[np.int32]) -> structs.Sums:
        """What an instruction reads; where the prepared cells lie is said later."""
        kernel = ctypes.cast(self.kernel, ctypes.c_void_p)
        layer = ctypes.addressof(self.layer)
        return structs.Sums(kernel, layer, self.address, bases.ctypes.data, 0, self.prepared)


def kernels(layer: Layer, level: Level) -> Iterator[Any]:
    """The kernels that take a layer at an instruction set."""
    library = structs.library()
    assert library is not None
    struct, index = layer.struct(), 0
    while kernel := library.bs_kernel_at(index):
        index += 1
        if _included(kernel.contents.level, level) and kernel.contents.can(struct):
            yield kernel


def version() -> int:
    """Another number where a choice of before no longer holds."""
    library = structs.library()
    assert library is not None
    return int(library.bs_kernels_version())


def aligned(size: int) -> tuple[NDArray[np.uint8], int]:
    """Memory for ``size`` bytes, and the address in it where they begin."""
    memory = np.zeros(size + ALIGNED, dtype=np.uint8)
    return memory, int(memory.ctypes.data) + -int(memory.ctypes.data) % ALIGNED


def _included(wanted: int, level: Level) -> bool:
    return wanted == Level.scalar or wanted == level or (wanted < level and level != Level.neon)
