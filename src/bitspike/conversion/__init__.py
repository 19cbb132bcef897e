"""Conversion: a trained network to a quantized one, and that to a spiking one that computes the same (paper 003)."""

from bitspike.conversion.adopt import adopt, house_layer
from bitspike.conversion.check import Equivalence, LayerEquivalence, equivalence
from bitspike.conversion.convert import MOST_STEPS, Converted, convert, steps_of
from bitspike.conversion.equilibrium import quantized, with_steps
from bitspike.conversion.finetune import finetune_config, max_pool_of, with_weights_of
from bitspike.conversion.judges import BoxesByStep, ClassesByStep, Judge
from bitspike.conversion.methods import METHODS, Method, as_published, method_of
from bitspike.conversion.source import Seen, seen
from bitspike.conversion.source_boxes import SeenBoxes, seen_boxes
from bitspike.conversion.spiking import (
    EXACT_BITS,
    check_convertible,
    check_method_fits,
    float_weights,
    settling_bound,
    to_snn,
)

__all__ = [
    "EXACT_BITS",
    "METHODS",
    "MOST_STEPS",
    "BoxesByStep",
    "ClassesByStep",
    "Converted",
    "Equivalence",
    "Judge",
    "LayerEquivalence",
    "Method",
    "Seen",
    "SeenBoxes",
    "adopt",
    "as_published",
    "check_convertible",
    "check_method_fits",
    "convert",
    "equivalence",
    "finetune_config",
    "float_weights",
    "house_layer",
    "max_pool_of",
    "method_of",
    "quantized",
    "seen",
    "seen_boxes",
    "settling_bound",
    "steps_of",
    "to_snn",
    "with_steps",
    "with_weights_of",
]
