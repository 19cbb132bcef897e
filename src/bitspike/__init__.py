"""bitspike: low-bit spiking neural networks, from training to silicon.

Importing the package loads nothing heavy; import what you use, for example
``from bitspike.neurons import LIFNode``.
"""

from bitspike.bits import BitPlan, Bits
from bitspike.errors import UserError

__version__ = "0.1.0"

__all__ = ["BitPlan", "Bits", "UserError", "__version__"]
