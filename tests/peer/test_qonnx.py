"""QONNX's executor beside our floats: the same logits but for float32's rounding."""

import numpy as np
import pytest
import torch
from torch import nn

from bitspike.backends import backend
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import freeze
from bitspike.neurons import IFNode, MultiBitLIFNode
from bitspike.quant import quantize_weights

pytestmark = pytest.mark.peer
REASON = "qonnx is not installed here: `make test-peers` makes an environment that has it"
wrapper = pytest.importorskip("qonnx.core.modelwrapper", reason=REASON, exc_type=ImportError)
execution = pytest.importorskip("qonnx.core.onnx_exec", reason=REASON, exc_type=ImportError)
shapes = pytest.importorskip("qonnx.transformation.infer_shapes", reason=REASON, exc_type=ImportError)
datatypes = pytest.importorskip("qonnx.transformation.infer_datatypes", reason=REASON, exc_type=ImportError)


@pytest.mark.parametrize(
    ("neuron", "bits", "sent"),
    [(lambda: MultiBitLIFNode(2, 2, 2.0, 0.25), 3, "UINT2"), (lambda: IFNode(3), 1, "BINARY")],
)
def test_its_executor_computes_what_our_floats_do(neuron, bits, sent, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(
        Encoder(),
        OverTime(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        neuron(),
        OverTime(nn.MaxPool2d(2), nn.Conv2d(4, 6, 3)),
        neuron(),
        OverTime(nn.Flatten(), nn.Linear(24, 5)),
    )
    net = quantize_weights(net, bits).eval()
    path = tmp_path / "net.onnx"
    path.write_bytes(backend("qonnx").export(freeze(net, (1, 8, 8)), "net").files["net.onnx"])
    model = wrapper.ModelWrapper(str(path)).transform(shapes.InferShapes())
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8)).astype(np.uint8)
    values = ((images.astype(np.float32) - 128) / 64)[:, None]
    made = np.concatenate([execution.execute_onnx(model, {"images": one})["logits"] for one in values])
    with torch.no_grad():
        own = net(torch.tensor(images)).mean(0).numpy()
    assert np.median(np.abs(made - own)) < 1e-5 * np.abs(own).max()
    assert (np.abs(made - own) > 1e-3 * np.abs(own).max()).mean() < 0.1  # a spike on its threshold
    model = model.transform(datatypes.InferDataTypes())
    kinds = {str(model.get_tensor_datatype(f"{node}.t0")) for node in ("2", "4")}
    assert kinds == {sent}
