"""A frozen graph as SystemVerilog: the text (plan, layer, program), and what a simulator
makes of it (simulate), and what it takes on a device (place)."""

from bitspike.backends.verilog.backend import ARCHITECTURES, Verilog
from bitspike.backends.verilog.devices import DEVICES
from bitspike.backends.verilog.place import Placed, placed
from bitspike.backends.verilog.program import ELEMENTS, Program, to_verilog
from bitspike.backends.verilog.row import Row, Sweep
from bitspike.backends.verilog.simulate import SIMULATORS, Simulated, simulated, simulator
from bitspike.backends.verilog.streaming import Pipeline, to_pipeline
from bitspike.backends.verilog.table import ROWS

__all__ = [
    "ARCHITECTURES",
    "DEVICES",
    "ELEMENTS",
    "ROWS",
    "SIMULATORS",
    "Pipeline",
    "Placed",
    "Program",
    "Row",
    "Simulated",
    "Sweep",
    "Verilog",
    "placed",
    "simulated",
    "simulator",
    "to_pipeline",
    "to_verilog",
]
