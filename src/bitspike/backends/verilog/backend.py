"""The backend `verilog`: it writes a network as an engine, and runs that in a simulator, cycle by cycle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from bitspike.backends.protocol import Backend, Export, Images, Int, checked
from bitspike.backends.verilog.place import placed
from bitspike.backends.verilog.program import Program, to_verilog
from bitspike.backends.verilog.simulate import simulated, simulator
from bitspike.ir import FrozenGraph

__all__ = ["Verilog"]


@dataclass(frozen=True)
class Verilog(Backend):
    """Synthesizable SystemVerilog. A trace shows every edge in memory.

    Args:
        pes: processing elements, 1 to 256.
        element: ``parallel`` multiplies a level a cycle, ``serial`` adds for a bit of it a cycle, ``event`` skips 0.
        device: what an exported network is placed on, of `bitspike.backends.verilog.DEVICES`; None places it nowhere.
        simulator: what runs it: ``verilator`` or ``icarus``; None takes the first that is installed.
    """

    pes: int = 8
    element: str = "parallel"
    device: str | None = None
    simulator: str | None = None

    name: ClassVar[str] = "verilog"
    about: ClassVar[str] = "synthesizable SystemVerilog, simulated cycle by cycle: slow"

    def run(self, net: FrozenGraph, images: Images) -> Int:
        tool = simulator(self.simulator)
        return simulated(self._program(net), checked(net, images), tool).logits

    def trace(self, net: FrozenGraph, images: Images) -> tuple[Int, dict[str, Int]]:
        tool = simulator(self.simulator)
        seen = simulated(self._program(net), checked(net, images), tool, trace=True)
        return seen.logits, seen.edges

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.sv``, ``NAME_*.mem``, ``bitspike_*.sv``, and ``NAME_tb.sv``, a test bench.

        Facts: ``pes``, ``element``, ``cycles_at_most`` of one image, ``memory_bits`` by what they hold; and ``placed``,
        what it takes on the device, where one is asked for.
        """
        made = self._program(net, name)
        taken = {} if self.device is None else {"placed": asdict(placed(made, self.device))}
        facts = {
            "pes": self.pes,
            "element": self.element,
            "cycles_at_most": sum(made.cycles.values()),
            "memory_bits": dict(made.memory_bits),
            **taken,
        }
        return Export({file_name: text.encode() for file_name, text in made.files.items()}, facts)

    def _program(self, net: FrozenGraph, name: str = "network") -> Program:
        return to_verilog(net, name, self.pes, self.element)
