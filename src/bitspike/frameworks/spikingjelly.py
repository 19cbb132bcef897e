"""What SpikingJelly has: the neurons that bitspike's are named after, and layers of torch over time."""

from __future__ import annotations

from typing import Any

from torch import nn

from bitspike.errors import UserError
from bitspike.frameworks.framework import FRAMEWORKS, Framework, plain
from bitspike.frameworks.gradient import GradientOf, checked_step
from bitspike.neurons import ATan, IFNode, LIFNode, ParametricLIFNode, Sigmoid, Surrogate

__all__ = ["SPIKINGJELLY"]

SAME: dict[str, type[ATan] | type[Sigmoid]] = {"ATan": ATan, "Sigmoid": Sigmoid}


def _surrogate(function: Any) -> Surrogate:
    checked_step(function, 1.0, "surrogate_function")
    same = SAME.get(type(function).__name__) if type(function).__module__.startswith("spikingjelly.") else None
    return GradientOf(function) if same is None else same(float(function.alpha))


def _common(node: Any) -> dict[str, Any]:
    if getattr(node, "_neuron_precision", None) is not None:
        raise UserError("neuron precision", node._neuron_precision, "want the neuron's own, in float32")
    return {
        "v_threshold": node.v_threshold,
        "v_reset": node.v_reset,
        "surrogate_function": _surrogate(node.surrogate_function),
        "detach_reset": node.detach_reset,
    }


def _if(node: Any, T: int) -> IFNode:
    return IFNode(T, **_common(node))


def _lif(node: Any, T: int) -> LIFNode:
    return LIFNode(T, tau=node.tau, decay_input=node.decay_input, **_common(node))


def _plif(node: Any, T: int) -> ParametricLIFNode:
    made = ParametricLIFNode(T, decay_input=node.decay_input, **_common(node))
    charge: Any = made.integrate
    charge.w.data.copy_(node.w.detach())
    return made


def _many_steps(module: Any) -> bool:
    return getattr(module, "step_mode", "s") == "m"


_LIF = "want LIFNode, or a neuron of one's own with its dynamics (CONTRIBUTING.md)"
SPIKINGJELLY = FRAMEWORKS.register(
    "spikingjelly",
    Framework(
        "spikingjelly",
        neurons={"IFNode": _if, "LIFNode": _lif, "ParametricLIFNode": _plif},
        layers={
            **{
                kind.__name__: plain(kind)
                for kind in (
                    nn.Conv1d,
                    nn.Conv2d,
                    nn.Linear,
                    nn.BatchNorm1d,
                    nn.BatchNorm2d,
                    nn.MaxPool1d,
                    nn.MaxPool2d,
                    nn.AvgPool1d,
                    nn.AvgPool2d,
                    nn.AdaptiveAvgPool2d,
                    nn.Flatten,
                )
            },
            "Dropout": lambda module: nn.Dropout(module.p),
            "Dropout2d": lambda module: nn.Dropout2d(module.p),
        },
        merged=("SeqToANNContainer",),
        refused={
            "CUBALIFNode": _LIF,
            "GatedLIFNode": _LIF,
            "KLIFNode": _LIF,
            "ThresholdDependentBatchNorm1d": "want BatchNorm1d, and its v_threshold and alpha in the weights",
            "ThresholdDependentBatchNorm2d": "want BatchNorm2d, and its v_threshold and alpha in the weights",
            "MultiStepContainer": "want its layers with step_mode='m'",
            "StepModeContainer": "want its layers with step_mode='m'",
            "VotingLayer": "want a Linear of as many outputs as classes",
            "WSConv2d": "want a Conv2d with the standardized weight",
            "WSLinear": "want a Linear with the standardized weight",
            "SynapseFilter": "want a LIFNode behind the layer",
        },
        many_steps=_many_steps,
    ),
)
