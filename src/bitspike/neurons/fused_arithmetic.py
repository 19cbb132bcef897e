"""How torch rounds on a kind of device, found out by asking it; who runs steps for it must round the same."""

from __future__ import annotations

from functools import cache

import torch

__all__ = ["known", "multiplies_by_reciprocals", "rounds_once"]


@cache
def rounds_once(device: str) -> bool | None:
    """Whether ``torch.add(a, b, alpha=factor)`` rounds once; ``None`` where it does for some elements alone."""
    a, b = _numbers(device)
    factor = torch.tensor(1 / 3, dtype=torch.float32, device=device)
    said = torch.add(a, b, alpha=1 / 3)
    once = (a.double() + factor.double() * b.double()).float()
    return _which(said, once, a + b * factor)


@cache
def multiplies_by_reciprocals(device: str) -> bool | None:
    """Whether ``a / number`` is ``a`` times its reciprocal; ``None`` where it is neither that nor divided."""
    a, _ = _numbers(device)
    by = torch.tensor(0.7, dtype=torch.float32, device="cpu")
    return _which(a / 0.7, a * float(1 / by), (a.double() / by.to(device).double()).float())


def known(device: str) -> bool:
    """Whether there is a word for both."""
    return rounds_once(device) is not None and multiplies_by_reciprocals(device) is not None


def _numbers(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    a = torch.linspace(-1, 1, 4099, dtype=torch.float32, device="cpu")
    return a.to(device), (a.flip(0) / 3).to(device)


def _which(said: torch.Tensor, yes: torch.Tensor, no: torch.Tensor) -> bool | None:
    return True if torch.equal(said, yes) else False if torch.equal(said, no) else None
