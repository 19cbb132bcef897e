"""The same int8 convolution by ONNX Runtime and by torch's engines: what `kernels.py` compares with.

Each takes its inputs as it likes them, channels last, and turns its sums into 8-bit levels, which the kernels alone do
not do.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bitspike.errors import require


def onnx_runtime(channels: int, size: int, batch: int, weight_zero: int) -> Callable[[], Any]:
    """`QLinearConv`, u8 by s8, on one thread, nothing copied.

    A zero point of the weights that is not 0 is the other of its two ways.
    """
    onnx, runtime = require("onnx", "onnx"), require("onnxruntime", "onnx")
    rng = np.random.default_rng(0)
    values = {
        "x_scale": np.float32(0.02),
        "x_zero": np.uint8(0),
        "w": rng.integers(-127, 127, (channels, channels, 3, 3), np.int8),
        "w_scale": np.full(channels, 0.01, np.float32),
        "w_zero": np.full(channels, weight_zero, np.int8),
        "bias": np.zeros(channels, np.int32),
    }
    helper, shape = onnx.helper, [batch, size, size, channels]
    node = helper.make_node(
        "QLinearConv",
        ["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "x_scale", "x_zero", "bias"],
        ["y"],
        domain="com.microsoft",
        channels_last=1,
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, shape)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = helper.make_model(graph, opset_imports=sets, ir_version=10).SerializeToString()
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x, y = rng.integers(0, 255, shape, np.uint8), np.zeros(shape, np.uint8)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, np.uint8, shape, y.ctypes.data)

    def run(keep: Any = (x, y)) -> None:
        session.run_with_iobinding(binding)

    return run


def torch_engine(channels: int, size: int, batch: int, engine: str) -> Callable[[], Any]:
    """`torch.ops.quantized.conv2d`, channels last, on one thread."""
    quantized = torch.backends.quantized
    quantized.engine = engine
    zeros, scales = torch.zeros(channels, dtype=torch.long), torch.full((channels,), 0.02, dtype=torch.double)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = torch.quantize_per_channel(torch.randn(channels, channels, 3, 3), scales, zeros, 0, torch.qint8)
        images = torch.rand(batch, channels, size, size).contiguous(memory_format=torch.channels_last)
        x = torch.quantize_per_tensor(images, 1 / 255, 0, torch.quint8)
    packed = torch.ops.quantized.conv2d_prepack(weights, torch.zeros(channels), [1, 1], [1, 1], [1, 1], 1)

    def run() -> None:
        quantized.engine = engine
        torch.ops.quantized.conv2d(x, packed, 0.5, 0)

    return run


def peers(channels: int, size: int, batch: int) -> dict[str, Callable[[], Any]]:
    """Each by its name; oneDNN and FBGEMM are what torch has on x86."""
    torch.set_num_threads(1)
    made = {
        "onnxruntime": onnx_runtime(channels, size, batch, 0),
        "onnxruntime, weight zero 1": onnx_runtime(channels, size, batch, 1),
    }
    for engine in {"onednn", "fbgemm"} & set(torch.backends.quantized.supported_engines):
        made[engine] = torch_engine(channels, size, batch, engine)
    return made
