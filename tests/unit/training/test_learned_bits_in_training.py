"""Training of learned bits (paper 001): means, penalties, budgets, renewal's schedule, and a run that goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from killed import left
from safetensors.torch import load_file
from torch import nn

from bitspike import UserError, load_run
from bitspike.bits import BitPlan
from bitspike.costs import cost
from bitspike.ir import Graph
from bitspike.recipes import recipe
from bitspike.training import OptimizerConfig, RunFolder, TrainConfig, override, train
from bitspike.training.checkpoint import load_model
from bitspike.training.methods import LearnedBits, LearnedBitsSettings, Training
from bitspike.training.methods.learned_bits import adaptive_neurons, adaptive_weights
from bitspike.training.optimizer import lr_at, make_optimizer, set_lr
from bitspike.training.setup import graph_of, make_model

SMALL = (
    "dataset=digits", "augment=", "tensorboard=false", "channels=4,4,8", "train_size=256", "validation_size=100",
    "epochs=2", "batch_size=64",
)  # fmt: skip
BUDGET = "methods.learned-bits.budget"
UNSQUEEZED = ("neuron.squeeze=false", "methods.learned-bits.learns=w,s")
Made = tuple[TrainConfig, nn.Module, LearnedBits]


def adaptive(*edits: str) -> TrainConfig:
    """A thin ResNet8 on the digits that starts at 4/4/2, with targets 2/2/1."""
    return override(recipe("adaptive-resnet8-thin-fashion"), [*SMALL, *edits])


def made(*edits: str) -> Made:
    config = adaptive(*edits)
    model = make_model(config)
    learned = LearnedBits(settings_of(config))
    learned.start(Training(config, RunFolder("never-written"), model, graph_of(config, model)))
    return config, model, learned


def settings_of(config: TrainConfig) -> LearnedBitsSettings:
    settings = config.methods["learned-bits"]
    assert isinstance(settings, LearnedBitsSettings)
    return settings


@torch.no_grad()
def give(model: nn.Module, draw: Callable[[str, int, int], float]) -> None:
    """Widths for all: ``draw(w, s or t, least, most)``."""
    for weights in adaptive_weights(model).values():
        weights.quantizer.learned_bits.fill_(draw("w", 1, weights.quantizer.most))
    for node in adaptive_neurons(model).values():
        node.learned_T.fill_(draw("t", 1, node.most_T))
        for quantizer in node.active_quantizers():
            quantizer.learned_bits.fill_(draw("s", quantizer.least, quantizer.most))


def sizes(graph: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Weights of each layer, elements of each layer of neurons, from shapes alone."""
    weights = {node.name: math.prod(math.prod(s) for s in shapes(graph, node)) for node in graph.synapses()}
    return weights, {node.name: math.prod(graph.edges[node.name].shape) for node in graph.neurons()}


def shapes(graph: Graph, node: Any) -> list[tuple[int, ...]]:
    kernel = getattr(node, "kernel_size", (1, 1))
    return [(node.out_channels, graph.input_edge(node).shape[0], *kernel)]


# The terms of the loss


def test_means_are_weighted_by_weights_and_by_neurons() -> None:
    config, model, learned = made()
    generator = torch.Generator().manual_seed(0)
    give(model, lambda key, lo, hi: int(torch.randint(lo, hi + 1, (), generator=generator)))
    of_weights, of_neurons = sizes(graph_of(config, model))
    quantizers, nodes = adaptive_weights(model), adaptive_neurons(model)
    assert quantizers.keys() == of_weights.keys()
    assert nodes.keys() == of_neurons.keys()
    neurons = sum(of_neurons.values())
    wanted = {
        "w": sum(quantizers[n].bits * size for n, size in of_weights.items()) / sum(of_weights.values()),
        "s": sum(nodes[n].active_quantizers()[0].bits * size for n, size in of_neurons.items()) / neurons,
        "t": sum(nodes[n].T * size for n, size in of_neurons.items()) / neurons,
    }
    found = {key: float(mean.detach()) for key, mean in learned.means().items()}
    assert found == pytest.approx(wanted, rel=1e-6)
    unweighted = sum(q.bits for q in quantizers.values()) / len(quantizers)
    assert found["w"] != pytest.approx(unweighted, rel=1e-3), "the weights matter"


@settings(max_examples=20)
@given(
    target=st.tuples(st.floats(1, 6), st.floats(1, 6), st.floats(1, 3)),
    penalty=st.tuples(*[st.floats(0.001, 1)] * 3),
    seed=st.integers(0, 99),
)
def test_the_gradient_of_the_penalty_is_sign_times_weight_times_share(
    target: tuple[float, ...], penalty: tuple[float, ...], seed: int
) -> None:
    """Eq. 21, straight through the rounding: ``sign(mean - target) l size/sum``."""
    edits = (
        f"methods.learned-bits.{k}={'/'.join(f'{v:.6f}' for v in vs)}"
        for k, vs in (("target", target), ("penalty", penalty))
    )
    config, model, learned = made(*edits)
    generator = torch.Generator().manual_seed(seed)
    give(model, lambda key, lo, hi: lo + (hi - lo) * float(torch.rand((), generator=generator)))
    term = learned.penalty()
    assert isinstance(term, torch.Tensor)
    term.backward()
    of_weights, of_neurons = sizes(graph_of(config, model))
    means = {key: float(mean.detach()) for key, mean in learned.means().items()}
    target, penalty = settings_of(config).target or (), settings_of(config).penalty
    push = {
        key: math.copysign(weight, means[key] - goal) for key, goal, weight in zip("wst", target, penalty, strict=True)
    }
    gaps = {key: abs(means[key] - goal) for key, goal in zip("wst", target, strict=True)}
    assert float(term.detach()) == pytest.approx(sum(abs(push[key]) * gaps[key] for key in "wst"), rel=1e-4, abs=1e-6)
    if min(gaps.values()) < 1e-5:
        return
    neurons = sum(of_neurons.values())
    for name, weights in adaptive_weights(model).items():
        share = of_weights[name] / sum(of_weights.values())
        assert float(weights.quantizer.learned_bits.grad) == pytest.approx(push["w"] * share, rel=1e-5)
    for name, node in adaptive_neurons(model).items():
        (quantizer,) = node.active_quantizers()
        assert float(quantizer.learned_bits.grad) == pytest.approx(push["s"] * of_neurons[name] / neurons, rel=1e-5)
        assert float(node.learned_T.grad) == pytest.approx(push["t"] * of_neurons[name] / neurons, rel=1e-5)


def test_on_its_target_a_network_is_not_pushed() -> None:
    _, model, learned = made("methods.learned-bits.target=4/4/2")
    term = learned.penalty()
    assert isinstance(term, torch.Tensor)
    assert float(term.detach()) == 0
    term.backward()
    assert {float(q.quantizer.learned_bits.grad) for q in adaptive_weights(model).values()} == {0.0}


def test_without_a_target_nothing_is_added() -> None:
    assert made("methods.learned-bits.target=null")[2].penalty() == 0.0


@pytest.mark.parametrize("learns", ["", "w", "s", "t", "w,s", "w,t", "s,t", "w,s,t"])
def test_only_what_is_to_be_learned_has_a_gradient(learns: str) -> None:
    _, model, learned = made(f"methods.learned-bits.learns={learns}")
    some = set(filter(None, learns.split(",")))
    for name, parameter in model.named_parameters():
        if name.endswith("learned_bits"):
            assert parameter.requires_grad == (("s" if ".quantizers." in name else "w") in some), name
        else:
            assert parameter.requires_grad == (not name.endswith("learned_T") or "t" in some), name
    term = learned.penalty()
    gaps = {"w": 0.2 * 2, "s": 0.2 * 2, "t": 1.0 * 1}  # from 4/4/2 to 2/2/1
    assert float(torch.as_tensor(term).detach()) == pytest.approx(sum(gaps[key] for key in some))


# What the bits cost


@cache
def costed(squeezed: bool) -> Made:
    spare = ("neuron.spare_bits=3", "neuron.spare_steps=2", "quantizer.spare_bits=3")
    return made(*spare, *(() if squeezed else UNSQUEEZED))


def counted(config: TrainConfig, model: nn.Module) -> dict[str, float]:
    total = cost(graph_of(config, model), "exact").total
    return {"size": total.size_bytes, "s_ace": total.s_ace, "bit_budget": total.mean_bit_budget}


@settings(max_examples=40)
@given(squeezed=st.booleans(), data=st.data())
def test_costs_are_those_that_are_counted_exactly(squeezed: bool, data: st.DataObject) -> None:
    config, model, learned = costed(squeezed)
    steps = None if squeezed else data.draw(st.integers(1, 4))
    give(
        model,
        lambda key, lo, hi: steps if key == "t" and steps else data.draw(st.floats(lo, hi) | st.integers(lo, hi)),
    )
    found = {name: float(value.detach()) for name, value in learned.costs().items()}
    wanted = counted(config, model)
    assert found.pop("bit_budget") == pytest.approx(wanted.pop("bit_budget"), rel=1e-6)
    assert found == wanted


def test_the_comparison_of_costs_can_fail() -> None:
    config, model, learned = made()
    before = {name: float(value.detach()) for name, value in learned.costs().items()}
    assert before["size"] == counted(config, model)["size"]
    with torch.no_grad():
        model.stem[0][0].quantizers[0].learned_bits.fill_(5)
    wanted = counted(config, model)
    assert before["s_ace"] != wanted["s_ace"]
    assert float(learned.costs()["s_ace"].detach()) == wanted["s_ace"]


def test_costs_rise_with_every_width_that_is_learned() -> None:
    """Of a squeezed sum too, whose whole bits are a staircase: the gradient is the logarithm's."""
    _, model, learned = made()
    learned.costs()["s_ace"].backward()
    for name, parameter in model.named_parameters():
        if name.endswith(("learned_bits", "learned_T")):
            assert float(parameter.grad) > 0, name


@pytest.mark.parametrize("limit", ["size", "s_ace", "bit_budget"])
def test_a_budget_pushes_by_its_excess_alone(limit: str) -> None:
    config, model, _ = made()
    spent = counted(config, model)[limit]
    for share, wanted in ((1.0001, 0.0), (0.5, 0.5 * 1.0)):
        budget = json.dumps({f"max_{limit}": spent * share})
        _, other, under = made("methods.learned-bits.target=null", f"{BUDGET}={budget}")
        term = under.penalty()
        assert isinstance(term, torch.Tensor)
        assert float(term.detach()) == pytest.approx(wanted, rel=1e-5)
        term.backward()
        pushed = [float(q.quantizer.learned_bits.grad) for q in adaptive_weights(other).values()]
        assert all(g > 0 for g in pushed) if wanted else not any(pushed)


def test_the_excess_of_several_budgets_adds_up() -> None:
    config, model, _ = made()
    spent = counted(config, model)
    budget = json.dumps({"max_size": spent["size"] / 1.5, "max_s_ace": spent["s_ace"] / 3, "max_bit_budget": 1e9})
    term = made("methods.learned-bits.target=null", f"{BUDGET}={budget}", "methods.learned-bits.budget_penalty=0.1")[
        2
    ].penalty()
    assert float(torch.as_tensor(term).detach()) == pytest.approx(0.1 * (0.5 + 2), rel=1e-5)


def test_a_budget_of_energy_alone_pushes_nothing() -> None:
    """Spikes are not foretold: the search measures them."""
    assert float(made("methods.learned-bits.target=null", BUDGET + '={"max_energy": 1}')[2].penalty()) == 0


# What is refused


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        (
            ["methods.learned-bits.target=0.5/2/1"],
            "methods.learned-bits.target: got '0.5 weight bits'; they are learned from 1 to 6",
        ),
        (["methods.learned-bits.target=6.5/2/1"], "methods.learned-bits.target: got '6.5 weight bits'"),
        (
            ["methods.learned-bits.target=2/7/1"],
            "methods.learned-bits.target: got '7 spike bits'; they are learned from 1 to 6",
        ),
        (
            ["methods.learned-bits.target=2/2/3.5"],
            "methods.learned-bits.target: got '3.5 steps'; they are learned from 1 to 3",
        ),
        (
            ["neuron.squeeze=false"],
            "methods.learned-bits.learns: got 'w,s,t'; want neuron.squeeze=true, or methods.learned-bits.learns=w,s",
        ),
        (["methods.learned-bits.target=2/2"], "methods.learned-bits.target"),
        (["methods.learned-bits.learns=w,x"], "methods.learned-bits.learns"),
        ([BUDGET + '={"max_size": 0}'], "max_size"),
        ([BUDGET + '={"max_weight": 5}'], "max_weight"),
    ],
)
def test_what_cannot_be_learned_is_one_line(edits: list[str], says: str) -> None:
    with pytest.raises(UserError) as refused:
        made(*edits)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("edit", ["target=2/2/1", "renewal=", "learns=w", "penalty=4e-2/4e-2/1e-2"])
def test_settings_that_nothing_reads_are_refused(edit: str) -> None:
    config = override(recipe("digits-convnet"), [f"methods.learned-bits.{edit}"])
    wanted = r"^methods\.learned-bits: got 'quantizer=lsq-channel, .*only adaptive ones learn .*, or null$"
    with pytest.raises(UserError, match=wanted) as refused:
        make_model(config)
    assert "\n" not in str(refused.value)


# Renewal's schedule


def active(model: nn.Module) -> dict[str, bool]:
    """Whether all quantizers of weights, and of spikes, still renew, or none."""
    of_weights = {bool(q.quantizer.renewal.active) for q in adaptive_weights(model).values()}
    of_spikes = {bool(q.renewal.active) for n in adaptive_neurons(model).values() for q in n.quantizers}  # type: ignore[union-attr]
    (w,), (s,) = of_weights, of_spikes
    return {"w": w, "s": s}


def test_renewal_stops_for_each_kind_once_it_is_near_its_target_and_stays_off() -> None:
    """Near is 0.24 of the way from 4 to 2: a mean below 2.48."""
    _, model, learned = made("methods.learned-bits.renewal=w,s", "methods.learned-bits.renewal_epochs=3")
    seen = []
    for epoch, (w, s) in enumerate([(2, 4), (2, 3), (3, 4), (3, 2), (4, 4)]):
        give(model, lambda key, lo, hi, w=w, s=s: {"w": w, "s": s, "t": 1}[key])
        told = learned.after_epoch(epoch)
        assert told["mean_bits"] == {"w": w, "s": s, "t": 1}
        assert told["target"] == (2, 2, 1)
        seen.append(active(model))
    on, off = True, False
    assert seen == [  # near at first, but too early; then only one kind; then the other, and back
        {"w": on, "s": on},
        {"w": on, "s": on},
        {"w": on, "s": on},
        {"w": on, "s": off},
        {"w": on, "s": off},
    ]


def test_renewal_of_weights_stops_by_itself_too() -> None:
    _, model, learned = made("methods.learned-bits.renewal=w,s", "methods.learned-bits.renewal_epochs=0")
    give(model, lambda key, lo, hi: {"w": 2, "s": 3, "t": 1}[key])
    learned.after_epoch(0)
    assert active(model) == {"w": False, "s": True}


@pytest.mark.parametrize(
    ("edits", "after"),
    [
        (["methods.learned-bits.renewal="], {"w": False, "s": False}),
        (["methods.learned-bits.renewal=s", "methods.learned-bits.target=null"], {"w": False, "s": True}),
        (["methods.learned-bits.renewal=w"], {"w": True, "s": False}),
    ],
)
def test_renewal_is_for_the_kinds_that_are_named(edits: list[str], after: dict[str, bool]) -> None:
    _, model, learned = made(*edits, "methods.learned-bits.renewal_epochs=0")
    learned.after_epoch(50)
    assert active(model) == after


def test_renewal_that_is_off_is_off_from_the_first_step(tmp_path: Path) -> None:
    """Not only after the first epoch."""
    config = adaptive(
        "methods.learned-bits.renewal=",
        "methods.learned-bits.learns=s",
        "methods.learned-bits.penalty=0/2000/0",
        "epochs=1",
    )
    folder = RunFolder(tmp_path / "run")
    train(config, folder)
    tensors = load_file(folder.checkpoint_file)
    changed = [n for n, v in tensors.items() if n.endswith("renewal.high") and v.isfinite()]
    assert folder.read_learned().layers != config.layers
    assert changed == []


# The run


class KilledError(Exception):
    """Stands for a kill: raised where the run is watched."""


class Killer:
    def __init__(self, epoch: int | None = None, step: int | None = None) -> None:
        self.at_epoch, self.at_step = epoch, step

    def step(self, step: int, total: int, epoch: int, images_per_second: float, loss: float) -> None:
        if step == self.at_step:
            raise KilledError

    def begin(self, config: TrainConfig) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None:
        if line["epoch"] == self.at_epoch:
            raise KilledError


FAST = (
    "epochs=3",
    "optimizer.lr=0.1",
    "methods.learned-bits.time_steps_lr=0.1",
    "methods.learned-bits.penalty=8/8/8",
    "checkpoint_every=3",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("learned") / "run")
    train(adaptive(*FAST), folder)
    return folder


@pytest.mark.parametrize("where", [{"epoch": 1}, {"epoch": 2}, {"step": 8}])
def test_a_killed_run_goes_on_to_the_identical_end(whole: RunFolder, tmp_path: Path, where: dict[str, int]) -> None:
    folder, config = RunFolder(tmp_path / "killed"), adaptive(*FAST)
    with pytest.raises(KilledError):
        train(config, folder, observer=Killer(**where))
    assert not folder.result_file.exists()
    train(config, folder, resume=True)
    assert left(folder) == left(whole)


def test_the_comparison_of_runs_can_fail(whole: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "other")
    train(adaptive(*FAST, "methods.learned-bits.penalty=8/8/8.01"), folder)
    assert left(folder) != left(whole)


def test_a_run_resumed_towards_another_target_is_refused(whole: RunFolder) -> None:
    with pytest.raises(
        UserError, match=r"--resume with methods\.learned-bits\.target: got \[1\.0, 1\.0, 1\.0\]; the run"
    ) as refused:
        train(adaptive(*FAST, "methods.learned-bits.target=1/1/1"), whole, resume=True)
    assert "\n" not in str(refused.value)


def test_what_was_learned_is_on_file_and_is_what_cost_reads(whole: RunFolder) -> None:
    config, result = whole.read_config(), json.loads(whole.result_file.read_text())
    plan, trained = BitPlan.load(whole.bits_file), make_model(config)
    load_model(whole.checkpoint_file, trained)
    weights, neurons = adaptive_weights(trained), adaptive_neurons(trained)
    wanted: dict[str, dict[str, int]] = {name: {"w": q.bits} for name, q in weights.items()}
    wanted |= {name: {"s": node.active_quantizers()[0].bits, "t": node.T} for name, node in neurons.items()}
    assert plan.layers == wanted
    assert any(widths != {"w": 4} and widths != {"s": 4, "t": 2} for widths in wanted.values())
    assert whole.read_learned().layers == wanted
    assert whole.read_learned().model_copy(update={"layers": {}}) == config
    run = load_run(whole.path)
    graph = run.graph()
    assert run.activity() is not None
    for node in graph.synapses():
        assert node.weight_bits == wanted[node.name]["w"]
    for node in graph.neurons():
        assert (graph.edges[node.name].bits, node.T) == tuple(wanted[node.name].values())
    total = cost(graph, "exact").total
    assert (total.size_bytes, total.s_ace) == (result["size_bytes"], result["s_ace"])
    assert result["bits_learned"]
    assert result["bit_budget"] == total.mean_bit_budget


def test_the_metrics_tell_the_mean_bits_of_every_epoch(whole: RunFolder) -> None:
    told = [line for line in whole.metrics() if "epoch" in line]
    assert [line["target"] for line in told] == [[2, 2, 1]] * 3
    result = json.loads(whole.result_file.read_text())
    assert told[-1]["mean_bits"] == {key: round(result[f"mean_{key}"], 4) for key in "wst"}
    assert told[-1]["mean_bits"] != {"w": 4, "s": 4, "t": 2}


def test_a_run_of_fixed_bits_writes_no_bits(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    result = train(
        adaptive("methods.learned-bits.learns=", "methods.learned-bits.target=null", "bits=2/2/1", "epochs=1"), folder
    )
    assert not folder.bits_file.exists()
    assert (result["bits_learned"], result["bit_budget"]) == (False, 4)
    assert (result["mean_w"], result["mean_s"], result["mean_t"]) == (2, 2, 1)
    assert folder.read_learned() == folder.read_config()


# The optimizer


def optimizer_of(config: OptimizerConfig, *edits: str) -> tuple[dict[int, str], torch.optim.Optimizer]:
    """The names of a model's parameters, and its optimizer as a run has it."""
    _, model, learned = made(*edits)
    return {id(p): n for n, p in model.named_parameters()}, make_optimizer(
        model, config, learned.parameter_groups(model)
    )


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_time_steps_have_a_rate_of_their_own_with_the_same_schedule(kind: str) -> None:
    config = OptimizerConfig(kind=kind, lr=0.1, weight_decay=0.5)  # type: ignore[arg-type]
    names, optimizer = optimizer_of(config, "methods.learned-bits.time_steps_lr=0.01")
    assert sorted(id(p) for group in optimizer.param_groups for p in group["params"]) == sorted(names)
    for step in (0, 7, 99):
        rate = lr_at(step, 10, 10, config)
        set_lr(optimizer, rate)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                name = names[id(parameter)]
                steps = name.endswith("learned_T")
                assert group["lr"] == pytest.approx(rate / 10 if steps else rate), name
                assert group["weight_decay"] == (0.5 if name.endswith("weight.original") else 0.0), name


def test_without_a_rate_of_their_own_time_steps_have_that_of_all() -> None:
    names, optimizer = optimizer_of(OptimizerConfig(lr=0.1), "methods.learned-bits.time_steps_lr=null")
    set_lr(optimizer, 0.05)
    assert {group["lr"] for group in optimizer.param_groups} == {0.05}
    apart = [names[id(p)] for p in optimizer.param_groups[-1]["params"]]
    assert apart == [name for name in names.values() if name.endswith("learned_T")]


# Without the method


def test_without_the_method_bits_stay_as_they_start() -> None:
    model = make_model(adaptive("methods.learned-bits=null"))
    fixed = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert fixed == [n for n, _ in model.named_parameters() if n.endswith(("learned_bits", "learned_T"))]
    assert fixed
    assert set(active(model).values()) == {False}


def test_the_uniform_twin_is_a_run_that_learns_no_bits(tmp_path: Path) -> None:
    """Leaving the method out is learning nothing towards nothing."""

    def left_by(name: str, *edits: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        folder = RunFolder(tmp_path / name)
        train(adaptive("bits=2/2/1", "epochs=1", *edits), folder)
        lines = [{k: v for k, v in line.items() if k != "seconds"} for line in folder.metrics()]
        return lines, json.loads(folder.result_file.read_text())

    without, result = left_by("without", "methods.learned-bits=null")
    nothing, counted = left_by("nothing", "methods.learned-bits.learns=", "methods.learned-bits.target=null")
    assert without == nothing
    own = {"bits_learned", "s_ace_paper_001"}  # what the method says of a run, and of no other
    assert counted.keys() - result.keys() == own
    assert {k: v for k, v in counted.items() if k not in own | {"seconds"}} == {
        k: v for k, v in result.items() if k != "seconds"
    }
