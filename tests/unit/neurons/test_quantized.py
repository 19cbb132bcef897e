"""The neuron of paper 002: fire, hard reset, then quantize what is carried."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import floor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike.bits import BitPlan, Bits
from bitspike.data import load
from bitspike.errors import UserError
from bitspike.models import build_model
from bitspike.neurons import (
    IFNode,
    LIFNode,
    MultiBitLIFNode,
    QuantLIFNode,
    SpikingNode,
    State,
    Triangle,
    make_node,
    neuron_settings,
    quantize_membrane,
)
from bitspike.neurons.membrane import QuantizedCharge
from bitspike.quant import MembraneQuantizer, TanhMembraneQuantizer

WIDTHS = (2, 3, 4)
KINDS = ("multibit", "if", "lif", "plif", "quant-lif", "multi-level")


def with_maximum(node: SpikingNode, peak: float) -> SpikingNode:
    """``node`` in evaluation, its membrane's maximum at ``peak``."""
    for module in node.modules():
        if isinstance(module, MembraneQuantizer):
            module.peak.fill_(peak)
            module.batches_tracked.fill_(1)
    return node.eval()


def quantize(v: Fraction, bits: int, peak: Fraction) -> Fraction:
    Q = 2 ** (bits - 1) - 1
    return peak / Q * floor(Q * max(Fraction(-1), min(Fraction(1), v / peak)) + Fraction(1, 2))


def by_hand(
    currents: list[Fraction], bits: int, peak: Fraction, *, soft: bool = False, order: str = "carry", v: Fraction
) -> tuple[list[int], Fraction]:
    """Spikes of one neuron from the carried potential ``v``, and what it carries last; tau 2, threshold 1."""
    spikes = []
    for x in currents:
        u = v / 2 + x
        u = quantize(u, bits, peak) if order == "charge" else u
        fired = u >= 1
        spikes.append(int(fired))
        v = (u - 1 if soft else Fraction(0)) if fired else u
        v = quantize(v, bits, peak) if order == "carry" else v
    return spikes, v


def peak_of(bits: int) -> Fraction:
    """Levels of 1/4: float32 computes without rounding."""
    return Fraction(2 ** (bits - 1) - 1, 4)


CURRENTS = [Fraction(n, 8) for n in range(-12, 13)]  # 1 - v/2 among them: ties fire


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("v_reset", [0.0, None])
def test_one_step_from_every_level_and_current_is_the_loop_by_hand(bits, v_reset):
    """`step` fires, resets, then quantizes, whatever the membrane held."""
    peak = peak_of(bits)
    top = 2 ** (bits - 1) - 1
    node = with_maximum(QuantLIFNode(4, bits, v_reset=v_reset), float(peak))
    cases = list(product([peak / top * code for code in range(-top, top + 1)], CURRENTS))
    held, currents = (torch.tensor([float(case[k]) for case in cases]) for k in (0, 1))
    spikes, (carried,) = node.step(currents, (held,))
    expected = [by_hand([x], bits, peak, soft=v_reset is None, v=v) for v, x in cases]
    assert spikes.tolist() == [fired for (fired,), _ in expected]
    assert [Fraction(v) for v in carried.tolist()] == [v for _, v in expected]
    assert 0 < sum(spikes.tolist()) < len(cases)


@pytest.mark.parametrize("v_reset", [0.0, None])
@given(
    bits=st.sampled_from(WIDTHS),
    currents=st.lists(st.lists(st.sampled_from(CURRENTS), min_size=4, max_size=4), min_size=1, max_size=6),
)
def test_a_run_of_steps_is_the_loop_by_hand(v_reset, bits, currents):
    node = with_maximum(QuantLIFNode(4, bits, v_reset=v_reset), float(peak_of(bits)))
    sent = node(torch.tensor([[float(x) for x in neuron] for neuron in currents]).T)
    expected = [by_hand(x, bits, peak_of(bits), soft=v_reset is None, v=Fraction(0))[0] for x in currents]
    assert sent.T.tolist() == expected


def currents_of(*shape: int, seed: int = 0) -> Tensor:
    """Multiples of 1/8 around the threshold."""
    return torch.randint(-8, 13, shape, generator=torch.Generator().manual_seed(seed)) / 8


class QuantizedFirst(QuantLIFNode):
    """A planted error: quantizes the potential, then fires and resets."""

    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        u = self.store(self.integrate(state[0], current))
        spikes = self.fire(u, t or 0)
        return spikes, (self.reset(u, spikes),)


class QuantizedBeforeReset(QuantLIFNode):
    """Another: quantizes between fire and reset. It shows where a soft reset leaves what is on no level."""

    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        u = self.integrate(state[0], current)
        spikes = self.fire(u, t or 0)
        return spikes, (self.reset(self.store(u), spikes),)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize(
    ("wrong", "v_reset"), [(QuantizedFirst, 0.0), (QuantizedFirst, None), (QuantizedBeforeReset, None)]
)
def test_the_order_of_fire_reset_and_quantize_matters(bits, wrong, v_reset):
    x = currents_of(4, 200)
    right = with_maximum(QuantLIFNode(4, bits, v_reset=v_reset), 0.7)
    planted = with_maximum(wrong(4, bits, v_reset=v_reset), 0.7)
    assert not torch.equal(right(x), planted(x))


# The readings of the paper


@pytest.mark.parametrize("bits", WIDTHS)
def test_quantizing_the_charge_is_algorithm_1(bits):
    node = with_maximum(QuantLIFNode(4, bits, reading="charge"), float(peak_of(bits)))
    assert isinstance(node.integrate, QuantizedCharge)
    assert type(node.store) is nn.Identity
    assert node.membrane_bits == bits
    x = currents_of(4, 100)
    by_loop = [
        by_hand([Fraction(value) for value in neuron], bits, peak_of(bits), order="charge", v=Fraction(0))[0]
        for neuron in x.T.tolist()
    ]
    assert node(x).T.tolist() == by_loop
    assert torch.equal(node(x), with_maximum(QuantizedFirst(4, bits), float(peak_of(bits)))(x))


@pytest.mark.parametrize("bits", WIDTHS)
def test_quantizing_tanh_of_the_carry_is_the_papers_code(bits):
    node = with_maximum(QuantLIFNode(4, bits, reading="carry-tanh"), 0.75)
    assert type(node.store) is TanhMembraneQuantizer
    state, spikes, x = torch.tensor(0.0), [], currents_of(4, 100)
    for current in x:
        u = 0.5 * state + current
        spikes.append((u >= 1).float())
        state = node.store(u * (1 - spikes[-1]))
    assert torch.equal(node(x), torch.stack(spikes))
    assert state.abs().max() <= 0.75


def test_the_carry_is_the_default_and_the_readings_differ():
    assert type(QuantLIFNode(2).store) is MembraneQuantizer
    assert QuantLIFNode(2).membrane_bits == 2
    x = currents_of(6, 300)
    sent = [with_maximum(QuantLIFNode(6, 2, reading=r), 0.75)(x) for r in ("carry", "carry-tanh", "charge")]
    assert not torch.equal(sent[0], sent[1])
    assert not torch.equal(sent[0], sent[2])
    assert not torch.equal(sent[1], sent[2])


# Steps and gradients


@pytest.mark.parametrize("reading", ["carry", "carry-limited", "carry-tanh"])
def test_one_step_never_touches_the_store(reading):
    """So it runs in evaluation even untrained."""
    node = QuantLIFNode(1, 2, reading=reading)
    node.store.register_forward_hook(lambda *call: pytest.fail("nothing is carried"))
    node(currents_of(1, 10))
    assert torch.equal(node.eval()(currents_of(1, 10)), (currents_of(1, 10) >= 1).float())
    assert node.store.batches_tracked == 0


@pytest.mark.parametrize("T", [2, 3, 5])
def test_what_the_last_step_would_carry_is_not_quantized(T):
    node = QuantLIFNode(T, 2)
    node(currents_of(T, 10))
    assert node.store.batches_tracked == T - 1


def test_the_surrogate_is_the_triangle_of_the_authors_width():
    assert isinstance(QuantLIFNode(1).surrogate_function, Triangle)
    x = torch.tensor([[-0.5, 0.0, 0.25, 1.0, 1.5, 2.0, 3.0]], requires_grad=True)
    QuantLIFNode(1)(x).sum().backward()
    assert torch.equal(x.grad, torch.tensor([[0.0, 0.0, 0.25, 1.0, 0.5, 0.0, 0.0]]))


def test_the_gradient_passes_through_the_carry():
    """Two steps by hand: s2 of u2 = Q(u1 (1 - s1))/2 + x2, with the reset in the gradient."""
    x = torch.tensor([[0.5], [0.6]], requires_grad=True)
    node = with_maximum(QuantLIFNode(2, 8), 1.0)
    node(x)[1].sum().backward()
    carried = float(node.store(torch.tensor(0.5)))
    at_2 = 1 - abs(carried / 2 + 0.6 - 1)
    through_reset = 1 - 0.5 * (1 - abs(0.5 - 1))  # d u(1 - s)/du, s = 0
    torch.testing.assert_close(x.grad, torch.tensor([[at_2 / 2 * through_reset], [at_2]]))


# Floats, and other neurons


@given(seed=st.integers(0, 99), v_threshold=st.sampled_from([1.0, 0.5, 2.0]), soft=st.booleans())
def test_without_membrane_bits_it_is_the_lif_neuron(seed, v_threshold, soft):
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(seed))
    v_reset = None if soft else 0.0
    ours = QuantLIFNode(4, None, v_threshold=v_threshold, v_reset=v_reset)
    lif = LIFNode(4, 2.0, False, v_threshold, v_reset, Triangle())
    assert ours.membrane_bits is None
    sent, gradients = [], []
    for node in (ours, lif):
        leaf = x.clone().requires_grad_()
        sent.append(node(leaf))
        sent[-1].sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*sent)
    torch.testing.assert_close(*gradients)


def test_the_comparison_with_the_lif_neuron_can_fail():
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(QuantLIFNode(4, None)(x), LIFNode(4, 2.0, True, 1.0, 0.0, Triangle())(x))
    assert not torch.equal(with_maximum(QuantLIFNode(4, 2), 1.0)(x), QuantLIFNode(4, None)(x))


@pytest.mark.parametrize("reading", ["carry", "carry-limited", "carry-tanh", "charge"])
@pytest.mark.parametrize("u", [None, 2, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_any_neuron_takes_membrane_bits(kind, u, reading):
    node = make_node(neuron_settings(kind=kind, membrane=reading), Bits(1, 1, 3, u))
    plain = make_node(neuron_settings(kind=kind), Bits(1, 1, 3))
    assert type(node) is type(plain)
    assert node.membrane_bits == u
    x = torch.randn(3, 2000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        node(x)
        plain(x)
        held = node.integrate if reading == "charge" and u else node.store
        seen: list[Tensor] = []
        held.register_forward_hook(lambda module, inputs, output: seen.append(output))
        sent = node.eval()(x)
    if u is None:
        assert torch.equal(sent, plain.eval()(x))
    else:
        assert len(torch.cat(seen).unique()) <= 2**u - 1
        assert not torch.equal(sent, plain.eval()(x))


def test_the_gradient_of_a_learned_leak_passes_the_membrane():
    node = make_node(neuron_settings(kind="plif"), Bits(1, 1, 3, 2))
    node(torch.randn(3, 50, generator=torch.Generator().manual_seed(0))).sum().backward()
    assert node.integrate.w.grad.isfinite()
    assert node.integrate.w.grad != 0


@pytest.mark.parametrize("reading", ["carry", "carry-limited", "carry-tanh", "charge"])
@pytest.mark.parametrize("make", [lambda: IFNode(2), lambda: MultiBitLIFNode(2, 2)])
@pytest.mark.parametrize(
    ("bits", "says"),
    [(1, "got 1; want 2 to 16: "), (0, "got 0; want a whole"), (17, "got 17; want a whole"), (2.5, "got 2.5")],
)
def test_bad_membrane_bits_are_refused_and_the_neuron_stays(
    make: Callable[[], SpikingNode], bits: int, says: str, reading: str
) -> None:
    node = make()
    before = repr(node)
    with pytest.raises(UserError, match=f"membrane bits: {says}"):
        quantize_membrane(node, bits, reading)  # type: ignore[arg-type]
    assert repr(node) == before


# On images


@pytest.fixture(scope="module")
def trained() -> Callable[[int], tuple[nn.Module, Tensor]]:
    train, test = load("digits", None)

    def make(bits: int) -> tuple[nn.Module, Tensor]:
        """A small network after two epochs on digits, in evaluation, and its test images."""
        torch.manual_seed(0)
        model = build_model(
            "convnet",
            BitPlan(Bits(16, 1, 4, bits)),
            sample=(1, 8, 8),
            num_classes=10,
            neuron=neuron_settings(kind="quant-lif"),
            channels=(4, 8, 8),
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            for x, y in zip(train.images.split(128), train.labels.split(128), strict=True):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x).mean(0), y).backward()
                optimizer.step()
        return model.eval(), test.images

    return make


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_on_real_images_a_membrane_holds_at_most_its_levels(trained, bits):
    model, images = trained(bits)
    held: dict[str, list[Tensor]] = {}
    for name, node in model.named_modules():
        if isinstance(node, SpikingNode):
            held[name] = []
            node.store.register_forward_hook(lambda module, x, y, name=name: held[name].append(y.unique()))
    with torch.no_grad():
        model(images)
    assert len(held) == 3
    for name, seen in held.items():
        assert len(seen) == 3, name  # four steps
        values = torch.cat(seen).unique()
        assert 2 <= len(values) <= 2**bits - 1, name
        step = model.get_submodule(name).store.step_size()
        assert torch.equal(values, (values / step).round() * torch.tensor(step)), name
