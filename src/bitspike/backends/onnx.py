"""A frozen graph in standard ONNX ops: the oracle's logits and spikes, integer for integer.

Everything is computed in floats that hold every integer which can occur, so no sum or product rounds and the order of a
sum does not matter. What could leave that range is refused. The runtime must sum products as they are: a convolution by
Winograd's or a Fourier transform, or in TF32 or bfloat16, does round. onnxruntime on a CPU does none of these unasked.

- Levels are int8, uint8 or int32. Where ``T > 1`` time is unrolled: one tensor for each step.
- Synapses and sums over windows run in float32 (integers up to 2^24).
- Affines, sums and neurons run in float64 (integers up to 2^53): a shift is a product with a power of two, which is
  exact, and Floor, which goes toward minus infinity as the shift does.
- A convolution reads levels and weights through DequantizeLinear of scale 1, as quantized models do. All else casts,
  for what onnxruntime (1.32) makes of a DequantizeLinear elsewhere is not always the same: before MaxPool it puts
  levels into uint8 (its issue 27845), and matrix products it runs in 8 bits that saturate on x86 without VNNI
  (issue 16105), or rounds what they read (MatMulNBits).
"""

from __future__ import annotations

from math import ldexp
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import require
from bitspike.intmath import shift_right
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Fire,
    FrozenGraph,
    Input,
    Linear,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    SumPool,
    SumTime,
)  # fmt: skip

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

OPSET, IR_VERSION = 17, 8
"""Old enough for most runtimes; nothing newer is needed."""
FLOAT32, FLOAT64 = 2**24, 2**53
"""Each holds every integer up to here."""


def to_onnx(net: FrozenGraph) -> onnx.ModelProto:
    """The network as an ONNX model.

    Its input is ``images``, uint8 ``[N, C, H, W]`` with any ``N``; its output ``logits``, int64 ``[N, K]``. Step ``t``
    of the edge ``E`` is the value ``E.t{t}``, ``[N, *shape]``: integers where the edge has levels, float64 elsewhere.

    Args:
        net: the network.

    Raises:
        UserError: onnx is not installed, or an op's integers could leave what its floats hold.
    """
    made = _Model(require("onnx", "onnx"), net)
    for node in net.graph.nodes:
        made.visit(node)
    return made.finish()


class _Model:
    def __init__(self, onnx: Any, net: FrozenGraph) -> None:
        self.onnx, self.net = onnx, net
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.dtypes = {name: self._dtype(name) for name in net.graph.edges}

    def visit(self, node: Node) -> None:
        """Writes the ops of one node."""
        edge, read = self.net.graph.edges[node.name], node.inputs[0] if node.inputs else ""
        _check(node, self._reach(node.name), FLOAT64)
        match node:
            case Input(edge=edge) if edge.lo is not None:
                self._emit(node, 0, "float64", "Add", self._cast("images", "float64"), self._number(edge.lo))
            case Conv() | Linear():
                self._synapse(node, read)
            case SumPool():
                _check(node, self._reach(read) * node.kernel_size[0] * node.kernel_size[1], FLOAT32)
                ones = np.ones((edge.shape[0], 1, *node.kernel_size), dtype=np.float32)
                weight = self._tensor(f"{node.name}.ones", ones)  # AveragePool would divide, and round
                for t in range(edge.T):
                    x = self._step(read, t, "float32")
                    self._emit(node, t, "float32", "Conv", x, weight, group=edge.shape[0], **_window(node))
            case MaxPool():
                dtype = "float32" if self._reach(read) <= FLOAT32 else "float64"
                for t in range(edge.T):
                    self._emit(node, t, dtype, "MaxPool", self._step(read, t, dtype), **_window(node))
            case Reshape(shape=shape):
                to = self._tensor(f"{node.name}.shape", np.array([0, *shape], dtype=np.int64))  # 0: N as it is
                for t in range(edge.T):
                    self._emit(node, t, self.dtypes[read], "Reshape", self._step(read, t), to)
            case Release():
                for t in range(node.T):
                    x = self._step(read, 0, "float64")
                    self._emit(node, t, "float64", "Mul", x, self._number(int(t < node.steps)))
            case Affine():
                self._affine(node, read, (-1, *(1 for _ in edge.shape[1:])))
            case Add(inputs=(left, right)):
                for t in range(edge.T):
                    self._emit(node, t, "float64", "Add", *(self._step(name, t, "float64") for name in (left, right)))
            case Fire():
                self._fire(node, read)
            case Relu():
                for t in range(edge.T):
                    self._emit(node, t, "float64", "Relu", self._step(read, t, "float64"))
            case Readout() | SumTime():
                steps = [self._step(read, t, "float64") for t in range(self.net.graph.edges[read].T)]
                total = self._emit(node, 0, "float64", "Sum", *steps)
                if isinstance(node, Readout):
                    self._cast(total, "int64", "logits")
            case _:
                raise node.refuse(type(node).__name__.lower(), "has no meaning in integers")

    def finish(self) -> onnx.ModelProto:
        """The model, checked."""
        helper, edges, nodes = self.onnx.helper, self.net.graph.edges, self.net.graph.nodes
        images, logits = (["N", *edges[node.name].shape] for node in (nodes[0], nodes[-1]))
        graph = helper.make_graph(
            self.nodes,
            self.net.graph.name or "network",
            [helper.make_tensor_value_info("images", self._code("uint8"), images)],
            [helper.make_tensor_value_info("logits", self._code("int64"), logits)],
            list(self.initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bitspike")
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _synapse(self, node: Conv | Linear, read: str) -> None:
        codes = self.net.tensors[f"{node.name}.weight"]
        each = np.abs(codes).reshape(len(codes), -1).sum(1)
        _check(node, int(each.max()) * self._reach(read), FLOAT32)  # bounds every partial sum, in any order
        weight = self._tensor(f"{node.name}.weight", codes.astype(_narrowest(codes.min(), codes.max())))
        if isinstance(node, Conv):
            kind, attributes = "Conv", {"group": node.groups, "dilations": node.dilation, **_window(node)}
        else:
            kind, attributes = "Gemm", {"transB": 1}
        quantized = kind == "Conv"
        weight = self._float32(weight, quantized)
        for t in range(self.net.graph.edges[node.name].T):
            x = self._float32(self._step(read, t), quantized and self.dtypes[read] != "float64")
            self._emit(node, t, "float32", kind, x, weight, **attributes)

    def _affine(self, node: Affine, read: str, per_channel: tuple[int, ...]) -> None:
        m, b = (self.net.tensors[f"{node.name}.{part}"] for part in ("multiplier", "offset"))
        half = 1 << node.shift >> 1
        _check(node, max(max(abs(int(v)) for v in m) * self._reach(read) + half, *(abs(int(v)) for v in b)), FLOAT64)
        multiplier, offset = (
            self._tensor(f"{node.name}.{part}", values.astype(np.float64).reshape(per_channel))
            for part, values in (("multiplier", m), ("offset", b))
        )
        for t in range(self.net.graph.edges[node.name].T):
            product = self._product(self._step(read, t, "float64"), multiplier, node.shift)
            there = node.steps is None or t < node.steps
            self._emit(node, t, "float64", "Add", product, offset if there else self._number(0))

    def _fire(self, node: Fire, read: str) -> None:
        """`bitspike.ir.Dynamics`, step by step."""
        d, membrane = node.dynamics, self.net.membranes[node.name]
        assert d is not None  # a FrozenGraph has them
        half = 1 << d.fraction_bits >> 1 if d.rounds else 0
        reach = max(membrane.hi, -membrane.lo)
        leaks = node.T > 1 and d.leak_multiplier != 1 << d.leak_shift
        _check(node, max(reach + half, reach * d.leak_multiplier * leaks), FLOAT64)
        if d.store is not None:
            scaled = reach * d.store.multiplier + (1 << d.store.shift >> 1)
            stored = node.top * d.store.step + (1 << d.store.step_shift >> 1)
            _check(node, max(scaled, stored) * (node.T > 1), FLOAT64)
        sent = self._number(0)
        v = self._number(int(shift_right(d.v_init * d.leak_multiplier, d.leak_shift)))
        for t in range(node.T):
            if t and leaks:
                v = self._op("Floor", self._op("Mul", v, self._number(ldexp(d.leak_multiplier, -d.leak_shift))))
            u = self._op("Add", v, self._step(read, t, "float64"))
            above = self._op("Add", u, self._number(half)) if half else u
            level = self._op("Floor", self._op("Mul", above, self._number(ldexp(1, -d.fraction_bits))))
            ends = self._number(node.lo), self._number(node.hi)
            if d.tracer is None:
                level = self._emit(node, t, "float64", "Clip", level, *ends)
            else:
                wanted = self._op("Add", sent, self._op("Clip", level, *ends))
                after = self._op("Clip", wanted, self._number(0), self._number(d.tracer))
                level, sent = self._emit(node, t, "float64", "Sub", after, sent), after
            if t + 1 == node.T:
                break
            if d.v_reset is None:
                v = self._op("Sub", u, self._op("Mul", level, self._number(1 << d.fraction_bits)))
            else:
                v = self._op("Where", self._op("Equal", level, self._number(0)), u, self._number(d.v_reset))
            if d.store is not None:
                code = self._product(v, self._number(d.store.multiplier), d.store.shift)
                code = self._op("Clip", code, self._number(-node.top), self._number(node.top))
                v = self._product(code, self._number(d.store.step), d.store.step_shift)

    def _product(self, x: str, factor: str, shift: int) -> str:
        """``x * factor / 2^shift``, rounded half up."""
        product = self._op("Mul", x, factor)
        if not shift:
            return product
        raised = self._op("Add", product, self._number(1 << shift >> 1))
        return self._op("Floor", self._op("Mul", raised, self._number(ldexp(1, -shift))))

    def _step(self, name: str, t: int, dtype: str = "") -> str:
        """Step ``t`` of an edge (which is held if it has but one), as ``dtype`` or as it is."""
        step, have = f"{name}.t{t if self.net.graph.edges[name].T > 1 else 0}", self.dtypes[name]
        return step if dtype in ("", have) else self._cast(step, dtype)

    def _emit(self, node: Node, t: int, dtype: str, kind: str, *inputs: str, **attributes: Any) -> str:
        """An op whose result, in the given type, is step ``t`` of the node's edge once it has the type of the edge."""
        step = f"{node.name}.t{t}"
        if dtype == self.dtypes[node.name]:
            return self._op(kind, *inputs, output=step, **attributes)
        made = self._op(kind, *inputs, **attributes)
        self._cast(made, self.dtypes[node.name], step)
        return made

    def _op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}/{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _cast(self, x: str, dtype: str, output: str = "") -> str:
        return self._op("Cast", x, output=output, to=self._code(dtype))

    def _float32(self, x: str, quantized: bool) -> str:
        """The same integers in float32, read as a quantized tensor or cast."""
        one = self._number(1, "float32")
        return self._op("DequantizeLinear", x, one) if quantized else self._cast(x, "float32")

    def _number(self, value: float, dtype: str = "float64") -> str:
        return self._tensor(f"{dtype}/{value}", np.array(value, dtype=dtype))

    def _tensor(self, name: str, values: NDArray[Any]) -> str:
        self.initializers[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def _code(self, dtype: str) -> int:
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _reach(self, name: str) -> int:
        return max(self.net.ranges[name].hi, -self.net.ranges[name].lo)

    def _dtype(self, name: str) -> str:
        return "float64" if self.net.graph.edges[name].lo is None else _narrowest(*self.net.ranges[name])


def _narrowest(lo: int, hi: int) -> str:
    """Of the types that every version of DequantizeLinear reads; float64 if none of them is wide enough."""
    fits = (name for name in ("int8", "uint8", "int32") if np.iinfo(name).min <= lo and hi <= np.iinfo(name).max)
    return next(fits, "float64")


def _check(node: Node, largest: int, exact: int) -> None:
    if largest > exact:
        name, bits = ("float32", 24) if exact == FLOAT32 else ("float64", 53)
        raise node.refuse(largest, f"ONNX computes it in {name}, which is exact to 2^{bits} only")


def _window(node: Conv | SumPool | MaxPool) -> dict[str, Any]:
    return {"kernel_shape": node.kernel_size, "strides": node.stride, "pads": (*node.padding, *node.padding)}
