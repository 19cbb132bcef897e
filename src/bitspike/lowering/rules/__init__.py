"""One rule for each op: which modules become it, and what freezing makes of it. Each family of ops is a file."""

from bitspike.lowering.rules import attention, images, loops, neurons, routes, shapes, synapses
from bitspike.lowering.rules.behaviour import joins_terms, passes_integers, passes_terms
from bitspike.lowering.rules.neurons import Frozen, frozen
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule, makers, rule_of

__all__ = [
    "RULES",
    "Frozen",
    "Maker",
    "Place",
    "Reads",
    "Rule",
    "attention",
    "frozen",
    "images",
    "joins_terms",
    "loops",
    "makers",
    "neurons",
    "passes_integers",
    "passes_terms",
    "routes",
    "rule_of",
    "shapes",
    "synapses",
]
