"""Spiking neurons: currents to spikes, composed of integrate, fire, reset and store."""

from bitspike.neurons.adaptive import AdaptiveIFNode
from bitspike.neurons.binary import IFNode, LIFNode, ParametricLIFNode
from bitspike.neurons.config import NeuronConfig, make_node
from bitspike.neurons.fire import Staircase
from bitspike.neurons.multibit import MultiBitLIFNode
from bitspike.neurons.multilevel import MultiLevelIFNode, barrier
from bitspike.neurons.node import BaseNode, SpikingNode
from bitspike.neurons.qrelu import QReLU
from bitspike.neurons.quantized import QuantLIFNode, quantize_membrane
from bitspike.neurons.stbif import STBIFNode
from bitspike.neurons.surrogate import (
    SURROGATES,
    ATan,
    MicroStepSigmoid,
    PassThrough,
    Rectangle,
    Sigmoid,
    StraightThrough,
    Surrogate,
    Triangle,
    surrogate,
)

__all__ = [
    "SURROGATES",
    "ATan",
    "AdaptiveIFNode",
    "BaseNode",
    "IFNode",
    "LIFNode",
    "MicroStepSigmoid",
    "MultiBitLIFNode",
    "MultiLevelIFNode",
    "NeuronConfig",
    "ParametricLIFNode",
    "PassThrough",
    "QReLU",
    "QuantLIFNode",
    "Rectangle",
    "STBIFNode",
    "Sigmoid",
    "SpikingNode",
    "Staircase",
    "StraightThrough",
    "Surrogate",
    "Triangle",
    "barrier",
    "make_node",
    "quantize_membrane",
    "surrogate",
]
