"""The backend `qonnx`: it writes a network in quantized floats, for tools that read Quant nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitspike.backends.protocol import Backend, Export, checked_file_name, writer_of
from bitspike.backends.qonnx.rows import WRITERS
from bitspike.backends.qonnx.writer import Writer
from bitspike.errors import require
from bitspike.ir import FrozenGraph

__all__ = ["Qonnx"]


@dataclass(frozen=True)
class Qonnx(Backend):
    """ONNX in float32 with the ops ``Quant`` and ``BipolarQuant`` of QONNX, as FINN, Brevitas and hls4ml have them.

    It is the network in real numbers that the integers stand for: no fixed point, but the same weights, levels, widths
    and thresholds. Its input are real values, ``[1, *shape]``; steps are unrolled. Wants the extra ``onnx``.
    """

    name: ClassVar[str] = "qonnx"
    about: ClassVar[str] = "QONNX: the network in quantized floats, with Quant nodes"

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.onnx``. Facts: ``bytes``."""
        checked_file_name(name)
        writer = Writer(require("onnx", "onnx"), net)
        for node in net.graph.nodes:
            writer_of(WRITERS, "qonnx", node)(writer, node)
        content: bytes = writer.finish().SerializeToString()
        return Export({f"{name}.onnx": content}, {"bytes": len(content)})
