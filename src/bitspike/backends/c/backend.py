"""The backend `c`: it runs a network by what the machine's compiler makes of its C, and writes that C."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

from bitspike.backends.c.boxes import boxes_in_c
from bitspike.backends.c.build import COMPILERS, compiler, footprint, outputs, traced
from bitspike.backends.c.program import to_c
from bitspike.backends.protocol import Backend, Export, Images, Int, checked
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

__all__ = ["C"]

MOST_SCRATCH = 1 << 30


@dataclass(frozen=True)
class C(Backend):
    """C99 without dependencies. A trace shows every edge but those that are computed on the way to another.

    Args:
        cc: the compiler with its flags; None takes the first of cc, gcc and clang.
        streaming: whether the program takes one step at a time, by NAME_reset and NAME_step; its main.c reads steps.
        scratch: bytes to compute sums in: with more, weights are unpacked less often. None is by what edges take. What
            one place wants is taken in any case.
    """

    cc: str | None = None
    streaming: bool = False
    scratch: int | None = None

    name: ClassVar[str] = "c"
    about: ClassVar[str] = "C99 without dependencies: static memory, integers alone"

    def __post_init__(self) -> None:
        whole = isinstance(self.scratch, Integral) and not isinstance(self.scratch, bool)
        if self.scratch is not None and not (whole and 0 <= self.scratch <= MOST_SCRATCH):
            raise UserError("scratch", self.scratch, f"want 0 to {MOST_SCRATCH:,} bytes")

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        found = outputs(net, checked(net, images), compiler(self.cc), streaming=self.streaming, scratch=self.scratch)
        if not self.streaming:
            return found
        answers = zip(net.readouts, found, strict=True)
        return tuple(so_far if node.over == "each" else so_far[:, -1] for node, so_far in answers)

    def traced(self, net: FrozenGraph, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        return traced(net, checked(net, images), compiler(self.cc), scratch=self.scratch)

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.c``, ``NAME.h``, ``NAME_simd.h``, ``main.c``; where boxes are found also ``NAME_boxes.h`` and ``.c``.

        Facts: ``flash_bytes_of_data`` and ``ram_bytes_of_data``, as the program counts them; where there is a compiler,
        ``cc``, ``flash_bytes_linked`` and ``ram_bytes_linked``, as its linker does.
        """
        program = to_c(net, name, self.streaming, self.scratch)
        facts: dict[str, Any] = {
            "flash_bytes_of_data": program.flash_bytes,
            "ram_bytes_of_data": program.ram_bytes,
        }
        if self.cc is not None or any(map(shutil.which, COMPILERS)):
            command = compiler(self.cc)
            linked = footprint(program, command)
            facts |= {
                "cc": " ".join(command),
                "flash_bytes_linked": linked.flash,
                "ram_bytes_linked": linked.ram,
            }
        boxes = boxes_in_c(net, name)
        if self.streaming or any(readout.over == "each" for readout in net.readouts):
            boxes.pop("main.c", None)  # it prints the boxes of whole inputs
        return Export({file: text.encode() for file, text in {**program.files, **boxes}.items()}, facts)
