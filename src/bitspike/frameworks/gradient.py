"""The gradient of another framework's fire step, kept as it is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bitspike.errors import UserError
from bitspike.neurons import Staircase, Surrogate

__all__ = ["GradientOf", "checked_step"]


class GradientOf(Surrogate):
    """The gradient that ``function`` has: of ``v - v_threshold`` to a spike. Without one nothing is learned."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def backward(self, grad: Tensor, v: Tensor, staircase: Staircase) -> Tensor:
        with torch.enable_grad():
            x = (v.detach() - staircase.v_threshold).requires_grad_()
            spikes = self.function(x)
            if not spikes.requires_grad:
                return torch.zeros_like(v)
            (slope,) = torch.autograd.grad(spikes, x, grad.to(spikes.dtype))
        return slope if staircase.scale == 1.0 else slope * staircase.scale


@torch.no_grad()
def checked_step(function: Callable[[Tensor], Tensor], tie: float, path: str) -> None:
    """That a fire step sends 0 below the threshold, 1 above, and ``tie`` at it.

    Raises:
        UserError: it sends something else, so that the spikes would be others.
    """
    tried = torch.tensor([-2.0, -1e-3, 0.0, 1e-3, 2.0])
    sent = function(tried).tolist()
    if sent != [0.0, 0.0, tie, 1.0, 1.0]:
        wanted = f"want a step: 0, 0, {tie:g}, 1, 1 below, at and above the threshold"
        raise UserError(f"fire step of {path}", sent, wanted)
