"""The composed neuron: its steps, its resets and its gradients, beside a loop written apart from it."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.neurons import (
    ATan,
    IFNode,
    LIFNode,
    MultiBitLIFNode,
    ParametricLIFNode,
    QuantLIFNode,
    Rectangle,
    Sigmoid,
    SpikingNode,
    Staircase,
    StraightThrough,
    Triangle,
)
from bitspike.neurons.integrate import Integrate

T = 4


def signed(T: int, staircase: Staircase, v_reset: float | None) -> SpikingNode:
    return SpikingNode(
        T=T,
        integrate=Integrate(),
        staircase=staircase,
        surrogate_function=StraightThrough(),
        v_reset=v_reset,
        detach_reset=True,
    )


NODES: dict[str, Callable[[], SpikingNode]] = {
    "if": lambda: IFNode(T),
    "if soft": lambda: IFNode(T, v_reset=None),
    "if below zero": lambda: IFNode(T, v_threshold=0.75, v_reset=-0.5, detach_reset=True),
    "lif": lambda: LIFNode(T, v_threshold=0.5),
    "lif soft": lambda: LIFNode(T, tau=3.0, decay_input=False, v_reset=None, detach_reset=True),
    "plif": lambda: ParametricLIFNode(T, init_tau=3.0, v_threshold=0.5, v_reset=0.25),
    "multi-bit": lambda: MultiBitLIFNode(T, 2, v_threshold=0.5),
    "multi-bit soft": lambda: MultiBitLIFNode(T, 3, v_threshold=0.5, v_reset=None),
    "signed": lambda: signed(T, Staircase(1.0, -3, 3, shift=0.5), 0.0),
}
by_node = pytest.mark.parametrize("make", NODES.values(), ids=NODES)


def currents(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def run(node: SpikingNode, x: Tensor, forward: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
    """Spikes, and the gradient of a weighted sum of them with respect to the current."""
    x = x.clone().requires_grad_()
    spikes = (forward or node)(x)
    (spikes * currents(*spikes.shape, seed=1, dtype=x.dtype)).sum().backward()
    assert x.grad is not None
    return spikes.detach(), x.grad


@by_node
def test_forward_is_a_loop_of_step(make):
    node = make().double()

    def loop(x: Tensor) -> Tensor:
        state, spikes = node.initial_state(x[0]), []
        for step in x:
            spike, state = node.step(step, state)
            spikes.append(spike)
        assert [carried.shape for carried in state] == [x[0].shape]
        return torch.stack(spikes)

    x = currents(T, 5, 3)
    for ours, looped in zip(run(node, x), run(node, x, loop), strict=True):
        assert torch.equal(ours, looped)


@by_node
def test_nothing_survives_a_call(make):
    node = make().double()
    before = dict(vars(node)), node.state_dict()
    x = currents(T, 5, 3)
    first = node(x)
    node(currents(T, 2, 2, 2, seed=7))
    assert torch.equal(node(x), first)
    assert (dict(vars(node)), node.state_dict()) == before
    assert not list(node.buffers())


@by_node
def test_a_static_current_equals_the_repeated_one(make):
    node, once = make().double(), currents(1, 6, 3)
    spikes, slope = run(node, once)
    repeated, slopes = run(node, once.expand(T, -1, -1))
    assert torch.equal(spikes, repeated)
    torch.testing.assert_close(slope, slopes.sum(0, keepdim=True))


@by_node
def test_spikes_keep_dtype_and_shape(make):
    for dtype in (torch.float32, torch.bfloat16):
        node = make().to(dtype)
        spikes = node(currents(T, 2, 3, 4, 4, dtype=dtype))
        assert (spikes.dtype, spikes.shape) == (dtype, (T, 2, 3, 4, 4))


@pytest.mark.parametrize("steps", [0, 2, 3, 5])
def test_other_steps_than_the_neuron_runs_are_refused(steps):
    with pytest.raises(UserError, match=f"got {steps}; the neuron runs T=4"):
        IFNode(T)(torch.zeros(steps, 2, 2))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_steps_are_whole_numbers(wrong):
    with pytest.raises(UserError, match="T: got"):
        IFNode(wrong)


@pytest.mark.parametrize("v_reset", [1.0, 2.0, float("nan")])
def test_a_reset_that_fires_again_is_refused(v_reset):
    for make in (IFNode, LIFNode, ParametricLIFNode):
        with pytest.raises(UserError, match="v_reset"):
            make(T, v_reset=v_reset)


@pytest.mark.parametrize(("v_reset", "silent"), [(-1.0, False), (-0.5, True), (0.0, True), (0.5, False)])
def test_a_signed_alphabet_resets_to_where_it_is_silent(v_reset, silent):
    staircase = Staircase(1.0, -1, 1, shift=0.5)
    if silent:
        assert signed(1, staircase, v_reset)(torch.zeros(1, 1)).tolist() == [[0]]
    else:
        with pytest.raises(UserError, match="v_reset"):
            signed(1, staircase, v_reset)


@pytest.mark.parametrize(
    ("node", "current", "expected"),
    [
        # hard: u = .5, 1.25 fires -> 0, .75, 1.5 fires
        (IFNode(4), [0.5, 0.75, 0.75, 0.75], [0, 1, 0, 1]),
        # hard to -1, where it also starts: u = .5, 1.25 fires -> -1, -.25, 1.25 fires
        (IFNode(4, v_reset=-1.0), [1.5, 0.75, 0.75, 1.5], [0, 1, 0, 1]),
        # soft keeps the rest: u = 2.5 fires -> 1.5 fires -> .5, .25
        (IFNode(4, v_reset=None), [2.5, 0.0, 0.0, -0.25], [1, 1, 0, 0]),
        # two bits of .5: u = 1.75 sends 3 levels; soft leaves .25, u = .75 sends one, leaves .25
        (MultiBitLIFNode(3, 2, 1.0, 0.5, None), [1.75, 0.5, 0.125], [1.5, 0.5, 0.0]),
        # the same with the hard reset: nothing is left
        (MultiBitLIFNode(3, 2, 1.0, 0.5), [1.75, 0.25, 0.125], [1.5, 0.0, 0.0]),
        # signed, rounding, hard to .25: u = -1.75 sends -2 -> .25, -.25 is silent, .5 sends 1
        (signed(3, Staircase(1.0, -2, 2, 0.5), 0.25), [-2.0, -0.5, 0.75], [-2.0, 0.0, 1.0]),
        # soft: u = -1.75 sends -2 and leaves .25, -.25 is silent, .5 sends 1
        (signed(3, Staircase(1.0, -2, 2, 0.5), None), [-1.75, -0.5, 0.75], [-2.0, 0.0, 1.0]),
        # above the alphabet: 3 levels at most; soft leaves 5 - 1.5
        (MultiBitLIFNode(3, 2, 1.0, 0.5, None), [5.0, 0.0, -2.0], [1.5, 1.5, 0.0]),
    ],
)
def test_resets_by_hand(node, current, expected):
    x = torch.tensor(current)[:, None]
    assert node(x)[:, 0].tolist() == expected


def test_store_maps_the_potential_that_is_carried():
    class Whole(nn.Module):
        def forward(self, v: Tensor) -> Tensor:
            return v.floor()

    node = SpikingNode(
        T=3,
        integrate=Integrate(),
        staircase=Staircase(1.0),
        surrogate_function=Sigmoid(),
        v_reset=None,
        detach_reset=False,
        store=Whole(),
    )
    assert node(torch.full((3, 1), 0.75))[:, 0].tolist() == [0, 0, 0]
    assert IFNode(3, v_reset=None)(torch.full((3, 1), 0.75))[:, 0].tolist() == [0, 1, 1]


# A loop of its own: the spike is a smooth step in backward, with the value of the hard one in forward.
SMOOTH = {
    ATan: lambda x, p: torch.atan(torch.pi / 2 * p * x) / torch.pi,
    Sigmoid: lambda x, p: torch.sigmoid(p * x),
    Triangle: lambda x, p: torch.where(x.abs() < p, x / p - x * x.abs() / (2 * p * p), x.detach()),
    Rectangle: lambda x, p: (x / p).clamp(-0.5, 0.5),
}


def independent_loop(
    x: Tensor, smooth: Callable[[Tensor], Tensor], tau: float, threshold: float, reset: float | None, detach: bool
) -> Tensor:
    v = torch.full_like(x[0], reset or 0.0)
    spikes = []
    for current in x:
        u = v - (v - (reset or 0.0)) / tau + current / tau
        step = smooth(u - threshold)
        spike = (u >= threshold).double() + step - step.detach()
        spikes.append(spike)
        sent = spike.detach() if detach else spike
        v = u - threshold * sent if reset is None else (1 - sent) * u + sent * reset
    return torch.stack(spikes)


def gradient_error(node: SpikingNode, loop: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Largest difference of the gradients, where the spikes are the same."""
    spikes, ours = run(node, x)
    looped, expected = run(node, x, loop)
    torch.testing.assert_close(spikes, looped, rtol=0, atol=1e-12)  # the loop adds and subtracts the smooth step
    return float((ours - expected).abs().max())


@pytest.mark.parametrize("kind", SMOOTH)
@pytest.mark.parametrize("reset", [None, 0.0, -0.25])
@pytest.mark.parametrize("detach", [False, True])
def test_gradients_equal_autograd_of_a_loop(kind, reset, detach):
    node = LIFNode(T, 3.0, True, 0.5, reset, kind(1.5), detach)
    x = 2 * currents(T, 40)

    def loop(x: Tensor, tau: float = 3.0, detach: bool = detach) -> Tensor:
        return independent_loop(x, lambda u: SMOOTH[kind](u, 1.5), tau, 0.5, reset, detach)

    assert gradient_error(node, loop, x) < 1e-12
    assert gradient_error(node, lambda x: loop(x, detach=not detach), x) > 1e-3  # a planted error


@pytest.mark.parametrize("v_reset", [None, 0.0])
@pytest.mark.parametrize("detach", [False, True])
def test_gradients_of_graded_spikes_equal_autograd_of_a_loop(v_reset, detach):
    node = MultiBitLIFNode(T, 2, 4.0, 0.5, v_reset, detach_reset=detach)
    x = currents(T, 50)

    def loop(x: Tensor, top: float = 1.5) -> Tensor:
        v, spikes = torch.zeros_like(x[0]), []
        for current in x:
            u = v / 4 + current
            step = u.clamp(0, top)
            spike = (u.detach() / 0.5).floor().clamp(0, 3) * 0.5 + step - step.detach()
            spikes.append(spike)
            sent = spike.detach() if detach else spike
            v = u - sent if v_reset is None else u * (sent.detach() == 0)
        return torch.stack(spikes)

    assert gradient_error(node, loop, x) < 1e-12
    assert gradient_error(node, lambda x: loop(x, top=1.25), x) > 1e-3  # a planted error


dyadics = st.integers(-64, 64).map(lambda n: n / 16)


@given(st.lists(dyadics, min_size=1, max_size=8), st.sampled_from([None, 0.0, -0.5]))
def test_a_soft_reset_conserves_what_came_in(current, v_reset):
    """What came in is what was sent and what is left (no leak, no clip): exact on the dyadic grid."""
    node = IFNode(len(current), v_reset=None)
    x = torch.tensor(current)[:, None]
    state = node.initial_state(x[0])
    sent = torch.zeros(1)
    for step in x:
        spike, state = node.step(step, state)
        sent += spike
    assert torch.equal(sent + state[0], x.sum(0))
    hard = IFNode(len(current), v_reset=v_reset)
    assert set(hard(x).flatten().tolist()) <= {0.0, 1.0}


@by_node
def test_after_the_last_step_the_state_comes_back_as_it_is(make):
    node = make().double()
    x, state = currents(5, 3), (currents(5, 3, seed=2),)
    assert node.step(x, state, T - 1)[1] is state
    _, (carried,) = node.step(x, state, T - 2)
    _, (streamed,) = node.step(x, state)
    assert torch.equal(carried, streamed)
    assert not torch.equal(carried, state[0])


def test_what_the_last_step_would_carry_is_not_stored():
    """A membrane quantizer keeps statistics of what it is given: of T - 1 steps, and of each in a stream."""
    node = QuantLIFNode(T, 4)
    node(currents(T, 5, 3, dtype=torch.float32))
    assert int(node.store.batches_tracked) == T - 1
    state = node.initial_state(torch.zeros(5, 3))
    for x in currents(T, 5, 3, dtype=torch.float32):
        _, state = node.step(x, state)
    assert int(node.store.batches_tracked) == 2 * T - 1
