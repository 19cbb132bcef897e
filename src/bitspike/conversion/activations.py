"""The trained network in floats beside a spiking one in integers, where it has no integers itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.neurons import QReLU

__all__ = ["activations"]


@torch.no_grad()
def activations(
    ann: nn.Module, net: FrozenGraph, images: NDArray[np.uint8], keep: set[str]
) -> Mapping[str, NDArray[Any]]:
    """Activations in their steps ``s``, and outputs in units of the frozen network's, ``[1, N, ...]`` each.

    Args:
        ann: the network that ``net`` was converted from, in evaluation mode.
        keep: what is asked for.

    Raises:
        UserError: an output whose unit is not known.
    """
    found: dict[str, Tensor] = {}
    modules = {name: module for name, module in ann.named_modules() if isinstance(module, QReLU) and name in keep}
    hooks = [module.register_forward_hook(_into(found, name)) for name, module in modules.items()]
    try:
        said = ann(torch.from_numpy(images))
    finally:
        for hook in hooks:
            hook.remove()
    for output, readout in zip((said,) if isinstance(said, Tensor) else said, net.readouts, strict=True):
        if readout.scale is None:
            raise UserError(f"output {readout.name}", "no scale", "want a network whose file says what a unit is worth")
        found[readout.name] = output.double() / readout.scale
    return {name: each.numpy() for name, each in found.items()}


def _into(found: dict[str, Tensor], name: str) -> Any:
    def hook(module: QReLU, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[name] = output.double() / (module.learned_step or 1)

    return hook
