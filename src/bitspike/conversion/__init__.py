"""Conversion: a trained network to a quantized one, and that to a spiking one that computes the same (paper 003)."""

from bitspike.conversion.check import Equivalence, LayerEquivalence, equivalence
from bitspike.conversion.equilibrium import quantized, with_steps
from bitspike.conversion.spiking import METHODS, Method, check_convertible, float_weights, settling_bound, to_snn

__all__ = [
    "METHODS",
    "Equivalence",
    "LayerEquivalence",
    "Method",
    "check_convertible",
    "equivalence",
    "float_weights",
    "quantized",
    "settling_bound",
    "to_snn",
    "with_steps",
]
