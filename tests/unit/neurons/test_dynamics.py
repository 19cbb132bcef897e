"""What a neuron says of itself, and that freezing believes no class which computes something else."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from types import MethodType

import pytest
import torch
from torch import Tensor, nn

from bitspike import UserError
from bitspike.layers import Encoder, OverTime, Release
from bitspike.lowering import agreement, freeze
from bitspike.neurons import (
    AdaptiveIFNode,
    BaseNode,
    IFNode,
    LIFNode,
    MultiBitLIFNode,
    MultiLevelIFNode,
    NeuronDynamics,
    NotDescribedError,
    ParametricLIFNode,
    QReLU,
    QuantLIFNode,
    SpikingNode,
    Staircase,
    State,
    STBIFNode,
    StraightThrough,
    describe,
    quantize_membrane,
)
from bitspike.neurons.integrate import Integrate, LeakyIntegrate, RetainIntegrate
from bitspike.quant import MembraneQuantizer, quantize_weights

IMAGE = (1, 6, 6)


def images(count: int = 20) -> Tensor:
    return torch.randint(0, 256, (count, *IMAGE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def network(node: nn.Module) -> nn.Module:
    """One hidden layer of neurons, with batch norm's statistics of random images."""
    torch.manual_seed(0)
    hidden = OverTime(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, momentum=1.0))
    model = nn.Sequential(Encoder(), hidden, node, OverTime(nn.Flatten(), nn.Linear(144, 5)))
    quantize_weights(model, 4).train()
    model(images(64))
    return model.eval()


def differing(node: nn.Module) -> list[float]:
    """Share of spikes that differ between a network of the node and its integers, layer by layer."""
    model = network(node)
    return [layer.rate for layer in agreement(model, freeze(model, IMAGE), [images()]).layers]


# What the known neurons say


def test_the_numbers_of_a_leaky_neuron():
    node = LIFNode(4, tau=4.0, decay_input=True, v_threshold=0.75, v_reset=-0.5)
    assert describe(node) == NeuronDynamics(
        v_threshold=0.75, lo=0, hi=1, scale=1.0, retention=0.75, gain=0.25, offset=-0.125, v_reset=-0.5, v_init=-0.5
    )
    learned = describe(ParametricLIFNode(4, init_tau=4.0, decay_input=False))
    assert (learned.retention, learned.gain, learned.v_reset) == (pytest.approx(0.75), 1.0, 0.0)


def test_the_numbers_of_graded_neurons():
    assert describe(MultiBitLIFNode(3, 2, 2.0, 0.5, None)) == NeuronDynamics(
        v_threshold=0.5, lo=0, hi=3, scale=0.5, retention=0.5
    )
    assert describe(MultiLevelIFNode(2, 4)) == NeuronDynamics(v_threshold=1.0, lo=0, hi=4, scale=0.25, gain=4.0)


def test_the_numbers_of_what_is_converted():
    relu = QReLU(8)
    with torch.no_grad():
        relu.step_size.fill_(0.25)
    assert describe(relu) == NeuronDynamics(v_threshold=0.25, lo=0, hi=8, scale=0.25, shift=0.5)
    assert describe(STBIFNode(9, 0.5, 3)) == NeuronDynamics(
        v_threshold=0.5, lo=-1, hi=1, scale=0.5, v_init=0.25, tracer=3
    )


def test_a_stored_membrane_has_its_level_unless_there_is_one_step():
    node, once = QuantLIFNode(2, 3), QuantLIFNode(1, 3)
    node(torch.full((2, 1, 1), 0.9))
    described = describe(node.eval())
    assert (described.store, described.store_bits) == (float(node.store.peak) / 3, 3)
    assert describe(once).store is None


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (QReLU(4), "no one value"),
        (AdaptiveIFNode(1, 2, 2, 4), "no one value"),
        (AdaptiveIFNode(2, 2, 2, 4, per_step=True), "no one value"),
    ],
)
def test_what_has_no_numbers_yet_or_not_one_for_all_steps_is_refused_by_class(node, why):
    with pytest.raises(UserError, match=f"got '{type(node).__name__}'; .*{why}"):
        describe(node)


def test_a_rounding_that_no_integer_does_is_refused():
    node = SpikingNode(
        T=2,
        integrate=Integrate(),
        staircase=Staircase(1.0, 0, 3, shift=0.25),
        surrogate_function=StraightThrough(),
        v_reset=0.0,
        detach_reset=True,
    )
    with pytest.raises(UserError, match=r"fire 2: got 'Staircase'; it fires by floor\(u \+ 0\.25\)"):
        freeze(network(node), IMAGE)


def test_a_membrane_of_few_bits_beside_a_tracer_is_refused():
    node = STBIFNode(4, 0.5, 3)
    quantize_membrane(node, 4)
    node.store(torch.ones(1))
    with pytest.raises(UserError, match="got 'STBIFNode'; a membrane of few bits"):
        describe(node)


def test_the_refusal_survives_a_worker_process():
    with pytest.raises(NotDescribedError) as refused:
        describe(QReLU(4))
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


# Classes that compute something else


class HalfStart(IFNode):
    def initial_state(self, current: Tensor) -> State:
        return (current.new_full((), 0.5),)


class Alone(IFNode):
    """The potential itself, as one would write it."""

    def initial_state(self, current: Tensor) -> State:
        return current.new_full((), 0.5)  # type: ignore[return-value]


class SilentFirst(IFNode):
    def fire(self, u: Tensor, t: int) -> Tensor:
        return super().fire(u, t) * (t > 0)


class Leaves(IFNode):
    def reset(self, u: Tensor, spikes: Tensor) -> Tensor:
        return 0.5 * super().reset(u, spikes)


class OldName(IFNode):
    def _reset(self, u: Tensor, spikes: Tensor) -> Tensor:
        return 0.5 * super().reset(u, spikes)


class Twice(IFNode):
    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        return super().step(2 * current, state, t)


class Backwards(IFNode):
    def forward(self, current: Tensor) -> Tensor:
        return super().forward(current).flip(0)


class Called(IFNode):
    def __call__(self, current: Tensor) -> Tensor:
        return super().__call__(2 * current)


class ForgetsItsLimit(STBIFNode):
    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        return super().step(current, (state[0], torch.zeros_like(state[1])), t)


class OtherCode(QReLU):
    def _quantized(self, u: Tensor, n: int) -> Tensor:
        return 2 * super()._quantized(u, n)


OVERRIDES: dict[str, Callable[[int], BaseNode]] = {
    "initial_state": HalfStart,
    "fire": SilentFirst,
    "reset": Leaves,
    "_reset": OldName,
    "step": Twice,
    "forward": Backwards,
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_overridden_method_is_refused_by_path_and_class(name):
    node = OVERRIDES[name](4)
    wanted = (
        f"^fire 2: got '{type(node).__name__}'; its class overrides {name} but not dynamics, from which it is frozen$"
    )
    with pytest.raises(UserError, match=wanted):
        freeze(network(node), IMAGE)


@pytest.mark.parametrize(("make", "name"), [(Alone, "initial_state"), (HalfStart, "initial_state")])
def test_a_state_may_be_the_potential_alone(make, name):
    x = torch.full((4, 1, 1), 0.5)
    assert make(4)(x).flatten().tolist() == [1, 0, 1, 0]
    assert IFNode(4)(x).flatten().tolist() == [0, 1, 0, 1]
    with pytest.raises(UserError, match=name):
        describe(make(4))


@pytest.mark.parametrize(
    ("node", "name"), [(ForgetsItsLimit(4, 0.5, 1), "step"), (OtherCode(4), "_quantized"), (Called(4), "__call__")]
)
def test_so_is_one_of_any_other_neuron(node, name):
    with pytest.raises(UserError, match=f"its class overrides {name} but not dynamics"):
        describe(node)


@pytest.mark.parametrize("name", ["initial_state", "fire", "reset", "step", "forward"])
def test_a_method_replaced_on_the_neuron_alone_is_refused(name):
    node = IFNode(4)
    setattr(node, name, MethodType(lambda self, *args: getattr(IFNode, name)(self, *args), node))
    with pytest.raises(UserError, match=f"got 'IFNode'; it overrides {name} but not dynamics"):
        freeze(network(node), IMAGE)


@pytest.mark.parametrize("make", [HalfStart, SilentFirst, Leaves, Twice])
def test_forward_does_what_the_class_overrides(make):
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)) + 0.5
    assert not torch.equal(make(4)(x), IFNode(4)(x))


def test_a_subclass_that_overrides_nothing_freezes_as_its_base():
    class Same(LIFNode):
        """Mine."""

        def helper(self) -> int:
            return 1

        def extra_repr(self) -> str:
            return "mine"

    ours, theirs = (freeze(network(kind(3, v_reset=-0.25)), IMAGE) for kind in (Same, LIFNode))
    assert ours.graph.nodes == theirs.graph.nodes


def test_one_that_describes_what_it_overrides_freezes():
    class Described(HalfStart):
        def dynamics(self) -> NeuronDynamics:
            return replace(super().dynamics(), v_init=0.5)

    assert differing(Described(4)) == [0.0]

    class Again(Described):
        def fire(self, u: Tensor, t: int) -> Tensor:
            return 1 - super().fire(u, t)

    with pytest.raises(UserError, match="got 'Again'; its class overrides fire but not dynamics"):
        describe(Again(4))


def test_the_start_is_one_property_for_forward_and_freeze():
    class Halfway(IFNode):
        @property
        def v_init(self) -> float:
            return self.staircase.v_threshold / 2

    assert Halfway(1)(torch.full((1, 1, 1), 0.5)).item() == 1
    assert differing(Halfway(4)) == [0.0]


# Charge steps


class Gain(nn.Module):
    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return v + x.tanh()


class Doubles(Integrate):
    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return super().forward(v, 2 * x)


class SaysSo(Doubles):
    def __init__(self) -> None:
        super().__init__()

    gain = 2.0  # type: ignore[assignment]

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return v + 2 * x


class Own(nn.Module):
    """Says it on each object."""

    def __init__(self) -> None:
        super().__init__()
        self.retention, self.gain, self.offset = 0.5, 2.0, 0.25

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return 0.5 * v + 2 * x + 0.25


class OverOwn(Own):
    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return super().forward(v, x).tanh()


class Forgets(LeakyIntegrate):
    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return super().forward(0 * v, x)


def charged_by(integrate: nn.Module, T: int = 4) -> IFNode:
    node = IFNode(T)
    node.integrate = integrate
    return node


@pytest.mark.parametrize(
    ("integrate", "why"),
    [
        (Gain(), "this charge step cannot be frozen; want a linear one"),
        (Doubles(), "its class overrides forward but not retention, gain or offset"),
        (OverOwn(), "its class overrides forward but not retention, gain or offset"),
        (Forgets(2.0, True, 0.0), "its class overrides forward but not retention, gain or offset"),
    ],
)
def test_a_charge_step_that_does_not_say_what_it_does_is_refused(integrate, why):
    with pytest.raises(UserError, match=f"^fire 2: got '{type(integrate).__name__}'; {why}"):
        freeze(network(charged_by(integrate)), IMAGE)


def test_one_replaced_on_the_object_is_refused():
    integrate = RetainIntegrate(2.0)
    integrate.forward = lambda v, x: x  # type: ignore[method-assign]
    with pytest.raises(UserError, match="got 'RetainIntegrate'; it overrides forward"):
        describe(charged_by(integrate))


def test_an_own_one_that_says_it_freezes():
    assert differing(charged_by(Own())) == [0.0]
    assert describe(charged_by(Own())).offset == 0.25


def test_a_charge_step_says_again_what_it_overrides():
    class Halves(RetainIntegrate):
        offset = 0.0
        gain = 0.5

        def forward(self, v: Tensor, x: Tensor) -> Tensor:
            return super().forward(v, x / 2)

    assert differing(charged_by(Halves(2.0))) == [0.0]


# Staircases and stores


def test_an_overridden_level_is_refused():
    class Late(Staircase):
        def level(self, v: Tensor) -> Tensor:
            return super().level(v - 1)

    node = SpikingNode(
        T=2,
        integrate=Integrate(),
        staircase=Late(1.0),
        surrogate_function=StraightThrough(),
        v_reset=0.0,
        detach_reset=True,
    )
    with pytest.raises(UserError, match=r"^fire 2: got 'Late'; its class overrides level"):
        freeze(network(node), IMAGE)


class Plain(MembraneQuantizer):
    """Overrides nothing."""


class Halved(MembraneQuantizer):
    def forward(self, v: Tensor) -> Tensor:
        return super().forward(v / 2)


class OtherPeak(MembraneQuantizer):
    def frozen_peak(self) -> Tensor:
        return super().frozen_peak() * 2


class Patched(MembraneQuantizer):
    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.forward = lambda v: v  # type: ignore[method-assign]


@pytest.mark.parametrize(("store", "name"), [(Halved, "forward"), (OtherPeak, "frozen_peak"), (Patched, "forward")])
def test_an_overridden_store_is_refused(store, name):
    node = QuantLIFNode(3, None)
    node.store = store(4)
    with pytest.raises(UserError, match=f"^fire 2: got '{store.__name__}'; .* overrides {name} but not step_size"):
        freeze(network(node), IMAGE)


def test_a_store_that_overrides_nothing_freezes():
    node = QuantLIFNode(3, None)
    node.store = Plain(4)
    assert differing(node)[0] < 0.01  # levels of the maximum are no dyadic numbers: ties may differ


# Dynamics with a tracer need images that are released


def test_a_traced_neuron_of_ones_own_freezes_by_its_data_alone():
    class Mine(BaseNode):
        """An ST-BIF neuron written anew, from nothing of `STBIFNode`."""

        def __init__(self, T: int) -> None:
            super().__init__(integrate=Integrate(), v_reset=None, detach_reset=True)
            self.steps = T

        @property
        def T(self) -> int:  # noqa: N802
            return self.steps

        @property
        def staircase(self) -> Staircase:
            return Staircase(0.5, -1, 1, scale=0.5)

        def initial_state(self, current: Tensor) -> State:
            return torch.full_like(current, 0.25), torch.zeros_like(current)

        def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
            v, sent = state
            u = v + current
            level = (sent + self.staircase.level(u)).clamp(0, 3) - sent
            return 0.5 * level, (u - 0.5 * level, sent + level)

        def dynamics(self) -> NeuronDynamics:
            return replace(super().dynamics(), v_init=0.25, tracer=3)

    def frozen(node: BaseNode) -> object:
        torch.manual_seed(0)
        conv = OverTime(nn.Conv2d(1, 4, 3, bias=False))
        model = nn.Sequential(
            nn.Sequential(Encoder(), Release(8, 3)), conv, node, OverTime(nn.Flatten(), nn.Linear(64, 5, bias=False))
        )
        return freeze(quantize_weights(model, 4).eval(), IMAGE).graph.nodes

    assert frozen(Mine(8)) == frozen(STBIFNode(8, 0.5, 3))
    x = torch.randn(8, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Mine(8)(x), STBIFNode(8, 0.5, 3)(x))
