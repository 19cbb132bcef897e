"""One vocabulary: functions are the modules that they equal, by position and by name; views that keep the batch."""

import pytest
import torch
from compared import SHAPE, Own, Spiking, farthest, spikes_apart
from torch import nn
from torch.nn import functional as F

from bitspike.conversion import adopt
from bitspike.errors import UserError
from bitspike.frontend import read
from bitspike.layers import Encoder, merge_time, split_time
from bitspike.lowering import lower


def end(view):
    return lambda m, x: m.wide(view(F.relu(m.stem(x))))


def unpacked(x):
    n, _, _, _ = x.shape
    return x.view(n, -1)


FLATS = {
    "torch.flatten": lambda x: torch.flatten(x, 1),
    "by name": lambda x: torch.flatten(input=x, start_dim=1, end_dim=-1),
    "method": lambda x: x.flatten(1),
    "method, by name": lambda x: x.flatten(start_dim=1),
    "view": lambda x: x.view(x.size(0), -1),
    "view of a tuple": lambda x: x.view((x.size(0), -1)),
    "view of a number": lambda x: x.view(x.size(0), 256),
    "view, batch left": lambda x: x.view(-1, 256),
    "size by name": lambda x: x.view(x.size(dim=0), -1),
    "size()[0]": lambda x: x.view(x.size()[0], -1),
    "reshape": lambda x: x.reshape(x.shape[0], -1),
    "torch.reshape": lambda x: torch.reshape(x, (x.shape[0], -1)),
    "torch.reshape, by name": lambda x: torch.reshape(input=x, shape=(x.shape[0], -1)),
    "reshape, batch left": lambda x: x.reshape(-1, 256),
    "unpacked": unpacked,
    "channels kept first": lambda x: x.view(x.size(0), x.size(1), -1).flatten(1),
    "by way of another shape": lambda x: x.view(x.size(0), 4, 64).reshape(x.size(0), 8, 32).flatten(1),
    "contiguous": lambda x: x.contiguous().view(x.size(0), -1),
    "as it was": lambda x: x.view(x.size()).flatten(1),
    "as it was, by shape": lambda x: x.reshape(x.shape).flatten(1),
}


@pytest.mark.parametrize("view", FLATS.values(), ids=FLATS)
def test_a_view_that_keeps_the_batch(view):
    assert farthest(Own(end(view))) < 1e-5
    assert lower(Own(end(view)), SHAPE).edges["wide"].shape == (5,)


def test_the_batch_of_the_images_is_that_of_every_layer():
    def run(m, x):
        n = x.size(0)
        return m.wide(F.relu(m.stem(x)).view(n, -1))

    assert farthest(Own(run)) < 1e-5


NOT_FLAT = [
    lambda x: x.view(-1),
    lambda x: x.view(x.size(1), -1),
    lambda x: x.view(-1, x.size(1)),
    lambda x: x.view(x.size(0) * 2, -1),
    lambda x: x.view(256, -1),
    lambda x: x.view(x.size(0), -1, x.size(0)),
    lambda x: x.view(torch.float64),
    lambda x: x.view(x.size(-4), -1),
    lambda x: torch.flatten(x),
    lambda x: x.flatten(0, 1),
]


@pytest.mark.parametrize("reads", [lambda model: adopt(model, nn.ReLU), lambda model: lower(model, SHAPE)])
@pytest.mark.parametrize("view", NOT_FLAT)
def test_a_view_that_may_not_keep_it_is_refused(view, reads):
    with pytest.raises(UserError, match=r"view|flatten|operator"):
        reads(Own(end(view)))


@pytest.mark.parametrize("size", [100, 300, 512, 128])
def test_a_view_of_a_wrong_number_of_elements_is_refused(size):
    with pytest.raises(UserError, match=r"reshape view: got .*256 elements"):
        lower(Own(lambda m, x: m.stem(x).view(-1, size)), SHAPE)


class Merging(Spiking):
    """Functions of time are seen in the file of the module that calls them."""

    def forward(self, x):
        return self.run(self, x)


def test_merged_steps_are_no_batch():
    def run(m, x):
        spikes = m.n0(m.stem(m.encoder(x)))
        flat = merge_time(spikes).view(x.size(0), -1)  # every step of an image in one row
        return m.head(split_time(flat, spikes))

    with pytest.raises(UserError, match="operator: got 'view'; is not certain to keep the batch"):
        read(Merging(run))


@pytest.mark.parametrize("merge", [False, True])
def test_views_of_spikes(merge):
    def run(m, x):
        s = m.n2(m.other(m.n1(m.conv(m.n0(m.stem(m.encoder(x)))))))
        if merge:
            merged = merge_time(s)
            return split_time(m.head[1](merged.view(merged.size(0), -1)), s)
        return m.head[1](s.reshape(s.shape[0], s.shape[1], -1))

    assert spikes_apart(Merging(run)) == 0


CALLS = {
    "conv": lambda m, x: m.stem(input=x),
    "norm": lambda m, x: m.norm(input=m.stem(x)),
    "relu": lambda m, x: m.act(input=m.stem(x)),
    "F.relu": lambda m, x: F.relu(input=m.stem(x)),
    "F.relu, all": lambda m, x: F.relu(input=m.stem(x), inplace=False),
    "torch.relu": lambda m, x: torch.relu(m.stem(x)),
    "method": lambda m, x: m.stem(x).relu(),
    "torch.add": lambda m, x: torch.add(input=F.relu(y := m.stem(x)), other=y),
    "alpha of 1": lambda m, x: torch.add(F.relu(y := m.stem(x)), y, alpha=1),
    "the same twice": lambda m, x: (y := F.relu(m.stem(x))) + y,
    "add by name": lambda m, x: F.relu(y := m.stem(x)).add(other=y),
}


@pytest.mark.parametrize("run", CALLS.values(), ids=CALLS)
def test_arguments_by_name(run):
    assert farthest(Own(lambda m, x: m.wide(input=torch.flatten(run(m, x), 1)))) < 1e-5


POOLS = {
    "module": lambda m, x: m.pool(input=x),
    "F.max_pool2d": lambda m, x: F.max_pool2d(x, 2),
    "by name": lambda m, x: F.max_pool2d(input=x, kernel_size=(2, 2), stride=2),
    "torch.max_pool2d": lambda m, x: torch.max_pool2d(x, 2),
    "overlapping": lambda m, x: F.max_pool2d(x, 3, 2, 1),
    "F.avg_pool2d": lambda m, x: F.avg_pool2d(x, 2),
    "average, by name": lambda m, x: F.avg_pool2d(input=x, kernel_size=2),
    "average, padded": lambda m, x: F.avg_pool2d(x, 3, 2, padding=1),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_pools_as_functions_lower_and_convert(pool):
    model = Own(lambda m, x: m.narrow(torch.flatten(pool(m, F.relu(m.stem(x))), 1)))
    assert farthest(model) < 1e-5
    graph = lower(model, SHAPE)
    assert {"MaxPool", "SumPool"} & {type(node).__name__ for node in graph.nodes}


def test_a_global_pool_as_a_function():
    model = Own(lambda m, x: m.small(F.adaptive_avg_pool2d(F.relu(m.stem(x)), 1).flatten(1)))
    model.small = nn.Linear(4, 5)
    assert farthest(model) < 1e-5
    assert lower(model, SHAPE).edges["adaptive_avg_pool2d"].shape == (4, 1, 1)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (lambda m, x: F.max_pool2d(x, 2, ceil_mode=True), "max pool max_pool2d: .*want plain windows"),
        (lambda m, x: F.avg_pool2d(x, 2, divisor_override=3), "average pool avg_pool2d: .*want the plain mean"),
        (lambda m, x: torch.add(x, x, alpha=3), "operator: got 'add with alpha'; want a plain sum"),
        (lambda m, x: torch.add(x, 1), "input of add: got 1; want a layer's output"),
        (lambda m, x: m.stem(input=2), "input of stem: got 2"),
        (lambda m, x: m.stem(x, 2), "input of stem: got 2"),
        (lambda m, x: F.max_pool2d(x, x.size(1)), "operator: got 'max_pool2d'; wants options that are numbers"),
    ],
)
def test_options_without_an_op_are_refused(run, says):
    with pytest.raises(UserError, match=f"^{says}"):
        lower(Own(run), SHAPE)


# Dropout


def test_dropout_that_follows_the_mode_is_left_out():
    def run(m, x):
        return m.wide(m.drop(F.dropout(F.relu(m.stem(x)), 0.5, m.training)).flatten(1))

    assert farthest(Own(run).train()) < 1e-5


@pytest.mark.parametrize("drop", [lambda x: F.dropout(x, 0.5), lambda x: F.dropout2d(x, training=True)])
def test_dropout_that_is_always_on_is_refused(drop):
    with pytest.raises(UserError, match=r"operator: got 'dropout.*it is on in evaluation, too"):
        read(Own(lambda m, x: m.wide(drop(m.stem(x)).flatten(1))))


def test_what_a_forward_does_in_training_alone_is_not_read():
    def run(m, x):
        y = m.wide(F.relu(m.stem(x)).flatten(1))
        return (y, torch.sigmoid(y)) if m.training else y

    assert farthest(Own(run).train()) < 1e-5


# Arguments of the forward


class Optional(Own):
    def forward(self, x, features=False, extra=None, *, scale=1.0):
        f = torch.flatten(F.relu(self.stem(x)), 1)
        if extra is not None:
            f = f + extra
        if scale != 1.0:
            f = f * scale
        return f if features else self.wide(f)


def test_arguments_of_the_forward_keep_their_defaults():
    assert farthest(Optional(None)) < 1e-5


# Names


class Named(nn.Module):
    def __init__(self, name):
        super().__init__()
        torch.manual_seed(0)
        self.name = name
        self.add_module(name, nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()))
        self.last = nn.Linear(256, 5)

    def forward(self, x):
        return self.last(torch.flatten(self.get_submodule(self.name)(x), 1))


class NamedLayer(Named):
    def __init__(self, name):
        super().__init__(name)
        setattr(self, name, nn.Conv2d(2, 4, 3, padding=1))

    def forward(self, x):
        return self.last(torch.flatten(F.relu(self.get_submodule(self.name)(x)), 1))


NAMES = ["encoder", "images", "input", "readout", "release", "model", "relu", "flatten", "add", "graph", "code", "view"]


@pytest.mark.parametrize("kind", [Named, NamedLayer])
@pytest.mark.parametrize("name", NAMES)
def test_modules_that_bear_our_names(kind, name):
    assert farthest(kind(name)) < 1e-5
    assert len(list(lower(kind(name), SHAPE).synapses())) == 2
    own = kind(name)
    taken = adopt(own, nn.ReLU)
    assert any(isinstance(module, Encoder) for module in taken.children())
    assert len(taken.state_dict()) == len(own.state_dict())


# Widths of weights


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_widths_are_taken_in_float32(dtype):
    model = Own(end(FLATS["method"])).to(dtype)
    taken = adopt(model, nn.ReLU)
    assert {parameter.dtype for parameter in taken.parameters()} == {torch.float32}
    assert torch.equal(model.stem.weight.float(), taken.stem[0].weight)
    assert next(model.parameters()).dtype == dtype


def test_frozen_weights_of_half_are_refused():
    with pytest.raises(UserError, match=r"conv stem\.0: got 'torch.float16'; .*want float32 weights"):
        spikes_apart(Spiking(lambda m, x: m.head(m.n0(m.stem(m.encoder(x))))).half())


# What is called twice


def test_a_layer_with_weights_runs_once():
    shared = Own(lambda m, x: m.wide(m.alias(m.conv(m.stem(x))).flatten(1)))
    shared.alias = shared.conv
    for model in (shared, Own(lambda m, x: m.conv(m.conv(m.stem(x))))):
        for reads in (read, lambda model: adopt(model, nn.ReLU)):
            with pytest.raises(UserError, match=r"layer: got 'conv'; called a second time; each layer runs once"):
                reads(model)


def test_a_layer_without_may_run_again():
    def run(m, x):
        return m.wide(m.keep(m.act(m.conv(m.keep(m.act(m.stem(x)))))).flatten(1))

    assert farthest(Own(run)) < 1e-5


def test_a_data_parallel_names_the_network_inside():
    with pytest.raises(UserError, match=r"model: got 'DataParallel'; want the network inside of it: model\.module"):
        read(nn.DataParallel(Own(end(FLATS["method"]))))


def test_an_encoder_reads_the_images():
    model = nn.Sequential(nn.Conv2d(2, 2, 1), Encoder())
    with pytest.raises(UserError, match="input of 1: got '0'; want the images themselves"):
        lower(model, SHAPE)
