"""Routes: channels that lie beside each other, moved whole from where they are stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native.code import Code
from bitspike.backends.native.edges import Stored
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Kind, Runs
from bitspike.ir import Concat, Graph, Slice, Upsample

__all__ = ["Enlarged", "Joined", "Sliced"]


class Joined(Row[Concat]):
    """The channels of each edge, one edge after the other."""

    def gathers(self, graph: Graph, node: Concat) -> bool:
        return True

    def write(self, code: Code, node: Concat) -> int:
        made, first = code.register(), 0
        for name in node.inputs:
            source = code.stored[name]
            _runs(code, name, _places(source).reshape(-1), (first, source.channels), made)
            first += source.channels
        return made


class Sliced(Row[Slice]):
    """A part of the channels of each place."""

    def gathers(self, graph: Graph, node: Slice) -> bool:
        return True

    def write(self, code: Code, node: Slice) -> int:
        (name,) = node.inputs
        places = _places(code.stored[name]).reshape(-1) + node.start
        return _runs(code, name, places, (0, node.stop - node.start), code.register())


class Enlarged(Row[Upsample]):
    """The channels of the nearest place."""

    def gathers(self, graph: Graph, node: Upsample) -> bool:
        return True

    def write(self, code: Code, node: Upsample) -> int:
        (name,), (rows, columns) = node.inputs, node.factor
        source = code.stored[name]
        shape = source.shape[1:] if len(source.shape) == 3 else (1, source.positions)
        places = _places(source).reshape(shape).repeat(rows, axis=0).repeat(columns, axis=1)
        return _runs(code, name, places.reshape(-1), (0, source.channels), code.register())


def _places(source: Stored) -> NDArray[np.int64]:
    """Of each position of a stored edge the element where its channels begin, ``[rows, columns]``."""
    rows, columns = source.sides
    return source.first + np.arange(rows)[:, None] * source.row + np.arange(columns) * source.channels


def _runs(code: Code, name: str, places: NDArray[np.int64], channels: tuple[int, int], to: int) -> int:
    first, count = channels
    arrays = {"place": np.ascontiguousarray(places.astype(np.int32))}
    return code.emit(Kind.RUNS, to=to, edge=name, data=(Runs(first=first, count=count), arrays))
