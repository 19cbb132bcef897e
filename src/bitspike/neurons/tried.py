"""Whether a neuron computes what it says of itself: both are tried on the same currents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bitspike.neurons.dynamics import NeuronDynamics, NotDescribedError
from bitspike.neurons.node import BaseNode

__all__ = ["check_described"]

TRIED = 256
"""Least number of currents."""
CHANCE = 0.01
"""Share of them that may come so near a threshold that floats fire on the other side of it."""


@torch.no_grad()
def check_described(node: BaseNode, said: NeuronDynamics, shape: Sequence[int]) -> None:
    """Tries a neuron in evaluation mode, with its hooks, which may watch it but not change what it sends.

    Args:
        node: a layer of neurons.
        said: what they say that a step computes.
        shape: of the current of one image.

    Raises:
        NotDescribedError: they fail, or send something else.
    """
    if math.prod(shape) == 0:
        return
    held = next(iter((*node.parameters(), *node.buffers())), torch.zeros(()))
    images = math.ceil(TRIED / math.prod(shape))
    random = torch.Generator().manual_seed(0)
    wide = torch.randn((node.T, images, *shape), generator=random) * 1.5 + 0.5
    levels = torch.tensor([1.0, max(said.hi, -said.lo)])[torch.randint(2, (images, *shape), generator=random)]
    current = (wide * levels * said.v_threshold).to(held.device)
    training = [part for part in node.modules() if part.training]
    node.eval()
    try:
        sent = node(current)
    except Exception as wrong:  # whatever its own code raises
        raise NotDescribedError(node, f"it fails on currents {list(current.shape)}: {wrong}") from wrong
    finally:
        for part in training:
            part.training = True
    described = _sent(said, current.double())
    apart = (sent.double() - described).abs() > 1e-3 * abs(said.scale)
    if float(apart.any(0).double().mean()) > CHANCE:
        wanted = (
            "it sends something else than its dynamics say (what it overrides, its charge step or a hook may be why)"
        )
        raise NotDescribedError(node, f"{wanted}, from which it is frozen")


def _sent(said: NeuronDynamics, current: Tensor) -> Tensor:
    """What neurons send that do what `NeuronDynamics` says."""
    v, sum_of_levels, sent = torch.full_like(current[0], said.v_init), torch.zeros_like(current[0]), []
    for x in current:
        u = said.retention * v + said.gain * x + said.offset
        level = torch.floor(u / said.v_threshold + said.shift).clamp(said.lo, said.hi)
        if said.tracer is not None:
            level = (sum_of_levels + level).clamp(0, said.tracer) - sum_of_levels
            sum_of_levels = sum_of_levels + level
        sent.append(level * said.scale)
        v = u - level * said.v_threshold if said.v_reset is None else torch.where(level != 0, said.v_reset, u)
        if said.store is not None and said.store_bits is not None:
            top = 2 ** (said.store_bits - 1) - 1
            v = said.store * torch.floor(v / said.store + 0.5).clamp(-top, top)
    return torch.stack(sent)
