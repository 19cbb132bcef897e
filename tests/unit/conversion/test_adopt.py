"""Networks of plain PyTorch: taken in with their weights, or refused by the path of what cannot be converted."""

import numpy as np
import pytest
import torch
from networks import levels_of, pixels, started
from torch import nn
from torch.nn import functional as F

from bitspike import UserError
from bitspike.conversion import adopt, check_convertible, convert, equivalence, to_snn
from bitspike.frontend import View
from bitspike.layers import Encoder, OverTime
from bitspike.models import morph
from bitspike.neurons import QReLU

SHAPE = (3, 8, 8)


class Residual(nn.Module):
    """Two residual sums, an identity and a convolution; one ReLU shared, one a function; biases; dropout."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.main = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6))
        self.short = nn.Conv2d(4, 6, 1, 2)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = self.relu(self.stem(x))
        x = F.relu(x + self.conv(x))
        x = F.max_pool2d(x, 2)
        x = self.relu(torch.add(self.main(x), self.short(x)))
        x = F.adaptive_avg_pool2d(x, 1)
        return self.head(self.drop(torch.flatten(x, 1)))


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(64, 8),
        nn.ReLU(),
        nn.Linear(8, 5),
    )


def residual() -> nn.Module:
    torch.manual_seed(0)
    return Residual()


@pytest.mark.parametrize("make", [plain, residual])
def test_it_computes_what_the_network_computed(make):
    model, x = make().eval(), torch.from_numpy(pixels(8))
    with torch.no_grad():
        taken = adopt(model, nn.ReLU)(x)
        assert torch.allclose(taken[0], model((x.float() - 128) / 64), atol=1e-6)
    assert taken.shape == (1, 8, 5)


def test_the_networks_own_pixels():
    model, x = plain().eval(), torch.from_numpy(pixels(4))

    class Unsigned(Encoder):
        lo, hi = 0, 255

    with torch.no_grad():
        assert torch.allclose(adopt(model, nn.ReLU, Unsigned(1 / 255))(x)[0], model(x / 255), atol=1e-6)


@pytest.mark.parametrize("make", [plain, residual])
@pytest.mark.parametrize("reroute", [False, True])
def test_it_is_converted_exactly(make, reroute):
    model = started(morph(adopt(make(), lambda: QReLU(4)), reroute))
    made = convert(model, SHAPE)
    some = pixels(16)
    found = equivalence(made.net, made.levels, some, np.zeros(16, dtype=np.int64))
    assert found.equal
    assert levels_of(model).keys() == found.layers.keys()


def test_rerouting_gives_each_current_its_own_neuron():
    model = started(morph(adopt(residual(), lambda: QReLU(4)), True))
    assert len(levels_of(model)) == len(levels_of(adopt(residual(), lambda: QReLU(4)))) + 1
    shared = {id(m.step_size) for m in model.modules() if isinstance(m, QReLU)}
    assert len(shared) == 2  # what is added shares its step: the stem with the first sum, and the two of the second


def test_the_original_is_left_alone():
    model = plain()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    started(morph(adopt(model, lambda: QReLU(4))))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert any(isinstance(m, nn.MaxPool2d) for m in model.modules())


def test_a_network_of_the_house_stays_as_it_is():
    model = nn.Sequential(Encoder())
    assert adopt(model, nn.ReLU) is model


def within(layer) -> nn.Module:
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.odd = nn.Conv2d(3, 3, 1), layer

        def forward(self, x):
            return self.odd(self.conv(x))

    return nn.Sequential(Block(), nn.Flatten(), nn.Linear(192, 5))


class Calls(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run, self.conv, self.weight = run, nn.Conv2d(3, 3, 1), nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.run(self, x)


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        (within(nn.Sigmoid()), "0.odd"),
        (within(nn.LayerNorm(8)), "0.odd"),
        (within(nn.LeakyReLU()), "0.odd"),
        (within(nn.ConvTranspose2d(3, 3, 1)), "0.odd"),
        (Calls(lambda m, x: torch.sigmoid(m.conv(x))), "sigmoid"),
        (Calls(lambda m, x: m.conv(x) * m.conv(x)), "conv"),
        (Calls(lambda m, x: m.conv(x) + 2), "add"),
        (Calls(lambda m, x: m.conv(m.conv(x))), "conv"),
        (Calls(lambda m, x: m.conv(x) + m.weight), "weight"),
        (Calls(lambda m, x: torch.flatten(m.conv(x))), "flatten"),
        (Calls(lambda m, x: F.max_pool2d(m.conv(x), 2, odd=1)), "max_pool2d"),
        (Calls(lambda m, x: m.conv(x).view(x.size(1), -1)), "view"),
        (Calls(lambda m, x: m.conv(x) if x.sum() > 0 else x), "Calls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_converted_is_named_with_its_path(model, seen):
    with pytest.raises(UserError) as wrong:
        adopt(model, nn.ReLU)
    assert seen in str(wrong.value)
    assert len(str(wrong.value).splitlines()) == 1


def test_a_network_that_cannot_be_copied_is_refused():
    model = plain()
    model.kept = torch.ones(1, requires_grad=True) * 2
    with pytest.raises(UserError, match="model: got 'Sequential'; cannot be copied: "):
        adopt(model, nn.ReLU)


def test_what_freezing_would_refuse_is_refused_before_training():
    """In a network of the house, a layer that reads a current; it has a neuron, so that nothing else is wrong."""
    ends = [QReLU(4), OverTime(nn.Flatten(), nn.Linear(256, 5))]
    between = {
        "sumpool 1.1": (nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(3, 1, 1)),
        "conv 1.1": (nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 3, padding=1)),
        "reshape 1.1": (nn.Conv2d(3, 4, 3, padding=1), View(1, (2, 16, 8))),
    }
    for layer, layers in between.items():
        model = morph(nn.Sequential(Encoder(), OverTime(*layers), *ends))
        with pytest.raises(UserError, match=f"{layer}: got 'a current'; wants spikes"):
            check_convertible(model, SHAPE)


def test_names_that_the_conversion_gives_are_free():
    """What re-routing and releasing add is called after a layer; the network has layers of these names."""

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(channels, 4, 3, padding=1) for channels in (3, 3, 4))
            self.relu, self.relu_shortcut = nn.ReLU(), nn.ReLU()
            self.encoder = nn.Linear(256, 5)

        def forward(self, x):
            return self.encoder(self.relu_shortcut(self.c(self.relu(self.a(x) + self.b(x)))).flatten(1))

    torch.manual_seed(0)
    model = started(morph(adopt(Named(), lambda: QReLU(4)), True))
    assert levels_of(model).keys() == {"relu", "relu_shortcut", "relu_shortcut_2"}
    made = convert(model, SHAPE)
    assert equivalence(made.net, made.levels, pixels(16), np.zeros(16, dtype=np.int64)).equal


class Mine(QReLU):
    def extra_repr(self):
        return "mine"


class Halved(QReLU):
    def fire(self, u, t):
        return super().fire(u / 2, t)


def test_a_q_relu_that_overrides_nothing_is_one():
    assert convert(started(morph(adopt(plain(), lambda: Mine(4)))), SHAPE)


def test_a_q_relu_that_computes_otherwise_is_not_converted_as_one():
    model = started(morph(adopt(plain(), lambda: Halved(4))))
    with pytest.raises(UserError, match="neuron 2: got 'Halved'; cannot be converted: Halved overrides fire of QReLU"):
        to_snn(model, 8)
