"""The multi-bit ("burst") neuron of paper 000: one spike carries ``b_s`` bits."""

from __future__ import annotations

from typing import Literal

from bitspike.bits import Bits, unsigned_range
from bitspike.neurons.integrate import RetainIntegrate
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.registry import NEURONS, FiringSettings
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import StraightThrough, Surrogate

__all__ = ["MultiBitLIFNode", "MultiBitSettings"]


class MultiBitLIFNode(SpikingNode):
    """Shen et al. 2024 (paper 000), Eqs. 6 and 7, with the upper clip that the paper leaves unsaid::

        u[t] = v[t-1]/tau + x[t]
        s[t] = v_threshold * clip(floor(u[t]/v_threshold), 0, 2^spike_bits - 1)
        v[t] = v_reset where s[t] > 0, else u[t]

    Args:
        T: time steps. The paper runs ``floor(T/N)`` steps of ``N`` bits for a budget of ``T``.
        spike_bits: ``b_s``, bits of one spike.
        tau: the leak keeps ``1/tau`` of the potential; 1 is no leak.
        v_threshold: height of one level; also the value of one level in what the neuron sends.
        v_reset: 0 in the paper (hard reset); ``None`` subtracts what was sent.
        surrogate_function: the paper names none; straight-through inside the alphabet by default.
        detach_reset: keep the gradient out of a soft reset.
    """

    def __init__(
        self,
        T: int,
        spike_bits: int,
        tau: float = 2.0,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
    ) -> None:
        super().__init__(
            T=T,
            integrate=RetainIntegrate(tau),
            staircase=Staircase(v_threshold, *unsigned_range(spike_bits), scale=v_threshold),
            surrogate_function=surrogate_function or StraightThrough(),
            v_reset=v_reset,
            detach_reset=detach_reset,
        )


class MultiBitSettings(FiringSettings):
    """Says how ``multibit`` is made, paper 000's neuron.

    ``v_threshold=None`` is ``2^(1 - b_s)``, so that an alphabet of any width spans [0, 2).

    Attributes:
        tau: membrane time constant.
        v_reset: potential after a spike; ``None`` is the soft reset.
    """

    kind: Literal["multibit"] = "multibit"
    tau: float = 2.0
    v_reset: float | None = 0.0

    def make(self, bits: Bits) -> MultiBitLIFNode:
        threshold = 2.0 ** (1 - bits.s) if self.v_threshold is None else self.v_threshold
        return MultiBitLIFNode(bits.t, bits.s, self.tau, threshold, self.v_reset, self.gradient, self.detach_reset)


NEURONS.register("multibit", MultiBitSettings)
