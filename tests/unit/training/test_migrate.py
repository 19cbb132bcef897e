"""Configs of earlier versions: read in today's keys, and their runs evaluated and taken up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.recipes import RECIPES, recipe
from bitspike.training import RunFolder, TrainConfig, override, train
from bitspike.training.migrate import MOVED, migrate
from bitspike.training.overrides import _keys, _method_keys, parse_config

ADAPTIVE = {
    "learns": ["w", "s", "t"], "target": None, "penalty": [0.04, 0.04, 0.01], "budget": None, "budget_penalty": 0.5,
    "renewal": ["s"], "renewal_epochs": 14,
}  # fmt: skip
LOSS = {"spike_lambda": 0.0, "spike_reduction": "mean", "path_weight": 1.0}
"""The sections of every config of version 0.5, at their defaults."""


def as_before(config: TrainConfig) -> dict[str, Any]:
    """The ``config.json`` that version 0.5 wrote of it."""
    raw = config.model_dump(mode="json")
    methods = raw.pop("methods")
    regulation, sign = methods.get("spike-regulation"), methods.get("annealed-sign")
    ensemble, learned = methods.get("paths-ensemble"), dict(methods.get("learned-bits", ADAPTIVE))
    raw["optimizer"]["time_steps_lr"] = learned.pop("time_steps_lr", None)
    raw["loss"] |= LOSS
    if regulation:
        raw["loss"] |= {"spike_lambda": regulation["weight"], "spike_reduction": regulation["reduction"]}
    if ensemble:
        raw["loss"]["path_weight"] = ensemble["weight"]
    temperature = [sign["first"], sign["last"]] if sign else None
    reroute = bool(ensemble and ensemble["reroute"])
    return raw | {"reroute": reroute, "sign_temperature": temperature, "adaptive": learned}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_read_as_it_was_written_before(name: str) -> None:
    config = recipe(name)
    before = as_before(config)
    assert parse_config(migrate(before)) == config
    assert before == as_before(config), "what is migrated is not changed in place"


@pytest.mark.parametrize("name", RECIPES)
def test_a_config_of_this_version_stays_as_it_is(name: str) -> None:
    raw = recipe(name).model_dump(mode="json")
    assert migrate(raw) == raw


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("qsnn-vggsnn-thin-fashion", ["methods.spike-regulation.weight=0.5", "methods.spike-regulation.reduction=sum"]),
        ("qsnn-vggsnn-thin-fashion", ["methods.annealed-sign.first=0.2", "methods.annealed-sign.last=7"]),
        ("qsnn-vggsnn-thin-fashion", ["methods={}"]),
        ("spikezip-convnet-digits", ["methods.paths-ensemble.weight=0.25", "methods.paths-ensemble.reroute=true"]),
        ("adaptive-resnet8-thin-fashion", ["methods.learned-bits.learns=", "methods.learned-bits.target=null"]),
        ("adaptive-resnet8-thin-fashion", ['methods.learned-bits.budget={"max_size": 9}']),
        ("adaptive-resnet8-thin-fashion", ["methods.learned-bits.time_steps_lr=null"]),
        ("adaptive-resnet8-thin-fashion", ["quantizer=lsq", "methods.learned-bits.renewal=w"]),
    ],
)
def test_every_setting_is_kept(name: str, edits: list[str]) -> None:
    config = override(recipe(name), edits)
    assert parse_config(migrate(as_before(config))) == config


def test_regulation_of_no_weight_is_left_out() -> None:
    config = override(recipe("qsnn-vggsnn-thin-fashion"), ["methods.spike-regulation.weight=0"])
    assert list(parse_config(migrate(as_before(config))).methods) == ["annealed-sign"]


def test_every_key_that_moved_is_gone_and_has_a_place() -> None:
    config = recipe("digits-convnet")
    known = {*_keys(config), *_method_keys()}
    assert not known & MOVED.keys()
    assert set(MOVED.values()) <= known
    sections = {"optimizer": ["time_steps_lr"], "loss": LOSS, "adaptive": ADAPTIVE}
    old = {f"{section}.{key}" for section, keys in sections.items() for key in keys}
    assert MOVED.keys() == old | {"reroute", "sign_temperature"}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["loss", "optimizer", "adaptive", "neuron", "methods", "kind"]), inner)
    ),
    max_leaves=6,
)


@given(JSON, st.dictionaries(st.sampled_from([*as_before(recipe("digits-convnet"))]), JSON, max_size=3))
def test_what_is_no_config_is_refused_in_one_line(anything: Any, changes: dict[str, Any]) -> None:
    for raw in (anything, as_before(recipe("digits-convnet")) | changes):
        try:
            parse_config(migrate(raw))
        except UserError as refused:
            assert "\n" not in str(refused)


def test_a_run_of_before_is_taken_up(tmp_path: Path) -> None:
    """From a folder as version 0.5 left it: the old keys in ``config.json``, all else alike."""
    edits = [
        "dataset=digits", "augment=", "tensorboard=false", "channels=4,4,8", "train_size=256", "validation_size=100",
        "epochs=2", "batch_size=64", "checkpoint_every=3",
    ]  # fmt: skip
    config = override(recipe("adaptive-resnet8-thin-fashion"), edits)
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train(config, whole)

    class Stop:
        def step(self, step: int, *told: Any) -> None:
            if step == 5:
                raise KeyboardInterrupt

        def begin(self, config: TrainConfig) -> None: ...

        def epoch(self, line: dict[str, Any]) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        train(config, cut, observer=Stop())
    cut.config_file.write_text(json.dumps(as_before(config)))
    assert cut.read_config() == config
    train(config, cut, resume=True)
    lines = [[{k: v for k, v in line.items() if k != "seconds"} for line in run.metrics()] for run in (cut, whole)]
    assert lines[0] == lines[1]
    with pytest.raises(UserError, match=r"--resume with methods\.learned-bits\.learns: got \['w'\]; the run"):
        train(override(config, ["methods.learned-bits.learns=w"]), cut, resume=True)
    with pytest.raises(UserError, match=r"--resume with methods\.learned-bits\.learns: got None; the run"):
        train(override(config, ["methods={}"]), cut, resume=True)
