"""Forwards that people bring, in the words that they use: read as what they compute, or refused by what and where."""

import functools

import pytest
import torch
from compared import Own, farthest
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

from bitspike.conversion import adopt
from bitspike.errors import UserError
from bitspike.frontend import read


def head(net, x):
    return net.wide(torch.flatten(x, 1))


def _nested_shortcut(net, x):
    y = net.stem(x)
    z = net.other(net.inplace(net.conv(net.inplace(y))))
    z += y
    return head(net, net.inplace(z))


def _sum_with_itself(net, x):
    y = net.act(net.stem(x))
    y += y
    return head(net, y)


def _alias_of_a_sum(net, x):
    y = net.act(net.stem(x))
    old = y
    z = net.conv(y)
    y += z
    return head(net, net.act(old + z))


def _dropout_in_place(net, x):
    y = net.stem(x)
    F.dropout(y, 0.5, net.training, True).relu_()
    return head(net, net.act(net.conv(y)))


def _norm_in_place(net, x):
    y = net.norm(net.stem(x))
    net.inplace(y)
    return head(net, y)


def _nobody_reads(net, x):
    y = F.relu(net.stem(x))
    net.conv(y)
    return head(net, y)


def _out_of_place_for_nothing(net, x):
    y = net.stem(x)
    F.relu(y)
    return head(net, y)


def _as_channels(net, x):
    y = F.relu(net.stem(x)).reshape(-1, 16, 4, 4)
    return head(net, F.avg_pool2d(y, 3, 1, 1).view(y.size(0), -1))


RIGHT = [
    _nested_shortcut,
    _sum_with_itself,
    _alias_of_a_sum,
    _dropout_in_place,
    _norm_in_place,
    _nobody_reads,
    _out_of_place_for_nothing,
    _as_channels,
    lambda net, x: head(net, F.relu_(net.norm(F.max_pool2d(net.stem(x), 3, 1, 1)))),
    lambda net, x: head(net, functools.partial(F.relu, inplace=False)(net.stem(x))),
    lambda net, x: head(net, F.relu(checkpoint(net.stem, x, use_reentrant=False))),
    lambda net, x: (head(net, F.relu(net.stem(x))), 1)[0],
    lambda net, x: net.narrow(F.max_pool2d(F.relu(net.stem(x)), kernel_size=2, stride=None).flatten(1)),
    lambda net, x: head(net, F.dropout2d(F.relu(net.stem(x)), training=net.training)),
    lambda net, x: head(net, F.relu(net.stem(x)).transpose(1, 2)),
    lambda net, x: head(net, F.relu(net.stem(x) * 2)),
]


@pytest.mark.parametrize("run", RIGHT)
def test_it_computes_the_same(run):
    assert farthest(Own(run)) < 1e-5


def _sliced(net, x):
    y = net.stem(x)
    y[:, :2].relu_()
    return head(net, y)


def _chunk(net, x):
    y = net.stem(x)
    y.chunk(2, 1)[0].relu_()
    return head(net, y)


def _out(net, x):
    y = net.stem(x)
    torch.add(y, y, out=y)
    return head(net, y)


def _assigned(net, x):
    y = net.stem(x)
    y[y < 0] = 0
    return head(net, y)


def _data(net, x):
    y = net.stem(x)
    y.data.relu_()
    return head(net, y)


def _detached(net, x):
    y = net.stem(x)
    y.detach().relu_()
    return head(net, y)


def _through_a_view(net, x):
    y = net.stem(x)
    y.view(y.size(0), -1).relu_()
    return head(net, y)


REFUSED = {
    _sliced: "out of place",
    _chunk: "out of place",
    _out: "out",
    _assigned: "item assignment",
    _data: "data",
    _detached: "detach",
    _through_a_view: "out of place",
    lambda net, x: head(net, net.stem(x).clamp_(min=0)): "clamp_",
    lambda net, x: head(net, torch.add(x.relu(), net.stem(x), alpha=2)): "plain sum",
    lambda net, x: head(net, F.dropout(F.relu(net.stem(x)))): "on in evaluation",
    lambda net, x: head(net, F.relu(net.stem(x)).mT): "mT",
    lambda net, x: head(net, F.relu(F.conv2d(x, net.stem.weight, padding=1))): "conv2d",
    lambda net, x: head(net, F.relu(net.stem(x) * x)): "mul",
    lambda net, x: head(net, F.relu(net.stem(x) * x.size(1))): "mul",
    lambda net, x: F.softmax(head(net, F.relu(net.stem(x))), 1): "softmax",
    lambda net, x: [head(net, F.relu(net.stem(x)))]: "one tensor of logits",
}


@pytest.mark.parametrize("run", REFUSED)
def test_it_is_refused_in_one_line(run):
    with pytest.raises(UserError, match=REFUSED[run]) as no:
        adopt(Own(run).eval(), nn.ReLU)
    assert "\n" not in str(no.value)


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5))


@pytest.mark.parametrize("wrap", [torch.fx.symbolic_trace, AveragedModel, torch.nn.Sequential])
def test_wrapped_networks_compute_the_same(wrap):
    assert farthest(wrap(plain())) < 1e-5


@pytest.mark.parametrize("wrap", [torch.jit.script, torch.compile, nn.DataParallel])
def test_wrapped_networks_that_cannot_be_read_are_refused(wrap):
    with pytest.raises(UserError):
        read(wrap(plain()))
