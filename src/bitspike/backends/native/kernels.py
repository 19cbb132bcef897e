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
from bitspike.native.kernels import CLayer, aligned, runs_at

__all__ = ["Layer", "Packed", "kernels", "version"]


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
        two = " two values" if self._two_values else ""
        widths = f"{self.weight.min()}..{self.weight.max()}{two} 0..{self.code_hi}"
        return f"{channels}x{window}->{out} cell {self.cell} {widths}"

    @property
    def _two_values(self) -> bool:
        return bool(((self.weight == self.weight.min()) | (self.weight == self.weight.max())).all())

    def struct(self) -> CLayer:
        out, window, channels = self.weight.shape
        lo, hi = int(self.weight.min()), int(self.weight.max())
        offsets = self.offsets.ctypes.data
        return CLayer(channels, out, window, self.cell, lo, hi, self.code_hi, offsets, self._two_values)


@dataclass(frozen=True, eq=False)
class Packed:
    """A layer in the form that one kernel reads.

    Attributes:
        address: of the packed weights. kept: what the structures point to.
        prepared: bytes of a cell that the kernel prepares of one of codes; 0 where it reads codes.
    """

    kernel: Any
    layer: CLayer
    address: int
    prepared: int
    kept: tuple[Any, ...]

    @classmethod
    def of(cls, kernel: Any, layer: Layer) -> Packed:
        struct = layer.struct()
        memory, weight = aligned(kernel.contents.packed_size(struct)), np.ascontiguousarray(layer.weight)
        address = memory.ctypes.data
        kernel.contents.pack(struct, weight.ctypes.data, layer.initial.ctypes.data, address)
        prepared = kernel.contents.prepared_cell(struct)
        return cls(kernel, struct, address, prepared, (memory, layer.offsets))

    @property
    def name(self) -> str:
        return str(self.kernel.contents.name.decode())

    @property
    def bytes(self) -> int:
        """Memory of the packed weights."""
        return int(self.kept[0].nbytes)

    @property
    def level(self) -> Level:
        """The instruction set that the kernel needs."""
        return Level(self.kernel.contents.level)

    def sums(self, bases: NDArray[np.int32]) -> structs.Sums:
        """What an instruction reads; where the prepared cells lie, and of how many images, is said later."""
        kernel = ctypes.cast(self.kernel, ctypes.c_void_p)
        layer = ctypes.addressof(self.layer)
        return structs.Sums(kernel, layer, self.address, bases.ctypes.data, 0, 0, self.prepared)


def kernels(layer: Layer, level: Level) -> Iterator[Any]:
    """The kernels that take a layer at an instruction set."""
    library = structs.library()
    assert library is not None
    struct, index = layer.struct(), 0
    while kernel := library.bs_kernel_at(index):
        index += 1
        if runs_at(Level(kernel.contents.level), level) and kernel.contents.can(struct):
            yield kernel


def version() -> int:
    """Another number where a choice of before no longer holds."""
    library = structs.library()
    assert library is not None
    return int(library.bs_kernels_version())
