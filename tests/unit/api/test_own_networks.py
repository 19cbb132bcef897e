"""Networks of one's own through the door: trained, frozen, and refused or warned of before time is spent."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike.frontend import routes
from bitspike.importing import users_code


class Dense(nn.Module):
    """Spikes beside the images that they were made of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(5 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(torch.flatten(torch.cat([torch.relu(self.conv(x)), x], 1), 1))
        return found


class Shuffled(nn.Module):
    """Channels in another order, by way of four axes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(torch.relu(self.conv(x)).view(-1, 2, 2, 6, 6).transpose(1, 2).flatten(1))
        return found


DRAW = np.random.default_rng(0)
DATA = DRAW.integers(0, 256, (60, 1, 6, 6), dtype=np.uint8), np.arange(60) % 3


def trained(name: str, folder: Path, *edits: str) -> bitspike.Run:
    with users_code():
        return bitspike.train(f"{__name__}:{name}", "epochs=1", *edits, dataset=DATA, name=name, runs_dir=folder)


@pytest.mark.parametrize("bits", ["4/2/1", "4/2/2", "2/1/3"])
def test_images_are_held_beside_spikes_of_several_steps(bits: str, tmp_path: Path) -> None:
    run = trained("Dense", tmp_path, f"bits={bits}")
    net, test = bitspike.freeze(run).net, run.images("test")
    classes = bitspike.compile(net)(test.images.numpy()).argmax(-1)
    assert run.evaluate().correct == int((classes == test.labels.numpy()).sum())


def test_a_join_holds_what_has_one_step_and_no_batch_of_one() -> None:
    train, held = torch.randn(3, 2, 4, 5, 5), torch.randn(1, 2, 1, 5, 5)
    assert torch.equal(routes.Concat(2)(train, held), torch.cat([train, held.expand(3, -1, -1, -1, -1)], 2))
    assert routes.Concat(0)(torch.zeros(1, 2), torch.ones(3, 2)).shape == (4, 2)


def test_what_cannot_be_frozen_is_said_before_it_is_trained(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"cannot be frozen: reshape .* got '4 axes'; want \(C, H, W\) or fewer"):
        run = trained("Shuffled", tmp_path)
    with pytest.raises(bitspike.UserError, match="4 axes"):
        bitspike.freeze(run)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*cannot be frozen")
        trained("Dense", tmp_path)


CALLS: dict[str, Any] = {
    "limits: got 'flsh'; did you mean 'flash'": lambda: bitspike.fit("digits-convnet", limits={"flsh": 1}),
    "limits, flash: got -1": lambda: bitspike.fit("digits-convnet", limits={"flash": -1}),
    "--classes: got 0": lambda: bitspike.cost("resnet20", classes=0),
    "--classes: got -3": lambda: bitspike.cost("resnet20", classes=-3),
    "--classes: got 2.5": lambda: bitspike.cost("resnet20", classes=2.5),  # type: ignore[arg-type]
    "bits: got 3": lambda: bitspike.cost("resnet20", bits=3),  # type: ignore[arg-type]
    "--input: got (3, 32.5, 32)": lambda: bitspike.cost("resnet20", sample=(3, 32.5, 32)),  # type: ignore[arg-type]
    "network: got 'NoneType'": lambda: bitspike.evaluate(None),  # type: ignore[arg-type]
    "--batch: got '1'": lambda: bitspike.bench("net.bitspike", batch="1"),  # type: ignore[arg-type]
    "--set: got 3": lambda: bitspike.train("digits-convnet", 3),  # type: ignore[arg-type]
    "file: got 'ndarray'": lambda: bitspike.predict("net.bitspike", DATA[0]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("said", CALLS)
def test_an_argument_that_will_not_do_is_a_line(said: str) -> None:
    with pytest.raises(bitspike.UserError) as refused:
        CALLS[said]()
    assert str(refused.value).startswith(said)
