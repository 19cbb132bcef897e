"""Ops that are written as whole layers: they begin or end a program, or read a memory elsewhere than they write it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, TypeVar

from bitspike.backends.c.memory import CType, number_type
from bitspike.backends.c.text import memory_order, number
from bitspike.backends.c.writer import Writer
from bitspike.ir import Input, MaxPool, Node, Readout, Release, Reshape, SpikingMaxPool, SumPool, SumTime

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = [
    "Answer",
    "GrowthOfWindow",
    "LargestOfWindow",
    "OverTime",
    "Pixels",
    "Rearranged",
    "SumOfWindow",
    "Train",
]

Pool = TypeVar("Pool", SumPool, MaxPool, SpikingMaxPool)
Total = TypeVar("Total", SumTime, Readout)


class Pixels(Writer[Input]):
    """The image as levels."""

    stored = True
    argument = "image"

    def parameter(self, network: str) -> str:
        return "const uint8_t *image"

    def layer(self, code: Code, root: Input) -> None:
        channels, rows, columns = root.edge.shape
        assert root.edge.lo is not None  # a FrozenGraph's input has levels
        with code.text.loop("c", channels), code.text.loop("p", rows * columns):
            code.store(root, f"image[c * {rows * columns} + p] + {number(root.edge.lo)}")


class Train(Writer[Release]):
    """A held edge, written step after step."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Release) -> None:
        source, target = (code.plan.symbols[name] for name in (root.inputs[0], root.name))
        size = code.plan.graph.edges[root.name].size
        with code.text.loop("t", root.T), code.text.loop("i", size):
            code.text.line(f"{target}[t * {size} + i] = t < {root.steps} ? {source}[i] : 0;")


class Rearranged(Writer[Reshape]):
    """The same elements, moved to where memory has them in the other shape."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Reshape) -> None:
        (source,) = root.inputs
        was, shape = code.plan.graph.edges[source].shape, code.plan.graph.edges[root.name].shape
        with code.text.loop("t", code.plan.graph.edges[root.name].T), code.text.loop("i", prod(shape)):
            here, there = (f"t * {prod(shape)} + {memory_order(axes)}" for axes in (shape, was))
            code.text.line(f"{code.plan.symbols[root.name]}[{here}] = {code.plan.symbols[source]}[{there}];")


class _Window(Writer[Pool]):
    """A pool of an edge in memory, or of neurons, whose levels are pooled as they are sent."""

    stored = True
    gathers = True

    def start(self, plan: Plan, source: Node) -> str:
        """What a window of the edge of ``source`` begins with."""
        raise NotImplementedError

    def pour(self, code: Code, into: str, x: str) -> None:
        """Writes what takes one value in."""
        raise NotImplementedError

    def element(self, code: Code, root: Pool) -> None:
        """Writes what comes before the steps of one element of a window, where these are taken in a row."""

    def sent(self, pooled: str) -> str:
        """What a window sends at step ``t``, of what each of its steps was ``pooled`` to."""
        return f"{pooled}[t]"

    def kind(self, plan: Plan, node: Pool) -> CType:
        return number_type(plan.net.ranges[node.name].including(*plan.net.ranges[node.inputs[0]]))

    def takes(self, plan: Plan, node: Pool, source: Node) -> bool:
        axes = zip(plan.graph.edges[source.name].shape[1:], node.kernel_size, node.stride, node.padding, strict=True)
        return all(window == stride and (side + 2 * pad) % stride == 0 for side, window, stride, pad in axes)

    def layer(self, code: Code, root: Pool) -> None:
        if root.name in code.plan.poured:
            self._pool_spikes(code, root, code.plan.poured[root.name])
        else:
            self._pool_memory(code, root)

    def _pool_memory(self, code: Code, root: Pool) -> None:
        (source,) = root.inputs
        graph, kind, start = code.plan.graph, code.plan.kind(root), self.start(code.plan, code.plan.graph[source])
        channels, rows, columns = graph.edges[source].shape
        with code.text.loop("t", graph.edges[root.name].T), code.places(root), code.text.loop("c", channels):
            code.text.line(f"{kind.name} pooled = {start};")
            with code.text.window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                place = f"(t * {rows} + y) * {columns} + x"
                x = f"{code.plan.symbols[source]}[({place}) * {channels} + c]"
                self.pour(code, "pooled", x)
            code.store(root, "pooled")

    def _pool_spikes(self, code: Code, root: Pool, neurons: Node) -> None:
        plan, kind, start = code.plan, code.plan.kind(root), self.start(code.plan, neurons)
        edge, (_, pool_rows, pool_columns) = plan.graph.edges[neurons.name], plan.graph.edges[root.name].shape
        _, rows, columns = edge.shape
        with (
            code.channels(root, neurons),
            code.text.loop("pool_row", pool_rows),
            code.text.loop("pool_column", pool_columns),
        ):
            code.text.line(f"{kind.name} pooled[{edge.T}];")
            with code.text.loop("t", edge.T):
                code.text.line(f"pooled[t] = {start};")
            window = (root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns))
            with code.text.window(*window, at=("pool_row", "pool_column"), to=("row", "column")):
                place = f"(row * {columns} + column)"
                if plan.reads_in_place(neurons):
                    code.text.line(f"const int32_t p = {place};")
                self.element(code, root)
                with code.element(neurons) as level:
                    self.pour(code, "pooled[t]", code.narrowed(neurons, level, kind))
                    code.see(neurons, level, place)
            code.text.line(f"const int32_t p = pool_row * {pool_columns} + pool_column;")
            with code.text.loop("t", edge.T):
                code.store(root, self.sent("pooled"))


class SumOfWindow(_Window[SumPool]):
    """The sum of each window."""

    def start(self, plan: Plan, source: Node) -> str:
        return "0"

    def pour(self, code: Code, into: str, x: str) -> None:
        code.text.line(f"{into} += {x};")


class LargestOfWindow(_Window[MaxPool]):
    """The largest of each window."""

    def start(self, plan: Plan, source: Node) -> str:
        return number(plan.net.ranges[source.name].lo)

    def pour(self, code: Code, into: str, x: str) -> None:
        code.text.line(f"{into} = {x} > {into} ? {x} : {into};")


class GrowthOfWindow(_Window[SpikingMaxPool]):
    """What the largest sum of each window has grown by. An element's steps are taken in a row: one sum is kept."""

    def start(self, plan: Plan, source: Node) -> str:
        return number(plan.net.totals[source.name].lo)

    def kind(self, plan: Plan, node: SpikingMaxPool) -> CType:
        return number_type(plan.net.totals[node.inputs[0]].including(*plan.net.ranges[node.inputs[0]]))

    def element(self, code: Code, root: SpikingMaxPool) -> None:
        code.text.line(f"{code.plan.kind(root).name} so_far = 0;")

    def pour(self, code: Code, into: str, x: str) -> None:
        code.text.line(f"so_far += {x};")
        code.text.line(f"{into} = so_far > {into} ? so_far : {into};")

    def sent(self, pooled: str) -> str:
        return f"t > 0 ? {pooled}[t] - {pooled}[t - 1] : {pooled}[t]"

    def _pool_memory(self, code: Code, root: SpikingMaxPool) -> None:
        (source,) = root.inputs
        edge, kind = code.plan.graph.edges[source], code.plan.kind(root)
        channels, rows, columns = edge.shape
        with code.places(root), code.text.loop("c", channels):
            code.text.line(f"{kind.name} pooled[{edge.T}];")
            with code.text.loop("t", edge.T):
                code.text.line(f"pooled[t] = {self.start(code.plan, code.plan.graph[source])};")
            with code.text.window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                self.element(code, root)
                with code.text.loop("t", edge.T):
                    x = f"{code.plan.symbols[source]}[((t * {rows} + y) * {columns} + x) * {channels} + c]"
                    self.pour(code, "pooled[t]", x)
            with code.text.loop("t", edge.T):
                code.store(root, self.sent("pooled"))


class _Sum(Writer[Total]):
    """Steps added up as they are computed."""

    stored = True

    def steps(self, plan: Plan, node: Total) -> int:
        return plan.graph.input_edge(node).T

    def made(self, code: Code, node: Total) -> str:
        return code.read(node.inputs[0])


class OverTime(_Sum[SumTime]):
    """The sum over time of neurons' levels as they are sent, or of anything else on the way."""

    def takes(self, plan: Plan, node: SumTime, source: Node) -> bool:
        return True

    def layer(self, code: Code, root: SumTime) -> None:
        made = code.plan.poured.get(root.name, root)
        with code.channels(root, made), code.places(root):
            kind = code.plan.kind(root)
            code.text.line(f"{kind.name} total = 0;")
            with code.element(made) as step:
                code.text.line(f"total += {code.narrowed(made, step, kind)};")
                if made is not root:
                    code.see(made, step, "p")
            code.store(root, "total")


class Answer(_Sum[Readout]):
    """The logits: steps added up into what the caller gave."""

    answers = True
    argument = "logits"

    def parameter(self, network: str) -> str:
        return f"{network}_logit *logits"

    def layer(self, code: Code, root: Readout) -> None:
        with code.channels(root), code.places(root):
            code.text.line(f"{code.plan.name}_logit sum = 0;")
            with code.element(root) as step:
                code.text.line(f"sum += {step};")
            code.text.line("logits[c] = sum;")
