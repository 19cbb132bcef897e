"""The layers of a frozen network as int8, by ONNX Runtime and by torch's oneDNN: what networks are compared with.

They are given the same convolutions, matrices, pools and sums, each of which rounds to 8 bits, and nothing of what lies
between (no neurons, one step): no network that they could run exactly is faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from bitspike.ir import Add, Conv, FrozenGraph, MaxPool, Reshape, SumPool, Synapse

__all__ = ["by_onednn", "by_onnxruntime"]

Run = Callable[[], Any]


def by_onnxruntime(net: FrozenGraph, images: np.ndarray, threads: int = 1, weight_zero: int = 0) -> Run:
    """`QLinearConv` and its like, u8 by s8.

    A zero point of the weights that is not 0 is the other of its two ways.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between runs; else it slows whoever is next
    model = _int8(net, len(images), weight_zero).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("images", images)
    binding.bind_output(session.get_outputs()[0].name, "cpu")

    def run(keep: Any = images) -> None:
        session.run_with_iobinding(binding)

    return run


def _int8(net: FrozenGraph, batch: int, weight_zero: int) -> Any:
    """The layers as operators of int8, one after the other."""
    nodes: list[Any] = []
    constants: dict[str, Any] = {}
    made: dict[str, str] = {}

    def constant(name: str, values: Any) -> str:
        constants[name] = numpy_helper.from_array(values, name)
        return name

    scale, zero = constant("scale", np.float32(0.01)), constant("zero", np.uint8(0))
    signed = constant("signed", np.int8(weight_zero))
    first = net.graph.nodes[0]
    for node in net.graph.nodes:
        read = [made[name] for name in node.inputs]
        made[node.name] = node.name
        window = {}
        if isinstance(node, Conv | MaxPool | SumPool):
            pads = (*node.padding, *node.padding)
            window = {"kernel_shape": node.kernel_size, "strides": node.stride, "pads": pads}
        if isinstance(node, Synapse):
            codes = net.tensors[f"{node.name}.weight"].astype(np.int8)
            codes = codes if codes.ndim == 4 else np.ascontiguousarray(codes.T)
            weight = constant(f"{node.name}.weight", codes)
            kind = "QLinearConv" if isinstance(node, Conv) else "QLinearMatMul"
            inputs = [read[0], scale, zero, weight, scale, signed, scale, zero]
            nodes.append(helper.make_node(kind, inputs, [node.name], **window))
        elif isinstance(node, MaxPool):
            nodes.append(helper.make_node("MaxPool", read, [node.name], **window))
        elif isinstance(node, SumPool):
            inputs = [read[0], scale, zero, scale, zero]
            kind = "QLinearGlobalAveragePool"
            nodes.append(helper.make_node(kind, inputs, [node.name], domain="com.microsoft", channels_last=0))
        elif isinstance(node, Add):
            inputs = [read[0], scale, zero, read[1], scale, zero, scale, zero]
            nodes.append(helper.make_node("QLinearAdd", inputs, [node.name], domain="com.microsoft"))
        elif isinstance(node, Reshape):
            nodes.append(helper.make_node("Flatten", read, [node.name]))
        else:
            made[node.name] = "images" if node is first else read[0]
    last = made[net.graph.nodes[-1].name]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, *net.graph.edges[first.name].shape])
    logits = helper.make_tensor_value_info(last, TensorProto.UINT8, None)
    graph = helper.make_graph(nodes, net.graph.name, [images], [logits], list(constants.values()))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def by_onednn(net: FrozenGraph, images: np.ndarray) -> Run | None:
    """`torch.ops.quantized`, channels last, on one thread; ``None`` where torch has no oneDNN."""
    if "onednn" not in torch.backends.quantized.supported_engines:
        return None
    torch.backends.quantized.engine = "onednn"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = net.graph.nodes[0].name
        start = torch._make_per_tensor_quantized_tensor(torch.from_numpy(images), 0.01, 0)
        start = start.contiguous(memory_format=torch.channels_last)
        steps = [(node.name, node.inputs, _step(net, node)) for node in net.graph.nodes[1:]]

    def run() -> None:
        torch.set_num_threads(1)
        torch.backends.quantized.engine = "onednn"
        edges = {first: start}
        for name, inputs, step in steps:
            edges[name] = step(*(edges[one] for one in inputs))

    with torch.no_grad():
        run()
    return torch.no_grad()(run)


def _step(net: FrozenGraph, node: Any) -> Callable[..., Any]:
    """What one op becomes."""
    quantized, functional = torch.ops.quantized, torch.nn.functional
    if isinstance(node, Synapse):
        codes = torch.from_numpy(net.tensors[f"{node.name}.weight"].astype(np.int8))
        weight = torch._make_per_tensor_quantized_tensor(codes, 0.01, 0)
        if isinstance(node, Conv):
            stride, padding = list(node.stride), list(node.padding)
            packed = quantized.conv2d_prepack(weight, None, stride, padding, list(node.dilation), node.groups)
            return lambda x: quantized.conv2d(x, packed, 0.01, 0)
        packed = quantized.linear_prepack(weight, None)
        return lambda x: quantized.linear(x, packed, 0.01, 0)
    if isinstance(node, MaxPool):
        return lambda x: functional.max_pool2d(x, node.kernel_size, node.stride, node.padding)
    if isinstance(node, SumPool):
        return lambda x: functional.adaptive_avg_pool2d(x, 1)
    if isinstance(node, Add):
        return lambda x, y: quantized.add(x, y, 0.01, 0)
    if isinstance(node, Reshape):
        return lambda x: x.flatten(1)
    return lambda x: x
