"""The kernels of the C library (``csrc/kernels.h``), one layer at a time: for tests, benchmarks and choosing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int32, c_int64, c_size_t, c_void_p
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bitspike.native import Level, library

__all__ = ["SLACK", "CKernel", "CLayer", "Kernel", "Layer", "Packed", "aligned", "kernels", "runs_at"]

SLACK = 64
"""Bytes after the last cell, of codes and of prepared cells, that may be read."""


class CLayer(Structure):
    """``bs_layer`` of csrc/kernels.h: the one definition in Python."""

    _fields_ = (
        *((name, c_int32) for name in ("channels", "out_channels", "window", "cell")),
        *((name, c_int32) for name in ("weight_lo", "weight_hi", "code_hi")),
        ("offsets", c_void_p),
        ("two_values", c_int32),
    )


_ONE = POINTER(CLayer)


class CKernel(Structure):
    """``bs_kernel`` of csrc/kernels.h."""

    _fields_ = (
        ("name", c_char_p),
        ("level", c_int32),
        ("can", CFUNCTYPE(c_int32, _ONE)),
        ("packed_size", CFUNCTYPE(c_size_t, _ONE)),
        ("pack", CFUNCTYPE(None, _ONE, c_void_p, c_void_p, c_void_p)),
        ("prepared_cell", CFUNCTYPE(c_size_t, _ONE)),
        ("prepare", CFUNCTYPE(None, _ONE, c_void_p, c_int64, c_void_p)),
        ("positions", CFUNCTYPE(None, _ONE, c_void_p, c_void_p, c_void_p, c_int32, c_void_p)),
    )


def aligned(size: int) -> npt.NDArray[np.uint8]:
    """Zero bytes that begin at a multiple of 64."""
    buffer = np.zeros(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size]


@dataclass(frozen=True)
class Layer:
    """What a kernel must know of a layer: its widths, and where each window element lies from the first, in cells."""

    channels: int
    out_channels: int
    offsets: tuple[int, ...]
    cell: int
    weights: tuple[int, int]
    code_hi: int
    two_values: bool = False
    """Whether every weight is one of the two ends of ``weights``."""

    @property
    def padded(self) -> int:
        """Sums of one position."""
        return -(-self.out_channels // 16) * 16


class Kernel:
    """One way to the sums of a layer."""

    def __init__(self, c: Any) -> None:
        self._c = c
        self.name: str = c.name.decode()
        self.level = Level(c.level)

    def can(self, layer: Layer) -> bool:
        return bool(self._c.can(_c_layer(layer)[0]))

    def pack(self, layer: Layer, weights: npt.NDArray[np.int8], initial: npt.NDArray[np.int32] | None = None) -> Packed:
        """``weights [out, element, channel]`` and what each sum begins with, as this kernel wants them."""
        return Packed(self._c, layer, np.ascontiguousarray(weights, np.int8), initial)


class Packed:
    """A layer packed for one kernel. Its calls keep no array alive."""

    def __init__(
        self, c: Any, layer: Layer, weights: npt.NDArray[np.int8], initial: npt.NDArray[np.int32] | None
    ) -> None:
        self._c, self.layer = c, layer
        self._layer, self._keep = _c_layer(layer)
        self.bytes = int(c.packed_size(self._layer))
        self._packed = aligned(self.bytes)
        begin = None if initial is None else np.ascontiguousarray(initial, np.int32)
        c.pack(self._layer, weights.ctypes.data, None if begin is None else begin.ctypes.data, self._packed.ctypes.data)

    def room(self, codes: npt.NDArray[np.uint8], cells: int) -> npt.NDArray[np.uint8]:
        """What the sums are made of: the codes themselves, or room for what is made of them."""
        size = int(self._c.prepared_cell(self._layer))
        return aligned(size * cells + SLACK) if size else codes

    def preparing(self, codes: npt.NDArray[np.uint8], cells: int, room: npt.NDArray[np.uint8]) -> Callable[[], object]:
        """The call that makes it, where there is anything to make."""
        if room is codes:
            return int
        return partial(self._c.prepare, self._layer, _at(codes), cells, _at(room))

    def summing(
        self, x: npt.NDArray[np.uint8], bases: npt.NDArray[np.int32], acc: npt.NDArray[np.int32]
    ) -> Callable[[], object]:
        """The call that writes the sums at ``bases`` into ``acc [count, padded]``, which begins at a multiple of 64."""
        return partial(self._c.positions, self._layer, _at(self._packed), _at(x), _at(bases), len(bases), _at(acc))

    def sums(self, codes: npt.NDArray[np.uint8], cells: int, bases: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """``[position, out]``, from codes with slack."""
        acc = aligned(4 * len(bases) * self.layer.padded).view(np.int32)
        prepared = self.room(codes, cells)
        self.preparing(codes, cells, prepared)()
        self.summing(prepared, bases, acc)()
        return acc.reshape(len(bases), self.layer.padded)[:, : self.layer.out_channels]


def _at(array: npt.NDArray[Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)


def _c_layer(layer: Layer) -> tuple[Any, Any]:
    """The C struct by reference, and what it points to."""
    offsets = np.array(layer.offsets, np.int32)
    c = CLayer(
        layer.channels,
        layer.out_channels,
        len(offsets),
        layer.cell,
        *layer.weights,
        layer.code_hi,
        offsets.ctypes.data,
        layer.two_values,
    )
    return ctypes.pointer(c), (c, offsets)


def kernels(level: Level) -> list[Kernel]:
    """All that may run at a level; none where there is no library."""
    found = library()
    if found is None:
        return []
    found.bs_kernel_at.restype = POINTER(CKernel)
    found.bs_kernel_at.argtypes = [c_int32]
    listed: list[Kernel] = []
    while one := found.bs_kernel_at(len(listed)):
        listed.append(Kernel(one.contents))
    return [kernel for kernel in listed if runs_at(kernel.level, level)]


def runs_at(wanted: Level, level: Level) -> bool:
    """Whether what is compiled for one level may run at another: each includes those below it of its family."""
    return wanted in (Level.scalar, level) or wanted < level != Level.neon
