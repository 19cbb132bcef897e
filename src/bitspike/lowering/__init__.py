"""The bridge: from nn.Module to the graph and to integers, and from real images to measured activity and agreement."""

from bitspike.lowering.agreement import Agreement, LayerAgreement, agreement
from bitspike.lowering.freeze import freeze
from bitspike.lowering.measure import measure
from bitspike.lowering.structure import lower

__all__ = ["Agreement", "LayerAgreement", "agreement", "freeze", "lower", "measure"]
