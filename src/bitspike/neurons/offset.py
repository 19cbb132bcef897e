"""The neuron whose start is calibrated on each input, by what a first run of a few steps left in it (offset-spike)."""

from __future__ import annotations

import torch
from torch import Tensor

from bitspike.errors import UserError
from bitspike.neurons.dynamics import NeuronDynamics, NotDescribedError
from bitspike.neurons.stbif import STBIFNode

__all__ = ["OffsetIFNode", "offset_levels"]

EPSILON_BITS = 10
"""A spike is taken away by this power of two of a threshold more than it just takes; the authors have 1/1000."""


class OffsetIFNode(STBIFNode):
    """An IF neuron that runs twice on each input (Hao et al. 2023): `offset_levels`. It has no gradient.

    It is one of a layer of ``T`` steps: the first ``calibration`` of them are its first run, of which it sends what the
    second begins with, as that is what the layer behind runs its own first run on. What the network says is the mean
    over the steps behind these.

    Args:
        T: steps of both runs.
        v_threshold: of `STBIFNode`.
        calibration: ``rho``, the steps of the first run; at most half of all.
    """

    def __init__(self, T: int, v_threshold: float, calibration: int) -> None:
        super().__init__(T, v_threshold, None, bipolar=False)
        if not 1 <= calibration <= T - calibration:
            wanted = f"want at least {2 * calibration}: {calibration} to calibrate on, and as many to run"
            raise UserError("steps", T, wanted)
        self.calibration = calibration

    @torch.no_grad()
    def forward(self, current: Tensor) -> Tensor:
        x = current.expand(self.T, *current.shape[1:])[self.calibration :]
        s = self.staircase
        spikes = s.scale * offset_levels(x, s.v_threshold, self.v_init, self.calibration).to(current.dtype)
        return torch.cat([spikes[: self.calibration], spikes])

    def dynamics(self) -> NeuronDynamics:
        """Refuses.

        Raises:
            UserError: always.
        """
        raise NotDescribedError(self, "it runs twice on each input, which no op of a frozen network does; want qcfs")

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, calibration={self.calibration}"


def offset_levels(x: Tensor, v_threshold: float, v_init: float, calibration: int) -> Tensor:
    """Spikes, 0 or 1, of IF neurons with a soft reset whose start was calibrated; of integers exactly.

    They run ``calibration`` steps from ``v_init``. A neuron that is left below 0 and fired has fired once too often,
    one that is left at the threshold or above and did not fire at every step once too rarely. It then starts lower,
    or higher, by a threshold, or by more where that moves no step: as far as it takes for the step that is nearest.

    Args:
        x: currents ``[T, N, ...]``, of the second run; the first reads its first steps.
        v_threshold, v_init: in the units of ``x``.
        calibration: ``rho``.
    """
    v = torch.full_like(x[0], v_init)
    far = torch.inf if x.is_floating_point() else 1 << 61
    fired, lowest, highest = torch.zeros_like(v), torch.full_like(v, far), torch.full_like(v, -far)
    for step in x[:calibration]:
        u = v + step
        fires = u >= v_threshold
        v = torch.where(fires, u - v_threshold, u)
        lowest = torch.where(fires, lowest.minimum(v), lowest)
        highest = torch.where(fires, highest, highest.maximum(u))
        fired += fires
    more = v_threshold * 2**-EPSILON_BITS if x.is_floating_point() else max(1, int(v_threshold) >> EPSILON_BITS)
    too_often, too_rarely = (v < 0) & (fired > 0), (v >= v_threshold) & (fired < calibration)
    start = torch.full_like(v, v_init)
    start = torch.where(too_often, start - (lowest + more).clamp(min=v_threshold), start)
    v = torch.where(too_rarely, start + (v_threshold - highest).clamp(min=v_threshold), start)
    spikes = []
    for step in x:
        u = v + step
        fires = u >= v_threshold
        v = torch.where(fires, u - v_threshold, u)
        spikes.append(fires)
    return torch.stack(spikes)
