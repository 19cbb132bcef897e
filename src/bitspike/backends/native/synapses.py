"""Convolutions and linear layers: windows over stored cells."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native.code import Code
from bitspike.backends.native.edges import Stored
from bitspike.backends.native.kernels import Layer, Packed
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Kind, Type, Wide
from bitspike.ir import Conv, Graph, Linear, Reshape

__all__ = ["Convolution", "Product", "Windows"]

Pair = tuple[int, int]
FEW = 16
"""Channels below which a row of the window is worth reading as one."""


class Windows(NamedTuple):
    """The windows that a layer with weights looks through.

    Attributes:
        source: the edge that is read. weight: ``[out][row][column][channel]``, channels of one group.
        places: rows and columns of windows.
    """

    source: Stored
    weight: NDArray[np.int64]
    places: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def elements(self) -> NDArray[np.int64]:
        """Of each window the first element, from the image's start, border included."""
        rows, columns = (np.arange(n) * s - p for n, s, p in zip(self.places, self.stride, self.padding, strict=True))
        return (self.source.at(0, 0) + rows[:, None] * self.source.row + columns * self.source.channels).ravel()

    def start(self) -> NDArray[np.int64]:
        """What each sum of codes begins with, so that it is the sum of levels."""
        return self.source.lo * self.weight.reshape(len(self.weight), -1).sum(1)

    def forms(self) -> Iterator[Layer]:
        """The window by cells of one pixel; or each of its rows, or all of it, as one long cell."""
        _, high, wide, channels = self.weight.shape
        source, (down, right) = self.source, self.dilation
        rows, columns = np.arange(high) * down * source.row, np.arange(wide) * right * channels
        if prod(self.places) == 1 and (high, wide) == source.sides and not any(source.border):
            yield self._form(np.zeros(1), source.image, source.image)
            return
        if right == 1 and wide > 1 and channels < FEW:
            yield self._form(rows, wide * channels, channels)
        yield self._form((rows[:, None] + columns).ravel(), channels, channels)

    def _form(self, offsets: NDArray[Any], channels: int, cell: int) -> Layer:
        weight = self.weight.reshape(len(self.weight), len(offsets), channels).astype(np.int8)
        initial = self.start().astype(np.int32)
        held = self.source.held
        return Layer(weight, initial, (offsets // cell).astype(np.int32), cell, held.hi - held.lo)


class Synapses(Row[Conv | Linear]):
    """Sums of products, by a kernel where one takes the layer, else in plain C."""

    def gathers(self, graph: Graph, node: Conv | Linear) -> bool:
        return True

    def windows(self, code: Code, node: Conv | Linear) -> Windows:
        raise NotImplementedError

    def write(self, code: Code, node: Conv | Linear) -> int:
        seen = self.windows(code, node)
        chosen = self._chosen(code, node, seen)
        if chosen is not None:
            return code.emit(Kind.SUMS, edge=seen.source.name, data=chosen)
        out, high, wide, channels = seen.weight.shape
        (down, right), source = seen.dilation, seen.source
        struct = Wide(out, channels, seen.groups, high, wide, down * source.row, right * source.channels)
        arrays = {
            "window": seen.elements().astype(np.int32),
            "weight": np.ascontiguousarray(seen.weight.astype(np.int16)),
            "start": seen.start(),
        }
        return code.emit(Kind.WIDE, edge=source.name, data=(struct, arrays))

    def _chosen(self, code: Code, node: Conv | Linear, seen: Windows) -> tuple[Packed, NDArray[np.int32]] | None:
        """The kernel that was chosen, and where its windows begin; ``None`` where kernels do not take such a layer."""
        narrow = seen.weight.min() >= -128 and seen.weight.max() <= 127 and super().narrow(code, node)
        if not narrow or seen.source.type != Type.U8 or seen.groups > 1:
            return None
        forms = list(seen.forms())
        windows = [(seen.elements() // form.cell).astype(np.int32) for form in forms]
        chosen = code.chooser.choose(forms, windows)
        return None if chosen is None else (chosen[1], windows[chosen[0]])


class Convolution(Synapses):
    """Windows over an image with a border of zeros."""

    def border(self, graph: Graph, node: Conv) -> Pair:  # type: ignore[override]
        return node.padding

    def windows(self, code: Code, node: Conv) -> Windows:  # type: ignore[override]
        weight = np.moveaxis(code.net.integers(f"{node.name}.weight"), 1, 3)
        _, rows, columns = code.net.graph.edges[node.name].plane
        source = code.stored[node.inputs[0]]
        return Windows(source, weight, (rows, columns), node.stride, node.padding, node.dilation, node.groups)


class Product(Synapses):
    """A window at each place. One that is all of the input, an image made flat, reads the image."""

    def reads(self, graph: Graph, node: Linear) -> tuple[str, ...]:  # type: ignore[override]
        before = graph[node.inputs[0]]
        flat = len(graph.edges[node.name].shape) == 1
        if flat and isinstance(before, Reshape) and len(graph.input_edge(before).shape) == 3:
            return before.inputs
        return node.inputs

    def windows(self, code: Code, node: Linear) -> Windows:  # type: ignore[override]
        (name,) = self.reads(code.net.graph, node)
        source, weight = code.stored[name], code.net.integers(f"{node.name}.weight")
        if len(code.net.graph.edges[node.name].shape) > 1:
            return Windows(source, weight[:, None, None], source.sides)
        shape = (len(weight), source.channels, *source.sides)
        return Windows(source, np.moveaxis(weight.reshape(shape), 1, 3), (1, 1))
