"""docs/extend.md: its code is that of examples/, and each example does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

OP = """
from dataclasses import replace
import numpy as np, torch
from torch import nn
import examples.own_op as own
from bitspike.backends import backend, oracle
from bitspike.ir import load, save
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import freeze
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import quantize_weights

torch.manual_seed(1)
conv = OverTime(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
spikes = MultiBitLIFNode(3, 3, v_threshold=0.25, v_reset=None)
head = OverTime(nn.Flatten(), nn.Linear(384, 10, bias=False))
model = quantize_weights(nn.Sequential(Encoder(), conv, spikes, own.Cap(4, 0.25), head), 3).eval()
net = freeze(model, (1, 8, 8))
images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
edges = oracle.run(net, images)
(cap,) = (node for node in net.graph.nodes if node.op == "capped")
assert edges[cap.name].max() == 4 < edges[cap.inputs[0]].max(), "it cuts"
save(net, FILE)
net = load(FILE)
assert backend("native").lacks(net) is None, "it has a row, and runs"
for name in ("c", "onnx", "native"):
    assert (backend(name).run(net, images) == oracle.logits(net, images)).all(), name
backend("verilog").export(net, "capped")
"""

PLANTED = """
own.c.WRITERS._known["Capped"] = own.c.Each(lambda node, kind, x: x)
assert (backend("c").run(net, images) != oracle.logits(net, images)).any(), "a planted error is seen"
"""

SIMULATED = """
few = images[:2]
assert (backend("verilog").run(net, few) == oracle.logits(net, few)).all()
"""

BACKEND = """
import bitspike, examples.own_backend
from bitspike.backends import engines, exporters

assert "dot" in engines() and "dot" in exporters()
written = bitspike.export("examples/fashion-tiny.bitspike", "dot", FILE)
(file,) = written.files
text = file.read_text()
assert text.count("shape=box") == written.facts["ops"] and " -> " in text
"""

NEURON = """
import numpy as np, torch
from torch import nn
from examples.own_neuron import HalfwayNode, Tent
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import agreement, freeze
from bitspike.quant import quantize_weights

images = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)


def rate(part, said):
    torch.manual_seed(1)
    conv = OverTime(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
    head = OverTime(nn.Flatten(), nn.Linear(384, 10, bias=False))
    node = HalfwayNode(4, part)
    model = quantize_weights(nn.Sequential(Encoder(), conv, node, head), 3).eval()
    net = freeze(model, (1, 8, 8))
    node.part = said
    return max(layer.rate for layer in agreement(model, net, [images]).layers)


assert rate(0.25, 0.25) < 1e-3, "the integers start where the floats do"
assert rate(0.25, 0.75) > 1e-2, "a planted error is seen"
v = torch.tensor([0.5, 1.0])
assert Tent().derivative(v - 1.0).tolist() == torch.exp(torch.tensor([-0.5, 0.0])).tolist()
"""


@pytest.mark.parametrize("name", ["own_neuron", "own_op", "own_backend"])
def test_the_page_shows_the_file(name: str) -> None:
    assert (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8") in BLOCKS


@pytest.mark.parametrize("code", [NEURON, OP + PLANTED, BACKEND], ids=["neuron", "op", "backend"])
def test_it_works(code: str, tmp_path: Path) -> None:
    check(code, tmp_path)


@pytest.mark.hdl
def test_the_op_is_simulated(tmp_path: Path) -> None:
    if not any(map(shutil.which, ("iverilog", "verilator"))):
        pytest.skip("no simulator")
    check(OP + SIMULATED, tmp_path)


def check(code: str, tmp_path: Path) -> None:
    program = f"FILE = {str(tmp_path / 'net.bitspike')!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
