"""A frozen graph as SystemVerilog: the text (plan, layer, program), and what a simulator
makes of it (simulate), and what it takes on a device (place)."""

from bitspike.backends.verilog.backend import Verilog
from bitspike.backends.verilog.devices import DEVICES
from bitspike.backends.verilog.place import Placed, placed
from bitspike.backends.verilog.program import ELEMENTS, Program, to_verilog
from bitspike.backends.verilog.row import Row, Sweep
from bitspike.backends.verilog.simulate import SIMULATORS, Simulated, simulated, simulator
from bitspike.backends.verilog.table import ROWS

__all__ = [
    "DEVICES",
    "ELEMENTS",
    "ROWS",
    "SIMULATORS",
    "Placed",
    "Program",
    "Row",
    "Simulated",
    "Sweep",
    "Verilog",
    "placed",
    "simulated",
    "simulator",
    "to_verilog",
]
