"""What products of two activations cost: against walking over every pair, and energy by hand."""

from __future__ import annotations

import importlib
from collections import Counter
from contextlib import suppress
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from bitspike.costs import Activity, ann_energy, cost, energy, energy_model
from bitspike.costs.energy_lemaire import ram
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import lower, measure
from bitspike.neurons import BaseNode, MultiBitLIFNode
from bitspike.quant import quantize_weights

SHAPE, T, HEADS, WIDTH, TOKENS = (2, 4, 6), 3, 2, 6, 6
IMAGES = torch.randint(0, 256, (3, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


class Attention(nn.Module):
    """Two products: ``k`` has fewer levels than ``q``, and ``v`` is held: it has one step."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        for name in "qkv":
            self.add_module(name, OverTime(nn.Conv2d(2, WIDTH, 2, 2, bias=False)))
        self.q_neuron = MultiBitLIFNode(T=T, spike_bits=3, v_threshold=0.25)
        self.k_neuron = MultiBitLIFNode(T=T, spike_bits=2, v_threshold=0.5)
        self.v_neuron = MultiBitLIFNode(T=1, spike_bits=2, v_threshold=0.25)
        self.neuron = MultiBitLIFNode(T=T, spike_bits=2, v_threshold=1.0)
        self.head = OverTime(nn.Flatten(), nn.Linear(WIDTH * TOKENS, 5))

    def forward(self, images: Tensor) -> Tensor:
        x = self.encoder(images)
        q, k, v = (
            getattr(self, f"{name}_neuron")(getattr(self, name)(x)).flatten(3).unflatten(2, (HEADS, -1))
            for name in "qkv"
        )
        mixed = v @ ((q.transpose(-2, -1) @ k) * 0.5)
        return self.head(self.neuron(mixed.flatten(2, 3)))


def network() -> nn.Module:
    torch.manual_seed(0)
    return quantize_weights(Attention().eval(), 3)


def graph_of(model: nn.Module) -> Graph:
    return lower(model, SHAPE)


def levels(model: nn.Module) -> dict[str, list[Tensor]]:
    """Of each layer of neurons the whole levels, ``[T, N, heads, width, tokens]``."""
    found: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda m, x, y, name=name: found.__setitem__(name, (y / m.scale).round().long()))
        for name, module in model.named_modules()
        if isinstance(module, BaseNode)
    ]
    with torch.no_grad():
        model(IMAGES)
    for hook in hooks:
        hook.remove()
    return {name: y.flatten(3).unflatten(2, (HEADS, -1)) for name, y in found.items() if name != "neuron"}


def brute_force(model: nn.Module) -> dict[str, Counter[str]]:
    """Pairs, those both of which are not 0, and how often one is added: the level of the input of fewer levels."""
    sent = levels(model)
    q, k, v = (sent[f"{name}_neuron"].tolist() for name in "qkv")
    first, second = Counter[str](), Counter[str]()
    for t, n, h in product(range(T), range(len(IMAGES)), range(HEADS)):
        d, L = WIDTH // HEADS, TOKENS
        scores = [[0] * L for _ in range(L)]
        for i, j in product(range(L), range(L)):
            for c in range(d):
                a, b = q[t][n][h][c][i], k[t][n][h][c][j]
                scores[i][j] += a * b
                count(first, a, b, level=b)  # k: 2 bits, q: 3
        for c, j in product(range(d), range(L)):
            for i in range(L):
                count(second, v[0][n][h][c][i], scores[i][j], level=v[0][n][h][c][i])
    return {"matmul": first, "matmul_2": second}


def count(into: Counter[str], a: int, b: int, level: int) -> None:
    into["elements"] += 1
    into["events"] += a != 0 and b != 0
    into["additions"] += abs(level) if a and b else 0


def counted(activity: Activity) -> dict[str, Counter[str]]:
    return {
        name: Counter({"elements": a.elements, "events": a.events, "additions": a.additions})
        for name, a in activity.synapses.items()
        if name.startswith("matmul")
    }


def measured(model: nn.Module) -> Activity:
    return measure(model, graph_of(model), IMAGES.float().split(2), "random")


def test_every_pair_is_counted() -> None:
    model = network()
    found, wanted = counted(measured(model)), brute_force(model)
    assert found == wanted
    for tally in wanted.values():
        assert 0 < tally["events"] < tally["additions"] < 3 * tally["elements"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a, b: int((a.long().sum(-1) * b.long().sum(-2)).sum()),
        lambda a, b: int((a @ b != 0).sum()),
        lambda a, b: int((a.float() @ b.float()).sum()) - 1,
    ],
    ids=["sums of other axes", "outputs for pairs", "one too few"],
)
def test_a_planted_error_is_caught(monkeypatch: pytest.MonkeyPatch, wrong: object) -> None:
    monkeypatch.setattr(importlib.import_module("bitspike.lowering.measure"), "_pairs", wrong)
    with suppress(RuntimeError):  # shapes that do not go together
        assert counted(measured(network())) != brute_force(network())


def test_bits_of_a_product_are_those_of_both() -> None:
    report = cost(graph_of(network()))
    layers = {layer.name: layer for layer in report.layers}
    first, second = layers["matmul"], layers["matmul_2"]
    d, L = WIDTH // HEADS, TOKENS
    assert first.macs == second.macs == HEADS * L * d * L
    assert (first.s, first.w, first.t, first.weights) == (3, 2, T, 0)
    scores = (d * 7 * 3).bit_length()  # levels 0 .. d * 7 * 3
    assert (second.s, second.w, second.t) == (2, scores, T)
    assert first.s_ace == first.macs * 3 * 2 * T
    assert second.s_ace == second.macs * 2 * scores * T
    assert report.total.s_ace == sum(layer.s_ace for layer in report.layers)
    assert report.total.weights == 3 * WIDTH * 2 * 4 + WIDTH * TOKENS * 5


@pytest.mark.parametrize("counting", ["paper-000", "paper-001"])
def test_the_papers_leave_products_out_and_say_so(counting: str) -> None:
    model = network()
    report = cost(graph_of(model), counting, measured(model))
    assert {"matmul", "matmul_2"} <= set(report.left_out)
    assert "products" in report.about or counting == "paper-001"  # which says that it counts weights only
    assert all(layer.s_ace == 0 for layer in report.layers if layer.name.startswith("matmul"))
    exact = cost(graph_of(model), "exact", measured(model))
    assert not exact.left_out
    assert all(layer.s_ace and layer.ns_ace for layer in exact.layers)


def test_ns_ace_is_bits_times_operations() -> None:
    model = network()
    for layer in cost(graph_of(model), "exact", measured(model)).layers:
        assert layer.ns_ace == layer.w * layer.s * layer.sops


def test_weights_of_one_bit_have_an_entropy_beside_products() -> None:
    torch.manual_seed(0)
    model = quantize_weights(Attention().eval(), 1)
    assert 0 < cost(graph_of(model), "exact", measured(model)).total.weight_entropy <= 1


def test_energy_of_a_product_by_hand() -> None:
    """The input of fewer levels is the event; the other one stands where weights stand, and is written at each step."""
    model = network()
    activity = measured(model)
    snn = {layer.name: layer for layer in energy(graph_of(model), "lemaire", activity).snn.layers}["matmul"]
    d, L, N = WIDTH // HEADS, TOKENS, 3
    theta = activity.neurons["k_neuron"].spikes / len(IMAGES)
    outputs, other = HEADS * L * L, HEADS * L * d
    touched = theta * L  # outputs that an element of k feeds
    assert snn.weights * 1000 == pytest.approx((touched + T * other) * ram(other, 16))
    assert snn.potentials * 1000 == pytest.approx(2 * (touched + T * outputs) * ram(outputs, 16))
    assert snn.in_out * 1000 == pytest.approx(theta * ram(1000, 16))
    assert snn.synaptic * 1000 == pytest.approx(touched * N * 0.1)
    assert snn.bias == 0


def test_events_of_an_input_that_is_held_come_at_each_step() -> None:
    model = network()
    activity = measured(model)
    snn = {layer.name: layer for layer in energy(graph_of(model), "lemaire", activity).snn.layers}["matmul_2"]
    theta = T * activity.neurons["v_neuron"].spikes / len(IMAGES)
    sent = activity.neurons["neuron"].spikes / len(IMAGES)
    assert snn.in_out * 1000 == pytest.approx((theta + sent) * ram(1000, 16))
    scores = HEADS * TOKENS * TOKENS
    assert snn.weights * 1000 == pytest.approx((theta * TOKENS + T * scores) * ram(scores, 16))


def test_energy_of_a_product_of_activations_by_hand() -> None:
    layer = {layer.name: layer for layer in ann_energy(graph_of(network()), "lemaire").layers}["matmul"]
    d, L = WIDTH // HEADS, TOKENS
    macs, outputs, each = HEADS * L * d * L, HEADS * L * L, HEADS * L * d
    assert layer.in_out * 1000 == pytest.approx(macs * ram(each, 16) + outputs * ram(outputs, 16))
    assert layer.weights * 1000 == pytest.approx((macs + each) * ram(each, 16))
    assert layer.synaptic * 1000 == pytest.approx(macs * 3.2)


def test_operations_alone_are_those_of_the_pairs() -> None:
    model = network()
    activity = measured(model)
    found = {layer.name: layer.total for layer in energy(graph_of(model), "sop-77fj", activity).snn.layers}
    for name in ("matmul", "matmul_2"):
        assert found[name] * 1000 == pytest.approx(activity.synapses[name].events / len(IMAGES) * 0.077)
    worst, level = (
        energy(graph_of(model), energy_model("lemaire", spike_cost=how), activity).snn.layers
        for how in ("worst", "level")
    )
    by_level = {a.name: (a.synaptic, b.synaptic) for a, b in zip(worst, level, strict=True)}
    assert by_level["matmul"][0] > by_level["matmul"][1]


def test_activity_of_another_network_is_refused() -> None:
    model = network()
    raw = measured(model).to_dict()
    raw["synapses"]["matmul"]["elements"] += 1
    with pytest.raises(UserError, match=r"activity of layer matmul: got .* it is of another network"):
        cost(graph_of(model), "exact", Activity.from_dict(raw))
    del raw["synapses"]["matmul"]
    with pytest.raises(UserError, match="activity of layer: got 'matmul'; the activity is of another network"):
        cost(graph_of(model), "exact", Activity.from_dict(raw))


def test_a_network_from_shapes_alone() -> None:
    with torch.device("meta"):
        model = Attention()
    assert cost(lower(model, SHAPE)).total.macs == cost(graph_of(network())).total.macs
