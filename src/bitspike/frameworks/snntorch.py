"""What snnTorch has: neurons whose spikes and potentials a forward passes from step to step by itself."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bitspike.errors import UserError
from bitspike.frameworks.framework import FRAMEWORKS, Framework
from bitspike.frameworks.gradient import GradientOf, checked_step
from bitspike.neurons import LeakyNode

__all__ = ["SNNTORCH"]


def _number(name: str, value: Any) -> float:
    """Of what may be one number or one for each neuron."""
    values = value.detach().flatten().unique() if isinstance(value, Tensor) else [value]
    if len(values) != 1:
        raise UserError(name, f"{len(value)} numbers", "want one for all neurons of the layer")
    return float(values[0])


def _leaky(node: Any, T: int) -> LeakyNode:
    if node.inhibition:
        raise UserError("inhibition", True, "neurons that silence each other are not taken in; want inhibition=False")
    if node.state_quant:
        wanted = "want state_quant=False, and bits=w/s/t/u or bitspike.neurons.quantize_membrane"
        raise UserError("state_quant", getattr(node.state_quant, "__name__", "a function"), wanted)
    checked_step(node.spike_grad, 0.0, "spike_grad")
    reset = node.reset_mechanism
    if int(node.reset_mechanism_val) != ["subtract", "zero", "none"].index(reset):
        raise UserError("reset_mechanism", reset, f"its buffer says {int(node.reset_mechanism_val)}; want both alike")
    if reset != "none" and not node.reset_delay:
        reset = f"{reset}-at-once"
    return LeakyNode(
        T,
        _number("beta", node.beta),
        _number("threshold", node.threshold),
        reset,
        GradientOf(node.spike_grad),
        _number("graded_spikes_factor", node.graded_spikes_factor),
        learn_beta=node.beta.requires_grad,
    )


_LEAKY = "want Leaky, or a neuron of one's own with its dynamics (CONTRIBUTING.md)"
SNNTORCH = FRAMEWORKS.register(
    "snntorch",
    Framework(
        "snntorch",
        neurons={"Leaky": _leaky},
        refused=dict.fromkeys(
            ("Synaptic", "Lapicque", "Alpha", "RLeaky", "RSynaptic", "SConv2dLSTM", "SLSTM", "LeakyParallel"), _LEAKY
        ),
        tupled=lambda node: bool(node.output or not node.init_hidden),
    ),
)
