"""A frozen graph at the speed of the machine: a plan (`plan`) that the C library runs (csrc/plan.h).

Ops are computed in stages. A stage begins where windows are looked through (`stages`); what goes element by element
joins it, and never leaves the first cache (`code`, by the rows of `table`). What lies between stages is stored,
channels last, in one arena (`edges`).
"""

from bitspike.backends.native.backend import Native
from bitspike.backends.native.choose import processor
from bitspike.backends.native.code import Code
from bitspike.backends.native.compiled import Compiled
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Kind
from bitspike.backends.native.table import ROWS
from bitspike.backends.native.timing import StageTime, stage_times

__all__ = ["ROWS", "Code", "Compiled", "Kind", "Native", "Row", "StageTime", "processor", "stage_times"]
