"""The neuron of paper 002 (Q-SNN): one-bit spikes, and a membrane that is carried in a few bits."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bitspike.neurons.fire import Staircase
from bitspike.neurons.integrate import RetainIntegrate
from bitspike.neurons.node import BaseNode, SpikingNode
from bitspike.neurons.surrogate import Surrogate, Triangle
from bitspike.quant import MembraneQuantizer, TanhMembraneQuantizer

__all__ = ["MembraneReading", "QuantLIFNode", "QuantizedCharge", "quantize_membrane"]

MembraneReading = Literal["carry", "carry-limited", "carry-tanh", "charge"]


class QuantLIFNode(SpikingNode):
    """Wei et al. 2024 (paper 002), Eqs. 1 to 3 and 10, in the order fire, hard reset, quantize the carry::

        u[t] = v[t-1]/tau + x[t]
        s[t] = 1 where u[t] >= v_threshold, else 0
        v[t] = Q(u[t] * (1 - s[t])),  with Q of Eq. 8 (`bitspike.quant.MembraneQuantizer`)

    The surrogate is Eq. 5's triangle of the authors' width, ``max(0, 1 - |u - v_threshold|)``.

    Args:
        T: time steps.
        membrane_bits: ``b_u``, 2 to 16; ``None`` keeps the membrane in floats.
        tau: the leak keeps ``1/tau``; the paper's "leaky factor 0.5" is 2.
        v_threshold: the paper's theta.
        v_reset: potential after a spike; ``None`` subtracts the threshold.
        surrogate_function: gradient of the fire step.
        detach_reset: keep the gradient out of the reset; the authors do not.
        reading: of the paper, see `quantize_membrane`.
    """

    def __init__(
        self,
        T: int,
        membrane_bits: int | None = 2,
        tau: float = 2.0,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        reading: MembraneReading = "carry",
    ) -> None:
        super().__init__(
            T=T,
            integrate=RetainIntegrate(tau),
            staircase=Staircase(v_threshold),
            surrogate_function=surrogate_function or Triangle(),
            v_reset=v_reset,
            detach_reset=detach_reset,
        )
        if membrane_bits is not None:
            quantize_membrane(self, membrane_bits, reading)


def quantize_membrane(node: BaseNode, bits: int, reading: MembraneReading = "carry") -> None:
    """Gives ``node`` a membrane of ``bits`` bits, in place.

    Args:
        node: any neuron that carries floats.
        bits: ``b_u``, 2 to 16.
        reading: where paper 002 leaves a choice. ``carry`` quantizes what is left after fire and reset (Eq. 10);
            ``carry-tanh`` the same of ``tanh(v)`` (the authors' code); ``charge`` quantizes before firing (Alg. 1).
            ``carry-limited`` is ours: ``carry`` with ``a`` at most ``v_threshold``. After a hard reset no potential is
            above the threshold, but some are far below 0 and would make ``a`` so large that, at 2 bits, none but these
            is not rounded to 0. Networks freeze with the first two.
    """
    match reading:
        case "carry":
            node.store = MembraneQuantizer(bits)
        case "carry-limited":
            node.store = MembraneQuantizer(bits, limit=node.staircase.v_threshold)
        case "carry-tanh":
            node.store = TanhMembraneQuantizer(bits)
        case "charge":
            node.integrate = QuantizedCharge(node.integrate, bits)


class QuantizedCharge(nn.Module):
    """A charge step whose result is quantized before the neuron fires: paper 002's Algorithm 1, lines 8 to 11."""

    def __init__(self, charge: nn.Module, bits: int) -> None:
        super().__init__()
        self.charge, self.quantizer = charge, MembraneQuantizer(bits)

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        u: Tensor = self.quantizer(self.charge(v, x))
        return u
