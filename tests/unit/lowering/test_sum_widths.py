"""Widths of sums of spikes, against every sum that can occur."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from bitspike.bits import alphabet_width
from bitspike.ir import Graph
from bitspike.layers import Encoder, OverTime, SqueezeTime
from bitspike.lowering import lower
from bitspike.neurons import SpikingNode, Staircase, StraightThrough
from bitspike.neurons.integrate import Integrate

ALPHABETS = [(0, 1), (0, 3), (-1, 1), (-3, 3), (1, 2)]


def node(lo: int, hi: int, scale: float = 0.5, T: int = 1) -> SpikingNode:
    staircase = Staircase(1.0, lo, hi, scale=scale)
    return SpikingNode(
        T=T,
        integrate=Integrate(),
        staircase=staircase,
        surrogate_function=StraightThrough(),
        v_reset=None,
        detach_reset=True,
    )


class Sums(nn.Module):
    """Two layers of neurons on the same map, their sum, and ``tail`` after it."""

    def __init__(self, first: SpikingNode, second: SpikingNode, tail: nn.Module) -> None:
        super().__init__()
        self.encoder, self.first, self.second, self.tail = Encoder(), first, second, tail

    def forward(self, images: Tensor) -> Tensor:
        x = self.encoder(images)
        y: Tensor = self.tail(self.first(x) + self.second(x))
        return y


def lower_sums(first: SpikingNode, second: SpikingNode, tail: nn.Module | None = None) -> Graph:
    return lower(Sums(first, second, tail or nn.Identity()), (1, 2, 2))


@pytest.mark.parametrize(("a", "b"), list(product(ALPHABETS, ALPHABETS)))
def test_a_sum_of_two(a, b):
    edge = lower_sums(node(*a), node(*b)).edges["add"]
    sums = {x + y for x in range(a[0], a[1] + 1) for y in range(b[0], b[1] + 1)}
    assert set(range(edge.lo, edge.hi + 1)) == sums
    assert edge.bits == alphabet_width(min(sums), max(sums))
    assert edge.scale == 0.5


def test_a_sum_on_two_grids_has_no_range():
    edge = lower_sums(node(0, 1, scale=0.5), node(0, 1, scale=0.25)).edges["add"]
    assert (edge.lo, edge.hi, edge.scale) == (None, None, None)
    assert edge.bits == 16


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_an_average_over_every_window(alphabet, padding):
    """Every map of 2x2 levels through PyTorch's own pool: the levels that come out are those of the edge."""
    lo, hi = alphabet
    pool = nn.AvgPool2d(2, stride=2, padding=padding)
    graph = lower(nn.Sequential(Encoder(), node(lo, hi), OverTime(pool)), (1, 2, 2))
    edge = graph.edges["2.0"]
    maps = torch.tensor(list(product(range(lo, hi + 1), repeat=4)), dtype=torch.float).reshape(-1, 1, 2, 2) * 0.5
    levels = pool(maps) / edge.scale
    assert torch.equal(levels, levels.round())
    assert edge.shape == levels.shape[1:]
    if padding == 0:
        assert (edge.lo, edge.hi) == (levels.min(), levels.max())
    else:  # here no window is full, but in a larger map one is
        wide = pool(torch.nn.functional.pad(maps, (1, 1, 1, 1))) / edge.scale
        assert (edge.lo, edge.hi) == (min(0, levels.min(), wide.min()), max(0, levels.max(), wide.max()))


@pytest.mark.parametrize("T", [1, 2, 3, 4])
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_a_squeezed_map_over_every_train(alphabet, T):
    """Every train of T levels through the module: the sums that come out are those of the edge, in one step."""
    lo, hi = alphabet
    layers = nn.Sequential(Encoder(), node(lo, hi, T=T), SqueezeTime(), OverTime(nn.Conv2d(1, 2, 1)), node(0, 1, T=5))
    graph = lower(layers, (1, 2, 2))
    edge = graph.edges["2"]
    trains = torch.tensor(list(product(range(lo, hi + 1), repeat=T)), dtype=torch.double).T.reshape(T, -1, 1) * 0.5
    sums = SqueezeTime()(trains) / edge.scale
    assert (sums - sums.round()).abs().max() < 1e-9
    assert set(sums.round().flatten().tolist()) == set(range(edge.lo, edge.hi + 1))
    assert (edge.T, edge.shape, edge.bits) == (1, (1, 2, 2), alphabet_width(T * lo, T * hi))
    assert [graph.edges[name].T for name in ("1", "3.0", "4")] == [T, 1, 5]


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_sums_of_sums(alphabet):
    """Two layers added and pooled over the whole map: eight spikes reach each output."""
    lo, hi = alphabet
    graph = lower_sums(node(lo, hi), node(lo, hi), OverTime(nn.AdaptiveAvgPool2d(1)))
    edge = graph.edges["tail.0"]
    assert (edge.lo, edge.hi, edge.scale) == (8 * lo, 8 * hi, 0.5 / 4)
    assert edge.bits == alphabet_width(8 * lo, 8 * hi)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_a_maximum_is_no_wider(alphabet):
    lo, hi = alphabet
    pool = nn.MaxPool2d(2, padding=1)
    edge = lower(nn.Sequential(Encoder(), node(lo, hi), OverTime(pool)), (1, 2, 2)).edges["2.0"]
    maps = torch.tensor(list(product(range(lo, hi + 1), repeat=4)), dtype=torch.float).reshape(-1, 1, 2, 2)
    assert (edge.lo, edge.hi) == (pool(maps).min(), pool(maps).max())  # padding never wins
