"""Theorem 1 of paper 003 on whole networks, and each of its conditions broken: the check sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import SHAPE, levels_of, pixels, qann, started
from torch import nn

from bitspike import UserError
from bitspike.backends import c, oracle
from bitspike.conversion import (
    METHODS,
    check_convertible,
    convert,
    equivalence,
    float_weights,
    quantized,
    settling_bound,
    to_snn,
    with_steps,
)
from bitspike.conversion import check as conversion_check
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
    SumPool,
)
from bitspike.layers import Encoder, OverTime, merge_time, split_time
from bitspike.lowering import agreement, freeze
from bitspike.models import morph
from bitspike.neurons import QReLU, STBIFNode
from bitspike.quant import LSQ, quantize_weights

IMAGES = pixels()
LABELS = np.arange(len(IMAGES)) % 5
NETWORKS = [("convnet", 4, False), ("convnet", 1, False), ("vgg9", 2, False), ("resnet8-thin", 4, False)]
NETWORKS += [("resnet8-thin", 8, True), ("resnet8-thin", 3, True)]


@cache
def converted(name: str = "convnet", levels: int = 4, reroute: bool = False) -> Any:
    return convert(qann(name, levels, reroute), SHAPE)


def check(net: FrozenGraph, model: nn.Module, **how: Any) -> Any:
    return equivalence(net, levels_of(model), IMAGES, LABELS, **how)


# The theorem


@pytest.mark.parametrize(("name", "levels", "reroute"), NETWORKS)
def test_the_spiking_network_says_what_the_quantized_one_says(name, levels, reroute):
    made = converted(name, levels, reroute)
    found = check(made.net, made.qann)
    assert found.equal
    assert found.logits_equal == found.images == len(IMAGES)
    assert found.settled
    assert 0 < found.T_eq <= made.bound == levels * (len(levels_of(made.qann)) + 1) or "resnet" in name
    assert found.accuracy[-1] == found.qann_accuracy
    assert all(layer.distance[-1] == 0 for layer in found.layers.values())
    assert any(layer.taken_back for layer in found.layers.values()) or levels == 1


@pytest.mark.parametrize("reroute", [False, True])
@pytest.mark.parametrize("name", ["vgg16", "vggsnn", "resnet18", "resnet20-thin", "sew-resnet18", "ms-resnet18"])
def test_every_family_is_converted(name, reroute):
    shape = (3, 32, 32) if name.startswith("vgg") else (3, 8, 8)
    made = convert(qann(name, 2, reroute, shape=shape), shape)
    found = equivalence(made.net, made.levels, pixels(6, 0, shape), LABELS[:6], stop_when_settled=True)
    assert found.equal
    assert found.settled


@pytest.mark.parametrize(("name", "levels", "reroute"), NETWORKS)
def test_the_quantized_integers_are_the_networks_own_levels(name, levels, reroute):
    """But for what floats and fixed point round to two sides of a threshold."""
    made = converted(name, levels, reroute)
    found = agreement(made.qann, quantized(made.net, made.levels), [torch.from_numpy(IMAGES)])
    assert found.same_class >= len(IMAGES) - 1  # the black one may set off nothing, and its logits be a tie
    assert sum(layer.mismatches for layer in found.layers) <= 1e-3 * sum(layer.elements for layer in found.layers)


def test_the_floats_of_the_spiking_network_add_up_to_the_quantized_ones():
    made = converted("resnet8-thin", 8, True)
    x = torch.from_numpy(IMAGES)
    with torch.no_grad():
        per_step = made.snn(x)
        assert per_step.shape == (made.bound, len(x), 5)
        assert torch.allclose(per_step.sum(0), made.qann(x)[0], atol=1e-4)


@settings(max_examples=20)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    levels=st.integers(1, 6),
    before=st.sampled_from([(), (nn.AvgPool2d(2, 1),), (nn.MaxPool2d(2, 1),)]),
    seed=st.integers(0, 999),
)
def test_any_max_pool_of_spikes_settles_on_that_of_the_quantized_network(kernel, stride, levels, before, seed):
    """Of a sum of spikes too, and of pools of one; a stopped run says the same."""

    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.left, self.right = Encoder(), QReLU(levels), QReLU(levels)
            self.convs = nn.ModuleList(OverTime(nn.Conv2d(2, 3, 3, padding=1)) for _ in range(2))
            self.pool = OverTime(*before, nn.MaxPool2d(kernel, stride, tuple(side // 2 for side in kernel)))
            self.behind, self.neurons = OverTime(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), QReLU(levels)
            self.head = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = self.encoder(images)
            x = self.left(self.convs[0](x)) + self.right(self.convs[1](x))
            return self.head(self.neurons(self.behind(self.pool(x))))

    torch.manual_seed(seed)
    model, shape = started(morph(Summed(), max_pool="spiking"), (2, 5, 4)), (2, 5, 4)
    made, some = convert(model, shape), pixels(12, seed, shape)
    for stop in (False, True):
        found = equivalence(made.net, made.levels, some, LABELS[:12] % 3, stop_when_settled=stop)
        assert found.equal
        assert found.settled


@settings(max_examples=25)
@given(
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    levels=st.integers(1, 8),
    bits=st.integers(2, 8),
    seed=st.integers(0, 999),
)
def test_any_chain_of_layers_settles_on_its_quantized_network(widths, levels, bits, seed):
    torch.manual_seed(seed)
    layers: list[nn.Module] = [Encoder(), OverTime(nn.Flatten())]
    size = 12
    for width in widths:
        layers += [OverTime(nn.Linear(size, width)), QReLU(levels)]
        size = width
    model = started(quantize_weights(nn.Sequential(*layers, OverTime(nn.Linear(size, 3))), bits), (3, 2, 2))
    made = convert(model, (3, 2, 2))
    some = pixels(20, seed, (3, 2, 2))
    found = equivalence(made.net, made.levels, some, LABELS[:20] % 3)
    assert found.equal
    assert found.T_eq <= made.bound == levels * (len(widths) + 1)


def test_the_bound_is_attained_by_each_layer_after_the_other():
    """A neuron that must take back all that it sent, layer by layer, needs n steps each."""
    graph = check_convertible(qann("convnet", 4), SHAPE)
    assert settling_bound(graph) == settling_bound(converted("convnet", 4).net.graph) == 4 * 4


def test_every_image_settles_at_its_own_step():
    made = converted("resnet8-thin", 4)
    alone = [equivalence(made.net, made.levels, IMAGES[i : i + 1], LABELS[i : i + 1]).T_eq for i in range(6)]
    together = equivalence(made.net, made.levels, IMAGES[:6], LABELS[:6])
    assert together.settled_at == {step: alone.count(step) for step in sorted(set(alone))}
    assert len(together.settled_at) > 1
    assert together.T_eq == max(alone)


@pytest.mark.parametrize("name", ["convnet", "resnet8-thin"])
def test_stopped_when_settled_it_finds_the_same(name):
    made = converted(name, 4)
    whole, stopped = check(made.net, made.qann), check(made.net, made.qann, stop_when_settled=True)
    assert stopped.to_dict() == whole.to_dict()


def test_oracle_and_c_agree_on_every_spike():
    net = converted("resnet8-thin", 3, True).net
    (logits,), edges = c.traced(net, IMAGES[:8], c.compiler())
    wanted = oracle.run(net, IMAGES[:8])
    assert np.array_equal(logits, wanted[net.graph.nodes[-1].name][0])
    assert {node.name for node in net.graph.neurons()} <= edges.keys() | {n.inputs[0] for n in net.graph.nodes[1:]}
    assert all(np.array_equal(values, wanted[name]) for name, values in edges.items())


def test_float_weights_are_rounded_to_15_bits():
    model = qann("convnet", 4, weight_bits=16)
    made = convert(model, SHAPE)
    assert made.rounded == 4
    assert check(made.net, model).equal
    assert float_weights(made.snn) == 0


def test_potentials_do_not_grow_with_the_steps():
    made = converted("resnet8-thin", 4)
    assert with_steps(made.net, 1000).membranes == made.net.membranes


# Baselines


@pytest.mark.parametrize("method", ["qcfs", "fast-snn"])
def test_other_conversions_come_near_but_do_not_equal(method):
    model = qann("convnet", 4)
    made = convert(model, SHAPE, T=64, method=method)
    found = made.net and check(made.net, model, ends=False)
    assert not found.equal
    assert not found.settled
    assert found.bound is None
    near = [layer.distance[-1] for layer in found.layers.values()]
    assert max(near) < min(layer.distance[0] for layer in found.layers.values())
    assert any(layer.taken_back for layer in found.layers.values()) == METHODS[method].bipolar


def test_a_network_that_is_always_fed_never_settles():
    made = convert(qann("convnet", 4), SHAPE, T=8, method="qcfs")
    with pytest.raises(UserError, match="never settles"):
        check(made.net, made.qann, ends=False, stop_when_settled=True)


# The first seven of the ten conditions, broken; the other three in test_conditions_8_9_10.py


def edited(net: FrozenGraph, edit: Callable[[Node], Node], tensors: dict[str, Any] | None = None) -> FrozenGraph:
    """The network with other ops."""
    nodes = tuple(edit(node) for node in net.graph.nodes)
    return FrozenGraph(Graph(net.graph.name, nodes), {**net.tensors, **(tensors or {})})


def of_neurons(**changes: Any) -> Callable[[Node], Node]:
    """Other dynamics of every layer of neurons."""

    def edit(node: Node) -> Node:
        if not isinstance(node, Fire) or node.dynamics is None:
            return node
        made = {key: value(node.dynamics) if callable(value) else value for key, value in changes.items()}
        return replace(node, dynamics=replace(node.dynamics, **made))

    return edit


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"v_init": 0}, id="V_0 = 0"),
        pytest.param({"tracer": lambda d: d.tracer + 1}, id="S_max = n + 1"),
        pytest.param({"tracer": lambda d: d.tracer - 1}, id="S_max = n - 1"),
        pytest.param({"v_reset": 0}, id="a hard reset"),
        pytest.param({"leak_multiplier": 31, "leak_shift": 5}, id="a leak"),
        pytest.param({"fraction_bits": lambda d: d.fraction_bits - 1}, id="half the threshold"),
    ],
)
def test_condition_1_neurons(changes):
    made = converted()
    wrong = edited(made.net, of_neurons(**changes))
    if "fraction_bits" not in changes:
        assert not check(wrong, made.qann).equal
        return
    # both networks are in units of that threshold: the floats of the QANN see it
    found = agreement(made.qann, quantized(wrong, made.levels), [torch.from_numpy(IMAGES)])
    assert max(layer.rate for layer in found.layers) > 0.05


def test_condition_1_neurons_that_never_take_back():
    made = converted()
    wrong = edited(made.net, lambda node: replace(node, lo=0) if isinstance(node, Fire) else node)
    assert not check(wrong, made.qann).equal


def halves() -> FrozenGraph:
    """One neuron whose current is the pixel's level in halves of the threshold: every other is a tie."""
    nodes = (
        Input(name="images", inputs=(), edge=Edge(shape=(1, 1, 1), T=1, lo=-128, hi=127)),
        Release(name="eye", inputs=("images",), T=6, steps=2, parts=2),
        Affine(name="current", inputs=("eye",), fraction_bits=2, steps=2),
        Fire(name="neuron", inputs=("current",), T=6, lo=-1, hi=1, dynamics=dynamics(2)),
        Reshape(name="flat", inputs=("neuron",), shape=(1,)),
        Readout(name="readout", inputs=("flat",)),
    )
    return FrozenGraph(
        Graph("halves", nodes), {"current.multiplier": np.ones(1, np.int64), "current.offset": np.zeros(1, np.int64)}
    )


def dynamics(fraction_bits: int) -> Dynamics:
    half = 1 << fraction_bits >> 1
    return Dynamics(fraction_bits=fraction_bits, leak_multiplier=1, leak_shift=0, v_reset=None, v_init=half, tracer=2)


@pytest.mark.parametrize("ties", ["up", "down", "to even"])
def test_condition_2_ties_go_up(monkeypatch: pytest.MonkeyPatch, ties: str) -> None:
    """A QANN that rounds another way (torch.round, to even) is another network, on ties alone."""
    every = np.arange(256, dtype=np.uint8)[:, None, None, None]
    if ties == "down":
        below = of_neurons(v_init=-1)
        monkeypatch.setattr(conversion_check, "quantized", lambda net, levels: edited(quantized(net, levels), below))
    if ties == "to even":
        exact = Fire.step

        def to_even(node: Fire, tensors: Any, proven: Any, x: Any) -> Any:
            if node.T > 1:
                return exact(node, tensors, proven, x)
            return np.clip(np.round(x / 4), node.lo, node.hi).astype(np.int64)

        monkeypatch.setattr(Fire, "step", to_even)
    found = equivalence(halves(), {"neuron": 2}, every, np.zeros(256, dtype=np.int64))
    assert found.images - found.logits_equal == {"up": 0, "down": 2, "to even": 1}[ties]


@pytest.mark.parametrize("change", [-1, 1, 12], ids=["ends early", "ends late", "never ends"])
def test_condition_3_the_release_of_images(change):
    made = converted()
    wrong = edited(made.net, lambda n: replace(n, steps=n.steps + change) if isinstance(n, Release) else n)
    assert not check(wrong, made.qann).equal


def offsets(net: FrozenGraph) -> list[Affine]:
    return [n for n in net.graph.nodes if isinstance(n, Affine) and net.tensors[f"{n.name}.offset"].any()]


@pytest.mark.parametrize("steps", [3, 5, None], ids=["ends early", "ends late", "never ends"])
def test_condition_4_the_release_of_biases_at_every_layer(steps):
    made = converted()
    assert len(offsets(made.net)) == 3  # of the three batch norms; the classifier has no bias
    for affine in offsets(made.net):
        wrong = edited(made.net, lambda n, at=affine.name: replace(n, steps=steps) if n.name == at else n)
        assert not check(wrong, made.qann).equal, affine.name


def test_condition_4_at_the_output_layer_too():
    layers = [Encoder(), OverTime(nn.Flatten(), nn.Linear(12, 6)), QReLU(4), OverTime(nn.Linear(6, 3))]
    torch.manual_seed(0)
    made = convert(started(quantize_weights(nn.Sequential(*layers), 8), (3, 2, 2)), (3, 2, 2))
    some = pixels(20, 0, (3, 2, 2))
    assert equivalence(made.net, made.levels, some, LABELS[:20] % 3).equal
    last = offsets(made.net)[-1].name
    assert last.startswith("readout")
    wrong = edited(made.net, lambda n: replace(n, steps=None) if n.name == last else n)
    found = equivalence(wrong, made.levels, some, LABELS[:20] % 3)
    assert found.logits_equal < found.images
    assert not any(layer.unequal for layer in found.layers.values())


def test_condition_5_batch_norm_must_be_folded():
    snn = to_snn(qann(), 16)
    snn.features[0][1] = nn.BatchNorm2d(4).eval()
    with pytest.raises(UserError, match="wants it folded"):
        freeze(snn, SHAPE)


def test_condition_5_with_the_main_paths_statistics():
    """Those of another path make another network: the floats of the QANN see it."""
    model = qann()
    snn = to_snn(model, 16)
    other = to_snn(started_elsewhere(), 16)
    snn.features[0][1] = other.features[0][1]
    net = freeze(snn, SHAPE)
    found = agreement(model, quantized(net, levels_of(model)), [torch.from_numpy(IMAGES)])
    assert found.layers[0].rate > 0.01


def started_elsewhere() -> nn.Module:
    model = qann()
    norm = model.features[0][1]
    norm.running_mean += 0.3
    norm.running_var *= 1.5
    return model


@pytest.mark.parametrize(
    ("layer", "named"),
    [(nn.ReLU(), "relu features.3"), (nn.Sigmoid(), "features.3"), (STBIFNode(1, 1.0, 1), "")],
    ids=["relu", "sigmoid", "a neuron that spikes"],
)
def test_condition_6_and_9_nothing_but_linear_maps_between_neurons(layer, named):
    model = qann("convnet")
    model.features.insert(3, layer)
    with pytest.raises(UserError) as wrong:
        convert(model, SHAPE)
    assert named in str(wrong.value)


def test_condition_6_a_bias_that_is_not_released_is_refused():
    snn = to_snn(qann(), 16)
    snn.features[0][0].bias = nn.Parameter(torch.ones(4))
    with pytest.raises(UserError, match="a bias"):
        freeze(snn, SHAPE)


@pytest.mark.parametrize("method", ["spikezip", "qcfs", "fast-snn"])
def test_condition_7_max_pools_become_what_adds_up_to_them(method: str):
    made = convert(started(qann(max_pool="spiking")), SHAPE, method=method)
    pools = [node for node in made.net.graph.nodes if isinstance(node, SpikingMaxPool)]
    assert [node.name for node in pools] == ["features.2.0", "features.5.0", "features.8.0"]
    found = equivalence(made.net, made.levels, IMAGES, LABELS, ends=method == "spikezip")
    assert found.equal or method != "spikezip"
    assert 0 < found.images == len(IMAGES)


def test_condition_7_the_quantized_network_has_max_pools_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """A pool that is no max pool, or one that forgets what was taken back, is found in what is behind it."""
    made = convert(qann(max_pool="spiking"), SHAPE)
    check_all = partial(equivalence, made.net, made.levels, IMAGES, LABELS)
    assert check_all().equal
    for wrong in (
        lambda node, tensors, proven, x: node._largest(x),
        lambda node, tensors, proven, x: np.diff(node._largest(x.cumsum(0)), axis=0, prepend=0).clip(0),
    ):
        monkeypatch.setattr(SpikingMaxPool, "step", wrong)
        found = check_all()
        assert not found.equal
        first, *behind = found.layers.values()
        assert first.unequal == 0
        assert any(layer.unequal for layer in behind)


def test_condition_7_a_max_pool_that_no_spiking_one_stands_for_is_refused_by_path():
    class Other(nn.MaxPool2d):
        def forward(self, x):
            return nn.functional.max_pool2d(x, 2)

    class Merged(nn.Module):
        def forward(self, x):
            return split_time(nn.functional.max_pool2d(merge_time(x), 2), x)

    for layer, named in (
        (OverTime(nn.Sequential(nn.MaxPool2d(2))), "maxpool features.2.0.0: got 'MaxPool2d'; .* stands in an OverTime"),
        (OverTime(Other(2)), "maxpool features.2.0.max_pool2d: got 'MaxPool2d'; .*plain MaxPool2d"),
        (Merged(), "maxpool features.2.max_pool2d: got 'MaxPool2d'; .* stands in an OverTime"),
    ):
        model = qann()
        model.features[2] = layer
        with pytest.raises(UserError, match=named):
            check_convertible(model, SHAPE)
        with pytest.raises(UserError, match=r"layer features.2.*cannot be converted|maxpool"):
            convert(model, SHAPE)


def test_condition_7_a_max_pool_beside_other_layers_in_one_block_is_equal_too():
    torch.manual_seed(0)
    model = nn.Sequential(
        *(Encoder(), OverTime(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)), QReLU(4), OverTime(nn.MaxPool2d(2))),
        *(OverTime(nn.MaxPool2d(3, 1, 1), nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5)), QReLU(5)),
        *(OverTime(nn.AvgPool2d(3, 1, 1), nn.MaxPool2d((2, 1), padding=(1, 0)), nn.Conv2d(5, 4, 1)), QReLU(3)),
        *(OverTime(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 5)),),
    )  # of a max pool, and of a mean pool
    model = started(morph(model, max_pool="spiking"))
    made = convert(model, SHAPE)
    assert sum(isinstance(node, SpikingMaxPool) for node in made.net.graph.nodes) == 4
    assert not any(isinstance(node, MaxPool) for node in made.net.graph.nodes)
    assert check(made.net, model).equal
    with torch.no_grad():
        logits = made.snn(torch.from_numpy(IMAGES)).sum(0)
        assert torch.allclose(logits, model(torch.from_numpy(IMAGES))[0], atol=1e-4)


def test_condition_7_the_largest_spike_is_not_the_spike_of_the_largest():
    made = converted()

    def edit(node: Node) -> Node:
        if isinstance(node, SumPool) and node.kernel_size == (2, 2):
            return MaxPool(name=node.name, inputs=node.inputs, kernel_size=(2, 2), stride=(2, 2))
        return node

    assert not check(edited(made.net, edit), made.qann).equal


# What is refused


def test_a_network_without_qrelus_is_refused():
    with pytest.raises(UserError, match="q-relu"):
        to_snn(nn.Sequential(Encoder(), OverTime(nn.Flatten(), nn.Linear(12, 3))), 4)


def test_unknown_methods_and_steps_are_refused():
    with pytest.raises(UserError, match="method"):
        to_snn(qann(), 4, "magic")
    for T in (0, 1025):
        with pytest.raises(UserError, match="steps"):
            convert(qann(), SHAPE, T=T)


def test_no_images_are_refused():
    made = converted()
    with pytest.raises(UserError, match="images"):
        equivalence(made.net, made.levels, IMAGES[:0], LABELS[:0])


def test_weights_keep_their_own_quantizer():
    model = qann("convnet", 4, weight_bits=4)
    made = convert(model, SHAPE)
    assert made.rounded == 0
    assert isinstance(made.snn.features[0][0].parametrizations.weight[0], LSQ)
