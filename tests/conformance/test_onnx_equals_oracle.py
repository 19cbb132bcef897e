"""The exported ONNX model, run by onnxruntime, is the oracle: every logit and every value in between, exactly."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from bitspike import BitPlan, Bits, UserError
from bitspike.backends import oracle
from bitspike.backends.onnx import sums_of_bytes, to_onnx
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    SpikingMaxPool,
    Store,
    SumPool,
    SumTime,
    Synapse,
    tensor_shapes,
)  # fmt: skip
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import NeuronSettings, SpikingNode, neuron_settings
from bitspike.quant import MembraneQuantizer

ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

IMAGE = (3, 8, 8)
CHANNELS = {"convnet": (4, 6, 8), "vgg9": (4, 6, 8), "resnet8-thin": (4, 6, 8), "sew-resnet18": (4, 4, 6, 8)}
Pair = tuple[int, int]
PLAIN, OPTIMIZED = ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL


def differences(
    net: FrozenGraph, model: onnx.ModelProto, images: NDArray[np.uint8], level: object, edges: tuple[str, ...]
) -> dict[str, int]:
    """Values of the named edges, and logits, in which the model differs from the oracle's run of ``net``."""
    steps = {f"{name}.t{t}": (name, t) for name in edges for t in range(net.graph.edges[name].T)}
    shown = onnx.ModelProto.FromString(model.SerializeToString())
    shown.graph.output.extend(onnx.ValueInfoProto(name=step) for step in steps)
    options = ort.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    logits, *values = session.run(["logits", *steps], {"images": images})
    wanted = oracle.run(net, images)
    assert logits.dtype == np.int64
    found = {"logits": _different(logits, wanted[net.graph.nodes[-1].name][0])}
    for (name, t), value in zip(steps.values(), values, strict=True):
        found[f"{name}.t{t}"] = _different(value, wanted[name][t])
    return {name: count for name, count in found.items() if count}


def _different(value: NDArray[np.generic], wanted: NDArray[np.int64]) -> int:
    assert value.shape == wanted.shape
    return int((value != wanted).sum())  # float64 against int64 below 2^53: exact


def everywhere(net: FrozenGraph, images: NDArray[np.uint8]) -> dict[str, int]:
    """Differences of any edge in the plain model, of spikes in the optimized one, and of its logits alone.

    What is an output cannot be fused away, so the last is the model as it is used. Then of sums of bytes.
    """
    model, fast, spikes = to_onnx(net), to_onnx(net, fast=True), tuple(node.name for node in net.graph.neurons())
    runs = ((model, PLAIN, tuple(net.graph.edges)), (model, OPTIMIZED, spikes), (model, OPTIMIZED, ()))
    runs += ((fast, PLAIN, tuple(net.graph.edges)), (fast, OPTIMIZED, ()))
    return {name: n for made, level, edges in runs for name, n in differences(net, made, images, level, edges).items()}


def pictures(seed: int, count: int = 3, shape: tuple[int, int, int] = IMAGE) -> NDArray[np.uint8]:
    """Random images, after a darkest and a brightest one."""
    random = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    return np.concatenate([np.zeros((1, *shape), np.uint8), np.full((1, *shape), 255, np.uint8), random])


def family(name: str, bits: Bits, neuron: NeuronSettings, seed: int, membrane_bits: int | None = None) -> FrozenGraph:
    """A randomly initialised model of a family, frozen after some batches for batch norm, which keeps it awake."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        plan = BitPlan(bits)
        model = build_model(name, plan, sample=IMAGE, num_classes=5, neuron=neuron, channels=CHANNELS[name])
        for node in (module for module in model.modules() if isinstance(module, SpikingNode)):
            node.store = nn.Identity() if membrane_bits is None else MembraneQuantizer(membrane_bits)
        with torch.no_grad():
            for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)):
                norm.momentum = None  # a plain mean of the batches
                norm.weight.uniform_(0.5, 2.0)
                norm.bias.uniform_(-0.5, 1.5)
            for _ in range(3):
                model(torch.randint(0, 256, (8, *IMAGE), dtype=torch.uint8))
    return freeze(model.eval(), IMAGE, name)


@pytest.mark.parametrize("name", sorted(CHANNELS))
@settings(max_examples=40)
@given(
    w=st.integers(1, 8),
    s=st.integers(1, 4),
    t=st.integers(1, 4),
    v_reset=st.sampled_from([0.0, None, -0.25]),
    tau=st.sampled_from([1.0, 2.0]),
    seed=st.integers(0, 999),
)
def test_every_family_is_equal_everywhere(
    name: str, w: int, s: int, t: int, v_reset: float | None, tau: float, seed: int
) -> None:
    net = family(name, Bits(w, s, t), neuron_settings(v_reset=v_reset, tau=tau), seed)
    assert not everywhere(net, pictures(seed))


@pytest.mark.parametrize("name", ["convnet", "resnet8-thin"])
@settings(max_examples=15)
@given(
    k=st.integers(2, 16),
    t=st.integers(2, 4),
    v_reset=st.sampled_from([0.0, None, -0.25]),
    tau=st.sampled_from([1.0, 2.0]),
    seed=st.integers(0, 999),
)
def test_stored_membranes_are_equal_everywhere(
    name: str, k: int, t: int, v_reset: float | None, tau: float, seed: int
) -> None:
    net = family(name, Bits(2, 1, t), neuron_settings(v_reset=v_reset, tau=tau), seed, k)
    assert {node.membrane_bits for node in net.graph.neurons()} == {k}
    assert not everywhere(net, pictures(seed))


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_the_families_are_awake(name: str) -> None:
    net = family(name, Bits(3, 2, 3), neuron_settings(), 0)
    edges = oracle.run(net, pictures(0))
    rates = {node.name: (edges[node.name] != 0).mean() for node in net.graph.neurons()}
    assert all(0.1 < rate < 0.9 for rate in rates.values()), rates


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("part", ["weight", "multiplier", "offset"])
def test_the_comparison_finds_a_planted_error(part: str, fast: bool) -> None:
    net = family("convnet", Bits(3, 2, 2), neuron_settings(v_reset=None), 1)
    name = next(name for name in net.tensors if name.endswith(part) and not name.startswith("features.0"))
    wrong = net.tensors[name].astype(np.int64)
    wrong.flat[0] += 1 if wrong.flat[0] <= 0 else -1
    model = to_onnx(FrozenGraph(net.graph, {**net.tensors, name: wrong}), fast)
    assert differences(net, model, pictures(1), PLAIN, tuple(net.graph.edges))


def test_the_model_is_standard_and_compact() -> None:
    net = family("resnet8-thin", Bits(3, 2, 3), neuron_settings(tau=2.0), 0)
    model = to_onnx(net)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    names = [tensor.name for tensor in model.graph.initializer]
    assert len(names) == len(set(names))
    assert set(net.tensors) <= set(names)
    large = [tensor.name for tensor in model.graph.initializer if np.prod(tensor.dims) > 2]
    assert set(large) <= {*net.tensors, *(f"{n.name}.ones" for n in net.graph.nodes if isinstance(n, SumPool))}
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert {types[f"{node.name}.weight"] for node in net.graph.synapses()} == {onnx.TensorProto.INT8}
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    assert {node.op_type for node in model.graph.node if dequantized & set(node.input)} == {"Conv"}


@pytest.mark.parametrize("w", [1, 2, 8])
def test_fast_is_products_of_bytes_wherever_levels_are(w: int) -> None:
    net = family("convnet", Bits(w, 2, 2), neuron_settings(), 0)
    model = to_onnx(net, fast=True)
    (first, *rest) = (node for node in net.graph.synapses() if isinstance(node, Conv))
    assert {node.input[1] for node in model.graph.node if node.op_type == "MatMulInteger"} == {
        f"{node.name}.weight" for node in rest
    }
    assert f"{first.name}.weight" in {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in rest:  # images have levels below 0
        matrix, weight = values[f"{node.name}.weight"], net.tensors[f"{node.name}.weight"]
        assert matrix.dtype == np.int8
        assert np.array_equal(matrix, weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)))


def kinds(net: FrozenGraph) -> set[str]:
    """Of all ops of its fast model."""
    return {node.op_type for node in to_onnx(net, fast=True).graph.node} & {"Conv", "ConvInteger", "MatMulInteger"}


def test_fast_weights_that_bytes_do_not_hold_stay_floats() -> None:
    wide, fits = (
        net_of(fire("s", "images", T=1, d=IF), conv("a", "s", 4, bits), fire("r", "a", T=1)) for bits in (9, 8)
    )
    assert (kinds(wide), kinds(fits)) == ({"Conv"}, {"MatMulInteger"})


@pytest.mark.parametrize(("hi", "kind"), [(129, "MatMulInteger"), (130, "ConvInteger"), (255, "ConvInteger")])
def test_fast_products_in_pairs_fit_16_bits(hi: int, kind: str) -> None:
    """Of processors without VNNI ONNX Runtime adds two in 16 bits, and would cut them off."""
    drawn = net_of(fire("s", "images", T=1, hi=hi, d=IF), conv("a", "s", 4, 8), fire("r", "a", T=1))
    weight = np.where(drawn.tensors["a.weight"] > 99, 127, drawn.tensors["a.weight"])
    net = FrozenGraph(drawn.graph, {**drawn.tensors, "a.weight": weight})
    assert kinds(net) == {kind}
    assert not everywhere(net, pictures(0, shape=(2, 9, 7)))


ON_ITS_OWN = """
import sys
import numpy as np
import onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
np.save(sys.argv[3], session.run(["logits"], {"images": np.load(sys.argv[2])})[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="no emulator of other x86-64 processors")
@pytest.mark.parametrize("processor", ["Nehalem", "Haswell"])
def test_fast_products_are_exact_on_a_processor_without_vnni(
    processor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the bound; beyond it they are not on a Haswell, which is why there is one."""
    images = np.random.default_rng(0).integers(200, 256, (4, 2, 9, 7), dtype=np.uint8)

    def differences_there(hi: int) -> int:
        copied = fire("s", "images", T=1, hi=hi, d=dynamics(0, 1, 0))  # each level is its pixel, up to the largest
        drawn = net_of(copied, conv("a", "s", 4, 8), lo=0)
        net = FrozenGraph(drawn.graph, {"a.weight": np.where(drawn.tensors["a.weight"] > 0, 127, -1)})
        model, given, made = (tmp_path / f"{hi}.{end}" for end in ("onnx", "given.npy", "made.npy"))
        onnx.save(to_onnx(net, fast=True), model)
        np.save(given, images)
        python = [shutil.which("qemu-x86_64"), "-cpu", processor, sys.executable]
        subprocess.run([*python, "-c", ON_ITS_OWN, model, given, made], check=True)
        return int((np.load(made) != oracle.logits(net, images)).sum())

    assert differences_there(129) == 0
    monkeypatch.setattr(sums_of_bytes, "SHORT", np.iinfo(np.int32).max)
    assert (differences_there(255) > 0) == (processor == "Haswell")


def test_fast_channels_in_groups_are_one_convolution() -> None:
    net = net_of(fire("s", "images", T=1, d=IF), conv("a", "s", 4, 2, groups=2), fire("r", "a", T=1))
    assert kinds(net) == {"ConvInteger"}
    assert not everywhere(net, pictures(0, shape=(2, 9, 7)))


@settings(max_examples=40)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    bits=st.integers(1, 8),
    hi=st.sampled_from([1, 3, 15, 255]),
    seed=st.integers(0, 99),
)
def test_fast_windows_of_every_kind_are_equal(
    kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, bits: int, hi: int, seed: int
) -> None:
    window = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    net = net_of(fire("s", "images", T=2, hi=hi), conv("a", "s", 3, bits, **window), fire("r", "a", T=2), seed=seed)
    model = to_onnx(net, fast=True)
    assert not differences(net, model, pictures(seed, shape=(2, 9, 7)), PLAIN, tuple(net.graph.edges))
    assert not differences(net, model, pictures(seed, shape=(2, 9, 7)), OPTIMIZED, ())


def dynamics(
    fraction_bits: int,
    multiplier: int,
    shift: int,
    v_reset: int | None = None,
    v_init: int = 0,
    rounds: bool = False,
    store: Store | None = None,
) -> Dynamics:
    return Dynamics(
        fraction_bits=fraction_bits,
        leak_multiplier=multiplier,
        leak_shift=shift,
        v_reset=v_reset,
        v_init=v_init,
        rounds=rounds,
        store=store,
    )


IF = dynamics(4, 1, 0)
LIF = dynamics(5, 11, 4, v_reset=-7, v_init=-3, rounds=True)


def net_of(*nodes: Node, image: tuple[int, int, int] = (2, 9, 7), lo: int = -128, seed: int = 0) -> FrozenGraph:
    """A frozen graph of these nodes behind the images, with random integers; a readout is put at its end."""
    edge = Edge(shape=image, T=1, lo=lo, hi=lo + 255, scale=1.0)
    graph = Graph("hand", (Input(name="images", inputs=(), edge=edge), *nodes))
    last = nodes[-1].name
    flat = Reshape(name="flat", inputs=(last,), shape=(graph.edges[last].size,))
    graph = Graph("hand", (*graph.nodes, flat, Readout(name="logits", inputs=("flat",))))
    draw = np.random.default_rng(seed)
    tensors = {}
    for node in graph.nodes:
        for name, shape in tensor_shapes(graph, node).items():
            top = max(2 ** (node.weight_bits - 1) - 1, 1) if isinstance(node, Synapse) else 9
            tensors[name] = draw.integers(-top, top + 1, shape)
            if isinstance(node, Synapse) and node.weight_bits == 1:
                tensors[name][tensors[name] == 0] = 1
    return FrozenGraph(graph, tensors)


def fire(name: str, source: str, T: int = 3, lo: int = 0, hi: int = 3, d: Dynamics = LIF, bits: int = 3) -> Fire:
    """``bits`` are those of a membrane that is stored."""
    stored = None if d.store is None else bits
    return Fire(name=name, inputs=(source,), T=T, lo=lo, hi=hi, scale=1.0, membrane_bits=stored, dynamics=d)


def store(multiplier: int, shift: int, step: int, step_shift: int) -> Store:
    return Store(multiplier=multiplier, shift=shift, step=step, step_shift=step_shift)


def conv(name: str, source: str, out_channels: int = 4, bits: int = 8, **how: object) -> Conv:
    how = {"kernel_size": (3, 3), **how}
    return Conv(name=name, inputs=(source,), out_channels=out_channels, weight_bits=bits, **how)  # type: ignore[arg-type]


def linear(name: str, source: str, bits: int = 8, out_channels: int = 5) -> Linear:
    return Linear(name=name, inputs=(source,), out_channels=out_channels, weight_bits=bits)


HAND_MADE = {
    "stride, padding, dilation, groups": (
        conv("a", "images", 6, kernel_size=(3, 2), stride=(2, 1), padding=(2, 3), dilation=(1, 3), groups=2),
        fire("s", "a", lo=-2, hi=5),
        conv("b", "s", 6, 3, kernel_size=(1, 3), stride=(1, 3), padding=(0, 4), dilation=(2, 2), groups=6),
        fire("r", "b"),
    ),
    "pools with padding, negative levels": (
        SumPool(name="p", inputs=("images",), kernel_size=(3, 2), stride=(2, 3), padding=(1, 1)),
        MaxPool(name="m", inputs=("p",), kernel_size=(2, 3), stride=(1, 2), padding=(1, 2)),
        fire("s", "m", lo=-7, hi=-1),
        MaxPool(name="n", inputs=("s",), kernel_size=(3, 3), stride=(3, 2), padding=(2, 2)),
        SumPool(name="q", inputs=("n",), kernel_size=(2, 2), stride=(1, 1), padding=(1, 0)),
        fire("r", "q", d=IF),
    ),
    "spiking max pools": (
        SpikingMaxPool(name="h", inputs=("images",), kernel_size=(2, 2), stride=(1, 1), padding=(1, 1)),
        fire("s", "h", T=8, lo=-2, hi=3, d=replace(IF, v_init=2, tracer=9)),
        SpikingMaxPool(name="m", inputs=("s",), kernel_size=(3, 2), stride=(2, 1), padding=(2, 1)),
        Affine(name="e", inputs=("m",), fraction_bits=4),
        SpikingMaxPool(name="n", inputs=("e",), kernel_size=(2, 2), stride=(2, 2)),
        fire("r", "n", T=8, lo=-1, hi=1),
    ),
    "levels wider than eight bits": (
        Affine(name="g", inputs=("images",), fraction_bits=0),
        fire("s", "g", lo=-(2**16), hi=2**16, d=dynamics(0, 3, 2)),
        MaxPool(name="m", inputs=("s",), kernel_size=(2, 2), stride=(1, 1), padding=(1, 1)),
        SumPool(name="p", inputs=("m",), kernel_size=(3, 3), stride=(2, 2)),
        MaxPool(name="n", inputs=("p",), kernel_size=(2, 2), stride=(1, 1)),
        fire("r", "n", lo=-(2**15), hi=2**15 - 1, d=IF),
    ),
    "weights wider than eight bits": (
        conv("a", "images", 4, 12, kernel_size=(1, 2)),
        fire("s", "a", hi=255, d=IF),
        Reshape(name="f", inputs=("s",), shape=(4 * 9 * 6,)),
        linear("b", "f", 9),
        fire("r", "b"),
    ),
    "held and stepped edges added": (
        conv("a", "images", 2, 1, padding=(1, 1)),
        Add(name="x", inputs=("a", "images")),
        fire("s", "x", T=4, d=IF),
        Add(name="y", inputs=("images", "s")),
        Add(name="z", inputs=("s", "s")),
        Add(name="d", inputs=("z", "y")),
        conv("b", "d", 3, 4),
        Affine(name="e", inputs=("b",), fraction_bits=4),
        fire("r", "e", T=4, lo=-1, hi=1),
    ),
    "levels aligned by an affine": (
        fire("s", "images", d=IF),
        Affine(name="a", inputs=("s",), fraction_bits=0),
        Add(name="x", inputs=("a", "images")),
        conv("b", "x", 3, 4),
        SumPool(name="p", inputs=("x",), kernel_size=(3, 3), stride=(2, 2), padding=(0, 1)),
        Reshape(name="f", inputs=("p",), shape=(32,)),
        linear("c", "f", 3),
        fire("r", "c"),
        fire("q", "b"),
    ),
    "relu and sums over time": (
        Affine(name="e", inputs=("images",), fraction_bits=4),
        Relu(name="p", inputs=("e",)),
        fire("s", "p", T=4, lo=-2, hi=5),
        SumTime(name="t", inputs=("s",)),
        conv("a", "t", 2, 3, padding=(1, 1)),
        Add(name="x", inputs=("a", "p")),
        Relu(name="q", inputs=("x",)),
        MaxPool(name="m", inputs=("q",), kernel_size=(2, 2), stride=(2, 2)),
        fire("r", "m", T=3, d=IF),
        Relu(name="u", inputs=("r",)),
        SumTime(name="v", inputs=("u",)),
        fire("w", "v", T=5),
    ),
    "released, and taken back": (
        Release(name="i", inputs=("images",), T=5, steps=2, parts=2),
        conv("a", "i", 3, 3, padding=(1, 1)),
        Affine(name="e", inputs=("a",), fraction_bits=4, steps=2),
        fire("s", "e", T=5, lo=-1, hi=1, d=replace(IF, v_init=2, tracer=3)),
        SumPool(name="p", inputs=("s",), kernel_size=(2, 2), stride=(2, 2)),
        fire("r", "p", T=5, lo=-3, hi=2, d=replace(LIF, tracer=4)),
    ),
    "reshapes": (
        Reshape(name="f", inputs=("images",), shape=(7, 2, 9)),
        Affine(name="e", inputs=("f",), fraction_bits=4),
        fire("s", "e"),
        MaxPool(name="m", inputs=("s",), kernel_size=(1, 2), stride=(1, 2)),
        Reshape(name="g", inputs=("m",), shape=(56,)),
        linear("b", "g", 1),
        Affine(name="h", inputs=("b",), fraction_bits=4),
        fire("r", "h", T=3),
    ),
}


@pytest.mark.parametrize("lo", [-128, 0, -77, 1000])
@pytest.mark.parametrize("nodes", HAND_MADE.values(), ids=HAND_MADE)
def test_hand_made_graphs_are_equal_everywhere(nodes: tuple[Node, ...], lo: int) -> None:
    net = net_of(*nodes, lo=lo, seed=lo + 200)
    assert not everywhere(net, pictures(5, shape=(2, 9, 7)))


@settings(max_examples=100)
@given(
    d=st.builds(
        lambda f, s, m, *rest: dynamics(f, m % ((1 << s) + 1), s, *rest),
        st.integers(0, 12),
        st.integers(0, 15),
        st.integers(0, 2**15),
        st.none() | st.integers(-5000, 5000),
        st.integers(-5000, 5000),
        st.booleans(),
        st.none()
        | st.builds(store, st.integers(1, 2**20), st.integers(0, 24), st.integers(0, 2**16), st.integers(0, 12)),
    ),
    T=st.integers(1, 6),
    lo=st.integers(-300, 0),
    levels=st.integers(1, 600),
    bits=st.integers(2, 8),
    tracer=st.none() | st.integers(1, 600),
    seed=st.integers(0, 99),
)
def test_any_dynamics_are_equal(
    d: Dynamics, T: int, lo: int, levels: int, bits: int, tracer: int | None, seed: int
) -> None:
    d = replace(d, tracer=tracer if lo + levels >= 0 else None)
    nodes = (
        Affine(name="a", inputs=("images",), fraction_bits=d.fraction_bits),
        fire("s", "a", T, lo, lo + levels, d, bits),
        Affine(name="b", inputs=("s",), fraction_bits=d.fraction_bits),
        fire("r", "b", T, lo, lo + levels, d, bits),
    )
    assert not everywhere(net_of(*nodes, image=(2, 3, 4), seed=seed), pictures(seed, shape=(2, 3, 4)))


@pytest.mark.parametrize(
    ("image", "node", "refused"),
    [
        ((1032, 1, 1), "linear", False),  # 1032 * 127 * 128 < 2^24
        ((1033, 1, 1), "linear", True),
        ((1032, 2, 3), "conv 1", False),
        ((1033, 2, 3), "conv 1", True),
        ((112, 6, 5), "conv 3", False),  # 112 * 3 * 3 = 1008; channels by 16, as vectorized kernels like them
        ((114, 6, 5), "conv 3", False),
        ((115, 6, 5), "conv 3", True),
    ],
)
def test_the_largest_accumulator_is_exact_and_a_larger_one_refused(
    image: tuple[int, int, int], node: str, refused: bool
) -> None:
    kind, _, side = node.partition(" ")
    if kind == "linear":
        net = net_of(Reshape(name="f", inputs=("images",), shape=image[:1]), linear("big", "f"), image=image)
    else:
        big = conv("big", "images", 16, kernel_size=(int(side), int(side)), padding=(1, 1))
        net = net_of(big, image=image)
    codes = net.tensors["big.weight"].copy()
    codes[0], codes[1] = 127, -127
    codes[2] = np.where(codes[2] < 0, -127, 127)
    codes[3], codes[3].flat[0] = 127, 126  # times 127: an odd sum, which a narrower float would lose
    net = FrozenGraph(net.graph, {"big.weight": codes})
    if refused:
        with pytest.raises(UserError, match=rf"^{kind} big: .*exact to 2\^24"):
            to_onnx(net)
    else:
        assert not everywhere(net, pictures(0, shape=image))


def with_values(net: FrozenGraph, **values: int) -> FrozenGraph:
    """The net with whole tensors set: ``a_offset=3`` is ``a.offset``."""
    filled = {name.replace("_", "."): value for name, value in values.items()}
    return FrozenGraph(net.graph, {k: np.full(v.shape, filled.get(k, 0)) for k, v in net.tensors.items()})


AFFINE = Affine(name="a", inputs=("images",), fraction_bits=0)
TOO_LARGE = {
    "affine a: .*float64": lambda: with_values(net_of(AFFINE), a_multiplier=2**46 + 1),
    "affine a: .*2\\^53": lambda: with_values(  # the product alone: the sum would fit
        net_of(AFFINE, lo=1000), a_multiplier=2**43, a_offset=-1100 * 2**43
    ),
    "fire s: .*float64": lambda: with_values(
        net_of(AFFINE, fire("s", "a", d=dynamics(0, 2**30 - 1, 30))), a_multiplier=2**20
    ),
    "fire s: got 9.* float64": lambda: with_values(  # 2^7 * 2^17 * 2^29, and half of it
        net_of(AFFINE, fire("s", "a", T=2, lo=0, hi=0, d=dynamics(0, 0, 0, store=store(2**29, 0, 1, 0)))),
        a_multiplier=2**17 + 1,
    ),
    "fire s: got .*2\\^53": lambda: net_of(  # the value of the largest code
        fire("s", "images", d=dynamics(0, 0, 0, store=store(2**7, 0, 2**53 // 8191 + 1, 0)), bits=14), image=(1, 1, 1)
    ),
    "add b: .*float64": lambda: with_values(
        net_of(AFFINE, Add(name="b", inputs=("a", "a"))), a_multiplier=2**45 + 1
    ),
    "sumpool p: .*float32": lambda: net_of(
        fire("s", "images", hi=2**16),
        SumPool(name="p", inputs=("s",), kernel_size=(15, 18), stride=(1, 1)),
        image=(1, 15, 18),
    ),
    "sumpool p: .*2\\^24": lambda: with_values(
        net_of(AFFINE, SumPool(name="p", inputs=("a",), kernel_size=(1, 1), stride=(1, 1))), a_multiplier=2**18
    ),
    "sumtime t: .*float64": lambda: with_values(
        net_of(AFFINE, fire("s", "images", T=2), Add(name="b", inputs=("s", "a")), SumTime(name="t", inputs=("b",))),
        a_multiplier=2**45 + 2,
    ),
    "readout logits: .*float64": lambda: with_values(
        net_of(AFFINE, fire("s", "images"), Add(name="b", inputs=("s", "a"))), a_multiplier=2**46 - 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("named", TOO_LARGE)
def test_what_floats_would_round_is_refused_by_name(named: str) -> None:
    with pytest.raises(UserError, match=f"^{named}") as refused:
        to_onnx(TOO_LARGE[named]())
    assert "\n" not in str(refused.value)


def test_values_beside_2_to_the_53_are_exact() -> None:
    nodes = (AFFINE, MaxPool(name="m", inputs=("a",), kernel_size=(2, 2), stride=(1, 1)), fire("s", "m", T=1))
    net = with_values(net_of(*nodes), a_multiplier=2**46 - 3, a_offset=2**40 + 1)
    assert not everywhere(net, pictures(0, shape=(2, 9, 7)))


def test_the_number_of_images_is_free() -> None:
    net = family("convnet", Bits(2, 1, 2), neuron_settings(), 2)
    model = to_onnx(net)
    for count in (1, 7):
        assert not differences(net, model, pictures(0, 8)[:count], OPTIMIZED, ())


def test_without_onnx_it_says_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    net = net_of(AFFINE)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"pip install 'bitspike\[onnx\]'") as missing:
        to_onnx(net)
    assert "\n" not in str(missing.value)
