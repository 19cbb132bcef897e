"""The bridge: from nn.Module to the graph and to integers, and from real images to measured activity and agreement."""

from bitspike.lowering.agreement import Agreement, LayerAgreement, agreement
from bitspike.lowering.freeze import check_freezable, freeze
from bitspike.lowering.measure import measure
from bitspike.lowering.rules import RULES, Frozen, Maker, Place, Reads, Rule, frozen, makers, rule_of
from bitspike.lowering.structure import lower, structure

__all__ = [
    "RULES",
    "Agreement",
    "Frozen",
    "LayerAgreement",
    "Maker",
    "Place",
    "Reads",
    "Rule",
    "agreement",
    "check_freezable",
    "freeze",
    "frozen",
    "lower",
    "makers",
    "measure",
    "rule_of",
    "structure",
]
