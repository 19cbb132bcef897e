"""The bridge: from nn.Module to the graph, and from real images to measured activity."""

from bitspike.lowering.freeze import freeze
from bitspike.lowering.measure import measure
from bitspike.lowering.structure import lower

__all__ = ["freeze", "lower", "measure"]
