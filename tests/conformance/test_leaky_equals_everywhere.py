"""A frozen network of leaky neurons is the same in every backend, and a moved tie is seen."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from bitspike.backends import backend, oracle
from bitspike.backends.verilog import simulated, to_verilog
from bitspike.ir import Affine, Edge, Fire, FrozenGraph, Graph, Input, LeakyDynamics, Linear, Readout, Reshape

RESETS = ["subtract", "subtract-at-once", "zero", "none"]


def network(reset: str, seed: int, T: int = 6, features: int = 12, image: bool = False) -> FrozenGraph:
    """Two layers of neurons behind a train or a held image, on few bits, so that sums often are on a threshold."""
    draw = np.random.default_rng(seed)
    fraction, leak = int(draw.integers(0, 4)), int(draw.integers(0, 5))
    nodes: list = [Input(name="input", inputs=(), edge=Edge(shape=(features,), T=T, lo=-3, hi=3, scale=1.0))]
    if image:
        held = Edge(shape=(1, 1, features), T=1, lo=-3, hi=3, scale=1.0)
        flat = Reshape(name="flat", inputs=("input",), shape=(features,))
        nodes = [Input(name="input", inputs=(), edge=held), flat]
    tensors = {}
    for name, outputs in (("a", features), ("b", 5)):
        linear = Linear(name=f"{name}.sum", inputs=(nodes[-1].name,), out_channels=outputs, weight_bits=3)
        affine = Affine(name=f"{name}.affine", inputs=(linear.name,), fraction_bits=fraction)
        how = LeakyDynamics(fraction_bits=fraction, leak_multiplier=leak, leak_shift=2, reset=reset)
        fire = Fire(name=name, inputs=(affine.name,), T=T, lo=0, hi=1, scale=1.0, dynamics=how)
        tensors[f"{linear.name}.weight"] = draw.integers(-2, 4, (outputs, features))
        tensors[f"{affine.name}.multiplier"] = draw.integers(1, 3, outputs)
        tensors[f"{affine.name}.offset"] = draw.integers(-1, 2, outputs)
        nodes += [linear, affine, fire]
    nodes.append(Readout(name="readout", inputs=("b",)))
    return FrozenGraph(Graph("leaky", tuple(nodes)), tensors)


def codes(net: FrozenGraph, count: int = 40) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 7, (count, *net.sample.array_shape)).astype(np.uint8)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("engine", ["c", "onnx", "native"])
def test_every_backend_equals_the_oracle(reset: str, engine: str) -> None:
    if engine == "c" and shutil.which("cc") is None:
        pytest.skip("no C compiler")
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    for seed in range(1 if engine == "c" else 4):
        net = network(reset, seed)
        images = codes(net)
        wanted = oracle.run(net, images)
        logits, edges = backend(engine).trace(net, images)
        assert np.array_equal(logits, oracle.logits(net, images))
        for name in ("a", "b"):
            if name in edges:
                assert np.array_equal(edges[name], wanted[name])


@pytest.mark.parametrize("reset", RESETS)
def test_sums_meet_thresholds_and_the_comparison_sees_a_moved_tie(reset: str) -> None:
    ties = moved = 0
    for seed in range(6):
        net = network(reset, seed)
        node = next(one for one in net.graph.neurons() if one.name == "a")
        currents = oracle.run(net, codes(net))["a.affine"]
        levels, potentials = node.fire(currents)
        ties += int((potentials == 1 << node.dynamics.fraction_bits).sum())
        lower = replace(node, dynamics=replace(node.dynamics, reset="none" if reset != "none" else "zero"))
        moved += int((levels != lower.fire(currents)[0]).sum())
    assert ties > 50
    assert moved > 50


@pytest.mark.parametrize("reset", RESETS)
def test_a_file_keeps_it(reset: str, tmp_path) -> None:
    from bitspike.ir import load, save

    net = network(reset, 0)
    save(net, tmp_path / "net.bitspike")
    assert load(tmp_path / "net.bitspike").graph == net.graph


@pytest.mark.hdl
@pytest.mark.parametrize("reset", RESETS)
def test_its_hardware_equals_the_oracle(reset: str) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("no iverilog")
    net = network(reset, 1, T=5, features=6, image=True)
    shown = codes(net, 6)
    seen = simulated(to_verilog(net, "network", 2, "parallel"), shown, "icarus", trace=True)
    assert np.array_equal(seen.logits, oracle.logits(net, shown))
    wanted = oracle.run(net, shown)
    assert all(np.array_equal(seen.edges[name], wanted[name]) for name in ("a", "b"))
