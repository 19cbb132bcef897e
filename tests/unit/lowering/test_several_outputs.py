"""Networks with several outputs, and the routes inside of them, become a graph; or are refused by path."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from bitspike.costs import cost
from bitspike.errors import UserError
from bitspike.frontend import ModelStepper, network, read
from bitspike.ir import Concat, Readout, Slice, Upsample
from bitspike.layers import Encoder, OverTime, mean_over_time, merge_time
from bitspike.lowering import freeze, lower
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import quantize_weights


class Net(nn.Module):
    """A convolution, what ``forward`` makes of its 8 channels, and whatever it needs for that."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.made = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.made(self, self.conv(x))


def ops(model, kind):
    return [node for node in lower(model, (3, 4, 4)).nodes if type(node) is kind]


SLICES = {
    "getitem": (lambda m, x: x[:, 2:5], (2, 5)),
    "from the end": (lambda m, x: x[:, -3:], (5, 8)),
    "ellipsis": (lambda m, x: x[..., 2:5, :, :], (2, 5)),
    "behind an ellipsis of one axis": (lambda m, x: x[:, 1:, ...], (1, 8)),
    "narrow": (lambda m, x: x.narrow(1, 2, 3), (2, 5)),
    "torch.narrow": (lambda m, x: torch.narrow(x, dim=-3, start=2, length=3), (2, 5)),
    "chunk": (lambda m, x: x.chunk(3, 1)[2], (6, 8)),
    "torch.chunk": (lambda m, x: torch.chunk(x, 2, dim=1)[-1], (4, 8)),
    "split": (lambda m, x: x.split([2, 5, 1], dim=1)[1], (2, 7)),
    "split by size": (lambda m, x: torch.split(x, 3, dim=1)[2], (6, 8)),
    "split by name": (lambda m, x: x.split(split_size=3, dim=1)[1], (3, 6)),
}


@pytest.mark.parametrize("name", SLICES)
def test_a_range_of_channels_is_a_slice_however_it_is_written(name):
    forward, (start, stop) = SLICES[name]
    model = Net(forward).eval()
    (found,) = ops(model, Slice)
    assert (found.start, found.stop) == (start, stop)
    x = torch.randn(2, 3, 4, 4)
    calls = read(model)
    assert torch.equal(network(calls, calls.answers)(x), model(x))


UPSAMPLES = {
    "module": lambda m, x: m.up(x),
    "function": lambda m, x: F.interpolate(x, scale_factor=2.0, mode="nearest"),
    "by size": lambda m, x: F.interpolate(x, size=(8, 8)),
    "by factors": lambda m, x: F.interpolate(x, scale_factor=(2, 2)),
    "other class": lambda m, x: m.nearest(x),
}


@pytest.mark.parametrize("name", UPSAMPLES)
def test_nearest_upsampling_by_a_whole_factor(name):
    model = Net(UPSAMPLES[name], up=nn.Upsample(scale_factor=2), nearest=nn.UpsamplingNearest2d(scale_factor=2))
    (found,) = ops(model, Upsample)
    assert found.factor == (2, 2)


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_a_factor_is_what_torch_computes_or_is_refused(side, factor, by_size):
    """torch finds the nearest place in float32, which rounds to another one for some factors."""
    up = nn.Upsample(size=(1, side * factor)) if by_size else nn.Upsample(scale_factor=(1, factor))
    x = torch.arange(side, dtype=torch.float32)[None, None, None]
    same = torch.equal(up(x)[0, 0, 0], x[0, 0, 0].repeat_interleave(factor))
    try:
        (found,) = (node for node in lower(up, (1, 1, side)).nodes if isinstance(node, Upsample))
        assert (found.factor, same) == ((1, factor), True)
    except UserError as no:
        assert ("another place" in str(no), same) == (True, False)


def test_what_is_joined_along_the_channels_is_a_concat():
    model = Net(lambda m, x: torch.cat([x, x[:, :2], F.relu(x)], dim=-3))
    (found,) = ops(model, Concat)
    assert found.inputs == ("conv", "slice", "relu")
    assert lower(model, (3, 4, 4)).edges["cat"].shape == (18, 4, 4)


REFUSED = {
    "the batch": (lambda m, x: torch.cat([x, x]), r"cat cat: got 'dim=0'; .*want the channels: dim=1"),
    "rows": (lambda m, x: torch.cat([x, x], 2), r"cat cat: got 'dim=2'"),
    "one": (lambda m, x: torch.cat([x], 1), "two or more"),
    "rows cut out": (lambda m, x: x[:, :, 1:3], "slice slice: got 'dim=2'"),
    "every second": (lambda m, x: x[:, ::2], "want a range of channels"),
    "one channel": (lambda m, x: x[:, 0], "want a range of channels"),
    "two axes": (lambda m, x: x[:, 1:3, 1:], "want a range of channels"),
    "a size": (lambda m, x: x[:, : x.shape[1]], "want a range of channels"),
    "nothing": (lambda m, x: x[:, 8:], "at least one of the 8 channels"),
    "no such chunk": (lambda m, x: x.chunk(2, 1)[2], "at least one of the 8 channels"),
    "no chunk": (lambda m, x: x.chunk(0, 1)[0], "at least one chunk"),
    "a list of pieces": (lambda m, x: torch.cat(x.chunk(2, 1), 1), "want a list of two or more"),
    "bilinear": (lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear"), "upsample upsample: got 'bilinear'"),
    "one and a half": (lambda m, x: F.interpolate(x, scale_factor=1.5), "want a whole factor"),
    "smaller": (lambda m, x: F.interpolate(x, size=(2, 2)), "want a whole factor"),
    "a size asked for": (lambda m, x: F.interpolate(x, size=x.shape[-2:]), "a part of a shape"),
    "an upsample of a class": (lambda m, x: m.up(x), "upsample up: got 'bicubic'"),
    "a dictionary": (lambda m, x: {"boxes": x}, "model output: got '.*dict'; want one tensor of logits, or a tuple"),
    "a tuple in a tuple": (lambda m, x: (x, (x, x)), "model output"),
    "a tuple of one": (lambda m, x: (x,), "model output"),
    "one tensor twice": (lambda m, x: (x, x), "each tensor of the answer once"),
    "a number": (lambda m, x: (x, 2), "model output"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_route_is_refused_by_its_path(name):
    forward, says = REFUSED[name]
    with pytest.raises(UserError, match=says):
        lower(Net(forward, up=nn.Upsample(scale_factor=2, mode="bicubic")), (3, 4, 4))


def test_each_output_is_a_readout_in_the_order_of_the_tuple():
    graph = lower(Net(lambda m, x: (m.b(x), x, m.a(x)), a=nn.Conv2d(8, 2, 1), b=nn.Conv2d(8, 5, 3)), (3, 4, 4))
    assert [(node.name, node.inputs) for node in graph.nodes[-3:]] == [
        ("readout0", ("b",)),
        ("readout1", ("conv",)),
        ("readout2", ("a",)),
    ]
    assert [graph.edges[node.name].shape for node in graph.readouts()] == [(5, 2, 2), (8, 4, 4), (2, 4, 4)]


class Spiking(nn.Module):
    """Two answers of unlike shape, one of them read in the middle, of spikes that are joined and made larger."""

    def __init__(self, mean=False):
        super().__init__()
        self.encode = Encoder()
        self.first, self.one = OverTime(nn.Conv2d(3, 8, 3, padding=1)), MultiBitLIFNode(T=2, spike_bits=1)
        self.second = OverTime(nn.Conv2d(8, 4, 3, 2, 1), nn.Upsample(scale_factor=2))
        self.two = MultiBitLIFNode(T=2, spike_bits=2)
        self.small, self.large = OverTime(nn.Conv2d(8, 3, 1)), OverTime(nn.Conv2d(12, 5, 1))
        self.mean = mean

    def forward(self, images):
        x = self.one(self.first(self.encode(images)))
        small = self.small(x)
        y = self.two(self.second(x))
        large = self.large(torch.cat([x, y], dim=2))
        return (mean_over_time(large), mean_over_time(small)) if self.mean else (large, small)


@pytest.mark.parametrize("mean", [False, True])
def test_readouts_are_the_last_ops_wherever_their_answers_are_made(mean):
    graph = lower(Spiking(mean), (3, 4, 4))
    assert [type(node) is Readout for node in graph.nodes[-3:]] == [False, True, True]
    assert [node.inputs for node in graph.readouts()] == [("large.0",), ("small.0",)]


def test_what_is_counted_behind_a_concat_has_the_width_of_the_widest():
    graph = lower(Spiking(), (3, 4, 4))
    joined = graph.edges["cat"]
    assert (joined.lo, joined.hi, joined.T) == (0, 3, 2)
    rows = {layer.name: layer for layer in cost(graph).layers}
    assert rows["large.0"].macs == 12 * 5 * 16
    assert not {"cat", "second.1"} & rows.keys()


def test_time_and_no_time_do_not_join():
    class Mixed(Spiking):
        def forward(self, images):
            x = self.one(self.first(self.encode(images)))
            return torch.cat([merge_time(x), x], 1)

    with pytest.raises(UserError, match=r"cat cat: .* want all of them"):
        lower(Mixed(), (3, 4, 4))


class Unlike(nn.Module):
    """Spikes of two scales, joined, and whatever reads them."""

    def __init__(self, reads, **layers):
        super().__init__()
        self.encode = Encoder()
        self.first, self.one = OverTime(nn.Conv2d(3, 4, 1)), MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5)
        self.second, self.two = OverTime(nn.Conv2d(3, 2, 1)), MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.3)
        self.reads = reads
        for name, layer in layers.items():
            setattr(self, name, layer)
        quantize_weights(self, 3)

    def forward(self, images):
        x = self.encode(images)
        return self.reads(self, torch.cat([self.one(self.first(x)), self.two(self.second(x))], 2))


MIXED = {
    "groups across parts": (
        Unlike(lambda m, x: m.conv(x), conv=OverTime(nn.Conv2d(6, 6, 1, groups=2))),
        "conv conv.0: .* wants one scale in each of its 2 groups: put a neuron behind cat",
    ),
    "a shape that mixes channels": (
        Unlike(lambda m, x: x.reshape(x.shape[0], x.shape[1], 4, 24)),
        "reshape view: .* mixes channels",
    ),
    "channels that move": (
        Unlike(lambda m, x: m.conv(x.transpose(2, 3)), conv=OverTime(nn.Conv2d(4, 2, 1))),
        "conv conv.0: got 'a current'",
    ),
    "a product": (Unlike(lambda m, x: x @ x), "matmul matmul: .*one scale: put a neuron behind cat"),
    "features of tokens": (Unlike(lambda m, x: m.line(x), line=OverTime(nn.Linear(4, 2))), "one scale|a current"),
}


@pytest.mark.parametrize("name", MIXED)
def test_what_needs_one_scale_and_cannot_be_split_is_refused_by_name(name):
    model, says = MIXED[name]
    with pytest.raises(UserError, match=says):
        freeze(model.eval(), (3, 4, 4))


def test_groups_that_lie_in_one_part_each_are_split():
    model = Unlike(lambda m, x: m.conv(x), conv=OverTime(nn.Conv2d(6, 6, 3, groups=3))).eval()
    net = freeze(model, (3, 4, 4))
    assert [(node.name, node.groups, node.out_channels) for node in net.graph.synapses()][2:] == [
        ("conv.0.part0", 2, 4),
        ("conv.0.part1", 1, 2),
    ]


@pytest.mark.parametrize("mean", [False, True])
def test_floats_take_one_step_at_a_time_too(mean):
    model, images = Spiking(mean).eval(), torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8)
    stepper = ModelStepper(model)
    with torch.no_grad():
        whole = model(images)
    steps = [stepper.step(images) for _ in range(stepper.T)]
    for index, meant in enumerate(whole):
        found = steps[-1][index] if mean else torch.stack([step[index] for step in steps])
        assert torch.allclose(found, meant, atol=1e-5)
