"""Models of other frameworks as networks of the house: a framework is one file, and its package is never imported."""

from bitspike.frameworks.adopt import adopt
from bitspike.frameworks.framework import FRAMEWORKS, Framework, plain
from bitspike.frameworks.gradient import GradientOf
from bitspike.frameworks.neurobench import neurobench_metrics, neurobench_model
from bitspike.frameworks.snntorch import SNNTORCH
from bitspike.frameworks.spikingjelly import SPIKINGJELLY

__all__ = [
    "FRAMEWORKS",
    "SNNTORCH",
    "SPIKINGJELLY",
    "Framework",
    "GradientOf",
    "adopt",
    "neurobench_metrics",
    "neurobench_model",
    "plain",
]
