"""A frozen graph as dependency-free C99: the text (plan, code, program), and what a compiler makes of it (build)."""

from bitspike.backends.c.backend import C
from bitspike.backends.c.build import COMPILERS, Footprint, compiler, footprint, logits, traced
from bitspike.backends.c.code import Code
from bitspike.backends.c.program import Program, to_c
from bitspike.backends.c.table import WRITERS
from bitspike.backends.c.writer import Each, Writer

__all__ = [
    "COMPILERS",
    "WRITERS",
    "C",
    "Code",
    "Each",
    "Footprint",
    "Program",
    "Writer",
    "compiler",
    "footprint",
    "logits",
    "to_c",
    "traced",
]
