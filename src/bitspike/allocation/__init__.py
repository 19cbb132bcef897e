"""Which layer gets which bits: a budget in bytes, bit operations or energy, kept exactly."""

from bitspike.allocation.allocate import Allocation, allocate, check_budget
from bitspike.allocation.solve import Option, smallest, solve
from bitspike.allocation.sweep import AHEAD, Point, pareto, sweep

__all__ = ["AHEAD", "Allocation", "Option", "Point", "allocate", "check_budget", "pareto", "smallest", "solve", "sweep"]
