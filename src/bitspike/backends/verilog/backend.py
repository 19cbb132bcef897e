"""The backend `verilog`: it writes a network as an engine, and runs that in a simulator, cycle by cycle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from bitspike.backends.protocol import Backend, Export, Images, Int, checked
from bitspike.backends.verilog.place import placed
from bitspike.backends.verilog.program import to_verilog
from bitspike.backends.verilog.simulate import Hardware, simulated, simulator
from bitspike.backends.verilog.streaming import Pipeline, to_pipeline
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

__all__ = ["ARCHITECTURES", "Verilog"]

ARCHITECTURES = ("shared", "streaming")
DEFAULT_PES = 8


@dataclass(frozen=True)
class Verilog(Backend):
    """Synthesizable SystemVerilog. A trace shows every edge in memory.

    Args:
        architecture: ``shared``, one engine that runs the layers one after another, or ``streaming``, a stage for each.
        pes: processing elements, 1 to 256; of each stage at most, if streaming. None for 8, unless cycles or luts say.
        cycles: of streaming hardware, from one image to the next at most.
        luts: of streaming hardware, by an estimate at most.
        element: ``parallel`` multiplies a level a cycle, ``serial`` adds for a bit of it a cycle, ``event`` skips 0.
        device: what an exported network is placed on, of `bitspike.backends.verilog.DEVICES`; None places it nowhere.
        simulator: what runs it: ``verilator`` or ``icarus``; None takes the first that is installed.
    """

    architecture: str = "shared"
    pes: int | None = None
    cycles: int | None = None
    luts: int | None = None
    element: str = "parallel"
    device: str | None = None
    simulator: str | None = None

    name: ClassVar[str] = "verilog"
    about: ClassVar[str] = "synthesizable SystemVerilog, simulated cycle by cycle: slow"

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        tool = simulator(self.simulator)
        return (simulated(self._program(net), checked(net, images), tool).logits,)

    def traced(self, net: FrozenGraph, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        tool = simulator(self.simulator)
        seen = simulated(self._program(net), checked(net, images), tool, trace=True)
        return (seen.logits,), seen.edges

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.sv``, ``NAME_*.mem``, ``bitspike_*.sv``, and ``NAME_tb.sv``, a test bench.

        Facts: ``architecture``, ``element``, ``memory_bits`` by what they hold; of the shared one ``pes`` and
        ``cycles_at_most`` of one image; of the streaming one ``cycles`` from image to image, ``latency``, ``luts``
        by the estimate, and ``stages``; and ``placed``, what it takes on the device, where one is asked for.
        """
        made = self._program(net, name)
        facts: dict[str, Any] = {"architecture": self.architecture, "element": self.element}
        facts["memory_bits"] = dict(made.memory_bits)
        if isinstance(made, Pipeline):
            facts |= {"cycles": made.interval, "latency": made.latency, "luts": round(made.luts), "stages": made.told()}
        else:
            facts |= {"pes": made.weights.pes, "cycles_at_most": sum(made.cycles.values())}
        if self.device is not None:
            facts["placed"] = asdict(placed(made, self.device))
        return Export({file_name: text.encode() for file_name, text in made.files.items()}, facts)

    def _program(self, net: FrozenGraph, name: str = "network") -> Hardware:
        if self.architecture == "streaming":
            return to_pipeline(net, name, self.element, self.pes, self.cycles, self.luts)
        if self.architecture != "shared":
            raise UserError("architecture", self.architecture, f"want {' or '.join(ARCHITECTURES)}")
        for option in ("cycles", "luts"):
            if (value := getattr(self, option)) is not None:
                raise UserError(option, value, "it is for the streaming architecture")
        return to_verilog(net, name, DEFAULT_PES if self.pes is None else self.pes, self.element)
