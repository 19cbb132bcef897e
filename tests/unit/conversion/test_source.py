"""A network beside itself as it was read: other pixels, max pools and other computations are found before any work."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bitspike.conversion import adopt, seen
from bitspike.conversion import source as source_of
from bitspike.data import ImageSet, load
from bitspike.errors import UserError
from bitspike.layers import Encoder
from bitspike.reports import source_lines, source_warnings

PREPARED = {
    "pixels/255": (0.0, 1.0),
    "mean/std": (0.1307, 0.3081),
    "-1..1": (0.5, 0.5),
    "house": (128 / 255, 64 / 255),
    "pixels": (0.0, 1 / 255),
}


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load("digits")[1].first(200)


def trained(mean: float, std: float, pool: type[nn.Module] = nn.AvgPool2d, norm: bool = True) -> nn.Module:
    torch.manual_seed(0)
    middle = [nn.BatchNorm2d(8), nn.ReLU()] if norm else [nn.ReLU()]
    layers = [nn.Conv2d(1, 8, 3, padding=1), *middle, pool(2), nn.Flatten(), nn.Linear(128, 10)]
    model, train = nn.Sequential(*layers), load("digits")[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(15):
        for rows in torch.randperm(len(train)).split(64):
            loss = F.cross_entropy(model((train.images[rows] / 255 - mean) / std), train.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@pytest.mark.parametrize("name", PREPARED)
def test_told_how_its_pixels_were_normalised_it_is_itself(digits: ImageSet, name: str) -> None:
    mean, std = PREPARED[name]
    model = trained(mean, std)
    told = seen(adopt(model, nn.ReLU, Encoder(mean=mean, std=std)), digits, model)
    assert told.own_accuracy > 90
    assert told.accuracy == pytest.approx(told.own_accuracy, abs=0.6)
    assert told.difference < 2e-3 * told.largest_logit
    assert told.better is None
    assert not [*source_warnings(told.to_dict())]
    (line,) = source_lines(told.to_dict())
    assert line.startswith(f"your network: {told.own_accuracy:.2f} % of 200 validation images; as it was read: ")


@pytest.mark.parametrize("name", ["pixels/255", "mean/std", "pixels"])
def test_not_told_it_is_far_off_and_that_is_said(digits: ImageSet, name: str) -> None:
    model = trained(*PREPARED[name], norm=False)  # a batch norm would hide much of it
    found = seen(adopt(model, nn.ReLU), digits, model)
    assert found.better is not None, found
    assert found.better["accuracy"] >= found.own_accuracy + source_of.FAR
    (line,) = source_warnings(found.to_dict())
    assert line.startswith("far off: with --mean ")
    again = Encoder(mean=found.better["mean"], std=found.better["std"])
    assert seen(adopt(model, nn.ReLU, again), digits, model).accuracy > 90


def test_a_network_that_guesses_is_said_to() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    found = seen(adopt(model, nn.ReLU), load("digits")[1].first(50), model)
    assert any("what guessing gives" in line for line in source_warnings(found.to_dict()))


def test_max_pools_are_named_with_both_accuracies(digits: ImageSet) -> None:
    class Functional(nn.Module):
        def __init__(self, body: nn.Sequential) -> None:
            super().__init__()
            self.body, self.pools = body[:3], nn.ModuleList([nn.MaxPool2d(2)])
            self.head = body[5]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.flatten(self.pools[0](self.body(x)), 1))

    plain = trained(*PREPARED["house"], nn.MaxPool2d)
    with torch.no_grad():
        twin = nn.Sequential(*plain[:3], nn.AvgPool2d(2), *plain[4:]).eval()
        right = twin((digits.images - 128.0) / 64).argmax(1) == digits.labels
        meaned = 100 * float(right.double().mean())
    for model, paths in ((plain, ("3",)), (Functional(plain), ("pools.0",))):
        adopted = adopt(model, nn.ReLU)
        found = seen(adopted, digits, model)
        assert found.max_pools == paths
        assert found.accuracy > 90
        assert found.mean_pools_accuracy == meaned < found.accuracy
        (line,) = source_warnings(found.to_dict())
        assert line.startswith(
            f"max pools become mean pools: {paths[0]}; before {found.accuracy:.2f} %, with mean pools "
        )
        assert any(isinstance(module, nn.MaxPool2d) for module in adopted.modules())  # it was only looked at
        kept = seen(adopted, digits, model, "spiking").to_dict()
        assert (kept["max_pools"], kept["mean_pools_accuracy"]) == (paths, None)
        assert not list(source_warnings(kept))
        assert [*source_lines(kept)][1:] == [f"max pools stay, and are spiking ones in the SNN: {paths[0]}"]


class Doubled(nn.Module):
    """What was read is what it is given; what it computes is not."""

    def __init__(self, own: nn.Module, factor: float) -> None:
        super().__init__()
        self.own, self.factor = own, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.own(x)


@pytest.mark.parametrize("factor", [2.0, 1.01, float("nan")])
def test_what_computes_something_else_than_was_read_is_refused(digits: ImageSet, factor: float) -> None:
    model = trained(*PREPARED["house"])
    with pytest.raises(UserError, match="it was read as a network that computes another"):
        seen(adopt(model, nn.ReLU), digits, Doubled(model, factor))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_no_other_network(digits: ImageSet, kind: torch.dtype) -> None:
    model = trained(*PREPARED["house"]).to(kind)
    found = seen(adopt(model, nn.ReLU), digits, model)
    assert found.own_accuracy > 90
    assert {parameter.dtype for parameter in model.parameters()} == {kind}


def test_a_forward_that_fails_is_named(digits: ImageSet) -> None:
    class Failing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("x")

    with pytest.raises(UserError, match=r"model: got 'Failing'; its forward fails on images \[1, 8, 8\]: KeyError"):
        seen(adopt(trained(*PREPARED["house"]), nn.ReLU), digits, Failing())


def test_modes_and_random_numbers_are_left_alone(digits: ImageSet) -> None:
    model = trained(*PREPARED["house"]).train()
    model[1].eval()
    adopted, before = adopt(model, nn.ReLU), torch.get_rng_state()
    seen(adopted, digits, model)
    assert [module.training for module in model] == [True, False, True, True, True, True]
    assert torch.equal(before, torch.get_rng_state())
    assert source_of.HOUSE.levels().plain
