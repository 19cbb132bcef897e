"""A frozen graph as SystemVerilog: the text (plan, layer, program), and what a simulator makes of it (simulate)."""

from bitspike.backends.verilog.backend import Verilog
from bitspike.backends.verilog.program import ELEMENTS, Program, to_verilog
from bitspike.backends.verilog.row import Row, Sweep
from bitspike.backends.verilog.simulate import SIMULATORS, Simulated, simulated, simulator
from bitspike.backends.verilog.table import ROWS

__all__ = [
    "ELEMENTS",
    "ROWS",
    "SIMULATORS",
    "Program",
    "Row",
    "Simulated",
    "Sweep",
    "Verilog",
    "simulated",
    "simulator",
    "to_verilog",
]
