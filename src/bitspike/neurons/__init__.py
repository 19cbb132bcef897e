"""Spiking neurons: currents to spikes, composed of integrate, fire, reset and store; `NEURONS` has them by name."""

from bitspike.neurons.adaptive import AdaptiveIFNode, AdaptiveSettings, share_bits
from bitspike.neurons.binary import (
    IFNode,
    IFSettings,
    LIFNode,
    LIFSettings,
    ParametricLIFNode,
    ParametricLIFSettings,
)
from bitspike.neurons.dynamics import NeuronDynamics, NotDescribedError, describe
from bitspike.neurons.integrate import TiedIntegrate
from bitspike.neurons.leaky import LeakyDynamics, LeakyNode, LeakyReset
from bitspike.neurons.membrane import quantize_membrane
from bitspike.neurons.multibit import MultiBitLIFNode, MultiBitSettings
from bitspike.neurons.multilevel import MultiLevelIFNode, MultiLevelSettings, barrier, behind_spikes
from bitspike.neurons.node import BaseNode, SpikingNode, State
from bitspike.neurons.offset import OffsetIFNode, offset_levels
from bitspike.neurons.qrelu import ActivationSettings, QReLU, QReLUSettings
from bitspike.neurons.quantized import QuantLIFNode, QuantLIFSettings
from bitspike.neurons.registry import (
    NEURONS,
    FiringSettings,
    NeuronSettings,
    SpikingSettings,
    make_node,
    neuron_settings,
)
from bitspike.neurons.relu import ReLUSettings
from bitspike.neurons.sliprelu import ClipReLU, ClipReLUSettings, SlipReLU, SlipReLUSettings
from bitspike.neurons.staircase import Staircase
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
from bitspike.neurons.tried import check_described

__all__ = [
    "NEURONS",
    "SURROGATES",
    "ATan",
    "ActivationSettings",
    "AdaptiveIFNode",
    "AdaptiveSettings",
    "BaseNode",
    "ClipReLU",
    "ClipReLUSettings",
    "FiringSettings",
    "IFNode",
    "IFSettings",
    "LIFNode",
    "LIFSettings",
    "LeakyDynamics",
    "LeakyNode",
    "LeakyReset",
    "MicroStepSigmoid",
    "MultiBitLIFNode",
    "MultiBitSettings",
    "MultiLevelIFNode",
    "MultiLevelSettings",
    "NeuronDynamics",
    "NeuronSettings",
    "NotDescribedError",
    "OffsetIFNode",
    "ParametricLIFNode",
    "ParametricLIFSettings",
    "PassThrough",
    "QReLU",
    "QReLUSettings",
    "QuantLIFNode",
    "QuantLIFSettings",
    "ReLUSettings",
    "Rectangle",
    "STBIFNode",
    "Sigmoid",
    "SlipReLU",
    "SlipReLUSettings",
    "SpikingNode",
    "SpikingSettings",
    "Staircase",
    "State",
    "StraightThrough",
    "Surrogate",
    "TiedIntegrate",
    "Triangle",
    "barrier",
    "behind_spikes",
    "check_described",
    "describe",
    "make_node",
    "neuron_settings",
    "offset_levels",
    "quantize_membrane",
    "share_bits",
    "surrogate",
]
