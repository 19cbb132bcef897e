"""The neuron of paper 002 (Q-SNN): one-bit spikes, and a membrane that is carried in a few bits."""

from __future__ import annotations

from typing import Literal

from bitspike.bits import Bits
from bitspike.neurons.integrate import RetainIntegrate
from bitspike.neurons.membrane import MembraneReading, quantize_membrane
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.registry import NEURONS, FiringSettings, one_bit
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import Surrogate, Triangle

__all__ = ["QuantLIFNode", "QuantLIFSettings"]


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
        reading: of the paper, see `bitspike.neurons.quantize_membrane`.
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


class QuantLIFSettings(FiringSettings):
    """Says how ``quant-lif`` is made, paper 002's neuron. ``v_threshold=None`` is 1.

    Attributes:
        tau: membrane time constant.
        v_reset: potential after a spike; ``None`` is the soft reset.
    """

    kind: Literal["quant-lif"] = "quant-lif"
    tau: float = 2.0
    v_reset: float | None = 0.0

    def make(self, bits: Bits) -> QuantLIFNode:
        one_bit(self.kind, bits)
        threshold = 1.0 if self.v_threshold is None else self.v_threshold
        return QuantLIFNode(bits.t, None, self.tau, threshold, self.v_reset, self.gradient, self.detach_reset)


NEURONS.register("quant-lif", QuantLIFSettings)
