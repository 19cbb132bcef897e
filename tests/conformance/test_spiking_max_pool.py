"""The spiking max pool everywhere: its steps add up to a max pool, in floats, the oracle, C and ONNX, step by step."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from bitspike import UserError, native
from bitspike.backends import backend, c, onnx, oracle
from bitspike.backends.c import build
from bitspike.bits import alphabet_width
from bitspike.costs import footprints
from bitspike.ir import (
    Affine,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    MaxPool,
    Node,
    Readout,
    Release,
    Reshape,
    SpikingMaxPool,
)  # fmt: skip
from bitspike.layers import Encoder, OverTime, SpikingMaxPool2d
from bitspike.lowering import freeze, lower
from bitspike.neurons import LIFNode
from bitspike.quant import quantize_weights

SIDES = (7, 6)
IF = Dynamics(fraction_bits=6, leak_multiplier=1, leak_shift=0, v_reset=None, v_init=32)
ENGINES = [
    pytest.param("c", marks=pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")),
    pytest.param("native", marks=pytest.mark.skipif(native.library() is None, reason="no C library")),
    pytest.param("onnx", marks=pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="no onnx")),
]


def net_of(*nodes: Node, factor: int = 1) -> FrozenGraph:
    """Images of one channel, these ops, logits; affines have the ``factor``."""
    images = Input(name="images", inputs=(), edge=Edge(shape=(1, *SIDES), T=1, lo=-128, hi=127))
    before = Graph("n", (images, *nodes)).edges[nodes[-1].name]
    ends = (Reshape(name="flat", inputs=(nodes[-1].name,), shape=(before.size,)), Readout(name="y", inputs=("flat",)))
    made = [node.name for node in nodes if isinstance(node, Affine)]
    tensors = {f"{name}.multiplier": np.array([factor]) for name in made}
    return FrozenGraph(
        Graph("n", (images, *nodes, *ends)), {**tensors, **{f"{name}.offset": np.array([0]) for name in made}}
    )


def pool(name: str, source: str, kernel=(2, 2), stride=(2, 2), padding=(0, 0)) -> SpikingMaxPool:  # type: ignore[no-untyped-def]
    return SpikingMaxPool(name=name, inputs=(source,), kernel_size=kernel, stride=stride, padding=padding)


def pictures(seed: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, *SIDES), dtype=np.uint8)


def differences(net: FrozenGraph, shown: np.ndarray, engine: str) -> list[str]:
    """Edges on which an engine is not the oracle, at any step."""
    logits, edges = backend(engine).trace(net, shown)
    wanted = oracle.run(net, shown)
    wrong = [name for name, values in edges.items() if not np.array_equal(values, wanted[name])]
    return [*wrong, *["logits"] * (not np.array_equal(logits, wanted["y"][0]))]


def windows(draw: Callable[..., int]) -> dict[str, tuple[int, int]]:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return {
        "kernel": kernel,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3)) | st.just(kernel)),
        "padding": tuple(draw(st.integers(0, side // 2)) for side in kernel),
    }


@settings(max_examples=60)
@given(st.data(), st.integers(1, 8), st.integers(0, 2**31))
def test_the_steps_add_up_to_a_max_pool_in_floats_as_in_integers(data: st.DataObject, T: int, seed: int) -> None:
    """After every step, not only the last; in the layer, in the op, and against torch's max pool."""
    how = windows(data.draw)
    node = pool("op", "x", *how.values())
    x = np.random.default_rng(seed).integers(-3, 4, (T, 2, 3, *SIDES))
    layer = SpikingMaxPool2d(*how.values())
    step = 0.1  # of which no multiple but those by powers of two is a float
    spikes = torch.from_numpy(x).float() * step
    sent = node.step({}, None, x)  # type: ignore[arg-type]
    assert torch.equal((layer(spikes).double() / step).round(), torch.from_numpy(sent).double())
    for t in range(1, T + 1):
        whole = F.max_pool2d(torch.from_numpy(x[:t].sum(0)).double(), *how.values())
        assert np.array_equal(sent[:t].sum(0), whole.numpy())
    assert sent.min() >= x.min()
    assert sent.max() <= x.max()


def test_a_spike_that_is_taken_back_is_taken_back_of_the_window_where_it_was_the_largest() -> None:
    steps = [[1, 0], [1, 1], [-1, 0], [-1, 0], [0, -1]]  # so far: 1 0, 2 1, 1 1, 0 1, 0 0
    x = torch.tensor(steps, dtype=torch.float32).view(5, 1, 1, 1, 2)
    assert SpikingMaxPool2d((1, 2))(x).flatten().tolist() == [1, 1, -1, 0, -1]


def test_the_layer_wants_a_train() -> None:
    with pytest.raises(UserError, match=r"spiking max pool: got \[2, 3, 4, 4\]; want a train"):
        SpikingMaxPool2d(2)(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=12, deadline=None)
@given(st.data(), st.integers(1, 8), st.integers(0, 2**31))
def test_engines_equal_the_oracle_at_every_step(engine: str, data: st.DataObject, T: int, seed: int) -> None:
    """A pool of neurons that it alone reads, one of an edge in memory, and one of a current."""
    lo, hi = data.draw(st.sampled_from([(-1, 1), (-3, 2), (0, 1), (-7, -1)]))
    tracer = data.draw(st.none() | st.just(5)) if lo <= 0 <= hi else None
    neurons = Fire(name="s", inputs=("images",), T=T, lo=lo, hi=hi, dynamics=replace(IF, tracer=tracer))
    a, b = pool("a", "s", *windows(data.draw).values()), pool("b", "s", *windows(data.draw).values())
    wide = Affine(name="wide", inputs=("a",), fraction_bits=0)
    nets = [
        net_of(neurons, pool("a", "s", (2, 2), (2, 2), (1, 0)), wide, pool("b", "wide", (2, 1), (1, 1)), factor=-3),
        net_of(neurons, a, b),
    ]
    for net in nets:
        assert not differences(net, pictures(seed), engine)
        for name, values in oracle.run(net, pictures(seed)).items():
            lo, hi = net.totals[name]  # proven of the first steps, however many
            assert lo <= values.cumsum(0).min()
            assert values.cumsum(0).max() <= hi


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("factor", [2**8, 2**24, 2**32, 2**40])
def test_sums_that_need_more_than_a_step_does_are_exact(engine: str, factor: int) -> None:
    """Steps of 24 bits that add up to more than float32 holds; of 32 bits; and steps of 48 bits."""
    neurons = Fire(name="s", inputs=("images",), T=8, lo=-(2**7), hi=2**7, dynamics=replace(IF, fraction_bits=0))
    net = net_of(neurons, Affine(name="wide", inputs=("s",), fraction_bits=0), pool("a", "wide"), factor=factor - 1)
    assert net.totals["a"].reach == 8 * net.ranges["a"].reach
    assert not differences(net, pictures(3), engine)


def test_sums_beyond_a_word_are_refused_where_each_step_is_not() -> None:
    neurons = Fire(name="s", inputs=("images",), T=8, lo=-1, hi=1, dynamics=IF)
    wide = Affine(name="wide", inputs=("s",), fraction_bits=0)
    assert net_of(neurons, wide, pool("a", "wide"), factor=2**58)
    with pytest.raises(UserError, match=r"spikingmaxpool a: got .*; what its steps add up to could overflow 64 bits"):
        net_of(neurons, wide, pool("a", "wide"), factor=2**60)


def test_onnx_refuses_sums_that_its_floats_do_not_hold() -> None:
    neurons = Fire(name="s", inputs=("images",), T=8, lo=-1, hi=1, dynamics=IF)
    net = net_of(neurons, Affine(name="wide", inputs=("s",), fraction_bits=0), pool("a", "wide"), factor=2**52)
    with pytest.raises(UserError, match=r"spikingmaxpool a: got .*exact to 2\^53 only"):
        onnx.to_onnx(net)


def test_what_it_sends_in_all_is_bounded_as_what_it_reads() -> None:
    """A thousand steps of a neuron with a tracer add up to its levels; and so does what a pool makes of them."""
    neurons = Fire(name="s", inputs=("train",), T=1000, lo=-1, hi=1, dynamics=replace(IF, tracer=4))
    net = net_of(Release(name="train", inputs=("images",), T=1000, steps=4, parts=4), neurons, pool("a", "s"))
    assert tuple(net.totals["a"]) == tuple(net.totals["s"]) == (0, 4)
    assert tuple(net.ranges["a"]) == (-1, 1)


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pooled[t] - pooled[t - 1]", "pooled[t]"),
        ("pooled[t] = (-8);", "pooled[t] = 0;"),
        ("int32_t so_far = 0;", "static int32_t so_far = 0;"),
    ],
    ids=["the sum itself", "a window that starts at 0", "a sum that is never fresh"],
)
def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch, text: str, wrong: str, alone: bool) -> None:
    neurons = Fire(name="s", inputs=("images",), T=4, lo=-2, hi=-1, dynamics=IF)
    net = net_of(neurons, pool("a", "s", (1, 2), (1, 2)), *() if alone else (pool("b", "s"),))
    assert not differences(net, pictures(1), "c")
    program = c.to_c(net)
    right = program.files["network.c"]
    assert text in right
    mutated = replace(program, files={**program.files, "network.c": right.replace(text, wrong)})
    monkeypatch.setattr(build, "to_c", lambda net, **_: mutated)
    assert "a" in differences(net, pictures(1), "c")


class Own(nn.Module):
    """A network of one's own with the layer in it."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.encoder, self.conv = Encoder(), OverTime(nn.Conv2d(1, 4, 3, bias=False))
        self.neurons, self.pool = LIFNode(T=3), pool
        self.head = OverTime(nn.Flatten(), nn.Linear(16, 5, bias=False))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.neurons(self.conv(self.encoder(images)))))


def test_a_network_of_ones_own_lowers_and_freezes_and_the_integers_are_its_floats() -> None:
    torch.manual_seed(0)
    model = quantize_weights(Own(SpikingMaxPool2d(2)).eval(), 4)
    graph = lower(model, (1, 6, 6))
    assert isinstance(graph["pool"], SpikingMaxPool)
    net, shown = freeze(model, (1, 6, 6)), torch.randint(0, 256, (20, 1, 6, 6), dtype=torch.uint8)
    sent: dict[str, torch.Tensor] = {}
    model.pool.register_forward_hook(lambda module, read, made: sent.update(pool=made))  # type: ignore[union-attr]
    with torch.no_grad():
        model(shown)
    edges = oracle.run(net, shown.numpy())
    assert len(np.unique(edges["pool"])) > 1
    assert np.array_equal((sent["pool"] / graph["neurons"].scale).numpy(), edges["pool"])  # type: ignore[attr-defined]


def test_it_is_refused_where_time_is_merged() -> None:
    with pytest.raises(
        UserError, match=r"layer pool.0: got '\[N, ...\]'; wants \[T, N, ...\]: .*outside of an OverTime"
    ):
        lower(Own(OverTime(SpikingMaxPool2d(2))), (1, 6, 6))


def test_it_costs_no_operations_and_the_memory_of_its_sums() -> None:
    graph = lower(Own(SpikingMaxPool2d(2)), (1, 6, 6))
    without = replace_pool(graph)
    (exact, paper), (before, paper_before) = footprints(graph), footprints(without)
    spikes = graph.edges["neurons"]
    assert spikes.hi is not None
    assert exact.membranes - before.membranes == spikes.size * alphabet_width(0, 3 * spikes.hi) / 8
    assert paper == paper_before


def replace_pool(graph: Graph) -> Graph:
    """The graph with a max pool of each step in its place."""
    fields = ("name", "inputs", "kernel_size", "stride", "padding")
    nodes = [
        MaxPool(**{key: getattr(node, key) for key in fields}) if isinstance(node, SpikingMaxPool) else node
        for node in graph.nodes
    ]
    return Graph(graph.name, tuple(nodes))
