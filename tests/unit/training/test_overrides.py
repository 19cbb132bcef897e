"""`--set`: what is edited, and what is refused."""

from __future__ import annotations

import pytest

from bitspike import Bits, UserError
from bitspike.recipes import RECIPES, recipe
from bitspike.training import override
from bitspike.training.methods import AnnealedSignSettings, SpikeRegulationSettings
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
        ("methods.spike-regulatoin.weight=1", "did you mean 'methods.spike-regulation.weight'?"),
        ("methods.spike-regulation.wieght=1", "did you mean 'methods.spike-regulation.weight'?"),
        ("methods.spike-regulation.weight=-1", "methods.spike-regulation.weight: got -1"),
        ("methods.spike-regulation.weight=NaN", "methods.spike-regulation.weight"),
        ("methods.annealed-sign=5", "methods.annealed-sign: got 5; want its settings, first, last, or null"),
        ('methods.annealed-sign={"fist": 1}', "key of methods.annealed-sign: got 'fist'; did you mean 'first'?"),
        ('methods={"annealed-sing": {}}', "method: got 'annealed-sing'; did you mean 'annealed-sign'?"),
        ("methods=5", "methods: got 5"),
        ("reroute=true", "--set key: got 'reroute'; it is methods.paths-ensemble.reroute now"),
        ("loss.spike_lambda=1", "it is methods.spike-regulation.weight now"),
    ],
)
def test_a_wrong_edit_is_one_line_that_names_it(edit: str, named: str) -> None:
    with pytest.raises(UserError) as refused:
        override(recipe("digits-convnet"), [edit])
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_method_is_added_edited_and_left_out() -> None:
    config = recipe("qsnn-vggsnn-thin-fashion")
    regulation, sign = SpikeRegulationSettings(weight=1e-3), AnnealedSignSettings(first=0.1, last=10)
    assert config.methods == {"spike-regulation": regulation, "annealed-sign": sign}
    edited = override(config, ["methods.spike-regulation.reduction=sum", "methods.annealed-sign=null"])
    assert edited.methods == {"spike-regulation": SpikeRegulationSettings(weight=1e-3, reduction="sum")}
    plain = recipe("digits-convnet")
    added = override(plain, ["methods.annealed-sign.last=5"])
    assert added.methods == {"annealed-sign": AnnealedSignSettings(first=0.1, last=5)}
    assert override(plain, ["methods.annealed-sign={}"]).methods == {"annealed-sign": AnnealedSignSettings()}
    assert override(added, ["methods.annealed-sign=null"]) == plain
    assert override(plain, ["methods.annealed-sign=null"]) == plain
    again = override(added, ["methods.annealed-sign=null", "methods.annealed-sign.first=1"])
    assert again.methods == {"annealed-sign": AnnealedSignSettings(first=1)}
    assert override(config, ["methods={}"]).methods == {}


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'fashion-convnet'"):
        recipe("fashion-convent")
