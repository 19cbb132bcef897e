"""The field's standard neurons with one-bit spikes: IF, LIF, and LIF with a learned leak."""

from __future__ import annotations

from typing import Literal

from bitspike.bits import Bits
from bitspike.neurons.integrate import Integrate, LeakyIntegrate, ParametricLeakyIntegrate
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.registry import NEURONS, FiringSettings, one_bit
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import Sigmoid, Surrogate

__all__ = ["IFNode", "IFSettings", "LIFNode", "LIFSettings", "ParametricLIFNode", "ParametricLIFSettings"]


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


class _BinarySettings(FiringSettings):
    v_reset: float | None = 0.0

    @property
    def threshold(self) -> float:
        return 1.0 if self.v_threshold is None else self.v_threshold


class IFSettings(_BinarySettings):
    """Says how ``if`` is made. ``v_threshold=None`` is 1.

    Attributes:
        v_reset: potential after a spike; ``None`` is the soft reset.
    """

    kind: Literal["if"] = "if"

    def make(self, bits: Bits) -> IFNode:
        one_bit(self.kind, bits)
        return IFNode(bits.t, self.threshold, self.v_reset, self.gradient, self.detach_reset)


class _LeakySettings(_BinarySettings):
    tau: float = 2.0
    decay_input: bool = False


class LIFSettings(_LeakySettings):
    """Says how ``lif`` is made. ``v_threshold=None`` is 1.

    Attributes:
        v_reset: potential after a spike; ``None`` is the soft reset.
        tau: membrane time constant.
        decay_input: whether the input decays too.
    """

    kind: Literal["lif"] = "lif"

    def make(self, bits: Bits) -> LIFNode:
        one_bit(self.kind, bits)
        threshold, gradient = self.threshold, self.gradient
        return LIFNode(bits.t, self.tau, self.decay_input, threshold, self.v_reset, gradient, self.detach_reset)


class ParametricLIFSettings(_LeakySettings):
    """Says how ``plif`` is made. ``v_threshold=None`` is 1.

    Attributes:
        v_reset: potential after a spike; ``None`` is the soft reset.
        tau: where the membrane time constant, which is learned, starts.
        decay_input: whether the input decays too.
    """

    kind: Literal["plif"] = "plif"

    def make(self, bits: Bits) -> ParametricLIFNode:
        one_bit(self.kind, bits)
        threshold, gradient = self.threshold, self.gradient
        return ParametricLIFNode(
            bits.t, self.tau, self.decay_input, threshold, self.v_reset, gradient, self.detach_reset
        )


NEURONS.register("if", IFSettings)
NEURONS.register("lif", LIFSettings)
NEURONS.register("plif", ParametricLIFSettings)
