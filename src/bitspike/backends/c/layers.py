"""The layers of a program: one C function for each stored edge, with everything between in local variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.c.memory import Buffer, CType, Stored, element_type, number_type, place
from bitspike.backends.c.text import Text, comment, memory_order, number, short, symbol
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Fire,
    FrozenGraph,
    Input,
    Linear,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    SumPool,
    SumTime,
    Synapse,
)  # fmt: skip
from bitspike.ir.packing import pack_codes, plane_bytes
from bitspike.ir.ranges import INT64, Range

__all__ = ["Layers", "Seen"]

NUMBERS_A_LINE = 24
Pool = SumPool | MaxPool
Poured = SumPool | MaxPool | SumTime
"""Ops into which neurons may pour their spikes as they are sent, so that these are never stored."""


@dataclass(frozen=True)
class Seen:
    """An edge that a trace shows: ``symbol`` points to its elements."""

    name: str
    symbol: str
    type: CType
    elements: int


class Layers:
    """Writes the functions, and gathers what they need: buffers, kernels, constants, rows of unpacked weights.

    ``c`` is the channel, ``p`` the place in its plane, ``t`` the step, in all that is written here.

    Attributes:
        roots: the stored edges' ops, in order; each has a function ``run_SYMBOL``.
        flash: bytes of weights and constants.
    """

    def __init__(self, net: FrozenGraph, name: str) -> None:
        self.net, self.graph, self.name = net, net.graph, name
        self.symbols = {n.name: symbol(n.name, i) for i, n in enumerate(self.graph.nodes)}
        self.readers = {n.name: [m for m in self.graph.nodes if n.name in m.inputs] for n in self.graph.nodes}
        self.roots = [node for node in self.graph.nodes if self._is_stored(node)]
        self.order = {root.name: index for index, root in enumerate(self.roots)}
        self.buffers: dict[str, Buffer] = place([self._stored(root) for root in self.roots[:-1]])
        self.text = Text()
        self.kernels: dict[str, None] = {}  # in order of first use
        self.constants: list[str] = []
        self.flash = 0
        self.rows: dict[tuple[CType, int], int] = {}  # (type, how many in one layer) to elements
        for root in self.roots:
            self._function(root)

    # What is stored

    def _is_stored(self, node: Node) -> bool:
        if self._poured_into(node):
            return False
        if isinstance(node, Input | Release | Fire | SumPool | MaxPool | SumTime | Reshape | Readout):
            return True
        readers = self.readers[node.name]
        return len(readers) != 1 or isinstance(readers[0], Synapse | SumPool | MaxPool | Reshape | Release)

    def _poured_into(self, node: Node) -> Poured | None:
        """The only reader of ``node``, where that takes every spike once: it can as they are sent."""
        if not isinstance(node, Fire) or len(self.readers[node.name]) != 1:
            return None
        (pool,) = self.readers[node.name]
        if isinstance(pool, SumTime):
            return pool
        if not isinstance(pool, SumPool | MaxPool):
            return None
        sides = self.graph.edges[node.name].shape[1:]
        axes = zip(sides, pool.kernel_size, pool.stride, pool.padding, strict=True)
        tiled = all(window == stride and (side + 2 * pad) % stride == 0 for side, window, stride, pad in axes)
        return pool if tiled else None

    def _stored(self, root: Node) -> Stored:
        edge = self.graph.edges[root.name]
        last = max((self._root_of(reader) for reader in self.readers[root.name]), default=self.order[root.name])
        kind = element_type(self.net.ranges[root.name])
        return Stored(root.name, kind, edge.size * edge.T, self.order[root.name], last)

    def _root_of(self, node: Node) -> int:
        while node.name not in self.order:
            (node,) = self.readers[node.name]
        return self.order[node.name]

    def seen(self, root: Node) -> list[Seen]:
        """What a trace shows after ``root``: spikes that were poured into it, and its own edge."""
        fire = self._fire_of(root)
        shown = [self._seen(fire, f"trace_{self.symbols[fire.name]}")] if fire else []
        return [*shown, self._seen(root, self.symbols[root.name])] if root.name in self.buffers else shown

    def _seen(self, node: Node, symbol: str) -> Seen:
        edge = self.graph.edges[node.name]
        return Seen(node.name, symbol, element_type(self.net.ranges[node.name]), edge.size * edge.T)

    def _fire_of(self, root: Node) -> Fire | None:
        if not isinstance(root, Poured) or root.inputs[0] in self.order:
            return None
        source = self.graph[root.inputs[0]]
        return source if isinstance(source, Fire) else None

    # One layer

    def _function(self, root: Node) -> None:
        given = {Input: "const uint8_t *image", Readout: f"{self.name}_logit *logits"}.get(type(root), "void")
        self.text.line(f"/* {type(root).__name__.lower()} {comment(root.name)} */")
        self.text.line(f"static void run_{self.symbols[root.name]}({given})")
        with self.text.block():
            match root:
                case Input():
                    self._input(root)
                case Release():
                    self._release(root)
                case SumPool() | MaxPool():
                    fire = self._fire_of(root)
                    if fire is None:
                        self._pool(root)
                    else:
                        self._pool_spikes(root, fire)
                case SumTime():
                    self._sum_time(root, self._fire_of(root) or root)
                case Reshape():
                    self._reshape(root)
                case _:
                    self._elements(root)
        self.text.line("")

    def _input(self, root: Input) -> None:
        channels, rows, columns = root.edge.shape
        assert root.edge.lo is not None  # a FrozenGraph's input has levels
        with self.text.loop("c", channels), self.text.loop("p", rows * columns):
            self._store(root, f"image[c * {rows * columns} + p] + {number(root.edge.lo)}")

    def _release(self, root: Release) -> None:
        source, target = (self.symbols[name] for name in (root.inputs[0], root.name))
        size = self.graph.edges[root.name].size
        with self.text.loop("t", root.T), self.text.loop("i", size):
            self.text.line(f"{target}[t * {size} + i] = t < {root.steps} ? {source}[i] : 0;")

    def _reshape(self, root: Reshape) -> None:
        source, shape = self.graph.edges[root.inputs[0]].shape, self.graph.edges[root.name].shape
        with self.text.loop("t", self.graph.edges[root.name].T), self.text.loop("i", prod(shape)):
            here, there = (f"t * {prod(shape)} + {memory_order(axes)}" for axes in (shape, source))
            self.text.line(f"{self.symbols[root.name]}[{here}] = {self.symbols[root.inputs[0]]}[{there}];")

    def _pool(self, root: Pool) -> None:
        """A pool of an edge in memory."""
        (source,) = root.inputs
        channels, rows, columns = self.graph.edges[source].shape
        with self.text.loop("t", self.graph.edges[root.name].T), self._places(root), self.text.loop("c", channels):
            kind, start = self._pooled(root)
            self.text.line(f"{kind.name} pooled = {start};")
            with self.text.window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                place = f"(t * {rows} + y) * {columns} + x"
                self._pour(root, "pooled", f"{self.symbols[source]}[({place}) * {channels} + c]")
            self._store(root, "pooled")

    def _pool_spikes(self, root: Pool, fire: Fire) -> None:
        """Neurons and the pool after them: the spikes of a window are pooled as they are sent, and never stored."""
        channels, rows, columns = self.graph.edges[fire.name].shape
        _, pool_rows, pool_columns = self.graph.edges[root.name].shape
        kind, start = self._pooled(root)
        with self.text.loop("c", channels):
            self._unpack_rows(fire)
            with self.text.loop("pool_row", pool_rows), self.text.loop("pool_column", pool_columns):
                self.text.line(f"{kind.name} pooled[{fire.T}];")
                with self.text.loop("t", fire.T):
                    self.text.line(f"pooled[t] = {start};")
                window = (root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns))
                with self.text.window(*window, at=("pool_row", "pool_column"), to=("row", "column")):
                    place = f"(row * {columns} + column)"
                    if self._reads_in_place(fire):
                        self.text.line(f"const int32_t p = {place};")
                    with self._element(fire):
                        self._pour(root, "pooled[t]", "level")
                        self._see(fire, place)
                self.text.line(f"const int32_t p = pool_row * {pool_columns} + pool_column;")
                with self.text.loop("t", fire.T):
                    self._store(root, "pooled[t]")

    def _see(self, fire: Fire, place: str) -> None:
        """Shows a trace the level that ``fire`` sends at ``place``, and that nothing stores."""
        shown = self._seen(fire, f"trace_{self.symbols[fire.name]}")
        self.text.line(f"SEE({shown.symbol}[{self._index(fire.name, place)}], ({shown.type.name})level);")

    def _sum_time(self, root: SumTime, made: Node) -> None:
        """Steps added up as they are computed: those of the neurons ``made``, or of what ``root`` itself reads."""
        with self.text.loop("c", self.graph.edges[root.name].shape[0]):
            self._unpack_rows(made)
            with self._places(root):
                self.text.line(f"{number_type(self.net.ranges[root.name]).name} total = 0;")
                with self._element(made) as step:
                    self.text.line(f"total += {step};")
                    if isinstance(made, Fire):
                        self._see(made, "p")
                self._store(root, "total")

    def _pooled(self, root: Pool) -> tuple[CType, str]:
        """The type that a pool computes in, and what it starts from."""
        source = self.net.ranges[root.inputs[0]]
        kind = number_type(self.net.ranges[root.name].including(*source))
        return kind, number(source.lo) if isinstance(root, MaxPool) else "0"

    def _pour(self, root: Pool, into: str, x: str) -> None:
        self.text.line(f"{into} = {x} > {into} ? {x} : {into};" if isinstance(root, MaxPool) else f"{into} += {x};")

    def _elements(self, root: Node) -> None:
        """A layer that is computed element by element, from stored edges to ``root``."""
        with self.text.loop("c", self.graph.edges[root.name].shape[0]):
            self._unpack_rows(root)
            with self._places(root):
                if isinstance(root, Readout):
                    self.text.line(f"{self.name}_logit sum = 0;")
                with self._element(root) as made:
                    self.text.line(f"sum += {made};") if isinstance(root, Readout) else self._store(root, made)
                if isinstance(root, Readout):
                    self.text.line("logits[c] = sum;")

    @contextmanager
    def _element(self, root: Node) -> Iterator[str]:
        """The value of ``root`` at ``(c, p)`` for each step ``t``; what is the same at all of them is computed once."""
        chain = self._chain(root)
        adds_steps = isinstance(root, Readout | SumTime)
        steps = self.graph.input_edge(root).T if adds_steps else self.graph.edges[root.name].T
        held = [node for node in chain if node is not root and self.graph.edges[node.name].T == 1]
        slots = {node.name: slot for slot, node in enumerate(node for node in chain if isinstance(node, Conv))}
        if isinstance(root, Fire):
            assert root.dynamics is not None
            self.text.line(f"{self._kind(root).name} v = {number(root.dynamics.v_init)};")
            if root.dynamics.tracer is not None:
                self.text.line(f"{self._kind(root).name} sent = 0;")
        for node in held:
            self._value(node, slots)
        with self.text.loop("t", steps):
            for node in chain:
                if node not in held and node is not root:
                    self._value(node, slots)
            if isinstance(root, Fire):
                self._fire(root)
                yield "level"
                self._reset(root)
            elif adds_steps:
                yield self._read(root.inputs[0])
            else:
                self._value(root, slots)
                yield self._local(root)

    def _chain(self, root: Node) -> list[Node]:
        """``root`` and what is computed on the way to it, in order."""
        found = {root.name}
        for node in reversed(self.graph.nodes):
            if node.name in found:
                found |= {name for name in node.inputs if name not in self.order}
        return [node for node in self.graph.nodes if node.name in found]

    def _reads_in_place(self, root: Node) -> bool:
        """Whether the way to ``root`` reads elements at its own place, as a shortcut does."""
        return any(
            name in self.order for node in self._chain(root) if not isinstance(node, Synapse) for name in node.inputs
        )

    # One op, for the element (c, p) at step t

    def _value(self, node: Node, slots: dict[str, int]) -> None:
        kind = self._kind(node)
        match node:
            case Conv():
                self.text.line(f"{kind.name} {self._local(node)} = 0;")
                self._convolve(node, slots[node.name], kind)
                return
            case Linear():
                made = self._multiply(node, kind)
            case Affine():
                multiplier, offset = (self._constant(node, part) for part in ("multiplier", "offset"))
                x, factor = f"({kind.name}){self._read(node.inputs[0])}", f"{multiplier}[c]"
                product = f"{x} * {factor}"
                if node.shift:
                    product = self._rounded(f"raised_{self.symbols[node.name]}", x, factor, node.shift, kind)
                    kind = number_type(self._sum_range(node))
                    product = f"({kind.name})({product})"
                made = f"{product} + {self._while_released(node, f'{offset}[c]')}"
            case Add():
                left, right = (self._read(name) for name in node.inputs)
                made = f"({kind.name}){left} + {right}"
            case Relu(inputs=(source,)):
                x = self._read(source)
                made = f"{x} > 0 ? {x} : 0"
            case _:
                raise node.refuse(type(node).__name__, "has no element-wise form in C")
        self.text.line(f"const {kind.name} {self._local(node)} = {made};")

    def _while_released(self, node: Affine, offset: str) -> str:
        whole = node.steps in (None, self.graph.edges[node.name].T)
        return offset if whole else f"(t < {node.steps} ? {offset} : 0)"

    def _fire(self, node: Fire) -> None:
        d, kind = node.dynamics, self._kind(node)
        assert d is not None
        leaked = f"BITSPIKE_SHIFT_RIGHT(leaked, {d.leak_shift})" if d.leak_shift else "leaked"
        self.text.line(f"const {kind.name} leaked = v * {number(d.leak_multiplier, kind)};")
        self.text.line(f"const {kind.name} u = {leaked} + {self._read(node.inputs[0])};")
        shifted = "u"
        if d.rounds and d.fraction_bits:
            shifted = "shifted"
            self.text.line(f"const {kind.name} shifted = u + {number(1 << d.fraction_bits >> 1, kind)};")
        self.text.line(f"const {kind.name} crossed = BITSPIKE_SHIFT_RIGHT({shifted}, {d.fraction_bits});")
        clipped = f"BITSPIKE_CLIP(crossed, {number(node.lo)}, {number(node.hi)})"
        if d.tracer is None:
            self.text.line(f"const {kind.name} level = {clipped};")
            return
        self.text.line(f"const {kind.name} wanted = sent + {clipped};")
        self.text.line(f"const {kind.name} level = BITSPIKE_CLIP(wanted, 0, {number(d.tracer)}) - sent;")

    def _reset(self, node: Fire) -> None:
        d, kind = node.dynamics, self._kind(node)
        assert d is not None
        if d.tracer is not None:
            self.text.line("sent += level;")
        soft = f"v = u - level * {number(1 << d.fraction_bits, kind)};"
        self.text.line(soft if d.v_reset is None else f"v = level != 0 ? {number(d.v_reset, kind)} : u;")
        if d.store is not None:
            nearest = self._rounded("scaled", "v", number(d.store.multiplier, kind), d.store.shift, kind)
            self.text.line(f"const {kind.name} nearest = {nearest};")
            code = f"BITSPIKE_CLIP(nearest, {number(-node.top)}, {number(node.top)})"
            stored = self._rounded("stored", code, number(d.store.step, kind), d.store.step_shift, kind)
            self.text.line(f"v = {stored};")

    def _rounded(self, made: str, x: str, factor: str, shift: int, kind: CType) -> str:
        """``x * factor / 2^shift``, rounded half up; the product is a constant of its own."""
        half = number(1 << shift >> 1, kind)
        self.text.line(f"const {kind.name} {made} = {x} * {factor} + {half};")
        return f"BITSPIKE_SHIFT_RIGHT({made}, {shift})"

    def _convolve(self, node: Conv, slot: int, kind: CType) -> None:
        (source,) = node.inputs
        channels, rows, columns = self.graph.edges[source].shape
        per_group = channels // node.groups
        stored, row = self.buffers[source].stored.type, _row_type(node)
        dot = f"dot_{short(row)}_{short(stored)}_{short(kind)}"
        self.kernels[f"BITSPIKE_DOT({dot}, {row.name}, {stored.name}, {kind.name})"] = None
        first = "" if node.groups == 1 else f" + c / {node.out_channels // node.groups} * {per_group}"
        y = "y" if self.graph.edges[node.name].T == 1 else f"(t * {rows} + y)"
        with self.text.window(node.kernel_size, node.stride, node.dilation, node.padding, (rows, columns)):
            w = f"{_row(row, slot)} + (ky * {node.kernel_size[1]} + kx) * {per_group}"
            x = f"{self.symbols[source]} + ({y} * {columns} + x) * {channels}{first}"
            self.text.line(f"{self._local(node)} += {dot}({w}, {x}, {per_group});")

    def _multiply(self, node: Linear, kind: CType) -> str:
        (source,) = node.inputs
        count, stored = self.graph.edges[source].size, self.buffers[source].stored.type
        weight, stride = self._weight(node)
        dot = f"dot{node.weight_bits}_{short(stored)}_{short(kind)}"
        self.kernels[f"BITSPIKE_DOT_PACKED({dot}, {node.weight_bits}, {stored.name}, {kind.name})"] = None
        x = self.symbols[source] + ("" if self.graph.edges[node.name].T == 1 else f" + t * {count}")
        return f"{dot}({weight}, {stride}, (uint32_t)c * {count}U, {x}, {count})"

    def _unpack_rows(self, root: Node) -> None:
        """Weights of channel ``c``, for every convolution of the layer."""
        for slot, node in enumerate(node for node in self._chain(root) if isinstance(node, Conv)):
            weight, stride = self._weight(node)
            count, row = prod(node.weight_shape(self.graph.input_edge(node))[1:]), _row_type(node)
            self.kernels[f"BITSPIKE_UNPACK({node.weight_bits}, {row.name})"] = None
            self.rows[row, slot] = max(count, self.rows.get((row, slot), 0))
            given = f"{weight}, {stride}, (uint32_t)c * {count}U, {_row(row, slot)}, {count}"
            self.text.line(f"unpack{node.weight_bits}({given});")

    def _kind(self, node: Node) -> CType:
        """A type for the op's result and for everything on the way to it."""
        made, inputs = self.net.ranges[node.name], [self.net.ranges[name] for name in node.inputs]
        match node:
            case Affine():
                multiplier, half = self.net.tensors[f"{node.name}.multiplier"], 1 << node.shift >> 1
                products = [int(m) * end for m in (multiplier.min(), multiplier.max()) for end in inputs[0]]
                ends = (*products, max(products) + half)
                return number_type(self._sum_range(node).including(*inputs[0], *ends))
            case Fire(dynamics=d) if d is not None:
                u = self.net.membranes[node.name]
                levels = (level << d.fraction_bits for level in (node.lo, node.hi, 1))
                leaked = (min(max(end * d.leak_multiplier, -INT64), INT64) for end in u)  # of v, it is proven less
                sent = (node.lo, node.hi + (d.tracer or 0))
                ends = (*inputs[0], *levels, *leaked, *sent, u.hi + (1 << d.fraction_bits >> 1), *_stored_ends(node, u))
                return number_type(u.including(*ends))
            case Add():
                return number_type(made.including(*inputs[0], *inputs[1]))
            case Relu():
                return number_type(made.including(*inputs[0]))
        return number_type(made)

    def _sum_range(self, node: Affine) -> Range:
        """The op's result, its offset, and its shifted product before that is added."""
        made, offset = self.net.ranges[node.name], self.net.tensors[f"{node.name}.offset"]
        lowest, highest = int(offset.min()), int(offset.max())
        return made.including(lowest, highest, made.lo - highest, made.hi - lowest)

    # Constants

    def _weight(self, node: Synapse) -> tuple[str, int]:
        """Declares weights as bit planes, output channel by output channel, each ``[kh][kw][C]``: name and stride."""
        codes = self.net.tensors[f"{node.name}.weight"]
        if codes.size >= 1 << 31:
            raise node.refuse(f"{codes.size} weights", "want fewer than 2^31 for the indices in C")
        planes = pack_codes(np.moveaxis(codes, 1, -1) if codes.ndim == 4 else codes, node.weight_bits)
        self.kernels.setdefault(f"BITSPIKE_CODE({node.weight_bits})")
        name = f"weight_{self.symbols[node.name]}"
        self._declare(name, "uint8_t", 1, planes.ravel())
        return name, plane_bytes(codes.size)

    def _constant(self, node: Node, part: str) -> str:
        values = self.net.tensors[f"{node.name}.{part}"]
        kind = element_type(Range(int(values.min()), int(values.max())))
        name = f"{part}_{self.symbols[node.name]}"
        self._declare(name, kind.name, kind.bytes, values)
        return name

    def _declare(self, name: str, kind: str, size: int, values: NDArray[np.integer]) -> None:
        self.flash += size * values.size
        numbers = [number(int(value)) for value in values]
        lines = [", ".join(numbers[i : i + NUMBERS_A_LINE]) for i in range(0, len(numbers), NUMBERS_A_LINE)]
        self.constants += [
            f"static const {kind} {name}[{len(numbers)}] = {{",
            *(f"    {line}," for line in lines),
            "};",
        ]

    # Elements in memory

    def _local(self, node: Node) -> str:
        return f"v_{self.symbols[node.name]}"

    def _read(self, name: str) -> str:
        """An element of an input: from memory, or the local variable that it has just been computed into."""
        return f"{self.symbols[name]}[{self._index(name)}]" if name in self.order else self._local(self.graph[name])

    def _store(self, root: Node, value: str) -> None:
        kind = self.buffers[root.name].stored.type.name
        self.text.line(f"{self.symbols[root.name]}[{self._index(root.name)}] = ({kind})({value});")

    def _index(self, name: str, p: str = "p") -> str:
        edge = self.graph.edges[name]
        channels, *sides = edge.shape
        if not sides:
            return "c" if edge.T == 1 else f"t * {channels} + c"
        place = p if edge.T == 1 else f"(t * {prod(sides)} + {p})"
        return f"{place} * {channels} + c"

    @contextmanager
    def _places(self, root: Node) -> Iterator[None]:
        _, *sides = self.graph.edges[root.name].shape
        if not sides:
            yield  # one place
            return
        with self.text.loop("row", prod(sides[:-1])), self.text.loop("column", sides[-1]):
            self.text.line(f"const int32_t p = row * {sides[-1]} + column;")
            yield


def _stored_ends(node: Fire, u: Range) -> list[int]:
    """Ends of the products in `Store`, and of what is added to them."""
    store = node.dynamics.store if node.dynamics else None
    if store is None:
        return []
    half, widest = 1 << store.shift >> 1, node.top * store.step
    scaled = [min(max(end * store.multiplier, -INT64), INT64) for end in u]  # of v, it is proven less
    return [*scaled, half, max(scaled) + half, -widest, widest + (1 << store.step_shift >> 1)]


def _row_type(node: Conv) -> CType:
    top = 1 << (node.weight_bits - 1)
    return element_type(Range(-top, top - 1))


def _row(kind: CType, slot: int) -> str:
    return f"row{slot}_{short(kind)}"
