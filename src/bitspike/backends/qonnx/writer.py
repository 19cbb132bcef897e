"""A QONNX model as it is written: its ops, its constants, and what each edge of the network is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.ir import FrozenGraph, Node, Synapse

__all__ = ["DOMAIN", "Value", "Writer", "width"]

DOMAIN = "qonnx.custom_op.general"
OPSET, IR_VERSION = 13, 8
MOST_OPS = 1 << 14
"""Time is unrolled."""


def width(lo: int, hi: int) -> tuple[int, bool]:
    """The bits of the plain alphabet that has these levels, and whether it has a sign."""
    if lo >= 0:
        return max(1, hi.bit_length()), False
    return 1 + max((-lo - 1).bit_length(), hi.bit_length()), True


@dataclass(frozen=True)
class Value:
    """An edge of the network in real numbers.

    Attributes:
        steps: the names of its steps; one where it is held.
        unit: what an integer 1 of the edge is.
        synapse: whose accumulators it is, not written yet, of ``steps``: the affine behind it says what they are worth.
    """

    steps: tuple[str, ...]
    unit: float
    synapse: Synapse | None = None


class Writer:
    """What the rows of the table write with.

    Args:
        onnx: the library.
        net: the network.

    Attributes:
        values: by name of an edge.
    """

    def __init__(self, onnx: Any, net: FrozenGraph) -> None:
        self.onnx, self.net = onnx, net
        self.values: dict[str, Value] = {}
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.outputs: list[Any] = []

    def read(self, node: Node) -> Value:
        """What the op reads first.

        Raises:
            UserError: accumulators that no affine has given a value.
        """
        value = self.values[node.inputs[0]]
        if value.synapse is not None:
            raise node.refuse("accumulators", "want an affine before it, which freezing writes")
        return value

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one step of an edge."""
        return self.net.graph.edges[name].shape

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """An op: the name of its output.

        Raises:
            UserError: there are too many.
        """
        if len(self.nodes) == MOST_OPS:
            raise UserError("qonnx", f"above {MOST_OPS:,} ops", "each step is written out; want fewer, or --to onnx")
        output = output or f"{kind}/{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values: Any, name: str = "", dtype: Any = np.float32) -> str:
        """The name of a constant, made once."""
        array = np.asarray(values, dtype)
        name = name or f"const/{array.dtype.name}/{array.tolist()!r}"
        self.constants.setdefault(name, self.onnx.numpy_helper.from_array(array, name))
        return name

    def quantized(
        self,
        x: str,
        bits: int,
        scale: Any,
        *,
        signed: bool,
        narrow: bool = False,
        rounding_mode: str = "ROUND",
        output: str = "",
    ) -> str:
        """``x`` in steps of ``scale``, in so many bits: the nearest, or as ``rounding_mode`` says."""
        steps = self.constant(scale, f"{output}.scale" if np.ndim(scale) else "")
        inputs = (x, steps, self.constant(0.0), self.constant(float(bits)))
        how = {"signed": int(signed), "narrow": int(narrow), "rounding_mode": rounding_mode}
        return self.op("Quant", *inputs, output=output, domain=DOMAIN, **how)

    def weight(self, node: Synapse, gain: NDArray[np.float64], name: str) -> str:
        """The weights of a synapse, real numbers and what quantizes them; a code of a channel is worth ``gain``."""
        codes = self.net.integers(f"{node.name}.weight")
        each = (-1, *(1 for _ in codes.shape[1:]))
        real = self.constant(codes * gain.reshape(each), f"{name}.weight")
        scale = np.where(gain == 0, 1.0, np.abs(gain)).reshape(each)
        if node.weight_bits == 1:
            steps = self.constant(scale, f"{name}.scale")
            return self.op("BipolarQuant", real, steps, output=f"{name}.quantized", domain=DOMAIN)
        return self.quantized(real, node.weight_bits, scale, signed=True, narrow=True, output=f"{name}.quantized")

    def finish(self) -> Any:
        """The model, checked as far as ONNX knows it."""
        helper, float32 = self.onnx.helper, self.onnx.TensorProto.FLOAT
        shape = [1, *self.net.sample.array_shape]
        graph = helper.make_graph(
            self.nodes,
            self.net.graph.name or "network",
            [helper.make_tensor_value_info("images", float32, shape)],
            self.outputs,
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bitspike")
        self.onnx.checker.check_model(model)
        return model
