"""Offset-spike in integers: a frozen network of IF neurons, each layer of which runs twice on each image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bitspike.backends import oracle
from bitspike.errors import UserError
from bitspike.ir import Dynamics, Fire, FrozenGraph, Node
from bitspike.neurons import offset_levels

__all__ = ["with_offsets"]

Int = NDArray[np.signedinteger]


def with_offsets(calibration: int, net: FrozenGraph, node: Node, images: NDArray[np.uint8], *inputs: Int) -> Int:
    """An op as the oracle has it; a layer of neurons as `bitspike.neurons.offset_levels` has its integers.

    Args:
        calibration: ``rho``, steps of the first run.
        net, node, images, inputs: of `bitspike.backends.oracle.step`.
    """
    if not isinstance(node, Fire):
        return oracle.step(net, node, images, *inputs)
    d = node.dynamics
    if not isinstance(d, Dynamics) or d.leak_multiplier != 1 << d.leak_shift or d.rounds or d.store:
        raise node.refuse(type(d).__name__, "wants IF neurons, which a conversion makes")
    if calibration > node.T:
        raise UserError("steps", node.T, f"want at least the {calibration} that are calibrated on")
    x = torch.from_numpy(np.broadcast_to(inputs[0], (node.T, *inputs[0].shape[1:])).astype(np.int64))
    return offset_levels(x, 1 << d.fraction_bits, d.v_init, calibration).to(torch.int64).numpy()
