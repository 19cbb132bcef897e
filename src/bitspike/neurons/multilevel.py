"""The multi-level neuron of paper 004: a spike of one step is worth what a binary neuron fires in ``N``."""

from __future__ import annotations

from typing import Literal

from torch import nn

from bitspike.bits import Bits
from bitspike.errors import UserError
from bitspike.neurons.integrate import Integrate, TiedIntegrate
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.registry import NEURONS, FiringSettings, highest_level
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import MicroStepSigmoid, PassThrough, Surrogate

__all__ = ["MultiLevelIFNode", "MultiLevelSettings", "barrier", "behind_spikes"]


class MultiLevelIFNode(SpikingNode):
    """Castagnetti et al. 2025 (paper 004), Eqs. 1 to 6: charged ``N`` times, then discharged in ``N`` micro-steps::

        u[t] = v[t-1] + N x[t]
        z[t] = sum_{n=1..N} g_n,  g_n = 1 where u[t] - v_threshold (g_1 + .. + g_{n-1}) >= v_threshold, else 0
             = clip(floor(u[t]/v_threshold), 0, N)
        v[t] = u[t] - v_threshold z[t]

    It sends ``z/N``. A constant current is decoded to one of ``N T + 1`` values (Eq. 7); it saturates at
    ``v_threshold``. ``N = 1`` is the soft-reset `IFNode`. An alphabet of ``N + 1`` levels takes ``log2(N + 1)`` bits.

    Args:
        T: time steps.
        N: highest level of a spike.
        v_threshold: height of one level.
        surrogate_function: the paper's by default: the sigmoid's derivative at every micro-step, ``alpha = 5``.
        detach_reset: keep the gradient out of the reset, the micro-steps' too. The paper leaves it open; detached, the
            gradient grows with ``N``, and networks of 8 levels did not train.
    """

    def __init__(
        self,
        T: int,
        N: int,
        v_threshold: float = 1.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
    ) -> None:
        if isinstance(N, bool) or not isinstance(N, int) or N < 1:
            raise UserError("N", N, "want a whole number of levels above 0, at least 1")
        super().__init__(
            T=T,
            integrate=Integrate(gain=N),
            staircase=Staircase(v_threshold, 0, N, scale=1 / N),
            surrogate_function=surrogate_function or MicroStepSigmoid(detach_reset=detach_reset),
            v_reset=None,
            detach_reset=detach_reset,
        )


class MultiLevelSettings(FiringSettings):
    """Says how ``multi-level`` is made, paper 004's neuron. ``v_threshold=None`` is 1.

    Attributes:
        levels: ``N``, the highest level of a spike; ``None`` is all that ``b_s`` bits tell apart.
    """

    kind: Literal["multi-level"] = "multi-level"
    levels: int | None = None

    def make(self, bits: Bits) -> MultiLevelIFNode:
        threshold = 1.0 if self.v_threshold is None else self.v_threshold
        N = highest_level(self.levels, bits)
        return MultiLevelIFNode(bits.t, N, threshold, self.gradient, self.detach_reset)


NEURONS.register("multi-level", MultiLevelSettings)


def behind_spikes(node: nn.Module) -> nn.Module:
    """Makes ``node``, which stands behind a sum of spikes, fire the levels of the integers there, in place.

    That is for neurons that add up currents as they are; others have potentials between the levels.
    """
    if isinstance(node, SpikingNode) and type(node.integrate) is Integrate:
        node.integrate = TiedIntegrate(node.integrate.gain, node.staircase, node.T)
    return node


def barrier(node: nn.Module) -> SpikingNode:
    """Makes ``node`` the barrier neuron of paper 004, Section 4.4, in place: the same spikes, the gradient 1 (Eq. 10).

    It stands behind a sum of spikes. A `MultiLevelIFNode` there sends, in levels, what integers do
    (`behind_spikes`): ``z = clip(v + A + R, 0, N)``, of which ``v + A + R - z`` is left.
    """
    if not isinstance(node, SpikingNode):
        raise UserError("barrier", type(node).__name__, "want a neuron with a surrogate gradient, to replace it")
    node.surrogate_function = PassThrough()
    behind_spikes(node)
    return node
