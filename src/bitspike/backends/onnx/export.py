"""A network as an ONNX model: every op by its row of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitspike.backends.onnx.model import FLOAT64, Model, check
from bitspike.backends.onnx.table import WRITERS
from bitspike.backends.protocol import writer_of
from bitspike.errors import require
from bitspike.ir import FrozenGraph

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]


def to_onnx(net: FrozenGraph, fast: bool = False) -> onnx.ModelProto:
    """The network as an ONNX model.

    Its input is ``images``, uint8 ``[N, *net.sample.array_shape]`` with any ``N``; its output ``logits``, int64
    ``[N, K]`` or, of each step, ``[N, T, K]``; where there are several, ``output0`` and on,
    ``[N, *shape]``. Step ``t`` of the edge ``E`` is the value ``E.t{t}``, ``[N, *shape]``:
    integers where the edge has levels, float64 elsewhere.

    Args:
        net: the network.
        fast: whether convolutions of levels from 0 to 255 are sums of bytes in 32 bits.

    Raises:
        UserError: onnx is not installed, an op has no writer, or its integers could leave what its floats hold.
    """
    model = Model(require("onnx", "onnx"), net, fast)
    writers = [(writer_of(WRITERS, "onnx", node), node) for node in net.graph.nodes]
    for write, node in writers:
        check(node, model.reach(node.name), FLOAT64)
        write(model, node)
    return model.finish()
