"""An op, a neuron with a state of its own, a quantizer, a training method and a backend: all of them from this file.

Nothing in ``src`` knows them. They are registered for a test, and then train, cost, freeze, run and are written as C.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitspike import Bits
from bitspike.backends import BACKENDS, Backend, Export, backend, c, oracle
from bitspike.backends.c import Each
from bitspike.costs import cost
from bitspike.ir import DYNAMICS, OPS, AnyDynamics, Edge, Fire, FrozenGraph, Node, Program, Step, load, save
from bitspike.ir.ranges import Bounds, Range, Tensors
from bitspike.layers import Encoder, OverTime, mean_over_time
from bitspike.lowering import RULES, Frozen, Maker, Reads, Rule, agreement, freeze, frozen, lower
from bitspike.lowering.fixed_point import fraction_bits
from bitspike.lowering.rules import passes_integers
from bitspike.neurons import NEURONS, FiringSettings, IFNode, MultiBitLIFNode, State
from bitspike.quant import QUANTIZERS, QuantizerSettings, WeightQuantizer, quantize_weights
from bitspike.training.methods import METHODS, Method, MethodSettings, Objective

# An op: levels are cut off above. Its class, one lowering rule, one row for C.


class Cap(nn.Module):
    """``min(x, most)``, of spikes whose levels are worth ``scale``."""

    def __init__(self, most: int, scale: float) -> None:
        super().__init__()
        self.most, self.scale = most, scale

    def forward(self, spikes: Tensor) -> Tensor:
        return spikes.clamp(max=self.most * self.scale)


@dataclass(frozen=True, kw_only=True)
class Capped(Node):
    """``y = min(x, most)``."""

    most: int

    op: ClassVar[str] = "capped"

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        assert edge.bounds is not None
        lo, hi = self.range({}, edge.bounds)
        return Edge(shape=edge.shape, T=edge.T, lo=lo, hi=hi, scale=edge.scale)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return Range(*(min(end, self.most) for end in x[0].each))

    def step(self, tensors: Tensors, proven: Range, *x: Any) -> Any:
        return np.minimum(x[0], self.most)


CAPPED = Rule(
    Capped,
    {Cap: Maker(lambda m, at: Capped(name=at.name, inputs=at.inputs, most=m.most), Reads.STEPS)},
    passes_integers(),
)
IN_C = Each(lambda node, kind, x: f"{x} > {node.most} ? {node.most} : {x}")


@pytest.fixture
def capped() -> Iterator[None]:
    with (
        OPS.added(Capped.op, Capped),
        RULES.added(Capped.op, CAPPED),
        c.WRITERS.added(Capped.__name__, IN_C),
    ):
        yield


def network(most: int) -> nn.Module:
    torch.manual_seed(1)
    spikes = MultiBitLIFNode(3, 3, v_threshold=0.25, v_reset=None)
    layers = [OverTime(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)), spikes, Cap(most, 0.25)]
    return quantize_weights(
        nn.Sequential(Encoder(), *layers, OverTime(nn.Flatten(), nn.Linear(384, 10, bias=False))), 3
    ).eval()


@pytest.mark.usefixtures("capped")
def test_an_op_lowers_costs_freezes_and_runs_in_the_oracle_and_in_c(tmp_path: Path) -> None:
    model, images = network(4), torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    graph = lower(model, (1, 8, 8))
    report = cost(graph)
    assert report.layers[-1].s == 3, "0..4 takes three bits"
    net = freeze(model, (1, 8, 8))
    with torch.no_grad():
        floats = mean_over_time(model(images)).argmax(1).numpy()
    assert np.array_equal(oracle.logits(net, images.numpy()).argmax(1), floats)
    assert agreement(model, net, [images]).same_class == 40
    save(net, tmp_path / "net.bitspike")
    again = load(tmp_path / "net.bitspike")
    assert again.graph == net.graph
    edges = oracle.run(again, images.numpy())
    (name,) = (node.name for node in again.graph.nodes if node.op == Capped.op)
    assert edges[name].max() == 4 < edges[again.graph[name].inputs[0]].max()
    if shutil.which("cc"):
        logits, _ = backend("c").trace(again, images.numpy())
        assert np.array_equal(logits, oracle.logits(again, images.numpy()))
        with pytest.MonkeyPatch.context() as planted:
            planted.setattr(c.WRITERS, "_known", {**c.WRITERS, Capped.__name__: Each(lambda node, kind, x: x)})
            assert not np.array_equal(backend("c").run(again, images.numpy()), logits)


# A neuron whose threshold rises with each spike and sinks again: a state beside the potential. Its step, twice.


@dataclass(frozen=True)
class RisingDynamics:
    """What a `Rising` neuron says of itself: all but this is its class."""

    v_threshold: float


class Rising(IFNode):
    """A threshold that rises by half of itself with each spike, and halves what it rose by with each step::

    u = v + x,  s = 1 where u - a >= v_threshold, else 0,  v = u - v_threshold s,  a = (a + v_threshold s)/2
    """

    def __init__(self, T: int) -> None:
        super().__init__(T, v_reset=None, detach_reset=True)

    def initial_state(self, current: Tensor) -> State:
        return torch.zeros_like(current), torch.zeros_like(current)

    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        v, a = state
        u = v + current
        spikes = self.fire(u - a, 0 if t is None else t)
        sent = spikes.detach() * self.staircase.v_threshold
        return spikes, (u - sent, (a + sent) / 2)

    def dynamics(self) -> Any:
        return RisingDynamics(self.staircase.v_threshold)


@dataclass(frozen=True, kw_only=True)
class RisingIntegers(AnyDynamics):
    """The same in fixed point."""

    fraction_bits: int

    kind: ClassVar[str] = "rising"

    def program(self, lo: int, hi: int, top: int) -> Program:
        step = Step(v=0, a=0)
        u = step.v + step.x
        over = step.named("over", u - step.a)
        level = step.named("level", (over >> self.fraction_bits).clip(lo, hi))
        sent = level << self.fraction_bits
        return step.ends(level, ("over", "v"), v=u - sent, a=(step.a + sent) >> 1)


@frozen.register
def _(d: RisingDynamics, node: Fire, current: Any, freezer: Any) -> Frozen:
    in_thresholds = current.scaled(np.full_like(current.beta, 1 / d.v_threshold), current.beta * 0)
    bits = fraction_bits(node, (in_thresholds.largest() + 1) * node.T)
    return Frozen(in_thresholds, bits, RisingIntegers(fraction_bits=bits), max(node.hi, -node.lo))


class RisingSettings(FiringSettings):
    """Of ``rising``."""

    kind: Literal["rising"] = "rising"

    def make(self, bits: Bits) -> Rising:
        return Rising(bits.t)


# A quantizer, a method, a backend.


class Ternary(WeightQuantizer):
    """-1, 0 or 1 times the mean magnitude; what is small is 0. The gradient is the identity's."""

    def step_size(self, weight: Tensor) -> Tensor:
        return weight.detach().abs().mean()

    def codes(self, weight: Tensor) -> Tensor:
        return weight.sign() * (weight.abs() > 0.7 * self.step_size(weight))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.codes(weight) * self.step_size(weight) - weight).detach()


class TernarySettings(QuantizerSettings):
    """Of ``ternary``."""

    kind: Literal["ternary"] = "ternary"

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return Ternary(bits, weight)


class PullSettings(MethodSettings):
    """How strongly weights are pulled towards 0."""

    strength: float = 0.0


class Pull(Method[PullSettings]):
    """Adds the mean magnitude of all weights to the loss."""

    settings_type = PullSettings

    def start(self, training: Any) -> None:
        self.model = training.model

    def loss(self, inner: Objective) -> Objective:
        def pulled(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            return inner(model, x, y) + self.settings.strength * self._magnitude()

        return pulled

    def after_epoch(self, epoch: int) -> dict[str, Any]:
        return {"magnitude": float(self._magnitude().detach())}

    def result(self, graph: Any, report: Any) -> dict[str, Any]:
        return {"magnitude": float(self._magnitude().detach())}

    def _magnitude(self) -> Tensor:
        return torch.stack([p.abs().mean() for p in self.model.parameters() if p.ndim > 1]).mean()


@dataclass(frozen=True)
class Listing(Backend):
    """The steps of all neurons as text; runs by the oracle."""

    name: ClassVar[str] = "listing"
    about: ClassVar[str] = "the programs of the neurons as text"

    def run(self, net: FrozenGraph, images: Any) -> Any:
        return oracle.logits(net, images)

    def export(self, net: FrozenGraph, name: str) -> Export:
        lines = [f"{node.name}: {made}" for node in net.graph.neurons() for made in node.program.instructions]
        return Export({f"{name}.txt": "\n".join(lines).encode()}, {"lines": len(lines)})


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bitspike(command: Run) -> Iterator[Run]:
    with ExitStack() as known:
        known.enter_context(NEURONS.added("rising", RisingSettings))
        known.enter_context(DYNAMICS.added(RisingIntegers.kind, RisingIntegers))
        known.enter_context(QUANTIZERS.added("ternary", TernarySettings))
        known.enter_context(METHODS.added("pull", Pull))
        known.enter_context(BACKENDS.added(Listing.name, Listing))
        yield command


OWN = ("neuron.kind=rising", "quantizer=ternary", "bits=2/1/4", 'layers={"features.0.0": {"w": 3}}')


def trained(bitspike: Run, name: str, *edits: str) -> dict[str, Any]:
    sets = [word for edit in ("epochs=4", "channels=8,8,16", *edits) for word in ("--set", edit)]
    status, out, err = bitspike("train", "digits-convnet", *sets, "--name", name, "--json")
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_all_of_them_train_cost_freeze_run_and_are_written(bitspike: Run) -> None:
    result = trained(bitspike, "own", *OWN, "methods.pull.strength=0.1")
    assert result["magnitude"] < trained(bitspike, "free", *OWN, "methods.pull.strength=0")["magnitude"]
    status, out, err = bitspike("cost", "runs/own", "--json")
    assert (status, json.loads(out)["total"]["ns_ace"]) == (0, result["ns_ace"]), err
    status, out, err = bitspike("freeze", "runs/own", "-o", "own.bitspike", "--images", 100, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["same_class"] >= 95  # logits of few spikes tie, and are rounded
    assert sum(layer["mismatches"] for layer in found["layers"]) == 0, "spike for spike"
    net = load("own.bitspike")
    assert {type(node.dynamics) for node in net.graph.neurons()} == {RisingIntegers}
    assert set(np.unique(net.tensors["features.0.0.weight"]).tolist()) == {-1, 0, 1}
    accuracies = []
    for engine in ("oracle", "listing", *(["c"] if shutil.which("cc") else [])):
        status, out, err = bitspike("evaluate", "own.bitspike", "--engine", engine, "--json")
        assert status == 0, err
        accuracies.append(json.loads(out)["correct"])
    assert len(set(accuracies)) == 1
    assert bitspike("export", "own.bitspike", "--to", "listing", "-o", "written")[0] == 0
    assert "features.1: level = clip(" in Path("written/network.txt").read_text()


def test_the_c_of_a_neuron_with_its_own_state_is_the_oracles(bitspike: Run) -> None:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    trained(bitspike, "own", *OWN)
    assert bitspike("freeze", "runs/own", "-o", "own.bitspike", "--images", 0)[0] == 0
    net = load("own.bitspike")
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
    assert [node.weight_bits for node in net.graph.synapses()][:2] == [3, 2], (
        "the plan gives the first layer three bits"
    )
    logits, edges = backend("c").trace(net, images)
    right = oracle.run(net, images)
    assert np.array_equal(logits, oracle.logits(net, images))
    for name, values in edges.items():
        assert np.array_equal(values, right[name]), name
