"""`--set`: what is edited, and what is refused."""

from __future__ import annotations

import pytest

from bitspike import Bits, UserError
from bitspike.recipes import RECIPES, recipe
from bitspike.training import override
from bitspike.training.overrides import parse_config


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_complete_and_survives_json(name: str) -> None:
    config = recipe(name)
    assert config.recipe == name
    assert parse_config(config.model_dump(mode="json")) == config


def test_edits_reach_every_kind_of_value() -> None:
    config = override(
        recipe("digits-convnet"),
        [
            "bits=1/4/2",
            "epochs=3",
            "optimizer.lr=1e-4",
            "channels=4,8,8",
            "augment=crop4,flip",
            "neuron.v_reset=null",
            "train_size=null",
            'layers={"features.0.0": {"w": 8}}',
            "tensorboard=true",
        ],
    )
    assert config.bits == Bits(1, 4, 2)
    assert (config.epochs, config.optimizer.lr, config.channels) == (3, 1e-4, (4, 8, 8))
    assert (config.augment, config.neuron.v_reset, config.tensorboard) == (("crop4", "flip"), None, True)
    assert config.plan["features.0.0"].w == 8
    assert config.plan["features.3.0"].w == 1


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("epoch=3", "did you mean 'epochs'?"),
        ("optimizer.learning_rate=3", "optimizer.lr"),
        ("optimizer=3", "--set key"),
        ("epochs", "want key=value"),
        ("epochs=x", "epochs: got 'x'"),
        ("epochs=0", "epochs: got 0"),
        ("bits=0/2/1", "weight bits are whole numbers from 1 to 16"),
        ("bits=2/2/x", "bits: got '2/2/x'"),
        ("bits=3", "bits: got 3"),
        ("optimizer.lr=NaN", "optimizer.lr"),
        ("optimizer.kind=adam", "optimizer.kind: got 'adam'"),
        ("neuron.kind=izhikevich", "neuron.kind"),
        ("channels=4,x", "channels.1: got 'x'"),
        ("seed=-1", "seed: got -1"),
    ],
)
def test_a_wrong_edit_is_one_line_that_names_it(edit: str, named: str) -> None:
    with pytest.raises(UserError) as refused:
        override(recipe("digits-convnet"), [edit])
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'fashion-convnet'"):
        recipe("fashion-convent")
