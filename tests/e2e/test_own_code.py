"""Code of one's own by its import path (network, neuron, quantizer, surrogate, method): every verb finds it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import bitspike as door
from bitspike import UserError
from bitspike.neurons import FiringSettings, IFNode, NeuronSettings
from bitspike.recipes import recipe
from bitspike.training import RunFolder, override, train

CODE = """
from typing import Literal

from torch import nn

from bitspike.layers import Encoder, OverTime
from bitspike.neurons import FiringSettings, IFNode, MultiBitLIFNode, NeuronSettings
from bitspike.neurons.surrogate import Surrogate
from bitspike.quant import LSQSettings, QuantizerSettings
from bitspike.training import Method, MethodSettings


def house():
    print("making it")
    return nn.Sequential(
        Encoder(),
        OverTime(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)),
        MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5),
        OverTime(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)),
    )


def plain():
    conv, norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))


def seven():
    return house()[:3].append(OverTime(nn.Flatten(), nn.Linear(256, 7)))


def text():
    return "no network"


def fails():
    raise RuntimeError("of its own\\nin two lines")


def leaves():
    raise SystemExit(3)


class Tent(Surrogate):
    def derivative(self, x):
        return x.abs().neg().exp()


class Needy(Surrogate):
    def __init__(self, alpha):
        self.alpha = alpha


class Started(FiringSettings):
    kind: Literal["started"] = "started"
    height: float = 1.0

    def make(self, bits):
        return IFNode(bits.t, self.height)


class Nameless(NeuronSettings):
    def make(self, bits):
        return IFNode(bits.t)


class AtLeast(QuantizerSettings):
    kind: Literal["at-least"] = "at-least"
    least: int = 3

    def make(self, bits, weight):
        return LSQSettings().make(max(bits, self.least), weight)


class HeavierSettings(MethodSettings):
    weight: float = 0.1


class Heavier(Method[HeavierSettings]):
    settings_type = HeavierSettings

    def loss(self, inner):
        return lambda model, x, y: inner(model, x, y) * (1 + self.settings.weight)


class Bare(Method):
    pass
"""
TINY = ("train_size=256", "validation_size=100", "epochs=1")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path) -> Command:
    """Runs the command beside a file of code: exit status, stdout, stderr."""
    (tmp_path / "own_code.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> tuple[int, str, str]:
        sys.modules.pop("own_code", None)  # another process has not imported it
        return command(*arguments)

    return run


def edited(*edits: str) -> list[str]:
    return [part for edit in (*TINY, *edits) for part in ("--set", edit)]


def read(outcome: tuple[int, str, str]) -> dict[str, object]:
    assert outcome[0] == 0, outcome
    found: dict[str, object] = json.loads(outcome[1])  # what the user's code prints is not in it
    return found


@pytest.mark.parametrize(("network", "bits"), [("house", "4/2/2"), ("house", "8/2/2"), ("plain", "4/2/2")])
def test_every_verb_finds_a_network_of_ones_own(bitspike: Command, network: str, bits: str) -> None:
    own = edited(f"model=own_code:{network}", f"bits={bits}")
    result = read(bitspike("train", "digits-convnet", *own, "--name", "own", "--json"))
    assert result["model"] == f"own_code:{network}"
    assert read(bitspike("evaluate", "runs/own", "--json"))["accuracy"] == result["test_accuracy"]
    total = read(bitspike("cost", "runs/own", "--json"))["total"]
    assert isinstance(total, dict)
    assert total["size_bytes"] == result["size_bytes"]
    assert read(bitspike("freeze", "runs/own", "-o", "own.bitspike", "--images", "50", "--json"))
    assert read(bitspike("evaluate", "own.bitspike", "--json"))["total"] == 360
    assert bitspike("export", "own.bitspike", "--to", "c", "-o", "c")[0] == 0
    again = read(bitspike("train", "digits-convnet", *own, "--name", "own", "--resume", "--json"))
    assert again["test_accuracy"] == result["test_accuracy"]


def test_a_plain_run_of_ones_own_converts_and_is_found_again(bitspike: Command) -> None:
    relu = edited("model=own_code:plain", "neuron.kind=relu", "bits=16/16/1")
    read(bitspike("train", "digits-convnet", *relu, "--name", "ann", "--json"))
    for source in (("runs/ann",), ("own_code:plain", "--dataset", "digits")):
        found = read(bitspike("convert", *source, *edited(), "--images", "40", "--name", f"of-{len(source)}", "--json"))
        assert (found["equal"], found["model"]) == (True, "own_code:plain")
        seen = read(bitspike("evaluate", str(found["folder"]), "--json"))
        assert seen["accuracy"] == found["test_accuracy"]
        assert read(bitspike("convert", str(found["folder"]), "--images", "40", "--json"))["equal"]


@pytest.mark.parametrize(
    ("edits", "named"),
    [
        (["model=own_code:seven", "bits=4/2/2"], ["logits", "(7,)", "want 10"]),
        (["model=own_code:house", "bits=2/1/1"], ["bits of 2", "(2, 2, None)"]),
        (["model=own_code:house", "channels=4,4,8"], ["channels", "own_code:house has its own", "null"]),
        (["model=own_code:text"], ["model", "it returned str"]),
        (["model=own_code:fails"], ["model", "cannot be made: RuntimeError: of its own in two lines"]),
        (["model=own_code:leaves"], ["model", "cannot be made: SystemExit"]),
        (["model=own_code:none"], ["model", "cannot be imported", "none"]),
        (["model=no_such_code:net"], ["model", "cannot be imported", "no_such_code"]),
        (["model=own_code:"], ["model", "want package.module:name"]),
        (["model=a:b:c"], ["model", "want package.module:name"]),
        (["neuron.surrogate_function=own_code:Needy"], ["surrogate_function", "cannot be made", "alpha"]),
        (["neuron.surrogate_function=own_code:Started"], ["surrogate_function", "want a subclass of", "Surrogate"]),
        (["neuron.surrogate_function=own_code:house"], ["surrogate_function", "want a subclass of", "Surrogate"]),
        (["neuron.surrogate_function=own_code:Nope"], ["surrogate_function", "own_code:Nope", "cannot be imported"]),
        (["neuron.surrogate_function=ata"], ["surrogate_function", "did you mean 'atan'", "package.module:Class"]),
        (["neuron.kind=own_code:AtLeast"], ["neuron.kind", "want a subclass of", "NeuronSettings"]),
        (["neuron.kind=own_code:Started", "neuron.hight=2"], ["neuron.hight", "neuron.kind=started does not read it"]),
        (["quantizer=own_code:Started"], ["quantizer.kind", "want a subclass of", "QuantizerSettings"]),
        (["quantizer=nowhere:AtLeast"], ["quantizer.kind", "nowhere:AtLeast", "cannot be imported"]),
        (["methods.own_code:Bare={}"], ["method", "own_code:Bare", "settings_type"]),
        (["methods.own_code:Heavier.wight=1"], ["own_code:Heavier", "wight", "did you mean 'weight'"]),
        (["methods.own_code:Tent={}"], ["method", "want a subclass of", "Method"]),
        (["methods.nowhere:X.y=1"], ["method", "nowhere:X", "cannot be imported"]),
    ],
)
def test_what_cannot_be_is_one_line(bitspike: Command, tmp_path: Path, edits: list[str], named: list[str]) -> None:
    status, out, err = bitspike("train", "digits-convnet", *edited(*edits))
    line = err.splitlines()[-1]
    assert (status, out) == (2, "")
    assert line.startswith("bitspike: ")
    assert err.replace("making it\n", "") == f"{line}\n"
    for word in named:
        assert word in line
    assert not (tmp_path / "runs").exists()


def test_kinds_and_methods_of_ones_own_are_in_the_run(bitspike: Command) -> None:
    own = edited(
        "neuron.kind=own_code:Started",
        "neuron.height=0.5",
        "neuron.surrogate_function=own_code:Tent",
        "quantizer=own_code:AtLeast",
        "quantizer.least=5",
        "methods.own_code:Heavier.weight=0.3",
        "channels=4,4,8",
        "bits=2/1/2",
    )
    result = read(bitspike("train", "digits-convnet", *own, "--name", "own", "--json"))
    config = json.loads(Path("runs/own/config.json").read_text())
    assert (config["neuron"]["kind"], config["neuron"]["height"]) == ("own_code:Started", 0.5)
    assert config["neuron"]["surrogate_function"] == "own_code:Tent"
    assert config["quantizer"] == {"kind": "own_code:AtLeast", "least": 5}
    assert config["methods"] == {"own_code:Heavier": {"weight": 0.3}}
    assert read(bitspike("evaluate", "runs/own", "--json"))["accuracy"] == result["test_accuracy"]
    layers = read(bitspike("cost", "runs/own", "--json"))["layers"]
    assert isinstance(layers, list)
    assert {layer["w"] for layer in layers} == {5}
    assert bitspike("freeze", "runs/own", "-o", "own.bitspike", "--images", "50")[0] == 0
    assert read(bitspike("train", "digits-convnet", *own, "--name", "own", "--resume", "--json"))["bits"] == "2/1/2"


def test_a_kind_without_a_name_of_its_own_is_known_by_its_path(bitspike: Command) -> None:
    assert bitspike("train", "digits-convnet", *edited("neuron.kind=own_code:Nameless", "bits=4/1/2"))[0] == 0
    (config,) = Path("runs").glob("*/config.json")
    assert json.loads(config.read_text())["neuron"] == {"kind": "own_code:Nameless"}
    assert bitspike("evaluate", str(config.parent))[0] == 0


def test_a_run_says_that_its_code_is_gone(bitspike: Command, tmp_path: Path) -> None:
    own = edited("model=own_code:house", "bits=4/2/2")
    read(bitspike("train", "digits-convnet", *own, "--name", "own", "--json"))
    (tmp_path / "own_code.py").unlink()
    for verb in (("evaluate", "runs/own"), ("cost", "runs/own"), ("freeze", "runs/own", "-o", "x.bitspike")):
        status, out, err = bitspike(*verb)
        assert (status, out) == (2, "")
        assert err == (
            "bitspike: model: got 'own_code:house'; cannot be imported: "
            "ModuleNotFoundError: No module named 'own_code'\n"
        )


class Mine(nn.Sequential):
    """A network that only this object is."""


def test_a_network_given_as_an_object_is_recorded_as_what_it_is(bitspike: Command, tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    import own_code  # type: ignore[import-not-found]

    config = override(recipe("digits-convnet"), TINY)
    found = train(config, RunFolder(tmp_path / "given"), model=Mine(*own_code.house()))
    assert found["model"] == RunFolder(tmp_path / "given").read_config().model == f"{__name__}.Mine"
    run = door.load_run("given")
    for ask in (run.model, run.graph, run.evaluate, run.cost, run.freeze, lambda: door.convert(run)):
        with pytest.raises(UserError):
            ask()
    bitspike("--version")  # what was printed so far
    for verb in (("evaluate", "given"), ("cost", "given"), ("freeze", "given", "-o", "x.bitspike")):
        status, out, err = bitspike(*verb)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert f"model: got '{__name__}.Mine'" in err
        assert "given as an object" in err


def test_a_network_of_the_registry_given_as_an_object_is_known(tmp_path: Path) -> None:
    from bitspike.training.setup import make_model

    config = override(recipe("digits-convnet"), (*TINY, "channels=4,4,8", "precision=float32"))
    train(config, RunFolder(tmp_path / "given"), model=make_model(config))
    assert door.load_run(tmp_path / "given").config == config
    assert door.evaluate(tmp_path / "given").total == 360


def test_naming_it_leaves_the_random_numbers_alone() -> None:
    from bitspike.training.setup import as_named, make_model

    config = recipe("digits-convnet")
    model, before = make_model(config), torch.get_rng_state()
    assert as_named(config, model) is config
    assert torch.equal(torch.get_rng_state(), before)


def test_settings_that_no_config_can_name_are_refused() -> None:
    class Local(FiringSettings):
        kind: str = "local"

        def make(self, bits: door.Bits) -> IFNode:
            return IFNode(bits.t)

    with pytest.raises(UserError, match=r"neuron: got '.*Local'; want a class that can be imported"):
        NeuronSettings.read(Local())
