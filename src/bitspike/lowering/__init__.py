"""The bridge: from nn.Module to the graph, and from real images to measured activity."""

from bitspike.lowering.measure import measure
from bitspike.lowering.structure import lower

__all__ = ["lower", "measure"]
