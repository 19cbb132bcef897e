"""Networks at full strength: their recipes, and the integers that are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bitspike.backends import BACKENDS, Backend, Images, Int
from bitspike.backends.native import Native
from bitspike.ir import FrozenGraph
from bitspike.recipes import recipe
from bitspike.training import RunFolder, override, train
from claims.strength import DATA, SYSTEMS, frozen, runs_of


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_twins_differ_in_their_weight_bits(system: str, data: str) -> None:
    full, low = (override(recipe(run.recipe), run.all_edits("full")) for run in runs_of(system, data, 1))
    assert full.bits.w == 16
    assert low.bits.w <= 4
    assert not full.plan.layers
    assert (full.dataset, full.epochs, full.channels, full.seed) == (low.dataset, low.epochs, low.channels, 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strength") / "run"
    train(override(recipe("digits-convnet"), ["channels=4,4,8", "epochs=1", "train_size=256"]), RunFolder(folder))
    return folder


def test_every_backend_names_the_classes_of_the_oracle(trained: Path) -> None:
    line = frozen(trained, None)
    assert line["images"] == 360
    assert {line[f"{what}_equal_{name}"] for what in ("classes", "logits") for name in ("c", "native")} == {360}
    assert line["points"] == pytest.approx(line["integer_accuracy"] - line["float_accuracy"], abs=1e-3)


def test_one_logit_that_is_wrong_is_counted(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Backend):
        def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
            logits = np.array(Native().run(net, images))
            logits[0, (logits[0].argmax() + 1) % 10] = logits[0].max() + 1
            return (logits,)

    monkeypatch.setattr("claims.strength.BACKENDS", {**{n: BACKENDS[n] for n in ("oracle", "c")}, "native": Wrong})
    line = frozen(trained, None)
    assert (line["classes_equal_native"], line["logits_equal_native"]) == (359, 359)
