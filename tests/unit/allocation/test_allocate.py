"""A budget, and a small network that keeps it: on the digits, from the recipe to the integers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import UserError, load_run
from bitspike.allocation import allocate, check_budget
from bitspike.allocation.sensitivity import layer_options
from bitspike.allocation.solve import Option
from bitspike.bits import BitPlan, Bits
from bitspike.costs import cost
from bitspike.data import ImageSet
from bitspike.ir import FrozenGraph
from bitspike.lowering import freeze
from bitspike.recipes import recipe
from bitspike.training import BudgetConfig, RunFolder, TrainConfig, override
from bitspike.training.checkpoint import load_model
from bitspike.training.methods.learned_bits import adaptive_neurons, adaptive_weights
from bitspike.training.setup import graph_of, load_images, make_model

pytest.importorskip("scipy")

SMALL = (
    "dataset=digits", "augment=", "tensorboard=false", "channels=4,8,16", "train_size=128", "validation_size=200",
    "batch_size=64", "epochs=2", "bits=3/3/2", "neuron.spare_bits=0", "neuron.spare_steps=0", "quantizer.spare_bits=0",
)  # fmt: skip
IMAGE = (1, 8, 8)


def small(*edits: str) -> TrainConfig:
    """Widths of at most 3/3/2, so that there is little to measure."""
    return override(override(recipe("adaptive-resnet8-thin-fashion"), SMALL), edits)


def spent(config: TrainConfig, bits: str) -> dict[str, float]:
    """With the same bits everywhere, but for the image's two."""
    uniform = config.model_copy(update={"bits": Bits.parse(bits)})
    total = cost(graph_of(uniform, make_model(uniform)), "exact").total
    return {"size": total.size_bytes, "s_ace": total.s_ace, "bit_budget": total.mean_bit_budget}


def halfway(config: TrainConfig) -> dict[str, float]:
    least, most = spent(config, "1/1/1"), spent(config, "3/3/2")
    return {f"max_{name}": least[name] + 0.4 * (most[name] - least[name]) for name in ("size", "s_ace")}


def frozen(folder: Path) -> FrozenGraph:
    run = RunFolder(folder)
    model = make_model(run.read_config())
    load_model(run.checkpoint_file, model)
    return freeze(model.eval(), IMAGE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BudgetConfig, dict[str, Any]]:
    """A folder, its budget, and what was found."""
    path, budget = tmp_path_factory.mktemp("allocated") / "run", BudgetConfig(**halfway(small()))
    return path, budget, allocate(small(), budget, path)


Done = tuple[Path, BudgetConfig, dict[str, Any]]


def test_the_budget_is_kept_by_what_is_delivered(done: Done) -> None:
    path, budget, found = done
    total = cost(load_run(path).graph(), "exact").total
    result = json.loads((path / "result.json").read_text())
    assert found["result"] == result
    for name, value in (("size", total.size_bytes), ("s_ace", total.s_ace), ("bit_budget", total.mean_bit_budget)):
        assert found["costs"][name] == value
        assert value <= budget.limits().get(name, value)
    assert (result["size_bytes"], result["s_ace"]) == (total.size_bytes, total.s_ace)
    assert total.size_bytes > 0.8 * budget.limits()["size"] or total.s_ace > 0.8 * budget.limits()["s_ace"]


def test_the_plan_the_config_and_the_integers_have_the_same_bits(done: Done) -> None:
    path, _, found = done
    plan = BitPlan.from_dict(found["plan"])
    assert RunFolder(path).read_config().plan == plan
    assert BitPlan.load(path / "bits.json") == plan
    graph = frozen(path).graph
    told = {node.name: {"w": node.weight_bits} for node in graph.synapses()}
    told |= {node.name: {"s": graph.edges[node.name].bits, "t": node.T} for node in graph.neurons()}
    assert told == plan.layers
    assert len({tuple(widths.values()) for widths in told.values()}) > 2, "layers differ"
    stored = json.loads((path / "allocation.json").read_text())
    assert stored == {key: value for key, value in found.items() if key != "result"}


def test_bits_stayed_as_they_were_given_while_the_weights_learned(done: Done) -> None:
    path = done[0]
    models = [make_model(RunFolder(p).read_config()) for p in (path, path / "search")]
    for model, p in zip(models, (path, path / "search"), strict=True):
        load_model(p / "checkpoint.safetensors", model)
    tuned, searched = models
    assert {bool(q.quantizer.learned_bits.requires_grad) for q in adaptive_weights(tuned).values()} == {False}
    moved = [not torch.equal(a, b) for a, b in zip(tuned.parameters(), searched.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert [line["epoch"] for line in RunFolder(path).metrics() if "epoch" in line] == [1]


def refuses_to_train(*arguments: Any, **options: Any) -> None:
    raise AssertionError("trained again")


def test_a_second_call_trains_nothing(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    path, budget, found = done
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    monkeypatch.setitem(allocate.__globals__, "train", refuses_to_train)
    again = allocate(small(), budget, path)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(found))
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [("allocation.json", "costs", []), ("allocation.json", "plan", 1), ("result.json", "size_bytes", "9")],
)
def test_a_damaged_record_is_named(done: Done, tmp_path: Path, file: str, key: str, value: Any) -> None:
    path, budget, _ = done
    shutil.copytree(path, tmp_path / "copy")
    raw = json.loads((path / file).read_text())
    (tmp_path / "copy" / file).write_text(json.dumps(raw | {key: value}))
    with pytest.raises(UserError, match=rf"^{key}.*: got .* \(in .*{file}\)$"):
        allocate(small(), budget, tmp_path / "copy")


@pytest.mark.parametrize("change", ["budget", "epochs"])
def test_another_request_in_the_same_folder_is_refused(done: Done, change: str) -> None:
    path, budget, _ = done
    other = BudgetConfig(max_size=1e6) if change == "budget" else budget
    with pytest.raises(UserError, match=r"run folder: got .*it was started with .*give another --name") as refused:
        allocate(small(), other, path, fine_tune_epochs=3 if change == "epochs" else None)
    assert "\n" not in str(refused.value)


def test_another_recipe_in_the_same_folder_is_refused(done: Done) -> None:
    path, budget, _ = done
    with pytest.raises(UserError) as refused:
        allocate(small("seed=1"), budget, path)
    assert "\n" not in str(refused.value)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").create(small())
    with pytest.raises(UserError, match=r"run folder: got .*it holds a run; give another --name"):
        allocate(small(), BudgetConfig(max_size=1e6), tmp_path / "run")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["config.json"]


class KilledError(Exception):
    """Stands for a kill: raised where the run is watched."""


class Killer:
    """At the end of the so many-th epoch of all that it sees."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def begin(self, config: object) -> None: ...

    def step(self, *told: object) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None:
        self.left -= 1
        if self.left == 0:
            raise KilledError


def test_a_call_that_was_killed_goes_on_to_the_identical_network(done: Done, tmp_path: Path) -> None:
    """In the search, then in the fine-tuning."""
    _, budget, found = done
    path = tmp_path / "run"
    for epochs in (1, 2):
        with pytest.raises(KilledError):
            allocate(small(), budget, path, observer=Killer(epochs))
        assert not (path / "result.json").exists()
    again = allocate(small(), budget, path)
    assert (again["plan"], again["costs"]) == (found["plan"], found["costs"])
    assert again["result"]["test_accuracy"] == found["result"]["test_accuracy"]
    names = [{file.name for file in folder.iterdir()} for folder in (path, done[0])]
    assert names[0] | {"pace.json"} == names[1]  # which a run that took no more steps has not


# Refused before anything is written


@pytest.mark.parametrize(
    ("config", "budget", "says"),
    [
        (small(), {}, "budget: got 'none'; want at least one limit"),
        (recipe("digits-convnet"), {"max_size": 1e6}, "recipe: got 'digits-convnet'; its layers do not learn"),
        (small("quantizer=lsq"), {"max_size": 1e6}, "its layers do not learn their bits"),
        (small(), {"max_size": 100}, "--max-size: got '100'; the smallest possible is"),
        (small(), {"max_s_ace": 100}, "--max-s-ace: got '100'; the smallest possible is"),
        (small(), {"max_bit_budget": 0.5}, "--max-bit-budget: got '0.5'; the smallest possible is"),
        (small(), {"max_size": 1e6, "max_s_ace": 100}, "--max-s-ace: got '100'"),
    ],
)
def test_what_cannot_be_kept_is_one_line_and_leaves_nothing(
    config: TrainConfig, budget: dict[str, float], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        allocate(config, BudgetConfig(**budget), tmp_path / "run")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["size", "s_ace", "bit_budget"])
def test_the_smallest_possible_is_that_of_one_bit_everywhere(name: str) -> None:
    least = spent(small(), "1/1/1")[name]
    check_budget(small(), BudgetConfig(**{f"max_{name}": least}))
    with pytest.raises(UserError, match="the smallest possible is"):
        check_budget(small(), BudgetConfig(**{f"max_{name}": least * (1 - 1e-9)}))


# What bits are worth


class Trained:
    """The network of the search, its options, and its state before they were measured."""

    def __init__(self, folder: Path) -> None:
        self.config = RunFolder(folder).read_config()
        self.model: nn.Module = make_model(self.config)
        load_model(folder / "checkpoint.safetensors", self.model)
        images = load_images(self.config, None).train
        self.images = ImageSet(images.images[:96], images.labels[:96], images.classes)
        self.before = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.options = layer_options(self.model, self.images, IMAGE, with_energy=False)

    def current(self) -> dict[str, Bits]:
        """By layer with weights: its bits, and those of the neurons before it."""
        pairs = zip(adaptive_weights(self.model).items(), adaptive_neurons(self.model).values(), strict=True)
        return {name: Bits(w.bits, n.active_quantizers()[0].bits, n.T) for (name, w), n in pairs}


@pytest.fixture(scope="module")
def trained(done: Done) -> Trained:
    return Trained(done[0] / "search")


def named(options: list[Option], bits: Bits) -> Option:
    (found,) = (option for option in options if option.bits == bits)
    return found


def test_every_width_is_an_option(trained: Trained) -> None:
    for index, options in enumerate(trained.options.values()):
        least = 2 if index == 0 else 1  # the image's
        wanted = {Bits(w, s, t) for w in (1, 2, 3) for s in range(least, 4) for t in (1, 2)}
        assert {option.bits for option in options} == wanted
        assert len(options) == len(wanted)


def test_the_bits_that_a_layer_has_cost_no_loss(trained: Trained) -> None:
    for name, bits in trained.current().items():
        assert named(trained.options[name], bits).loss == 0
    others = [o.loss for name, options in trained.options.items() for o in options if o.bits != trained.current()[name]]
    assert sum(loss != 0 for loss in others) > 0.9 * len(others)


def test_measuring_changes_nothing(trained: Trained) -> None:
    after = trained.model.state_dict()
    assert after.keys() == trained.before.keys()
    changed = [name for name, value in after.items() if not torch.equal(value, trained.before[name])]
    assert changed == []


def test_costs_of_the_options_are_those_that_are_counted(trained: Trained) -> None:
    """Of the bits as they are, and of random others."""
    config, generator = trained.config, torch.Generator().manual_seed(0)
    neurons = list(adaptive_neurons(trained.model))
    constants = None
    for turn in range(6):
        chosen = {
            name: named(options, trained.current()[name])
            if turn == 0
            else options[int(torch.randint(len(options), (), generator=generator))]
            for name, options in trained.options.items()
        }
        layers = {name: {"w": option.bits.w} for name, option in chosen.items()}
        layers |= {n: {"s": o.bits.s, "t": o.bits.t} for n, o in zip(neurons, chosen.values(), strict=True)}
        planned = config.model_copy(update={"layers": layers})
        total = cost(graph_of(planned, make_model(planned)), "exact").total
        assert sum(option.costs["s_ace"] for option in chosen.values()) == total.s_ace
        rest = total.size_bytes - sum(option.costs["size"] for option in chosen.values())
        constants = rest if constants is None else constants
        assert rest == constants, "only constants are missing"
    assert constants == 4 * 2 * (4 + 4 + 4 + 8 + 8 + 8 + 16 + 16 + 16)  # two numbers of 4 bytes for every channel


def test_the_loss_of_an_option_is_the_rise_that_it_makes(trained: Trained) -> None:
    """Measured by hand for one bit of the classifier's weights: the step is fitted anew."""
    model, images = trained.model, trained.images

    @torch.no_grad()
    def loss() -> float:
        logits = model.eval()(images.images).mean(0)
        return float(torch.nn.functional.cross_entropy(logits, images.labels))

    *_, name = trained.options
    bits = trained.current()[name]
    before, quantizer = loss(), adaptive_weights(model)[name].quantizer
    try:
        with torch.no_grad():
            quantizer.learned_bits.fill_(1)
            quantizer.fit(model.get_submodule(name).parametrizations.weight.original)
        rise = loss() - before
    finally:
        model.load_state_dict(trained.before)
    assert rise != 0
    assert named(trained.options[name], Bits(1, bits.s, bits.t)).loss == pytest.approx(rise, abs=1e-6)


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        (["neuron.per_step=true"], "neuron.per_step"),
        (["quantizer=lsq"], "learn no bits"),
        (["model=resnet8-thin"], "layer"),
    ],
)
def test_layers_that_share_their_neurons_or_learn_nothing_are_refused(edits: list[str], says: str) -> None:
    config = small(*edits)
    model = make_model(config)
    images = load_images(config, None).train
    some = ImageSet(images.images[:8], images.labels[:8], images.classes)
    with pytest.raises(UserError) as refused:
        layer_options(model, some, IMAGE, with_energy=False)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


# Energy

CHEAP = ("bits=2/2/1", "channels=2,2,4", "train_size=64", "validation_size=50", "epochs=1")


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """So much energy that all bits stay."""
    folder = tmp_path_factory.mktemp("energy") / "run"
    return allocate(small(*CHEAP), BudgetConfig(max_energy=1e9), folder)


def test_energy_is_limited_too_or_the_refusal_is_one_line(unlimited: dict[str, Any], tmp_path: Path) -> None:
    limit = 0.97 * unlimited["costs"]["energy"]
    try:
        found = allocate(small(*CHEAP), BudgetConfig(max_energy=limit), tmp_path / "run")
    except UserError as refused:
        assert str(refused).startswith("budget energy: got ")
        assert "\n" not in str(refused)
    else:
        assert found["costs"]["energy"] == found["result"]["energy_nj"] <= limit
        assert found["plan"] != unlimited["plan"]


def test_energy_that_no_bits_keep_is_refused_in_one_line(unlimited: dict[str, Any], tmp_path: Path) -> None:
    limit = 0.01 * unlimited["costs"]["energy"]
    with pytest.raises(UserError, match=r"^budget energy: got .*; the smallest possible is ") as refused:
        allocate(small(*CHEAP), BudgetConfig(max_energy=limit), tmp_path / "run")
    assert "\n" not in str(refused.value)


def test_a_round_that_spends_too_much_tightens_that_limit_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two rounds is made to spend more energy than it did; the size has nothing to spare."""
    costs, told = allocate.__globals__["_costs"], []

    def dearer(result: dict[str, Any]) -> dict[str, float]:
        told.append(costs(result))
        return told[-1] | ({"energy": 1.01e9} if len(told) == 1 else {})

    monkeypatch.setitem(allocate.__globals__, "_costs", dearer)
    config = small(*CHEAP)
    budget = BudgetConfig(max_size=spent(config, "1/1/1")["size"], max_energy=1e9)
    found = allocate(config, budget, tmp_path / "run")
    assert len(told) == 2
    assert found["costs"]["size"] == budget.max_size
    assert (tmp_path / "run/fine-tune0/result.json").exists()
    assert not (tmp_path / "run/fine-tune1").exists()
