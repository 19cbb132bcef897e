"""Quantizers: numbers to levels, and how they attach to a model."""

from bitspike.quant.adaptive import AdaptiveWeights
from bitspike.quant.attach import quantize_weights, synapses, weight_bits, weight_quantizer
from bitspike.quant.binary import BinaryRegulated, MaxScaled, binary
from bitspike.quant.lsq import LSQ
from bitspike.quant.membrane import MembraneQuantizer, TanhMembraneQuantizer
from bitspike.quant.quantizer import WeightQuantizer
from bitspike.quant.uniform import UniformSymmetric

__all__ = [
    "LSQ",
    "AdaptiveWeights",
    "BinaryRegulated",
    "MaxScaled",
    "MembraneQuantizer",
    "TanhMembraneQuantizer",
    "UniformSymmetric",
    "WeightQuantizer",
    "binary",
    "quantize_weights",
    "synapses",
    "weight_bits",
    "weight_quantizer",
]
