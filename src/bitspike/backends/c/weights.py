"""The numbers that a program holds, the kernels that multiply by them, and the ops that do: convolution and linear."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.c.memory import CType, element_type
from bitspike.backends.c.text import number, short
from bitspike.backends.c.writer import Writer
from bitspike.ir import Conv, Linear, Node, Synapse
from bitspike.ir.packing import pack_codes, plane_bytes
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["Constants", "Convolution", "Product"]

NUMBERS_A_LINE = 24


class Constants:
    """Declarations that the functions need.

    Args:
        plan: of the program.

    Attributes:
        kernels: macros of ``csrc/kernels.h``, in order of first use.
        lines: arrays of numbers.
        flash: bytes of these.
        rows: elements of the arrays that weights are unpacked into, by type and slot in a layer.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.kernels: dict[str, None] = {}
        self.lines: list[str] = []
        self.flash = 0
        self.rows: dict[tuple[CType, int], int] = {}

    def weight(self, node: Synapse) -> tuple[str, int]:
        """Declares weights as bit planes, output channel by output channel, each ``[kh][kw][C]``: name and stride."""
        codes = self.plan.net.tensors[f"{node.name}.weight"]
        if codes.size >= 1 << 31:
            raise node.refuse(f"{codes.size} weights", "want fewer than 2^31 for the indices in C")
        planes = pack_codes(np.moveaxis(codes, 1, -1) if codes.ndim == 4 else codes, node.weight_bits)
        self.kernel(f"BITSPIKE_CODE({self.plan.name}, {node.weight_bits})")
        name = f"{self.plan.symbols[node.name]}_weight"
        self._declare(name, "uint8_t", 1, planes.ravel())
        return name, plane_bytes(codes.size)

    def of_channels(self, node: Node, part: str) -> str:
        """Declares a tensor of one integer for each channel: its name in C."""
        values = self.plan.net.tensors[f"{node.name}.{part}"]
        kind = element_type(Range(int(values.min()), int(values.max())))
        name = f"{self.plan.symbols[node.name]}_{part}"
        self._declare(name, kind.name, kind.bytes, values)
        return name

    def row(self, kind: CType, slot: int, count: int) -> str:
        """An array of at least ``count`` unpacked weights: its name in C."""
        self.rows[kind, slot] = max(count, self.rows.get((kind, slot), 0))
        return row_name(self.plan.name, kind, slot)

    def kernel(self, macro: str) -> None:
        """A kernel that is called."""
        self.kernels.setdefault(macro)

    def _declare(self, name: str, kind: str, size: int, values: NDArray[np.integer]) -> None:
        self.flash += size * values.size
        numbers = [number(int(value)) for value in values]
        lines = [", ".join(numbers[i : i + NUMBERS_A_LINE]) for i in range(0, len(numbers), NUMBERS_A_LINE)]
        self.lines += [f"static const {kind} {name}[{len(numbers)}] = {{", *(f"    {line}," for line in lines), "};"]


class Convolution(Writer[Conv]):
    """Taps over a window of memory, each a dot product with a piece of the channel's unpacked row."""

    gathers = True
    unpacks = True

    def prepare(self, code: Code, node: Conv) -> None:
        weight, stride = code.constants.weight(node)
        count, kind = prod(node.weight_shape(code.plan.graph.input_edge(node))[1:]), _row_type(node)
        code.constants.kernel(f"BITSPIKE_UNPACK({code.plan.name}, {node.weight_bits}, {kind.name})")
        row = code.constants.row(kind, code.plan.slots[node.name], count)
        unpack = f"{code.plan.name}_unpack{node.weight_bits}"
        code.text.line(f"{unpack}({weight}, {stride}, (uint32_t)c * {count}U, {row}, {count});")

    def value(self, code: Code, node: Conv) -> None:
        (source,) = node.inputs
        kind, stored = code.plan.kind(node), code.plan.buffers[source].stored.type
        channels, rows, columns = code.plan.graph.edges[source].shape
        per_group = channels // node.groups
        unpacked = _row_type(node)
        dot = f"{code.plan.name}_dot_{short(unpacked)}_{short(stored)}_{short(kind)}"
        code.constants.kernel(f"BITSPIKE_DOT({dot}, {unpacked.name}, {stored.name}, {kind.name})")
        row = row_name(code.plan.name, unpacked, code.plan.slots[node.name])
        first = "" if node.groups == 1 else f" + c / {node.out_channels // node.groups} * {per_group}"
        y = "y" if code.plan.graph.edges[node.name].T == 1 else f"(t * {rows} + y)"
        code.text.line(f"{kind.name} {code.local(node)} = 0;")
        with code.text.window(node.kernel_size, node.stride, node.dilation, node.padding, (rows, columns)):
            w = f"{row} + (ky * {node.kernel_size[1]} + kx) * {per_group}"
            x = f"{code.plan.symbols[source]} + ({y} * {columns} + x) * {channels}{first}"
            code.text.line(f"{code.local(node)} += {dot}({w}, {x}, {per_group});")


class Product(Writer[Linear]):
    """One dot product for each output, of bit planes with the elements in memory."""

    gathers = True

    def value(self, code: Code, node: Linear) -> None:
        (source,) = node.inputs
        kind, stored = code.plan.kind(node), code.plan.buffers[source].stored.type
        count = code.plan.graph.edges[source].size
        weight, stride = code.constants.weight(node)
        bits, network = node.weight_bits, code.plan.name
        dot = f"{network}_dot{bits}_{short(stored)}_{short(kind)}"
        code.constants.kernel(f"BITSPIKE_DOT_PACKED({network}, {dot}, {bits}, {stored.name}, {kind.name})")
        x = code.plan.symbols[source] + ("" if code.plan.graph.edges[node.name].T == 1 else f" + t * {count}")
        made = f"{dot}({weight}, {stride}, (uint32_t)c * {count}U, {x}, {count})"
        code.text.line(f"const {kind.name} {code.local(node)} = {made};")


def row_name(network: str, kind: CType, slot: int) -> str:
    """The array that the weights of one output channel are unpacked into."""
    return f"{network}_row{slot}_{short(kind)}"


def _row_type(node: Conv) -> CType:
    top = 1 << (node.weight_bits - 1)
    return element_type(Range(-top, top - 1))
