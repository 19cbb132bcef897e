"""The backend `onnx`: it writes a network as an ONNX model, and runs that by onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitspike.backends.onnx.export import to_onnx
from bitspike.backends.onnx.run import Compiled, trace
from bitspike.backends.protocol import Backend, Export, Images, Int, check_threads, checked, checked_file_name
from bitspike.ir import FrozenGraph

__all__ = ["Onnx"]


@dataclass(frozen=True)
class Onnx(Backend):
    """Standard ONNX ops. A trace shows every edge. Wants the extra ``onnx``.

    Args:
        threads: that the runtime may use; None is as many as the process may.
        fast: whether convolutions add bytes up in 32 bits (``MatMulInteger``, ``ConvInteger``) where levels are from 0
            to 255, as ONNX Runtime is faster at; other runtimes may not have the ops.
    """

    threads: int | None = None
    fast: bool = False

    name: ClassVar[str] = "onnx"
    about: ClassVar[str] = "standard ONNX ops, in floats that hold every integer"

    def __post_init__(self) -> None:
        check_threads(self.threads)

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        return self.prepare(net)(images)

    def prepare(self, net: FrozenGraph) -> Compiled:
        return Compiled(net, self.threads, self.fast)

    def traced(self, net: FrozenGraph, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        return trace(net, checked(net, images), self.fast)

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.onnx``. Facts: ``bytes``."""
        checked_file_name(name)
        content: bytes = to_onnx(net, self.fast).SerializeToString()
        return Export({f"{name}.onnx": content}, {"bytes": len(content)})
