"""The numbers that a forward pass computes with, and the order in which images lie in memory for it."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bitspike.ir import Graph
from bitspike.training.config import TrainConfig

__all__ = ["has_bf16", "laid_out", "settled"]

Laid = TypeVar("Laid", nn.Module, Tensor)
LEAST_MACS = 1_000_000
"""Multiply-accumulates of an image and step from which bfloat16 gains more than its conversions cost."""


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; a processor that does not computes it more slowly than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def settled(config: TrainConfig, graph: Graph, device: torch.device) -> TrainConfig:
    """The config with ``precision="auto"`` made what it is for this network on this device.

    That is ``bf16`` where the device multiplies it and the network is large enough to gain, else ``float32``.
    """
    if config.precision != "auto":
        return config
    macs = sum(node.macs(graph.input_edge(node)) for node in graph.synapses())
    fast = has_bf16(device) and macs >= LEAST_MACS
    return config.model_copy(update={"precision": "bf16" if fast else "float32"})


def laid_out(what: Laid, precision: str) -> Laid:
    """A model, or images, in the memory order that convolutions of ``precision`` are fastest in.

    It is channels last for ``bf16``, and for ``float32`` the usual one, as always of what is no batch of images.
    """
    if isinstance(what, Tensor) and what.ndim != 4:
        return what
    order = torch.channels_last if precision == "bf16" else torch.contiguous_format
    return what.to(memory_format=order)  # type: ignore[call-overload]  # of a Module, it has none
