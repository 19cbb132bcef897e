"""What concat, slice and upsample cost: nothing of their own; what flows through them is counted where it arrives."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor, nn

from bitspike.costs import cost, footprints
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import lower, measure
from bitspike.neurons import MultiBitLIFNode

SHAPE = (2, 6, 6)
IMAGES = torch.randint(0, 256, (5, *SHAPE), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
streams = importlib.import_module("bitspike.costs.paths").streams


class Routed(nn.Module):
    """Two layers of neurons of unlike width, joined; a part of what is joined goes to a second output."""

    def __init__(self, second: float = 0.25) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encode = Encoder()
        self.a, self.one = OverTime(nn.Conv2d(2, 4, 3, 1, 1)), MultiBitLIFNode(2, 1, v_threshold=0.5)
        self.b, self.two = OverTime(nn.Conv2d(4, 3, 3, 2, 1)), MultiBitLIFNode(2, 3, v_threshold=second)
        nn.init.constant_(self.b[0].bias, 0.9)
        self.up = OverTime(nn.Upsample(scale_factor=2))
        self.c, self.d = OverTime(nn.Conv2d(7, 5, 3)), OverTime(nn.Conv2d(2, 1, 1))
        self.joined: Tensor | None = None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.one(self.a(self.encode(images)))
        y = torch.cat([x, self.up(self.two(self.b(x)))], 2)
        return self.c(y), self.d(y[:, :, 3:5])


def joined(model: Routed) -> Tensor:
    """What arrives at the layer behind the concat."""
    seen: list[Tensor] = []
    hook = model.c[0].register_forward_pre_hook(lambda m, x: seen.append(x[0]))
    with torch.no_grad():
        model(IMAGES)
    hook.remove()
    return seen[0]


def test_macs_and_bit_operations_are_those_of_the_layers() -> None:
    model = Routed()
    graph = lower(model, SHAPE)
    report = cost(graph)
    rows = {layer.name: layer for layer in report.layers}
    assert {name: layer.macs for name, layer in rows.items() if layer.macs} == {
        "a.0": 36 * 2 * 4 * 9,
        "b.0": 9 * 4 * 3 * 9,
        "c.0": 16 * 7 * 5 * 9,
        "d.0": 36 * 2,
    }
    assert rows["c.0"].s_ace == rows["c.0"].macs * 16 * 3 * 2  # weights of 16 bits, the wider levels of 3, 2 steps
    assert report.total.macs == sum(layer.macs for layer in rows.values())
    assert footprints(graph)[0].buffers > 0


def test_events_are_counted_where_they_arrive() -> None:
    model = Routed()
    graph = lower(model, SHAPE)
    activity = measure(model, graph, [IMAGES], "random")
    arrived = joined(model)
    assert activity.synapses["c.0"].events == int((arrived != 0).sum()) > 0
    assert activity.synapses["d.0"].events == int((arrived[:, 3:5] != 0).sum()) > 0
    flowing = streams(graph, activity)
    assert flowing["cat"].events == pytest.approx(int((arrived != 0).sum()) / len(IMAGES))
    assert flowing["up.0"].events == pytest.approx(4 * activity.neurons["two"].spikes / len(IMAGES))
    assert (flowing["cat"].highest, flowing["one"].highest, flowing["two"].highest) == (7, 1, 7)
    assert flowing["slice"].events == activity.synapses["d.0"].events / len(IMAGES)
    report = cost(graph, "exact", activity, energy_model="lemaire")
    assert report.total.ns_ace < report.total.s_ace


@pytest.mark.parametrize("second", [0.5, 0.3])
def test_additions_are_of_levels_each_in_the_scale_of_its_own_neurons(second: float) -> None:
    model = Routed(second)
    graph = lower(model, SHAPE)
    assert (graph.edges["cat"].scale is None) == (second != 0.5)
    seen = measure(model, graph, [IMAGES], "random").synapses
    arrived, scales = joined(model), torch.tensor([0.5] * 4 + [second] * 3).view(7, 1, 1)
    levels = (arrived / scales).round()
    assert torch.allclose(levels * scales, arrived)
    assert levels.max() > 1
    one = nn.Conv2d(7, 5, 3, bias=False)
    nn.init.ones_(one.weight)
    assert seen["c.0"].additions == int(one(levels).sum().round())
    assert seen["d.0"].additions == int(levels[:, 3:5].sum())
