"""An ONNX model as it is written: its ops, its constants, and what type each value has."""

from __future__ import annotations

from graphlib import TopologicalSorter
from math import ldexp
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.intmath import half
from bitspike.ir import FrozenGraph, Node

if TYPE_CHECKING:
    import onnx

__all__ = ["FLOAT32", "FLOAT64", "Model", "check", "narrowest"]

OPSET, IR_VERSION = 17, 8
"""Old enough for most runtimes; nothing newer is needed."""
MOST_OPS = 1 << 16
"""Time is unrolled; onnxruntime takes a minute to load so many."""
FLOAT32, FLOAT64 = 2**24, 2**53
"""Each holds every integer up to here."""


class Model:
    """What the rows of the table write with.

    Args:
        onnx: the library.
        net: the network.
        fast: whether convolutions of levels from 0 to 255 are sums of bytes.

    Attributes:
        dtypes: type of every edge: an integer where it has levels, else float64.
        outputs: what the network's outputs are called: ``logits``, or ``output0`` and on where there are several.
    """

    def __init__(self, onnx: Any, net: FrozenGraph, fast: bool) -> None:
        self.onnx, self.net, self.fast = onnx, net, fast
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        several = len(net.readouts) > 1
        self.outputs = [f"output{index}" for index in range(len(net.readouts))] if several else ["logits"]
        self.dtypes = {name: self._dtype(name) for name in net.graph.edges}

    def finish(self) -> onnx.ModelProto:
        """The model, checked."""
        helper, edges = self.onnx.helper, self.net.graph.edges
        images, outputs = ["N", *self.net.sample.array_shape], []
        for node, name in zip(self.net.readouts, self.outputs, strict=True):
            steps = [edges[node.name].T] if node.over == "each" else []
            shape = ["N", *steps, *edges[node.name].shape]
            outputs.append(helper.make_tensor_value_info(name, self._code("int64"), shape))
        graph = helper.make_graph(
            self._in_order() if any(self.net.graph.delays()) else self.nodes,
            self.net.graph.name or "network",
            [helper.make_tensor_value_info("images", self._code("uint8"), images)],
            outputs,
            list(self.initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bitspike")
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _in_order(self) -> list[Any]:
        """Its ops, each behind those it reads: a delay was written before the step that it reads."""
        made = {node.output[0]: node for node in self.nodes}
        before = {name: [one for one in node.input if one in made] for name, node in made.items()}
        return [made[name] for name in TopologicalSorter(before).static_order()]

    # What there is

    def reach(self, name: str) -> int:
        """The largest magnitude on an edge."""
        return max(self.net.ranges[name].hi, -self.net.ranges[name].lo)

    def steps(self, node: Node) -> range:
        """Steps of the op's edge."""
        return range(self.net.graph.edges[node.name].T)

    def step(self, name: str, t: int, dtype: str = "") -> str:
        """Step ``t`` of an edge (which is held if it has but one), as ``dtype`` or as it is."""
        step, have = step_name(self.net, name, t), self.dtypes[name]
        return step if dtype in ("", have) else self.cast(step, dtype)

    # What is written

    def emit(self, node: Node, t: int, dtype: str, kind: str, *inputs: str, **attributes: Any) -> str:
        """An op whose result, in the given type, is step ``t`` of the node's edge once it has the type of the edge."""
        step = f"{node.name}.t{t}"
        if dtype == self.dtypes[node.name]:
            return self.op(kind, *inputs, output=step, **attributes)
        made = self.op(kind, *inputs, **attributes)
        self.cast(made, self.dtypes[node.name], step)
        return made

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """An op of ONNX: the name of its output.

        Raises:
            UserError: there are too many.
        """
        if len(self.nodes) == MOST_OPS:
            steps = max(edge.T for edge in self.net.graph.edges.values())
            wanted = "each is written out; want fewer steps, or another backend"
            raise UserError("onnx", f"{steps} steps, above {MOST_OPS:,} ops", wanted)
        output = output or f"{kind}/{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def cast(self, x: str, dtype: str, output: str = "") -> str:
        """The same values in another type."""
        return self.op("Cast", x, output=output, to=self._code(dtype))

    def float32(self, x: str, quantized: bool) -> str:
        """The same integers in float32, read as a quantized tensor or cast."""
        one = self.number(1, "float32")
        return self.op("DequantizeLinear", x, one) if quantized else self.cast(x, "float32")

    def product(self, x: str, factor: str, shift: int) -> str:
        """``x * factor / 2^shift``, rounded half up."""
        product = self.op("Mul", x, factor)
        if not shift:
            return product
        raised = self.op("Add", product, self.number(half(shift)))
        return self.op("Floor", self.op("Mul", raised, self.number(ldexp(1, -shift))))

    def zeros(self, shape: tuple[int, ...], dtype: str) -> str:
        """``[N, *shape]`` of 0."""
        sides = self.tensor(f"shape/{shape}", np.array(shape, dtype=np.int64))
        whole = self.op("Concat", self.op("Shape", "images", end=1), sides, axis=0)
        zero = self.onnx.numpy_helper.from_array(np.zeros(1, dtype=dtype))
        return self.op("ConstantOfShape", whole, value=zero)

    def number(self, value: float, dtype: str = "float64") -> str:
        """A constant."""
        return self.tensor(f"{dtype}/{value}", np.array(value, dtype=dtype))

    def tensor(self, name: str, values: NDArray[Any]) -> str:
        """A constant tensor."""
        self.initializers[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def _code(self, dtype: str) -> int:
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _dtype(self, name: str) -> str:
        return "float64" if self.net.graph.edges[name].lo is None else narrowest(*self.net.ranges[name])


def step_name(net: FrozenGraph, name: str, t: int) -> str:
    """The value of the model that is step ``t`` of an edge; one that has a single step is held."""
    return f"{name}.t{t if net.graph.edges[name].T > 1 else 0}"


def narrowest(lo: int, hi: int) -> str:
    """The narrowest type that every version of DequantizeLinear reads; float64 if none of them is wide enough."""
    fits = (name for name in ("int8", "uint8", "int32") if np.iinfo(name).min <= lo and hi <= np.iinfo(name).max)
    return next(fits, "float64")


def check(node: Node, largest: int, exact: int) -> None:
    """Refuses an op that computes an integer beyond what its floats hold.

    Raises:
        UserError: it does.
    """
    if largest > exact:
        name, bits = ("float32", 24) if exact == FLOAT32 else ("float64", 53)
        raise node.refuse(largest, f"ONNX computes it in {name}, which is exact to 2^{bits} only")
