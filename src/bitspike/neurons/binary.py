"""The field's standard neurons with one-bit spikes: IF, LIF, and LIF with a learned leak."""

from __future__ import annotations

from bitspike.neurons.fire import Staircase
from bitspike.neurons.integrate import Integrate, LeakyIntegrate, ParametricLeakyIntegrate
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.surrogate import Sigmoid, Surrogate

__all__ = ["IFNode", "LIFNode", "ParametricLIFNode"]


class IFNode(SpikingNode):
    """Integrate and fire: ``u = v + x``, spike where ``u >= v_threshold``. Spikes equal SpikingJelly's IFNode."""

    def __init__(
        self,
        T: int,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
    ) -> None:
        super().__init__(
            T=T,
            integrate=Integrate(),
            staircase=Staircase(v_threshold),
            surrogate_function=surrogate_function or Sigmoid(),
            v_reset=v_reset,
            detach_reset=detach_reset,
        )


class LIFNode(SpikingNode):
    """Leaky integrate and fire: ``u = v + (x - (v - v_reset))/tau``. Spikes equal SpikingJelly's LIFNode."""

    def __init__(
        self,
        T: int,
        tau: float = 2.0,
        decay_input: bool = True,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
    ) -> None:
        super().__init__(
            T=T,
            integrate=LeakyIntegrate(tau, decay_input, v_reset or 0.0),
            staircase=Staircase(v_threshold),
            surrogate_function=surrogate_function or Sigmoid(),
            v_reset=v_reset,
            detach_reset=detach_reset,
        )


class ParametricLIFNode(SpikingNode):
    """`LIFNode` whose time constant is learned: ``1/tau = sigmoid(w)`` (Fang et al. 2021, PLIF)."""

    def __init__(
        self,
        T: int,
        init_tau: float = 2.0,
        decay_input: bool = True,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
    ) -> None:
        super().__init__(
            T=T,
            integrate=ParametricLeakyIntegrate(init_tau, decay_input, v_reset or 0.0),
            staircase=Staircase(v_threshold),
            surrogate_function=surrogate_function or Sigmoid(),
            v_reset=v_reset,
            detach_reset=detach_reset,
        )
