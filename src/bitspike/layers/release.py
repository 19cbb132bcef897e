"""How a converted network is fed (paper 003, Section 3.2): images and biases in equal parts over the first steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers.time import merge_time

__all__ = ["Release", "ReleasedAffine"]


class Release(nn.Module):
    """A held value ``[1, N, ...]`` as a train ``[T, N, ...]``: ``x/parts`` at the first ``steps`` steps, then 0.

    Args:
        T: time steps.
        parts: ``n``, into how many parts the value is divided.
        steps: ``T_off``, at how many steps a part is released; ``parts`` of them make up the value.
    """

    def __init__(self, T: int, parts: int, steps: int | None = None) -> None:
        super().__init__()
        self.T, self.parts, self.steps = T, parts, min(T, parts if steps is None else steps)
        if min(T, parts, self.steps) < 1:
            raise UserError("release", (T, parts, steps), "want T, parts and steps of at least 1")

    def forward(self, x: Tensor) -> Tensor:
        if len(x) != 1:
            raise UserError("release", f"{len(x)} steps", "want a value that is held: [1, N, ...]")
        there = torch.arange(self.T, device=x.device).lt(self.steps).to(x.dtype) / self.parts
        return x * there.view(-1, *(1 for _ in x.shape[1:]))

    def extra_repr(self) -> str:
        return f"T={self.T}, parts={self.parts}, steps={self.steps}"


class ReleasedAffine(nn.Module):
    """``gain x + offset/parts`` per channel, the offset at the first ``steps`` steps only; inside of an `OverTime`.

    What a folded batch norm or a bias becomes. It maps merged time, ``[T*N, C, ...]``.

    Args:
        gain, offset: ``[C]``.
        release: when, as of the images.
        last: whether the channels are the last axis, as what an ``nn.Linear`` makes of tokens, and not the first.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, gain: Tensor, offset: Tensor, release: Release, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.T, self.parts, self.steps = release.T, release.parts, release.steps
        self.register_buffer("gain", gain.detach().clone())
        self.register_buffer("offset", offset.detach().clone())

    def forward(self, merged: Tensor) -> Tensor:
        per_channel = (-1,) if self.last else (-1, *(1 for _ in merged.shape[2:]))
        y = (merged * self.gain.view(per_channel)).unflatten(0, (self.T, -1))
        y[: self.steps] += (self.offset / self.parts).view(per_channel)
        return merge_time(y)

    def extra_repr(self) -> str:
        return f"channels={len(self.gain)}, T={self.T}, parts={self.parts}, steps={self.steps}"
