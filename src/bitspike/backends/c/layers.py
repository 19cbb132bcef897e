"""Ops that are written as whole layers: they begin or end a program, or read a memory elsewhere than they write it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import prod
from typing import TYPE_CHECKING, TypeVar

from bitspike.backends.c.memory import CType, number_type
from bitspike.backends.c.outputs import Output, outputs
from bitspike.backends.c.text import memory_order, number
from bitspike.backends.c.writer import Writer
from bitspike.ir import (
    Accumulate,
    Delay,
    Difference,
    Input,
    MaxPool,
    Node,
    Readout,
    Release,
    Reshape,
    SpikingMaxPool,
    SumPool,
    SumTime,
)
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = [
    "Answer",
    "Growth",
    "GrowthOfWindow",
    "LargestOfWindow",
    "Levels",
    "OverTime",
    "Rearranged",
    "Remembered",
    "SumOfWindow",
    "SumSoFar",
    "Train",
]

Pool = TypeVar("Pool", SumPool, MaxPool)
Ending = TypeVar("Ending", SumTime, Readout)


class Levels(Writer[Input]):
    """Codes as levels: of a train step after step, the channels of each one after the other."""

    stored = True

    def argument(self, plan: Plan, root: Input) -> str:
        return "image"

    def parameter(self, plan: Plan, root: Input) -> str:
        return "const uint8_t *image"

    def layer(self, code: Code, root: Input) -> None:
        edge = code.plan.graph.edges[root.name]
        (channels, *sides), places = edge.shape, prod(edge.shape[1:])
        with code.text.steps(edge.T), code.text.loop("c", channels):
            at = f"c * {places} + p" if sides else "c"
            at = at if edge.T == 1 else f"t * {edge.size} + {at}"
            with code.text.loop("p", places) if sides else nullcontext():
                code.store(root, f"image[{at}] + {number(root.sample.lo)}")


class Train(Writer[Release]):
    """A held edge, written step after step."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Release) -> None:
        source, target = (code.plan.symbols[name] for name in (root.inputs[0], root.name))
        edge = code.plan.graph.edges[root.name]
        with code.text.loop("t", edge.T), code.text.loop("i", edge.size):
            code.text.line(f"{target}[t * {edge.size} + i] = {code.plan.t} < {root.steps} ? {source}[i] : 0;")


class Remembered(Writer[Delay]):
    """What another op sends, taken at the end of a step for the next one."""

    stored = True
    gathers = True
    closes = True

    def layer(self, code: Code, root: Delay) -> None:
        kind = code.plan.buffers[root.name].stored.type.name
        with code.text.loop("i", code.plan.graph.edges[root.name].size):
            code.text.line(f"{code.plan.symbols[root.name]}[i] = ({kind}){code.plan.symbols[root.of]}[i];")


class SumSoFar(Writer[Accumulate]):
    """The steps of each element, added up one after the other."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Accumulate) -> None:
        source, target = (code.plan.symbols[name] for name in (root.inputs[0], root.name))
        size, stored = code.plan.graph.edges[root.name].size, code.plan.buffers[root.name].stored.type.name
        if code.plan.keeps(root):
            sums = code.state(root, "sums", code.plan.net.ranges[root.name].including(0))
            with code.text.loop("i", size):
                code.keep(sums, "i", f"{sums}[i] + {source}[i]")
                code.text.line(f"{target}[i] = ({stored}){sums}[i];")
            return
        with code.text.loop("i", size):
            code.text.line(f"{code.plan.kind(root).name} so_far = 0;")
            with code.text.loop("t", code.plan.graph.edges[root.name].T):
                code.text.line(f"so_far += {source}[t * {size} + i];")
                code.text.line(f"{target}[t * {size} + i] = ({stored})so_far;")


class Growth(Writer[Difference]):
    """What each step has more than the one before it."""

    stored = True
    gathers = True

    def kind(self, plan: Plan, node: Difference) -> CType:
        return number_type(plan.net.ranges[node.name].including(*plan.net.ranges[node.inputs[0]]))

    def layer(self, code: Code, root: Difference) -> None:
        source, target = (code.plan.symbols[name] for name in (root.inputs[0], root.name))
        edge, stored = code.plan.graph.edges[root.name], code.plan.buffers[root.name].stored.type.name
        kind, size = code.plan.kind(root).name, edge.size
        if code.plan.keeps(root):
            was = code.state(root, "was", code.plan.net.ranges[root.inputs[0]].including(0))
            with code.text.loop("i", size):
                code.text.line(f"{target}[i] = ({stored})(({kind}){source}[i] - {was}[i]);")
                code.keep(was, "i", f"{source}[i]")
            return
        with code.text.loop("i", edge.T * size):
            before = f" - (i < {size} ? 0 : {source}[i - {size}])" if edge.T > 1 else ""
            code.text.line(f"{target}[i] = ({stored})(({kind}){source}[i]{before});")


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

    def start(self, x: Range) -> str:
        """What a window begins with, where it reads values of that range."""
        raise NotImplementedError

    def pour(self, into: str, x: str) -> str:
        """The line that takes one value in."""
        raise NotImplementedError

    def kind(self, plan: Plan, node: Pool) -> CType:
        return number_type(plan.net.ranges[node.name].including(*plan.net.ranges[node.inputs[0]]))

    def takes(self, plan: Plan, node: Pool, source: Node) -> bool:
        axes = zip(plan.graph.edges[source.name].plane[1:], node.kernel_size, node.stride, node.padding, strict=True)
        return all(window == stride and (side + 2 * pad) % stride == 0 for side, window, stride, pad in axes)

    def layer(self, code: Code, root: Pool) -> None:
        if root.name in code.plan.poured:
            self._pool_spikes(code, root, code.plan.poured[root.name])
        else:
            self._pool_memory(code, root)

    def _pool_memory(self, code: Code, root: Pool) -> None:
        (source,) = root.inputs
        graph, kind, start = code.plan.graph, code.plan.kind(root), self.start(code.plan.net.ranges[source])
        channels, rows, columns = graph.edges[source].plane
        _, pool_rows, pool_columns = graph.edges[root.name].plane
        with (
            code.text.loop("t", graph.edges[root.name].T),
            code.text.loop("row", pool_rows),
            code.text.loop("column", pool_columns),
            code.text.loop("c", channels),
        ):
            code.text.line(f"const int32_t p = row * {pool_columns} + column;")
            code.text.line(f"{kind.name} pooled = {start};")
            with code.text.window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                place = f"(t * {rows} + y) * {columns} + x"
                x = f"{code.plan.symbols[source]}[({place}) * {channels} + c]"
                code.text.line(self.pour("pooled", x))
            code.store(root, "pooled")

    def _pool_spikes(self, code: Code, root: Pool, neurons: Node) -> None:
        """Into memory, which holds what has been pooled so far, a block of the window's places after the other."""
        plan, kind, start = code.plan, code.plan.kind(root), self.start(code.plan.net.ranges[neurons.name])
        edge, (channels, pool_rows, pool_columns) = plan.graph.edges[neurons.name], plan.graph.edges[root.name].plane
        _, rows, columns = edge.plane
        summed, window = plan.summed(neurons), prod(root.kernel_size)
        taps, into = pool_rows * pool_columns * window, plan.symbols[root.name]
        block = plan.together(summed[0]) if summed else window
        with code.text.loop("i", plan.graph.edges[root.name].size * edge.T):
            code.text.line(f"{into}[i] = {start};")
        with code.text.block(f"for (int32_t tap = 0; tap < {taps}; tap += {block})"):
            code.text.line(f"int32_t many = 0, places[{block}] = {{0}}, pools[{block}] = {{0}};")
            with code.text.block(f"for (int32_t k = tap; k < {taps} && k < tap + {block}; k++)"):
                across = root.kernel_size[1]
                down = f"{root.stride[0]} + k % {window} / {across} - {root.padding[0]}"
                right = f"{root.stride[1]} + k % {window} % {across} - {root.padding[1]}"
                code.text.line(f"const int32_t i = many, pool = k / {window};")
                code.text.line(f"const int32_t row = pool / {pool_columns} * {down};")
                code.text.line(f"const int32_t column = pool % {pool_columns} * {right};")
                if any(root.padding):
                    code.text.line(f"if (row < 0 || row >= {rows} || column < 0 || column >= {columns})")
                    code.text.line("    continue;")
                code.gathered(summed)
                code.text.line(f"places[i] = row * {columns} + column;")
                code.text.line("pools[i] = pool;")
                code.text.line("many++;")
            place = "const int32_t p = places[i], pool = pools[i];"
            place += "" if plan.reads_in_place(neurons) else " (void)p; /* for a trace */"
            with code.block_of(summed, channels, place), code.element(neurons) as level:
                stored = plan.buffers[root.name].stored.type.name
                code.text.line(f"{stored} *const to = {into} + {code.index(root.name, 'pool')};")
                code.text.line(f"{kind.name} pooled = *to;")
                code.text.line(self.pour("pooled", code.narrowed(neurons, level, kind)))
                code.text.line(f"*to = ({stored})pooled;")
                code.see(neurons, level, "p")


class SumOfWindow(_Window[SumPool]):
    """The sum of each window."""

    def start(self, x: Range) -> str:
        return "0"

    def pour(self, into: str, x: str) -> str:
        return f"{into} += {x};"


class LargestOfWindow(_Window[MaxPool]):
    """The largest of each window."""

    def start(self, x: Range) -> str:
        return number(x.lo)

    def pour(self, into: str, x: str) -> str:
        return f"{into} = {x} > {into} ? {x} : {into};"


class GrowthOfWindow(Writer[SpikingMaxPool]):
    """What the largest sum of each window has grown by. An element's steps are taken in a row: one sum is kept.

    By steps the sums of all elements are, and what was the largest of each window.
    """

    stored = True
    gathers = True

    def kind(self, plan: Plan, node: SpikingMaxPool) -> CType:
        return number_type(plan.net.totals[node.inputs[0]].including(*plan.net.ranges[node.inputs[0]]))

    def layer(self, code: Code, root: SpikingMaxPool) -> None:
        if code.plan.keeps(root):
            self._step(code, root)
            return
        (source,) = root.inputs
        edge, kind = code.plan.graph.edges[source], code.plan.kind(root)
        channels, rows, columns = edge.plane
        with self._windows(code, root):
            code.text.line(f"{kind.name} pooled[{edge.T}];")
            with code.text.loop("t", edge.T):
                code.text.line(f"pooled[t] = {number(code.plan.net.totals[source].lo)};")
            with code.text.window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                code.text.line(f"{kind.name} so_far = 0;")
                with code.text.loop("t", edge.T):
                    place = f"((t * {rows} + y) * {columns} + x) * {channels} + c"
                    code.text.line(f"so_far += {code.plan.symbols[source]}[{place}];")
                    code.text.line("pooled[t] = so_far > pooled[t] ? so_far : pooled[t];")
            with code.text.loop("t", edge.T):
                code.store(root, "t > 0 ? pooled[t] - pooled[t - 1] : pooled[t]")

    def _step(self, code: Code, root: SpikingMaxPool) -> None:
        (source,) = root.inputs
        edge, kind, total = code.plan.graph.edges[source], code.plan.kind(root), code.plan.net.totals[source]
        channels, rows, columns = edge.plane
        sums, was = (
            code.state(root, "sums", total.including(0), source),
            code.state(root, "largest", total.including(0)),
        )
        with code.text.loop("i", edge.size):
            code.keep(sums, "i", f"{sums}[i] + {code.plan.symbols[source]}[i]")
        with self._windows(code, root):
            code.text.line(f"{kind.name} pooled = {number(total.lo)};")
            with code.text.window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                code.text.line(f"const {kind.name} so_far = {sums}[(y * {columns} + x) * {channels} + c];")
                code.text.line("pooled = so_far > pooled ? so_far : pooled;")
            at = code.index(root.name)
            code.store(root, f"pooled - {was}[{at}]")
            code.keep(was, at, "pooled")

    @contextmanager
    def _windows(self, code: Code, root: SpikingMaxPool) -> Iterator[None]:
        """Over the windows ``(c, p)``."""
        channels, rows, columns = code.plan.graph.edges[root.name].plane
        with code.text.loop("row", rows), code.text.loop("column", columns), code.text.loop("c", channels):
            code.text.line(f"const int32_t p = row * {columns} + column;")
            yield


class _Ending(Writer[Ending]):
    """What is made of all steps as they are computed."""

    stored = True

    def steps(self, plan: Plan, node: Ending) -> int:
        return plan.graph.input_edge(node).T

    def made(self, code: Code, node: Ending) -> str:
        return code.read(node.inputs[0])


class OverTime(_Ending[SumTime]):
    """The sum over time of neurons' levels as they are sent, or of anything else on the way."""

    def takes(self, plan: Plan, node: SumTime, source: Node) -> bool:
        return True

    def layer(self, code: Code, root: SumTime) -> None:
        made = code.plan.poured.get(root.name, root)
        with code.elements(root, made):
            kind = code.plan.kind(root)
            code.text.line(f"{kind.name} total = 0;")
            with code.element(made) as step:
                code.text.line(f"total += {code.narrowed(made, step, kind)};")
                if made is not root:
                    code.see(made, step, "p")
            code.store(root, "total")


class Answer(_Ending[Readout]):
    """An output, into what the caller gave, channels first: steps added up, the last, or each."""

    answers = True

    def argument(self, plan: Plan, root: Readout) -> str:
        return self._output(plan, root).argument

    def parameter(self, plan: Plan, root: Readout) -> str:
        one = self._output(plan, root)
        return f"{one.type} *{one.argument}"

    def _output(self, plan: Plan, root: Readout) -> Output:
        return next(one for one in outputs(plan.net, plan.name) if one.node.name == root.name)

    def layer(self, code: Code, root: Readout) -> None:
        edge, one = code.plan.graph.edges[root.name], self._output(code.plan, root)
        steps, adds, places = self.steps(code.plan, root), root.over == "sum", prod(edge.shape[1:])
        at = f"c * {places} + p" if edge.shape[1:] else "c"
        each, before = root.over == "each" and steps > 1, "0"
        if kept := adds and code.plan.keeps(root):
            before = f"{code.state(root, 'sum', code.plan.net.ranges[root.name].including(0))}[{at}]"
        into = f"{one.argument}[t * {edge.size} + {at}]" if each else "answer"
        with code.elements(root):
            if not each:
                code.text.line(f"{one.type} answer = {before};")
            with code.element(root) as step:
                code.text.line(f"{into} {'+=' if adds else '='} {step};")
            if kept:
                code.keep(f"{code.plan.symbols[root.name]}_sum", at, "answer")
            if not each:
                code.text.line(f"{one.argument}[{at}] = answer;")
