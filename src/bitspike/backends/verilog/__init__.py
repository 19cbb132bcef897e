"""A frozen graph as SystemVerilog: the text (plan, layer, program), and what a simulator makes of it (simulate)."""

from bitspike.backends.verilog.backend import ARCHITECTURES, Verilog
from bitspike.backends.verilog.program import ELEMENTS, Program, to_verilog
from bitspike.backends.verilog.row import Row, Sweep
from bitspike.backends.verilog.simulate import SIMULATORS, Simulated, simulated, simulator
from bitspike.backends.verilog.streaming import Pipeline, to_pipeline
from bitspike.backends.verilog.table import ROWS

__all__ = [
    "ARCHITECTURES",
    "ELEMENTS",
    "ROWS",
    "SIMULATORS",
    "Pipeline",
    "Program",
    "Row",
    "Simulated",
    "Sweep",
    "Verilog",
    "simulated",
    "simulator",
    "to_pipeline",
    "to_verilog",
]
