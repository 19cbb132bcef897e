"""A frozen graph as dependency-free C99: the text (program, memory), and what a compiler makes of it (build)."""

from bitspike.backends.c.build import COMPILERS, Footprint, compiler, footprint, logits, traced
from bitspike.backends.c.program import Program, to_c

__all__ = ["COMPILERS", "Footprint", "Program", "compiler", "footprint", "logits", "to_c", "traced"]
