"""Synaptic operations and additions, against walking over every image, step, output, tap and level."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitspike.costs import Activity, cost
from bitspike.errors import UserError
from bitspike.ir import Conv, Edge, SumTime
from bitspike.layers import Encoder, OverTime, SqueezeTime
from bitspike.lowering import lower, measure
from bitspike.neurons import SpikingNode, Staircase, StraightThrough
from bitspike.neurons.integrate import RetainIntegrate
from bitspike.quant import quantize_weights

METER = importlib.import_module("bitspike.lowering.measure")  # the package has a function of this name
BINARY, GRADED, TERNARY, SIGNED = (0, 1), (0, 3), (-1, 1), (-3, 3)
SHAPE, STEPS, WEIGHT_BITS = (2, 6, 5), 3, 3
IMAGES = torch.randint(96, 160, (3, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
IMAGES[:, :, 2:4] = 128  # level 0: no event
BATCHES = IMAGES.float().split(2)  # of both counts: floats of another batch size may round another way


def node(alphabet: tuple[int, int], scale: float) -> SpikingNode:
    staircase = Staircase(0.1, *alphabet, scale=scale)
    return SpikingNode(
        T=STEPS,
        integrate=RetainIntegrate(2.0),
        staircase=staircase,
        surrogate_function=StraightThrough(),
        v_reset=None,
        detach_reset=True,
    )


class Chain(nn.Module):
    """Stride, padding, dilation, groups and bias, then a linear layer."""

    def __init__(self, alphabet: tuple[int, int], scale: float) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.a = OverTime(nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2))
        self.fire_a = node(alphabet, scale)
        self.b = OverTime(nn.Conv2d(4, 6, (2, 3), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2))
        self.fire_b = node(alphabet, scale)
        self.c = OverTime(nn.Flatten(), nn.Linear(60, 5))
        self.units = {"a.0": 1 / 64, "b.0": scale, "c.1": scale}  # value of one level that each layer reads

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.c(self.fire_b(self.b(self.fire_a(self.a(self.encoder(images))))))
        return y


class Sums(nn.Module):
    """Spikes that are added after firing, twice, before they reach a weight."""

    def __init__(self, alphabet: tuple[int, int], scale: float) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.a = OverTime(nn.Conv2d(2, 3, 3, padding=1))
        self.fire_a, self.fire_b, self.fire_c = (node(alphabet, scale) for _ in range(3))
        self.b = OverTime(nn.Conv2d(3, 3, 3, padding=1, bias=False))
        self.c = OverTime(nn.Conv2d(3, 3, 1))
        self.d = OverTime(nn.Flatten(), nn.Linear(90, 4))
        self.units = {"a.0": 1 / 64, "b.0": scale, "c.0": scale, "d.1": scale}

    def forward(self, images: Tensor) -> Tensor:
        x = self.fire_a(self.a(self.encoder(images)))
        x = x + self.fire_b(self.b(x))
        x = x + self.fire_c(self.c(x))
        y: Tensor = self.d(x)
        return y


class Averages(nn.Module):
    """Average pooling: the weights read sums of levels."""

    def __init__(self, alphabet: tuple[int, int], scale: float) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.a = OverTime(nn.Conv2d(2, 3, 3, padding=1))
        self.fire_a = node(alphabet, scale)
        self.b = OverTime(nn.AvgPool2d(3, stride=2, padding=1), nn.Conv2d(3, 4, 2, padding=1))
        self.fire_b = node(alphabet, scale)
        self.c = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        self.units = {"a.0": 1 / 64, "b.1": scale / 9, "c.2": scale / 16}

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.c(self.fire_b(self.b(self.fire_a(self.a(self.encoder(images))))))
        return y


class Squeezes(nn.Module):
    """Temporal squeezing behind neurons that stand before the weights: the weights read sums over time, once."""

    def __init__(self, alphabet: tuple[int, int], scale: float) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.fire_a, self.fire_b = (nn.Sequential(node(alphabet, scale), SqueezeTime()) for _ in range(2))
        self.a = OverTime(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU())
        self.b = OverTime(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 4))
        self.units = {"a.0": scale / STEPS, "b.2": scale / STEPS / 4}

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.b(self.fire_b(self.a(self.fire_a(self.encoder(images)))))
        return y


@dataclass
class Tally:
    """Of one layer, over all images and steps."""

    macs: int = 0
    events: int = 0
    sops: int = 0
    additions: int = 0

    def meet(self, level: int) -> None:
        """One input level meets one weight."""
        self.sops += level != 0
        self.additions += abs(level)


def walk(layer: nn.Module, maps: list, tally: Tally) -> None:
    """One image at one step, through every output and tap of ``layer``."""
    if isinstance(layer, nn.Linear):
        for _ in range(layer.out_features):
            for level in maps:
                tally.macs += 1
                tally.meet(level)
        return
    height, width = len(maps[0]), len(maps[0][0])
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = layer.kernel_size, layer.stride, layer.padding, layer.dilation
    inputs = layer.in_channels // layer.groups
    for o in range(layer.out_channels):
        group = o // (layer.out_channels // layer.groups)
        for top in range(-ph, height + ph - dh * (kh - 1), sh):
            for left in range(-pw, width + pw - dw * (kw - 1), sw):
                for c in range(group * inputs, (group + 1) * inputs):
                    for y in range(top, top + dh * kh, dh):
                        for x in range(left, left + dw * kw, dw):
                            tally.macs += 1
                            if 0 <= y < height and 0 <= x < width:
                                tally.meet(maps[c][y][x])


def brute_force(model: nn.Module) -> dict[str, Tally]:
    tallies = {name: Tally() for name in model.units}

    def count(name: str, layer: nn.Module, x: Tensor) -> None:
        levels = x.double() / model.units[name]
        assert (levels - levels.round()).abs().max() < 1e-4
        tallies[name].events += int(levels.round().count_nonzero())
        for maps in levels.round().to(torch.int64).tolist():
            walk(layer, maps, tallies[name])

    run(model, {name: partial(count, name) for name in model.units})
    return tallies


@torch.no_grad()
def run(model: nn.Module, watch: dict[str, Callable[[nn.Module, Tensor], object]]) -> dict[str, Tensor]:
    """Runs the images; ``watch`` sees layers and what they read. Returns what the watched layers send."""
    sent: dict[str, Tensor] = {}

    def hook(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        watch[name](layer, inputs[0])
        sent[name] = torch.cat([sent[name], output.flatten()]) if name in sent else output.flatten()

    hooks = [model.get_submodule(name).register_forward_hook(partial(hook, name)) for name in watch]
    for images in BATCHES:
        model(images)
    for handle in hooks:
        handle.remove()
    return sent


def differences(model: nn.Module, activity: Activity, tallies: dict[str, Tally]) -> list[str]:
    """Where the cost model and the brute force disagree. No tolerance: these are whole numbers."""
    report = cost(lower(model, SHAPE), "exact", activity)
    assert {layer.name for layer in report.layers} == set(tallies)
    found = []
    for layer in report.layers:
        tally = tallies[layer.name]
        for what, ours, counted in (
            ("MACs", layer.macs * layer.t * len(IMAGES), tally.macs),
            ("events", activity.synapses[layer.name].events, tally.events),
            ("SOPs", layer.sops, tally.sops / len(IMAGES)),
            ("additions", layer.additions, tally.additions / len(IMAGES)),
            ("NS-ACE", layer.ns_ace, WEIGHT_BITS * layer.s * tally.sops / len(IMAGES)),
        ):
            if ours != counted:
                found.append(f"{what} of {layer.name}: {ours}, counted {counted}")
    return found


def network(kind: type[nn.Module], alphabet: tuple[int, int], scale: float = 0.5) -> nn.Module:
    torch.manual_seed(0)
    return quantize_weights(kind(alphabet, scale), WEIGHT_BITS)


def measured(model: nn.Module) -> Activity:
    return measure(model, lower(model, SHAPE), BATCHES, "test images")


@pytest.mark.parametrize("alphabet", [BINARY, GRADED, TERNARY, SIGNED], ids=str)
@pytest.mark.parametrize("kind", [Chain, Sums, Averages, Squeezes])
def test_every_count_is_that_of_the_brute_force(kind, alphabet):
    model = network(kind, alphabet)
    tallies = brute_force(model)
    assert differences(model, measured(model), tallies) == []
    spiking = list(tallies.values())[1:]
    assert all(tally.sops > 0 for tally in spiking)  # the test sees what it says it sees
    graded = alphabet in (GRADED, SIGNED) or kind is not Chain
    assert any(tally.additions > tally.sops for tally in spiking) == graded


def test_a_sum_that_cancels_is_no_event():
    """2.1 - 0.7 - 1.4 is not 0 in floats; as levels 3 - 1 - 2 it is, and nothing is added to a membrane."""
    model, floats = network(Sums, SIGNED, scale=0.7), []
    tallies = brute_force(model)
    assert differences(model, measured(model), tallies) == []
    run(model, {"d.1": lambda layer, x: floats.append(int(x.count_nonzero()))})
    assert sum(floats) > tallies["d.1"].events


def test_spikes_of_neurons_are_counted_once_each():
    model = network(Chain, SIGNED)
    sent, activity = run(model, dict.fromkeys(["fire_a", "fire_b"], lambda *_: None)), measured(model)
    report = cost(lower(model, SHAPE), "exact", activity)
    for neuron in report.neurons:
        seen = [int(level) for level in (sent[neuron.name] / 0.5).tolist()]
        spikes = sum(level != 0 for level in seen)
        assert neuron.spikes == spikes / len(IMAGES)
        assert neuron.sparsity == 1 - spikes / len(seen)
        assert activity.neurons[neuron.name].level_sum == sum(abs(level) for level in seen)
    assert report.total.spikes == sum(neuron.spikes for neuron in report.neurons)


def test_a_network_that_does_not_spike_has_operations_but_no_additions():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 4))
    report, seen = cost(lower(model, SHAPE), "exact", measured(model)), []
    run(model, {"3": lambda layer, x: seen.append(int(x.count_nonzero()))})
    assert [layer.additions for layer in report.layers] == [None, None]
    assert report.total.additions is None
    assert report.layers[1].sops == 4 * sum(seen) / len(IMAGES)


# each takes the patch fixture and what was measured, and returns what a faulty meter would have measured


def graded_spike_counted_by_its_level(patch, model):
    activity = measured(model)
    synapses = {name: replace(a, sops=a.additions) for name, a in activity.synapses.items()}
    return replace(activity, synapses=synapses)


def level_counted_once(patch, model):
    levels = METER._levels
    patch.setattr(METER, "_levels", lambda x, edge, scales: levels(x, edge, scales).clamp(max=1))
    return measured(model)


def negative_spikes_lost(patch, model):
    levels = METER._levels
    patch.setattr(METER, "_levels", lambda x, edge, scales: levels(x.clamp(min=0), edge, scales))
    return measured(model)


def border_forgotten(patch, model):
    def fan_out(self, edge):
        return np.full((1, 1, 1), self.macs(edge) // edge.size)

    patch.setattr(Conv, "fan_out", fan_out)
    return measured(model)


def groups_forgotten(patch, model):
    fan_out = Conv.fan_out
    patch.setattr(Conv, "fan_out", lambda self, edge: fan_out(self, edge) * self.groups)
    return measured(model)


def one_image_missed(patch, model):
    activity = measured(model)
    missed = measure(model, lower(model, SHAPE), [IMAGES[:1].float().repeat(3, 1, 1, 1)], "the first image only")
    return replace(activity, synapses=missed.synapses)


@pytest.mark.parametrize(
    "planted",
    [
        graded_spike_counted_by_its_level,
        level_counted_once,
        negative_spikes_lost,
        border_forgotten,
        groups_forgotten,
        one_image_missed,
    ],
)
def test_the_comparison_catches_a_planted_error(monkeypatch, planted):
    model = network(Chain, SIGNED)
    tallies = brute_force(model)
    assert differences(model, measured(model), tallies) == []
    assert differences(model, planted(monkeypatch, model), tallies) != []


@pytest.mark.parametrize(
    "planted",
    [
        lambda edge: Edge(shape=edge.shape, T=1, lo=edge.lo * edge.T, hi=edge.hi * edge.T, scale=edge.scale),
        lambda edge: Edge(shape=edge.shape, T=edge.T, lo=edge.lo, hi=edge.hi * edge.T, scale=edge.scale / edge.T),
        lambda edge: Edge(shape=edge.shape, T=1),
    ],
    ids=["scale of one step", "steps left", "no grid"],
)
def test_the_comparison_catches_a_planted_error_of_a_squeeze(monkeypatch, planted):
    model = network(Squeezes, BINARY)
    tallies = brute_force(model)
    assert differences(model, measured(model), tallies) == []
    monkeypatch.setattr(SumTime, "infer", lambda self, edge: planted(edge))
    try:
        assert differences(model, measured(model), tallies) != []
    except UserError as refused:
        assert "it is of another network" in str(refused)


def test_measuring_leaves_no_trace():
    model = network(Chain, GRADED).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert measured(model) == measured(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_no_images_are_refused():
    model = network(Chain, BINARY)
    with pytest.raises(UserError, match="images to measure on"):
        measure(model, lower(model, SHAPE), [], "nothing")
