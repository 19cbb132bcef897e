"""Quantizers: numbers to levels, and how they attach to a model; `QUANTIZERS` has those of weights by name."""

from bitspike.quant.adaptive import AdaptiveWeights, AdaptiveWeightsSettings
from bitspike.quant.attach import quantize_weights, synapses, weight_bits, weight_quantizer
from bitspike.quant.binary import (
    BinaryRegulated,
    BinarySettings,
    MaxScaled,
    RegulatedAsInCodeSettings,
    RegulatedAsPrintedSettings,
    RegulatedSettings,
    binary,
)
from bitspike.quant.lsq import LSQ, LSQSettings, PerChannelLSQSettings
from bitspike.quant.membrane import MembraneQuantizer, SharedMembraneQuantizer, TanhMembraneQuantizer
from bitspike.quant.quantizer import WeightQuantizer
from bitspike.quant.registry import QUANTIZERS, QuantizerSettings, quantizer_settings
from bitspike.quant.uniform import UniformSettings, UniformSymmetric

__all__ = [
    "LSQ",
    "QUANTIZERS",
    "AdaptiveWeights",
    "AdaptiveWeightsSettings",
    "BinaryRegulated",
    "BinarySettings",
    "LSQSettings",
    "MaxScaled",
    "MembraneQuantizer",
    "PerChannelLSQSettings",
    "QuantizerSettings",
    "RegulatedAsInCodeSettings",
    "RegulatedAsPrintedSettings",
    "RegulatedSettings",
    "SharedMembraneQuantizer",
    "TanhMembraneQuantizer",
    "UniformSettings",
    "UniformSymmetric",
    "WeightQuantizer",
    "binary",
    "quantize_weights",
    "quantizer_settings",
    "synapses",
    "weight_bits",
    "weight_quantizer",
]
