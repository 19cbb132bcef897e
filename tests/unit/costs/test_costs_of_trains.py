"""Costs of networks that read trains: the first layer works at each step, on what is not 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bitspike import Bits
from bitspike.costs import cost
from bitspike.costs.energy_layers import loads
from bitspike.layers import EventEncoder, OverTime
from bitspike.lowering import lower, measure
from bitspike.neurons import make_node, neuron_settings
from bitspike.sample import Sample

TRAIN = Sample((2, 6, 5), 4, -1, 2)
CODES = torch.randint(0, 4, (3, *TRAIN.array_shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def network(sample: Sample) -> nn.Module:
    torch.manual_seed(1)
    neurons = make_node(neuron_settings(), Bits(16, 1, 4))
    conv = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    head = OverTime(nn.Flatten(), nn.Linear(90, 4, bias=False))
    return nn.Sequential(EventEncoder(sample), OverTime(conv), neurons, head).eval()


def test_the_first_layer_of_a_train_runs_at_each_step_and_on_events() -> None:
    model = network(TRAIN)
    graph = lower(model, TRAIN)
    activity = measure(model, graph, CODES.split(2), "random")
    report = cost(graph, "exact", activity, energy_model="horowitz")
    first, levels = report.layers[0], CODES.numpy().astype(int) + TRAIN.lo
    assert (first.macs, first.s, first.t) == (2 * 3 * 9 * 30, 2, 4)
    assert first.s_ace == first.macs * 16 * 2 * 4
    assert first.firing_rate == np.count_nonzero(levels) / levels.size
    fed = sum(  # outputs that an event feeds, borders counted as they are
        3 * len([*range(max(row - 1, 0), min(row + 2, 6))]) * len([*range(max(column - 1, 0), min(column + 2, 5))])
        for *_, row, column in np.argwhere(levels)
    )
    assert first.sops == fed / len(CODES)
    assert report.energy is not None
    assert report.energy.snn is not None
    assert report.energy.snn.layers[0].synaptic == pytest.approx(first.sops * 0.9 / 1000)
    (load, _) = loads(graph, activity)
    assert (load.levels, load.steps, load.T) == (2, 4, 4)
    assert load.events == np.count_nonzero(levels) / len(CODES)


def test_an_image_of_the_same_levels_is_multiplied_once() -> None:
    held = Sample(TRAIN.shape, 1, TRAIN.lo, TRAIN.hi)
    model = network(held)
    graph = lower(model, held)
    activity = measure(model, graph, [CODES[:, 0]], "random")
    report = cost(graph, "exact", activity, energy_model="horowitz")
    assert (report.layers[0].s, report.layers[0].t) == (2, 1)
    assert report.energy is not None
    assert report.energy.snn is not None
    assert report.energy.snn.layers[0].synaptic == pytest.approx(report.layers[0].macs * 4.6 / 1000)
    assert loads(graph, activity)[0].levels is None


def test_a_train_is_in_memory_one_step_at_a_time() -> None:
    exact = cost(lower(network(TRAIN), TRAIN), "exact").memory[0]
    more = Sample(TRAIN.shape, 4, TRAIN.lo, TRAIN.hi + 10)  # four bits a level in place of two
    assert cost(lower(network(more), more), "exact").memory[0].buffers - exact.buffers == 60 * 2 / 8
