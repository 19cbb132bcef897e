"""A frozen graph as a C99 program: static memory, exact integer types, nothing beyond <stdint.h>.

An edge is stored where something looks into it from elsewhere: a window, a matrix, a second reader. Everything between
two stored edges (accumulators, currents, membranes) is computed for one element at a time, over all of its steps, in
local variables. Memory holds ``[T][H][W][C]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from math import prod

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.c.memory import Buffer, CType, Stored, arena_sizes, element_type, number_type, place
from bitspike.errors import UserError
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
    Reshape,
    SumPool,
    Synapse,
)  # fmt: skip
from bitspike.ir.packing import pack_codes, plane_bytes
from bitspike.ir.ranges import Range

__all__ = ["Program", "to_c"]

NOT_A_NAME = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register"
    "|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|main"
)
BYTES_A_LINE = 24


@dataclass(frozen=True)
class Program:
    """Files of a network in C.

    Attributes:
        files: text by file name: ``NAME.c``, ``NAME.h``, ``main.c``.
        buffers: the stored edges, in the order in which they are made (and traced).
        flash_bytes: weights and constants. ram_bytes: arenas and unpacked rows. Neither counts code or stack.
    """

    name: str
    files: dict[str, str]
    buffers: dict[str, Buffer]
    flash_bytes: int
    ram_bytes: int


def to_c(net: FrozenGraph, name: str = "network") -> Program:
    """The network as C.

    Args:
        net: the network.
        name: of the files, and what every public symbol begins with.

    Raises:
        UserError: ``name`` is no C identifier, or the network is too large for 32-bit indices.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", name) or NOT_A_NAME.fullmatch(name):
        raise UserError("name", name, "want a name for C: a letter, then at most 30 letters, digits and _")
    return _Writer(net, name).program()


class _Writer:
    def __init__(self, net: FrozenGraph, name: str) -> None:
        self.net, self.graph, self.name = net, net.graph, name
        self.readers = {n.name: [m for m in self.graph.nodes if n.name in m.inputs] for n in self.graph.nodes}
        self.roots = [node for node in self.graph.nodes if self._is_stored(node)]
        self.order = {root.name: index for index, root in enumerate(self.roots)}
        self.symbols = {n.name: f"{re.sub('[^A-Za-z0-9]', '_', n.name)}_{i}" for i, n in enumerate(self.graph.nodes)}
        self.buffers = place([self._stored(root) for root in self.roots[:-1]])
        self.lines: list[str] = []
        self.depth = 0
        self.kernels: dict[str, None] = {}  # in order of first use
        self.constants: list[str] = []
        self.flash = 0
        self.rows: dict[tuple[CType, int], int] = {}  # (type, how many in one layer) to elements

    # What is stored

    def _is_stored(self, node: Node) -> bool:
        if isinstance(node, Input | Fire | SumPool | MaxPool | Reshape | Readout):
            return True
        readers = self.readers[node.name]
        return len(readers) != 1 or isinstance(readers[0], Synapse | SumPool | MaxPool | Reshape)

    def _stored(self, root: Node) -> Stored:
        edge = self.graph.edges[root.name]
        last = max((self._root_of(reader) for reader in self.readers[root.name]), default=self.order[root.name])
        kind = element_type(self.net.ranges[root.name])
        return Stored(root.name, kind, edge.size * edge.T, self.order[root.name], last)

    def _root_of(self, node: Node) -> int:
        while node.name not in self.order:
            node = self.readers[node.name][0]
        return self.order[node.name]

    # The program

    def program(self) -> Program:
        for index, root in enumerate(self.roots):
            self._root(index, root)
        body = self.lines
        arenas = arena_sizes(self.buffers)
        logit = number_type(self.net.ranges[self.roots[-1].name])
        ram = sum(kind.bytes * count for kind, count in arenas.items())
        ram += sum(kind.bytes * count for (kind, _), count in self.rows.items())
        memory = [f"static {kind.name} {_arena(kind)}[{count}];" for kind, count in arenas.items()]
        memory += [f"static {kind.name} {_row(kind, slot)}[{count}];" for (kind, slot), count in self.rows.items()]
        memory += [
            f"static {b.stored.type.name} *const {self.symbols[name]} = {_arena(b.stored.type)} + {b.offset};"
            for name, b in self.buffers.items()
        ]
        parts = [
            [f'/* The network "{_comment(self.graph.name)}", made by bitspike. {self.name}.h says how to run it. */'],
            [f'#include "{self.name}.h"'],
            [
                f"#ifdef {self.name.upper()}_TRACE",
                f"#define TRACE(values, bytes) {self.name}_trace(values, bytes)",
                "#else",
                "#define TRACE(values, bytes) ((void)0)",
                "#endif",
            ],
            [_resource("kernels.h").rstrip()],
            list(self.kernels),
            self.constants,
            ["/* Edges, [T][H][W][C] each; they take turns in the arenas. */", *memory],
            body,
            self._run(logit),
        ]
        source = "\n\n".join("\n".join(part) for part in parts if part) + "\n"
        texts = {f"{self.name}.c": source, f"{self.name}.h": self._header(logit), "main.c": self._main()}
        return Program(self.name, texts, self.buffers, self.flash, ram)

    def _run(self, logit: CType) -> list[str]:
        lines = [f"void {self.name}_run(const uint8_t image[{self.name.upper()}_IMAGE_BYTES],"]
        lines += [f"{' ' * len(f'void {self.name}_run(')}{self.name}_logit logits[{self.name.upper()}_CLASSES])", "{"]
        for root in self.roots:
            given = {Input: "image", Readout: "logits"}.get(type(root), "")
            lines.append(f"    run_{self.symbols[root.name]}({given});")
            if root.name in self.buffers:
                stored = self.buffers[root.name].stored
                lines.append(f"    TRACE({self.symbols[root.name]}, {stored.elements * stored.type.bytes});")
        return [*lines, "}"]

    def _header(self, logit: CType) -> str:
        shape = self.graph.edges[self.roots[0].name].shape
        classes = self.graph.edges[self.roots[-1].name].shape[0]
        upper = self.name.upper()
        return f"""\
/* The network "{_comment(self.graph.name)}", made by bitspike: C99, static memory, integers alone. */
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>
#include <stdint.h>

#define {upper}_IMAGE_BYTES {prod(shape)} /* {" x ".join(map(str, shape))}: C x H x W */
#define {upper}_CLASSES {classes}

typedef {logit.name} {self.name}_logit;

/* Classifies one image of pixels 0..255. The class is the first largest logit. Not reentrant: memory is static. */
void {self.name}_run(const uint8_t image[{upper}_IMAGE_BYTES], {self.name}_logit logits[{upper}_CLASSES]);

#ifdef {upper}_TRACE /* for tests: yours to define; is given each stored edge when it has been made */
void {self.name}_trace(const void *values, size_t bytes);
#endif

#endif
"""

    def _main(self) -> str:
        return _resource("main.c").replace("NETWORK", self.name.upper()).replace("network", self.name)

    # One layer

    def _root(self, index: int, root: Node) -> None:
        given = {Input: "const uint8_t *image", Readout: f"{self.name}_logit *logits"}.get(type(root), "void")
        self.lines += [""] * bool(index) + [f"/* {type(root).__name__.lower()} {_comment(root.name)} */"]
        self.lines += [f"static void run_{self.symbols[root.name]}({given})"]
        with self._block():
            match root:
                case Input():
                    self._input(root)
                case SumPool() | MaxPool():
                    self._pool(root)
                case Reshape():
                    self._reshape(root)
                case _:
                    self._elements(root)

    def _input(self, root: Input) -> None:
        channels, rows, columns = root.edge.shape
        assert root.edge.lo is not None  # a FrozenGraph's input has levels
        with self._loop("c", channels), self._loop("p", rows * columns):
            self._store(root.name, f"image[c * {rows * columns} + p] + {_number(root.edge.lo)}", "0")

    def _pool(self, root: SumPool | MaxPool) -> None:
        source = root.inputs[0]
        channels, rows, columns = self.graph.edges[source].shape
        largest = isinstance(root, MaxPool)
        kind = number_type(self.net.ranges[root.name].including(*self.net.ranges[source]))
        start = _number(self.net.ranges[source].lo) if largest else "0"
        with self._steps(root), self._places(root), self._loop("c", channels):
            self._line(f"{kind.name} pooled = {start};")
            with self._window(root.kernel_size, root.stride, (1, 1), root.padding, (rows, columns)):
                x = f"{self.symbols[source]}[((t * {rows} + y) * {columns} + x) * {channels} + c]"
                self._line(f"pooled = {x} > pooled ? {x} : pooled;" if largest else f"pooled += {x};")
            self._store(root.name, "pooled", "t")

    def _reshape(self, root: Reshape) -> None:
        source, shape = self.graph.edges[root.inputs[0]].shape, self.graph.edges[root.name].shape
        with self._steps(root), self._loop("i", prod(shape)):
            here, there = (f"t * {prod(shape)} + {_memory_order(axes)}" for axes in (shape, source))
            self._line(f"{self.symbols[root.name]}[{here}] = {self.symbols[root.inputs[0]]}[{there}];")

    def _elements(self, root: Node) -> None:
        """A layer whose chain, from stored edges to ``root``, is computed element by element."""
        chain = self._chain(root)
        summed = isinstance(root, Readout)
        steps = self.graph.input_edge(root).T if summed else self.graph.edges[root.name].T
        with self._loop("c", self.graph.edges[root.name].shape[0]):
            for slot, conv in enumerate(n for n in chain if isinstance(n, Conv)):
                self._unpack(conv, slot)
            with self._places(root):
                self._state(root)
                for node in chain:
                    if self.graph.edges[node.name].T == 1 and node is not root:
                        self._value(node, chain)
                with self._loop("t", steps):
                    for node in chain:
                        if self.graph.edges[node.name].T > 1 or node is root:
                            self._value(node, chain)
                if summed:
                    self._line("logits[c] = sum;")

    def _chain(self, root: Node) -> list[Node]:
        found = {root.name}
        for node in reversed(self.graph.nodes):
            if node.name in found:
                found |= {name for name in node.inputs if name not in self.order}
        return [node for node in self.graph.nodes if node.name in found]

    def _state(self, root: Node) -> None:
        if isinstance(root, Readout):
            self._line(f"{self.name}_logit sum = 0;")
        elif isinstance(root, Fire):
            assert root.dynamics is not None
            self._line(f"{self._potential(root).name} v = {_number(root.dynamics.v_init)};")

    def _value(self, node: Node, chain: list[Node]) -> None:
        """One op, for element ``(c, p)`` at step ``t``."""
        reads = [self._read(name) for name in node.inputs]
        kind = number_type(self._intermediate(node))
        match node:
            case Conv():
                slot = [n for n in chain if isinstance(n, Conv)].index(node)
                self._convolve(node, slot, kind)
                return self._keep(node, chain)
            case Linear():
                made = self._multiply(node, kind)
            case Affine():
                multiplier, offset = (self._constant(node, part) for part in ("multiplier", "offset"))
                made = f"({kind.name}){reads[0]} * {multiplier}[c] + {offset}[c]"
            case Add():
                made = f"({kind.name}){reads[0]} + {reads[1]}"
            case Readout():
                return self._line(f"sum += {reads[0]};")
            case Fire():
                return self._fire(node, reads[0], kind)
            case _:
                raise node.refuse(type(node).__name__, "has no element-wise form in C")
        self._line(f"const {kind.name} {self._variable(node)} = {made};")
        self._keep(node, chain)

    def _keep(self, node: Node, chain: list[Node]) -> None:
        if node is chain[-1]:
            self._store(node.name, self._variable(node), "t")

    def _fire(self, node: Fire, current: str, kind: CType) -> None:
        d = node.dynamics
        assert d is not None
        threshold = _number(1 << d.fraction_bits, kind)
        leaked = f"BITSPIKE_SHIFT_RIGHT(leaked, {d.leak_shift})" if d.leak_shift else "leaked"
        self._line(f"const {kind.name} leaked = v * {_number(d.leak_multiplier, kind)};")
        self._line(f"const {kind.name} u = {leaked} + {current};")
        shifted = "u"
        if d.rounds and d.fraction_bits:
            self._line(f"const {kind.name} shifted = u + {_number(1 << d.fraction_bits >> 1, kind)};")
            shifted = "shifted"
        self._line(f"const {kind.name} crossed = BITSPIKE_SHIFT_RIGHT({shifted}, {d.fraction_bits});")
        self._line(f"const {kind.name} level = BITSPIKE_CLIP(crossed, {_number(node.lo)}, {_number(node.hi)});")
        self._store(node.name, "level", "t")
        self._line(
            f"v = u - level * {threshold};"
            if d.v_reset is None
            else f"v = level != 0 ? {_number(d.v_reset, kind)} : u;"
        )

    def _convolve(self, node: Conv, slot: int, kind: CType) -> None:
        source = node.inputs[0]
        channels, rows, columns = self.graph.edges[source].shape
        per_group = channels // node.groups
        stored, row = self.buffers[source].stored.type, _row_type(node)
        dot = f"dot_{_short(row)}_{_short(stored)}_{_short(kind)}"
        self.kernels[f"BITSPIKE_DOT({dot}, {row.name}, {stored.name}, {kind.name})"] = None
        self._line(f"{kind.name} {self._variable(node)} = 0;")
        first = "" if node.groups == 1 else f" + c / {node.out_channels // node.groups} * {per_group}"
        time = "y" if self.graph.edges[node.name].T == 1 else f"(t * {rows} + y)"
        with self._window(node.kernel_size, node.stride, node.dilation, node.padding, (rows, columns)):
            w = f"{_row(row, slot)} + (ky * {node.kernel_size[1]} + kx) * {per_group}"
            x = f"{self.symbols[source]} + ({time} * {columns} + x) * {channels}{first}"
            self._line(f"{self._variable(node)} += {dot}({w}, {x}, {per_group});")

    def _multiply(self, node: Linear, kind: CType) -> str:
        source, count = node.inputs[0], self.graph.input_edge(node).size
        stored = self.buffers[source].stored.type
        weight, stride = self._weight(node)
        dot = f"dot{node.weight_bits}_{_short(stored)}_{_short(kind)}"
        self.kernels[f"BITSPIKE_DOT_PACKED({dot}, {node.weight_bits}, {stored.name}, {kind.name})"] = None
        x = self.symbols[source] + ("" if self.graph.edges[node.name].T == 1 else f" + t * {count}")
        return f"{dot}({weight}, {stride}, (uint32_t)c * {count}U, {x}, {count})"

    def _unpack(self, node: Conv, slot: int) -> None:
        weight, stride = self._weight(node)
        count = prod(node.weight_shape(self.graph.input_edge(node))[1:])
        row = _row_type(node)
        self.kernels[f"BITSPIKE_UNPACK({node.weight_bits}, {row.name})"] = None
        self.rows[row, slot] = max(count, self.rows.get((row, slot), 0))
        self._line(f"unpack{node.weight_bits}({weight}, {stride}, (uint32_t)c * {count}U, {_row(row, slot)}, {count});")

    # Ranges of what is only on the way

    def _intermediate(self, node: Node) -> Range:
        made = self.net.ranges[node.name]
        if isinstance(node, Affine):
            x = self.net.ranges[node.inputs[0]]
            multiplier = self.net.tensors[f"{node.name}.multiplier"]
            return made.including(*x, *(int(m) * end for m in (multiplier.min(), multiplier.max()) for end in x))
        if isinstance(node, Add):
            return made.including(*(end for name in node.inputs for end in self.net.ranges[name]))
        if isinstance(node, Fire):
            return self._potentials(node)
        return made

    def _potential(self, node: Fire) -> CType:
        return number_type(self._potentials(node))

    def _potentials(self, node: Fire) -> Range:
        d, u = node.dynamics, self.net.membranes[node.name]
        assert d is not None
        levels = (level << d.fraction_bits for level in (node.lo, node.hi))
        leaked = (end * d.leak_multiplier for end in u)
        half = 1 << d.fraction_bits >> 1
        return u.including(*self.net.ranges[node.inputs[0]], *levels, *leaked, u.hi + half, 1 << d.fraction_bits)

    # Constants

    def _weight(self, node: Synapse) -> tuple[str, int]:
        """Declares the weights as bit planes, row by row of one output channel: ``[kh][kw][C]``. Name and stride."""
        codes = self.net.tensors[f"{node.name}.weight"]
        name, stride = f"weight_{self.symbols[node.name]}", plane_bytes(codes.size)
        if codes.size >= 1 << 31:
            raise node.refuse(f"{codes.size} weights", "want fewer than 2^31 for the indices in C")
        in_memory_order = np.moveaxis(codes, 1, -1) if codes.ndim == 4 else codes
        planes = pack_codes(np.ascontiguousarray(in_memory_order), node.weight_bits)
        self.kernels.setdefault(f"BITSPIKE_CODE({node.weight_bits})")
        self._declare(name, "uint8_t", 1, planes.ravel())
        return name, stride

    def _constant(self, node: Node, part: str) -> str:
        values = self.net.tensors[f"{node.name}.{part}"]
        kind = element_type(Range(int(values.min()), int(values.max())))
        name = f"{part}_{self.symbols[node.name]}"
        self._declare(name, kind.name, kind.bytes, values)
        return name

    def _declare(self, name: str, kind: str, size: int, values: NDArray[np.integer]) -> None:
        self.flash += size * values.size
        numbers = [_number(int(value)) for value in values]
        rows = [", ".join(numbers[i : i + BYTES_A_LINE]) for i in range(0, len(numbers), BYTES_A_LINE)]
        self.constants += [f"static const {kind} {name}[{len(numbers)}] = {{", *(f"    {row}," for row in rows), "};"]

    # Lines

    def _read(self, name: str) -> str:
        """An element of an input: from memory, or the variable it has just been computed into."""
        if name not in self.order:
            return f"v{self.symbols[name]}"
        return f"{self.symbols[name]}[{self._index(name, 't')}]"

    def _variable(self, node: Node) -> str:
        return f"v{self.symbols[node.name]}"

    def _index(self, name: str, t: str) -> str:
        edge = self.graph.edges[name]
        channels, *sides = edge.shape
        if not sides:
            return "c" if edge.T == 1 else f"{t} * {channels} + c"
        place = "p" if edge.T == 1 else f"({t} * {prod(sides)} + p)"
        return f"{place} * {channels} + c"

    def _store(self, name: str, value: str, t: str) -> None:
        kind = self.buffers[name].stored.type.name
        self._line(f"{self.symbols[name]}[{self._index(name, t)}] = ({kind})({value});")

    def _steps(self, root: Node):  # type: ignore[no-untyped-def]
        return self._loop("t", self.graph.edges[root.name].T)

    @contextmanager
    def _places(self, root: Node) -> Iterator[None]:
        shape = self.graph.edges[root.name].shape
        if len(shape) != 3:
            yield  # one place
            return
        with self._loop("row", shape[1]), self._loop("column", shape[2]):
            self._line(f"const int32_t p = row * {shape[2]} + column;")
            yield

    @contextmanager
    def _window(
        self,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        padding: tuple[int, int],
        sides: tuple[int, int],
    ) -> Iterator[None]:
        """Over the taps ``(ky, kx)`` of the window at ``(row, column)`` that lie inside, at ``(y, x)``."""
        axes = zip(("y", "x"), ("row", "column"), kernel, stride, dilation, padding, sides, strict=True)
        with self._loop("ky", kernel[0]):
            for axis, at, taps, step, apart, pad, side in axes:
                if axis == "x":
                    self._open(f"for (int32_t kx = 0; kx < {taps}; kx++) {{")
                self._line(f"const int32_t {axis} = {at} * {step} + k{axis} * {apart} - {pad};")
                if pad:
                    self._line(f"if ({axis} < 0 || {axis} >= {side})")
                    self._line("    continue;")
            yield
            self._close()

    @contextmanager
    def _loop(self, index: str, count: int) -> Iterator[None]:
        self._open(f"for (int32_t {index} = 0; {index} < {count}; {index}++) {{")
        yield
        self._close()

    @contextmanager
    def _block(self) -> Iterator[None]:
        self._open("{")
        yield
        self._close()

    def _open(self, line: str) -> None:
        self._line(line)
        self.depth += 1

    def _close(self) -> None:
        self.depth -= 1
        self._line("}")

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)


def _row_type(node: Conv) -> CType:
    top = 1 << (node.weight_bits - 1)
    return element_type(Range(-top, top - 1))


def _row(kind: CType, slot: int) -> str:
    return f"row{slot}_{_short(kind)}"


def _arena(kind: CType) -> str:
    return f"arena_{_short(kind)}"


def _short(kind: CType) -> str:
    return ("u" if kind.name.startswith("u") else "i") + str(8 * kind.bytes)


def _number(value: int, kind: CType | None = None) -> str:
    """A C constant. The smallest int64 has no literal of its own; ranges never reach it."""
    wide = abs(value) >= 1 << 31 or (kind is not None and kind.bytes == 8)
    text = f"INT64_C({abs(value)})" if wide else str(abs(value))
    return f"-{text}" if value < 0 and not wide else f"(-{text})" if value < 0 else text


def _memory_order(axes: tuple[int, ...]) -> str:
    """Where element ``i`` of the row-major ``C, H, W`` order lies in ``[H][W][C]``."""
    channels = axes[0]
    places = prod(axes[1:])
    if places == 1 or channels == 1:
        return "i"
    return f"i % {places} * {channels} + i / {places}"


def _comment(text: str) -> str:
    """Text that cannot end a comment."""
    return re.sub(r"[^ -~]|\*/|/\*", "?", text).replace("\\", "?")


def _resource(name: str) -> str:
    return files("bitspike").joinpath("csrc", name).read_text(encoding="utf-8")
