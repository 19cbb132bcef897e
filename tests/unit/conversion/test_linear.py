"""Linear maps in a row, and ReLUs behind pools: taken in as a network that computes the same, or refused by path."""

import numpy as np
import pytest
import torch
from networks import pixels, started
from torch import nn
from torch.nn import functional as F

from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.conversion import adopt, check_convertible, convert, equivalence
from bitspike.conversion.kernels import Kernel, composed
from bitspike.models import morph
from bitspike.neurons import QReLU
from bitspike.quant import quantize_weights

SHAPE = (3, 8, 8)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def lively(model: nn.Module, positive: bool = False) -> nn.Module:
    """In evaluation mode, its batch norms as if they were trained; gains of both signs unless they are ``positive``."""
    for module in model.modules():
        if isinstance(module, NORMS):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.2 if positive else -1, 1)
            nn.init.uniform_(module.bias, -1, 1)
    return model.eval()


def conv(i: int, o: int, *size, **options) -> nn.Conv2d:
    return nn.Conv2d(i, o, *(size or (3,)), **options)


class Own(nn.Module):
    def __init__(self, run, **layers):
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.run(self, x)


def stem() -> tuple[nn.Module, ...]:
    return (conv(3, 4, padding=1), nn.ReLU())


def head(inputs: int) -> tuple[nn.Module, ...]:
    return (nn.ReLU(), nn.Flatten(), nn.Linear(inputs, 5))


NETWORKS = {
    "relu of max pool": lambda: nn.Sequential(conv(3, 4, padding=1), nn.MaxPool2d(2), *head(64)),
    "relu of overlapping padded max pool": lambda: nn.Sequential(conv(3, 4), nn.MaxPool2d(3, 2, 1), *head(36)),
    "relu of flat max pools": lambda: nn.Sequential(
        conv(3, 4), nn.MaxPool2d(2), nn.MaxPool2d(3), nn.Flatten(), nn.ReLU(), nn.Linear(4, 5)
    ),
    "relu of mean": lambda: nn.Sequential(conv(3, 4), nn.BatchNorm2d(4), nn.AvgPool2d(2), *head(36)),
    "relu of norm of mean": lambda: nn.Sequential(conv(3, 4), nn.AvgPool2d(3, 1), nn.BatchNorm2d(4), *head(64)),
    "relu of mean of a sum": lambda: Own(
        lambda m, x: m.head(F.avg_pool2d((y := F.relu(m.a(x))) + m.b(y), 2)),
        a=conv(3, 4, padding=1),
        b=conv(4, 4, padding=1),
        head=nn.Sequential(*head(64)),
    ),
    "relu of flat": lambda: nn.Sequential(conv(3, 4), nn.Flatten(), nn.ReLU(), nn.Linear(144, 5)),
    "relu of a view": lambda: Own(
        lambda m, x: m.c(F.relu(m.a(x).view(x.size(0), 8, 3, 6)).flatten(1)), a=conv(3, 4), c=nn.Linear(144, 5)
    ),
    "mean of logits": lambda: nn.Sequential(*stem(), conv(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "mean of logits of 3x3": lambda: nn.Sequential(
        *stem(), conv(4, 5, stride=2), nn.BatchNorm2d(5), nn.AvgPool2d(3), nn.Flatten()
    ),
    "mean of the map": lambda: Own(
        lambda m, x: m.b(F.relu(m.a(x))).mean((2, 3)), a=conv(3, 4), b=conv(4, 5, padding=1)
    ),
    "mean of a kept map": lambda: Own(
        lambda m, x: m.b(torch.mean(F.relu(m.a(x)), dim=[-1, -2], keepdim=True)).flatten(1),
        a=conv(3, 4),
        b=conv(4, 5, 1),
    ),
    "depthwise, pointwise": lambda: nn.Sequential(
        *stem(),
        conv(4, 4, padding=1, groups=4, bias=False),
        nn.BatchNorm2d(4),
        conv(4, 6, 1, bias=False),
        nn.BatchNorm2d(6),
        *head(384),
    ),
    "pointwise, depthwise": lambda: nn.Sequential(
        *stem(), conv(4, 6, 1, bias=False), conv(6, 6, padding=1, stride=2, groups=6), *head(96)
    ),
    "strides, dilations": lambda: nn.Sequential(
        conv(3, 4, (3, 2), padding=2, stride=(1, 2), dilation=(2, 1)),
        conv(4, 6, 2, stride=(2, 1), groups=2),
        *head(120),
    ),
    "three in a row": lambda: nn.Sequential(
        *stem(), conv(4, 4, groups=2), nn.BatchNorm2d(4), conv(4, 6, (1, 3)), conv(6, 4, 1, groups=2), *head(96)
    ),
    "conv, mean, conv": lambda: nn.Sequential(*stem(), conv(4, 4, padding=1), nn.AvgPool2d(2), conv(4, 4), *head(16)),
    "linear, linear": lambda: nn.Sequential(
        *stem(), nn.Flatten(), nn.Linear(256, 7), nn.BatchNorm1d(7), nn.Dropout(), nn.Linear(7, 5, bias=False)
    ),
    "norm of images": lambda: nn.Sequential(nn.BatchNorm2d(3), conv(3, 4, bias=False), *head(144)),
    "norm of spikes": lambda: nn.Sequential(*stem(), nn.BatchNorm2d(4), conv(4, 4, groups=2), *head(144)),
    "norm of spikes, mean, flat": lambda: nn.Sequential(
        *stem(), nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 5)
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_computes_what_the_network_computes(name):
    torch.manual_seed(0)
    model, x = lively(NETWORKS[name]()), torch.from_numpy(pixels(8))
    with torch.no_grad():
        want = model((x.float() - 128) / 64)
        assert want.std(0).max() > 1e-3  # images move it
        assert torch.allclose(adopt(model, nn.ReLU).eval()(x)[0], want, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("reroute", [False, True])
def test_its_integers_are_exact(name, reroute):
    torch.manual_seed(0)
    model = started(morph(adopt(lively(NETWORKS[name]()), lambda: QReLU(4)), reroute))
    check_convertible(model, SHAPE)
    made = convert(model, SHAPE)
    some = pixels(16)
    assert equivalence(made.net, made.levels, some, np.zeros(16, dtype=np.int64)).equal
    with torch.no_grad():  # the integers are the floats', too, but for rounding
        wanted = made.qann(torch.from_numpy(some))[0].numpy()
    net = made.net
    logits = oracle.logits(net, some) / 2.0 ** net.graph[net.graph.nodes[-1].inputs[0]].fraction_bits
    assert np.median(np.abs(logits - wanted)) < 1e-3


@pytest.mark.parametrize("name", ["relu of mean of a sum", "mean of logits of 3x3", "relu of a view"])
def test_programs_compute_it_too(name):
    torch.manual_seed(0)
    model = started(quantize_weights(morph(adopt(lively(NETWORKS[name]()), lambda: QReLU(4))), 8))
    net, some = convert(model, SHAPE).net, pixels(6)
    for engine in ("c", "onnx"):
        assert np.array_equal(backend(engine).run(net, some), oracle.logits(net, some))


def test_a_norm_behind_a_max_pool_goes_before_it_where_it_keeps_the_order():
    layers = conv(3, 4), nn.MaxPool2d(2), nn.BatchNorm2d(4), *head(36)
    torch.manual_seed(0)
    model, x = lively(nn.Sequential(*layers), positive=True), torch.from_numpy(pixels(8))
    with torch.no_grad():
        want = model((x.float() - 128) / 64)
        assert torch.allclose(adopt(model, nn.ReLU).eval()(x)[0], want, atol=1e-5)
        model[2].weight[1] = -0.5
    with pytest.raises(UserError, match="layer: got '1'; MaxPool2d reads what 0 makes, with no ReLU between"):
        adopt(model, lambda: QReLU(4))


REFUSED = {
    "padded": (lambda: nn.Sequential(*stem(), conv(4, 4, padding=1), conv(4, 4, padding=1), *head(256)), "'3'; Conv2d"),
    "padded, with a bias": (lambda: nn.Sequential(*stem(), conv(4, 4, 1), conv(4, 4, padding=1), *head(256)), "'3'"),
    "linear of a convolution": (lambda: nn.Sequential(*stem(), conv(4, 4), nn.Flatten(), nn.Linear(144, 5)), "'4'"),
    "linear bottleneck": (
        lambda: Own(
            lambda m, x: m.head(m.c((y := F.relu(m.a(x))) + m.b(y))),
            a=conv(3, 4),
            b=conv(4, 4, 1),
            c=conv(4, 4, 1),
            head=nn.Sequential(*head(144)),
        ),
        "'c'; Conv2d reads what b makes, with no ReLU between",
    ),
    "read twice": (
        lambda: Own(
            lambda m, x: m.head(F.relu(y := m.b(F.relu(m.a(x)))) + F.relu(m.c(y))),
            a=conv(3, 4),
            b=conv(4, 4, 1),
            c=conv(4, 4, 1),
            head=nn.Sequential(*head(144)),
        ),
        "'c'; Conv2d reads what b makes",
    ),
    "max pool of a current": (lambda: nn.Sequential(*stem(), conv(4, 5), nn.MaxPool2d(6), nn.Flatten()), "'3'; Max"),
    "mean of a max pool": (
        lambda: nn.Sequential(conv(3, 4), nn.MaxPool2d(2), nn.AvgPool2d(3), *head(4)),
        "'1'; MaxPool2d reads what 0 makes",
    ),
    "padded mean": (lambda: nn.Sequential(conv(3, 4), nn.AvgPool2d(2, 2, 1), *head(64)), "'1'; AvgPool2d reads what 0"),
    "norm of padded images": (
        lambda: nn.Sequential(nn.BatchNorm2d(3), conv(3, 4, padding=1), *head(256)),
        "'1'; Conv2d reads what 0 makes",
    ),
    "norm of padded spikes": (
        lambda: nn.Sequential(*stem(), nn.BatchNorm2d(4), conv(4, 4, padding=1), *head(256)),
        "'3'; Conv2d reads what 2 makes",
    ),
    "norm that two read": (
        lambda: Own(
            lambda m, x: m.head(F.relu(m.b(y := m.n(F.relu(m.a(x)))) + m.c(y))),
            a=conv(3, 4),
            n=nn.BatchNorm2d(4),
            b=conv(4, 4, 1),
            c=conv(4, 4, 1),
            head=nn.Sequential(*head(144)),
        ),
        "'b'; Conv2d reads what n makes",
    ),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_one_layer_is_refused_by_path(make, says):
    torch.manual_seed(0)
    with pytest.raises(UserError) as wrong:
        adopt(lively(make()), lambda: QReLU(4))
    assert f"layer: got {says}" in str(wrong.value)
    assert len(str(wrong.value).splitlines()) == 1


def test_a_norm_without_an_offset_may_be_padded():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.BatchNorm2d(3), conv(3, 4, padding=1), *head(256)).eval(), torch.from_numpy(pixels(4))
    nn.init.uniform_(model[0].weight, -1, 1)
    with torch.no_grad():
        assert torch.allclose(adopt(model, nn.ReLU).eval()(x)[0], model((x.float() - 128) / 64), atol=1e-5)


def test_the_original_is_left_alone():
    model = lively(NETWORKS["three in a row"]())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adopt(model, nn.ReLU)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("seed", range(30))
def test_any_two_convolutions(seed):
    """Whatever sizes, strides, padding, dilations and groups: one that computes the same, or none."""
    draw = np.random.default_rng(seed)

    def drawn(inputs: int, outputs: int, padding: int) -> nn.Conv2d:
        size, stride, dilation = (tuple(draw.integers(1, most, 2).tolist()) for most in (4, 3, 3))
        groups = int(draw.choice([1, 2, 4]))
        return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, groups, bool(draw.integers(2))).double()

    first, second = drawn(4, 8, int(draw.integers(3))), drawn(8, 4, 0)
    one, two = Kernel.of(first), Kernel.of(second)
    made = composed(one, two)
    x = torch.randn(2, 4, 13, 14, dtype=torch.float64)
    with torch.no_grad():
        want = second(first(x))
        got = F.conv2d(x, made.weight, made.bias, made.stride, made.padding, made.dilation, made.groups)
    assert got.shape == want.shape
    assert torch.allclose(got, want)
