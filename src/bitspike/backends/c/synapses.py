"""Convolution and linear: the sums of a block of places, for all channels, from what the windows of these places hold.

Weights of one and two bits meet few-bit levels as bit planes: a sum is a count of ones. All others are unpacked in
pieces, each of which is multiplied with all windows of the block.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bitspike.backends.c.memory import ROW, WORD, CType
from bitspike.backends.c.packing import LANES, PIECE, fields
from bitspike.backends.c.text import short
from bitspike.backends.c.writer import Writer
from bitspike.bits import signed_range
from bitspike.ir import Conv, Linear, Synapse
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["Convolution", "Product"]

Op = TypeVar("Op", Conv, Linear)
MOST_PLANES = 4
"""Of levels that are counted: with more, products of bytes are faster."""


class _Synapses(Writer[Op], Generic[Op]):
    """What both have in common: their sums, once the windows are there."""

    gathers = True
    sums = True

    # What it needs

    def groups(self, node: Op) -> int:
        """Groups of channels that do not see each other."""
        return 1

    def taps(self, plan: Plan, node: Op) -> int:
        """Weights of an output channel."""
        return prod(node.weight_shape(plan.graph.input_edge(node))[1:])

    def width(self, plan: Plan, node: Op) -> int:
        """Elements of a window."""
        return self.taps(plan, node) * self.groups(node)

    def planes(self, plan: Plan, node: Op) -> int:
        """Bit planes that its levels are taken apart into; 0 where they are not."""
        levels, taps = _with_zero(plan, node), self.taps(plan, node)
        planes = max(1, (levels.hi - levels.lo).bit_length())
        full = 4 * taps >= 3 * 32 * _words(taps)  # else too much of a word is padding
        counted = node.weight_bits <= 2 and planes <= MOST_PLANES and full and self.groups(node) == 1
        return planes if counted and plan.kind(node).bytes == 4 else 0

    def place_bytes(self, plan: Plan, node: Op) -> int:
        steps, planes = plan.graph.edges[node.name].T, self.planes(plan, node)
        window = 4 * planes * _words(self.taps(plan, node)) or self.gathered(plan, node)
        return steps * (window + LANES * plan.kind(node).bytes)

    def gathered(self, plan: Plan, node: Op) -> int:
        """Bytes of a window that is gathered."""
        raise NotImplementedError

    # What is written

    def windows(self, code: Code, node: Op) -> tuple[str, int]:
        """The windows of a block as the sums read them: C of the first element, and how far one is from the next."""
        raise NotImplementedError

    def gathered_bytes(self, plan: Plan, node: Op) -> int:
        """Bytes of a window of levels as they are stored."""
        return self.width(plan, node) * plan.buffers[node.inputs[0]].stored.type.bytes

    def gathered_windows(self, code: Code, node: Op) -> tuple[str, int]:
        """`windows` that are gathered into an array, one after the other."""
        stored, width = _stored(code, node), self.width(code.plan, node)
        many = 1 if self.planes(code.plan, node) else self.places(code, node)
        return code.constants.array(f"windows{code.plan.slots[node.name]}_{short(stored)}", stored, width * many), width

    def gather_window(self, code: Code, node: Op, at: str, shape: str) -> None:
        """Writes what gathers a window.

        Args:
            at: row and column of its first element. shape: taps, steps from tap to tap, and groups; both as C.
        """
        (source,) = node.inputs
        plan, edge, stored = code.plan, code.plan.graph.edges[source], _stored(code, node)
        channels, *sides = edge.shape
        name, window = f"{plan.name}_window_{short(stored)}", self.windows(code, node)[0]
        code.constants.kernel(f"BITSPIKE_WINDOW({name}, {stored.name})")
        steps, width = plan.graph.edges[node.name].T, self.width(plan, node)
        with code.text.steps(steps):
            place = "i" if steps == 1 else f"(i * {steps} + t)"
            packed = self.planes(plan, node) > 0
            into = window if packed else f"{window} + {place} * {width}"
            x = plan.symbols[source] + ("" if steps == 1 else f" + t * {edge.size}")
            rows, columns = prod(sides[:-1]), sides[-1]
            code.text.line(f"{name}({x}, {rows}, {columns}, {channels}, {at}, {shape}, {into});")
            if packed:
                self.pack(code, node, window, place)

    def pack(self, code: Code, node: Op, window: str, place: str) -> None:
        """Writes the bit planes of a window at place (and step) ``place`` of the block."""
        plan, planes, stored = code.plan, self.planes(code.plan, node), _stored(code, node)
        lo, taps = _with_zero(plan, node).lo, self.taps(plan, node)
        name = f"{plan.name}_pack{planes}_{short(stored)}" + (f"_from{-lo}" if lo else "")
        eight = f"{plan.name}_eight_{short(stored)}" + (f"_from{-lo}" if lo else "")
        code.constants.kernel(f"BITSPIKE_EIGHT({eight}, {stored.name}, ({lo}))")
        code.constants.kernel(f"BITSPIKE_PACK({name}, {eight}, {stored.name}, ({lo}), {planes})")
        code.text.line(f"{name}({window}, {taps}, {self.words(code, node)} + {place} * {planes * _words(taps)});")

    def words(self, code: Code, node: Op) -> str:
        """The array of the block's bit planes."""
        plan = code.plan
        size = self.planes(plan, node) * _words(self.taps(plan, node)) * self.places(code, node)
        return code.constants.array(f"planes{plan.slots[node.name]}", WORD, size)

    def places(self, code: Code, node: Op) -> int:
        """Windows of a block, at all steps."""
        return code.plan.together(node) * code.plan.graph.edges[node.name].T

    def total(self, code: Code, node: Op) -> str:
        """The array of the block's sums."""
        kind = code.plan.kind(node)
        return code.constants.array(
            f"sums{code.plan.slots[node.name]}_{short(kind)}", kind, LANES * self.places(code, node)
        )

    def sum(self, code: Code, node: Op) -> None:
        if self.planes(code.plan, node):
            self._count(code, node)
        else:
            self._multiply(code, node)

    def value(self, code: Code, node: Op) -> None:
        plan, kind = code.plan, code.plan.kind(node)
        edge = plan.graph.edges[node.name]
        steps = ["i"] if edge.T == 1 else [f"i * {edge.T} + t"]
        if not edge.shape[1:]:
            steps = ["0"] if edge.T == 1 else ["t"]
        made = f"{self.total(code, node)}[({steps[0]}) * {LANES} + c - first]"
        if planes := self.planes(plan, node):
            codes = code.constants.taps(node)
            same = _with_zero(plan, node).lo * codes.sum(1) - ((1 << planes) - 1) * (codes < 0).sum(1)
            made += f" + {code.constants.declared(node, 'start', same)}[c]"
        code.text.line(f"const {kind.name} {code.local(node)} = {made};")

    def _count(self, code: Code, node: Op) -> None:
        plan, bits, channels = code.plan, node.weight_bits, node.out_channels
        planes, words = self.planes(plan, node), _words(self.taps(plan, node))
        weight, made = code.constants.planes(node), []
        for lanes in sorted({min(LANES, channels), channels % LANES or LANES}, reverse=True):
            count = f"{plan.name}_count{bits}_{lanes}"
            name = f"{plan.name}_sums{planes}_{bits}_{lanes}"
            full = lanes == LANES
            code.constants.kernel(f"BITSPIKE_COUNT{'_16' * full}({count}, {bits}{'' if full else f', {lanes}'})")
            code.constants.kernel(f"BITSPIKE_SUMS_OF_BITS({name}, {count}, {lanes}, {planes})")
            from_ = f"{weight} + first * {bits * words}"
            given = (from_, self.words(code, node), str(words), self.many(code, node), self.total(code, node))
            made.append(f"{name}({', '.join(given)});")
        if len(made) == 2:
            code.text.line(f"if (first + {LANES} <= {channels})")
            code.text.line(f"    {made[0]}")
            code.text.line("else")
            code.text.line(f"    {made[1]}")
        else:
            code.text.line(made[0])

    def many(self, code: Code, node: Op) -> str:
        """Windows that a block has, as C."""
        steps = code.plan.graph.edges[node.name].T
        return ("many" if code.plan.graph.edges[node.name].shape[1:] else "1") + (f" * {steps}" if steps > 1 else "")

    def _multiply(self, code: Code, node: Op) -> None:
        plan, bits, stored, kind = code.plan, node.weight_bits, _stored(code, node), code.plan.kind(node)
        taps, network, kernel = self.taps(plan, node), plan.name, code.constants.kernel
        bytes_ = bits <= 8 and stored.bytes == 1 and kind.bytes == 4
        row, wide = ("BITSPIKE_ROW", "") if bytes_ else (ROW.name, "_wide")
        pieces = PIECE if self.groups(node) == 1 else 1
        types = f"{short(stored)}_{short(kind)}{wide}"
        unpack, one, rows = f"{network}_unpack{bits}{wide}", f"{network}_dot1_{types}", f"{network}_dot{pieces}_{types}"
        kernel(f"BITSPIKE_UNPACK_ROWS({unpack}, {bits})" if bytes_ else f"BITSPIKE_UNPACK({unpack}, {bits}, {row})")
        kernel(f"BITSPIKE_DOT_1({one}, {row}, {stored.name}, {kind.name})")
        if pieces > 1 and bytes_:
            levels = plan.net.ranges[node.inputs[0]]
            negative, fit = levels.lo < 0, 0 if levels.lo < 0 else _pairs_in_16_bits(levels.hi, bits)
            long = min(taps, plan.chunk) >= 32
            rows += "_negative" * negative + f"_fit{fit}" * bool(fit) + "_long" * long
            kernel(f"BITSPIKE_DOT_4_OF_BYTES({rows}, {stored.name}, {int(negative)}, {fit}, {int(long)})")
        elif pieces > 1:
            kernel(f"BITSPIKE_DOT_4({rows}, {row}, {stored.name}, {kind.name})")
        name = rows.replace("_dot", f"_products{bits}_")
        kernels = f"{name}, {unpack}, {rows}, {one}, {bits}, {pieces}, {plan.chunk}"
        kernel(f"BITSPIKE_SUMS({kernels}, {row}, {stored.name}, {kind.name})")
        weight, unpacked = code.constants.pieces(node, pieces), code.constants.rows(node, taps, pieces)
        weight += f" + first / {LANES} * {_block_bytes(node, taps, pieces, plan.chunk)}"
        x, apart = self.windows(code, node)
        lanes = f"{node.out_channels} - first < {LANES} ? {node.out_channels} - first : {LANES}"
        code.text.line(f"{name}({weight}, ({row} *){unpacked}, {x}, {taps}, {apart}, {self.many(code, node)},")
        code.text.line(f"    first, {lanes}, {node.out_channels // self.groups(node)}, {self.total(code, node)});")


class Convolution(_Synapses[Conv]):
    """Sums over windows that are gathered."""

    def groups(self, node: Conv) -> int:
        return node.groups

    def gathered(self, plan: Plan, node: Conv) -> int:
        return self.gathered_bytes(plan, node)

    def gather(self, code: Code, node: Conv) -> None:
        at = f"row * {node.stride[0]} - {node.padding[0]}, column * {node.stride[1]} - {node.padding[1]}"
        shape = ", ".join(map(str, (*node.kernel_size, *node.dilation, node.groups)))
        self.gather_window(code, node, at, shape)

    def windows(self, code: Code, node: Conv) -> tuple[str, int]:
        return self.gathered_windows(code, node)


class Product(_Synapses[Linear]):
    """Sums over all channels, at each place. An edge of one place is its own window."""

    def gathered(self, plan: Plan, node: Linear) -> int:
        return 0 if _flat(plan, node) else self.gathered_bytes(plan, node)

    def gather(self, code: Code, node: Linear) -> None:
        if not _flat(code.plan, node):
            self.gather_window(code, node, "row, column", "1, 1, 1, 1, 1")
        elif self.planes(code.plan, node):
            steps = code.plan.graph.edges[node.name].T
            x, apart = self.windows(code, node)
            with code.text.steps(steps):
                self.pack(code, node, x if steps == 1 else f"{x} + t * {apart}", "0" if steps == 1 else "t")

    def windows(self, code: Code, node: Linear) -> tuple[str, int]:
        if not _flat(code.plan, node):
            return self.gathered_windows(code, node)
        (source,) = node.inputs
        return code.plan.symbols[source], code.plan.graph.edges[source].size


def _flat(plan: Plan, node: Linear) -> bool:
    """Whether it reads an edge of one place."""
    return len(plan.graph.input_edge(node).shape) == 1


def _words(taps: int) -> int:
    return -(-taps // 32)


def _stored(code: Code, node: Synapse) -> CType:
    return code.plan.buffers[node.inputs[0]].stored.type


def _pairs_in_16_bits(level: int, bits: int) -> int:
    """How many sums of two products of such a level and such a weight surely add up in 16 bits."""
    return ((1 << 15) - 1) // max(1, 2 * level * signed_range(bits)[1])


def _with_zero(plan: Plan, node: Synapse) -> Range:
    """The levels that it reads, and the 0 of what is outside of a plane."""
    return plan.net.ranges[node.inputs[0]].including(0)


def _block_bytes(node: Any, taps: int, pieces: int, chunk: int) -> int:
    """Bytes of the weights of a whole block of channels."""
    step = fields(node.weight_bits)
    codes = (pieces * min(chunk, taps - k) for k in range(0, taps, chunk))
    return sum((n + -n % step) * node.weight_bits // 8 for n in codes) * (LANES // pieces)
