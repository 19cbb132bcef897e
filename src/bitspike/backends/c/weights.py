"""The numbers that a program holds, as text, and the memory and the kernels that its functions ask for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.c.memory import ROW, CType, element_type
from bitspike.backends.c.packing import fields, in_pieces, in_planes
from bitspike.backends.c.plan import Plan
from bitspike.backends.c.text import number
from bitspike.ir import Conv, Node, Synapse
from bitspike.ir.ranges import Range

__all__ = ["Constants"]

NUMBERS_A_LINE = 64
_BYTES = np.array([str(byte) for byte in range(256)], dtype=object)


class Constants:
    """Declarations that the functions need.

    Args:
        plan: of the program.

    Attributes:
        kernels: macros of ``csrc/kernels.h``, in order of first use.
        lines: arrays of numbers.
        flash: bytes of these.
        scratch: type and elements of the arrays that layers compute in, by name; each is as large as any layer wants.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.kernels: dict[str, None] = {}
        self.lines: list[str] = []
        self.flash = 0
        self.scratch: dict[str, tuple[CType, int]] = {}

    def planes(self, node: Synapse) -> str:
        """Declares weights of one or two bits as bit planes: their name in C."""
        return self._declare(f"{self.plan.symbols[node.name]}_weight", in_planes(self.taps(node), node.weight_bits))

    def pieces(self, node: Synapse, rows: int) -> str:
        """Declares weights in pieces of so many channels: their name in C."""
        packed = in_pieces(self.taps(node), node.weight_bits, rows, self.plan.chunk)
        return self._declare(f"{self.plan.symbols[node.name]}_weight", packed)

    def taps(self, node: Synapse) -> NDArray[np.int64]:
        """The weights ``[O, K]``, those of a convolution as ``[kh][kw][C]``."""
        codes = self.plan.net.integers(f"{node.name}.weight")
        if codes.size >= 1 << 31:
            raise node.refuse(f"{codes.size} weights", "want fewer than 2^31 for the indices in C")
        moved = np.moveaxis(codes, 1, -1) if isinstance(node, Conv) else codes
        return moved.reshape(len(codes), -1)

    def of_channels(self, node: Node, part: str) -> str:
        """Declares a tensor of one integer for each channel: its name in C."""
        return self.declared(node, part, self.plan.net.integers(f"{node.name}.{part}"))

    def declared(self, node: Node, part: str, values: NDArray[np.integer]) -> str:
        """Declares integers in the smallest type that holds them: their name in C."""
        kind = element_type(Range(int(values.min()), int(values.max())))
        return self._declare(f"{self.plan.symbols[node.name]}_{part}", values, kind.name, kind.bytes)

    def array(self, use: str, kind: CType, count: int) -> str:
        """An array of at least ``count`` elements to compute in: its name in C."""
        name = f"{self.plan.name}_{use}"
        self.scratch[name] = (kind, max(count, self.scratch.get(name, (kind, 0))[1]))
        return name

    def rows(self, node: Synapse, taps: int, rows: int) -> str:
        """An array that a piece of the weights is unpacked into: its name in C."""
        filled = rows * min(taps, self.plan.chunk)
        return self.array("rows", ROW, filled + -filled % fields(node.weight_bits))

    def kernel(self, macro: str) -> None:
        """A kernel that is called."""
        self.kernels.setdefault(macro)

    def _declare(self, name: str, values: NDArray[np.integer], kind: str = "", size: int = 0) -> str:
        """Writes an array of that type, by default of its own. Words are hexadecimal, which is shorter."""
        self.flash += (size or values.itemsize) * values.size
        self.lines += [
            f"static const {kind or f'{values.dtype.name}_t'} {name}[{values.size}] = {{",
            *_lines(values),
            "};",
        ]
        return name


def _lines(values: NDArray[np.integer]) -> list[str]:
    """Numbers, many to a line; NumPy writes those that are many."""
    if values.dtype == np.uint32:
        digits = values.astype(">u4").tobytes().hex()
        numbers = [f"0x{digits[i : i + 8]}" for i in range(0, len(digits), 8)]
    elif values.dtype == np.uint8:
        numbers = _BYTES[values].tolist()
    else:
        numbers = [number(int(value)) for value in values]
    return [",".join(numbers[i : i + NUMBERS_A_LINE]) + "," for i in range(0, len(numbers), NUMBERS_A_LINE)]
