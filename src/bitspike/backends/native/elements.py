"""What goes element by element, but for neurons; windows without weights; the ends of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native.code import Code
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Affine, Kind, Type, Window
from bitspike.intmath import half
from bitspike.ir import (
    Accumulate,
    Add,
    Difference,
    Graph,
    Input,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    SpikingMaxPool,
    SumPool,
    SumTime,
)
from bitspike.ir import Affine as FixedPoint

__all__ = [
    "Added",
    "Answer",
    "Grown",
    "Growth",
    "Levels",
    "Multiplied",
    "OverTime",
    "Pooled",
    "Positive",
    "Rearranged",
    "SoFar",
    "Train",
    "gathered",
]


class Levels(Row[Input]):
    """What comes in, channels last; of a train the step that is computed."""

    def gathers(self, graph: Graph, node: Input) -> bool:
        return True

    def store(self, code: Code, node: Input) -> bool:
        if node.edge.T > 1 or len(node.edge.shape) != 3:  # bytes go to bytes where they are one image alone
            return super().store(code, node)
        code.emit(Kind.PIXEL_CODES, to=-1, edge=node.name, x=node.sample.lo - code.stored[node.name].lo)
        return True

    def write(self, code: Code, node: Input) -> int:
        return code.emit(Kind.PIXELS, x=node.sample.lo, n=int(node.edge.T > 1))


class Train(Row[Release]):
    """A held edge for some steps, then 0."""

    def write(self, code: Code, node: Release) -> int:
        return code.emit(Kind.KEEP, a=code.value(node.inputs[0]), n=node.steps)


class Multiplied(Row[FixedPoint]):
    """A multiplication and an addition for each channel; through 64 bits where the part to be shifted needs them."""

    def narrow(self, code: Code, node: FixedPoint) -> bool:
        factors = code.net.integers(f"{node.name}.multiplier")
        return super().narrow(code, node) and int(abs(factors).max()) < 2**31

    def write(self, code: Code, node: FixedPoint) -> int:
        m, b = (code.net.integers(f"{node.name}.{part}") for part in ("multiplier", "offset"))
        struct = Affine(half=half(node.shift), shift=node.shift, steps=node.steps or code.group.steps)
        if code.type == Type.I64 or not node.shift:  # the graph proves that its own product fits, and of parts nothing
            return self._emit(code, node, Kind.AFFINE, struct, {"multiplier": m, "offset": b})
        whole, rest = m >> node.shift, m & ((1 << node.shift) - 1)
        if int(rest.max()) * code.net.ranges[node.inputs[0]].reach + half(node.shift) >= 2**31:
            return self._emit(code, node, Kind.PRODUCT, struct, {"multiplier": m, "offset": b})
        above = {"whole": whole} if whole.any() else {}
        return self._emit(code, node, Kind.AFFINE, struct, {"multiplier": rest, "offset": b} | above)

    def _emit(self, code: Code, node: FixedPoint, kind: Kind, struct: Affine, arrays: dict[str, NDArray[Any]]) -> int:
        return code.emit(kind, a=code.value(node.inputs[0]), data=(struct, arrays))


class Positive(Row[Relu]):
    """The positive part."""

    def write(self, code: Code, node: Relu) -> int:
        most = 2 ** (8 * code.type.bytes - 1) - 1
        return code.emit(Kind.CLIP, a=code.value(node.inputs[0]), x=0, y=most)


class Added(Row[Add]):
    """The sum of two edges."""

    def write(self, code: Code, node: Add) -> int:
        a, b = (code.value(name) for name in node.inputs)
        return code.emit(Kind.ADD, a=a, b=b)


Ending = TypeVar("Ending", SumTime, Readout)


class OverTime(Row[Ending]):
    """The sum over all steps, there after the last."""

    def steps(self, graph: Graph, node: Ending) -> int:
        return graph.input_edge(node).T

    def ends(self, graph: Graph, node: Ending) -> bool:
        return self.steps(graph, node) > 1

    def adds(self, node: Ending) -> bool:
        """Whether it is a sum."""
        return True

    def write(self, code: Code, node: Ending) -> int:
        x = code.value(node.inputs[0])
        if not self.ends(code.net.graph, node) or not self.adds(node):
            return x
        total = code.state(0)
        return code.emit(Kind.ADD, to=total, a=total, b=x)


class SoFar(Row[Accumulate]):
    """The sum of the steps up to each."""

    def write(self, code: Code, node: Accumulate) -> int:
        x = code.value(node.inputs[0])
        if code.net.graph.edges[node.name].T == 1:
            return x
        so_far = code.state(0)
        return code.emit(Kind.ADD, to=so_far, a=so_far, b=x)


class Growth(Row[Difference]):
    """What each step has more than the one before it."""

    def write(self, code: Code, node: Difference) -> int:
        x = code.value(node.inputs[0])
        if code.net.graph.edges[node.name].T == 1:
            return x
        before = code.state(0)
        grown = code.emit(Kind.SUB, a=x, b=before)
        code.emit(Kind.COPY, to=before, a=x)
        return grown


class Answer(OverTime[Readout]):
    """The logits: the sum, or what is there after the last step, or after each."""

    def ends(self, graph: Graph, node: Readout) -> bool:
        return node.over != "each" and super().ends(graph, node)

    def adds(self, node: Readout) -> bool:
        return node.over == "sum"


class Pooled(Row[SumPool | MaxPool]):
    """The sum or the largest level of each window, as far as it lies in the image."""

    def gathers(self, graph: Graph, node: SumPool | MaxPool) -> bool:
        return True

    def store(self, code: Code, node: SumPool | MaxPool) -> bool:
        source, made = code.stored[node.inputs[0]], code.stored[node.name]
        if not isinstance(node, MaxPool) or source.type != Type.U8:
            return False
        window, lower = self._window(code, node), source.lo - made.lo
        code.emit(Kind.MAX_CODES, to=-1, edge=source.name, x=lower, n=made.index, data=(window, {}))
        return True

    def write(self, code: Code, node: SumPool | MaxPool) -> int:
        kind = Kind.MAX_POOL if isinstance(node, MaxPool) else Kind.SUM_POOL
        least = code.net.ranges[node.inputs[0]].lo
        return code.emit(kind, edge=node.inputs[0], x=least, data=(self._window(code, node), {}))

    def _window(self, code: Code, node: SumPool | MaxPool) -> Window:
        _, rows, columns = code.net.graph.input_edge(node).plane
        (high, wide), (down, right), (top, left) = node.kernel_size, node.stride, node.padding
        columns_out = code.net.graph.edges[node.name].plane[2]
        return Window(rows, columns, columns_out, high, wide, down, right, top, left)


class Grown(Row[SpikingMaxPool]):
    """What the largest sum of each window has grown by: the sums of its elements are kept from step to step."""

    def gathers(self, graph: Graph, node: SpikingMaxPool) -> bool:
        return True

    def narrow(self, code: Code, node: SpikingMaxPool) -> bool:
        most = code.net.totals[node.inputs[0]].reach - code.group.steps * self._outside(code, node)
        return most < 2**31

    def write(self, code: Code, node: SpikingMaxPool) -> int:
        over_time = code.net.graph.edges[node.name].T > 1
        largest = -1
        for window in self._elements(code, node):
            x = self._outside(code, node)
            total = code.emit(Kind.MAX_POOL, edge=node.inputs[0], x=x, data=(window, {}))
            if over_time:
                sent, total = total, code.state(0)
                code.emit(Kind.ADD, to=total, a=total, b=sent)
            if largest >= 0:
                most = 2 ** (8 * code.type.bytes - 1) - 1
                above = code.emit(Kind.CLIP, a=code.emit(Kind.SUB, a=total, b=largest), x=0, y=most)
                total = code.emit(Kind.ADD, a=largest, b=above)
            largest = total
        if not over_time:
            return largest
        before = code.state(0)
        grown = code.emit(Kind.SUB, a=largest, b=before)
        code.emit(Kind.COPY, to=before, a=largest)
        return grown

    def _outside(self, code: Code, node: SpikingMaxPool) -> int:
        """What lies around the image sends, so that it never has the largest sum."""
        (source,) = node.inputs
        return min(0, code.net.totals[source].lo, code.net.ranges[source].lo) - 1

    def _elements(self, code: Code, node: SpikingMaxPool) -> Iterator[Window]:
        """Each element of a window, as a window of its own."""
        _, rows, columns = code.net.graph.input_edge(node).plane
        (high, wide), (down, right), (top, left) = node.kernel_size, node.stride, node.padding
        columns_out = code.net.graph.edges[node.name].plane[2]
        for row, column in product(range(high), range(wide)):
            yield Window(rows, columns, columns_out, 1, 1, down, right, top - row, left - column)


class Rearranged(Row[Reshape]):
    """The same elements at other places; where each position keeps its own there is nothing to do."""

    def gathers(self, graph: Graph, node: Reshape) -> bool:
        return graph.input_edge(node).shape[0] != graph.edges[node.name].shape[0]

    def write(self, code: Code, node: Reshape) -> int:
        if not self.gathers(code.net.graph, node):
            return code.value(node.inputs[0])
        source, shape = code.stored[node.inputs[0]], code.net.graph.edges[node.name].shape
        rows, columns = source.sides
        c, r, k = np.meshgrid(np.arange(source.channels), np.arange(rows), np.arange(columns), indexing="ij")
        places = source.first + r * source.row + k * source.channels + c  # in the order of the file: channels first
        return gathered(code, node, places.reshape(shape[0], -1))


def gathered(code: Code, node: Node, places: NDArray[Any]) -> int:
    """Moves elements of an edge: of each element ``[channels, positions]`` of the op's, where it lies in its image."""
    table = np.ascontiguousarray(places.T.astype(np.int32))
    return code.emit(Kind.GATHER, edge=node.inputs[0], data=table)
