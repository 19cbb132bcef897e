"""The C library's neurons beside torch's where state is behind a step: stored potentials, ties, learned alphabets."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import forward_ad

from bitspike import UserError, native
from bitspike.neurons import (
    AdaptiveIFNode,
    ATan,
    IFNode,
    LIFNode,
    MultiBitLIFNode,
    MultiLevelIFNode,
    ParametricLIFNode,
    QuantLIFNode,
    TiedIntegrate,
    Triangle,
    barrier,
    behind_spikes,
    fused,
    quantize_membrane,
)
from bitspike.neurons.integrate import Integrate
from bitspike.neurons.node import BaseNode, ComposedNode

needs_library = pytest.mark.skipif(native.library() is None, reason="no C library")
LEVELS = [one.name for one in native.Level if one == 0 or (one <= native.detected() < native.Level.neon)]


def stored(make: Callable[[int], ComposedNode], reading: str = "carry", bits: int = 3) -> Callable[[int], ComposedNode]:
    def made(T: int) -> ComposedNode:
        node = make(T)
        quantize_membrane(node, bits, reading)  # type: ignore[arg-type]
        return node

    return made


def adaptive(T: int, **options: object) -> AdaptiveIFNode:
    """One that a batch has started: its thresholds are of the size of currents."""
    node = AdaptiveIFNode(T, T + 2, 2, 4, **options)  # type: ignore[arg-type]
    for i, quantizer in enumerate(node.quantizers):
        quantizer.start(torch.full((1,), 0.5 + 0.07 * i))  # type: ignore[operator]
        quantizer.learned_bits.data.fill_(2 + i % 2)  # type: ignore[union-attr, operator]
        quantizer.renewal.old_bits.fill_(2 + i % 2)  # type: ignore[union-attr, operator]
    return node


NODES: dict[str, Callable[[int], ComposedNode]] = {
    "paper 002": lambda T: QuantLIFNode(T, 3),
    "paper 002, 2 bits, soft": lambda T: QuantLIFNode(T, 2, v_reset=None, tau=3.0),
    "paper 002, limited": lambda T: QuantLIFNode(T, 4, reading="carry-limited", detach_reset=True),
    "stored, learned leak": stored(lambda T: ParametricLIFNode(T, 2.5, surrogate_function=ATan())),
    "stored, multi-bit": stored(lambda T: MultiBitLIFNode(T, 3, 3.0, 0.3, None, Triangle()), bits=5),
    "tied": lambda T: barrier(MultiLevelIFNode(T, 7, 0.7)),
    "tied, threshold 1": lambda T: behind_spikes(MultiLevelIFNode(T, 3, 1.0, ATan())),
    "tied, hard": lambda T: behind_spikes(IFNode(T, 0.3, 0.1, Triangle())),
    "tied, stored": stored(lambda T: behind_spikes(IFNode(T, 1.0, None, Triangle()))),
    "adaptive": adaptive,
    "adaptive, LIF by floor": partial(adaptive, tau=2.0, rounds=False),
    "adaptive, signed, tau 3": partial(adaptive, tau=3.0, signed=True),
    "adaptive, per step": partial(adaptive, tau=2.0, per_step=True),
    "adaptive, stored": stored(partial(adaptive, tau=2.0, signed=True, per_step=True)),
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seen(
    node: ComposedNode, run: Callable[[ComposedNode, Tensor], Tensor], x: Tensor, grad: Tensor
) -> dict[str, Tensor]:
    """Spikes, all gradients, and what the node keeps, of two calls one after the other."""
    node = copy.deepcopy(node)
    found = {}
    for call in ("first", "second"):
        current = (x if call == "first" else 0.5 * x).clone().requires_grad_()
        node.zero_grad()
        spikes = run(node, current)
        spikes.backward(grad)
        assert current.grad is not None
        found |= {f"{call} spikes": spikes.detach(), f"{call} gradient": current.grad}
        found |= {f"{call} gradient of {n}": p.grad for n, p in node.named_parameters() if p.grad is not None}
    return found | {f"kept {name}": kept.clone() for name, kept in node.named_buffers()}


def differences(node: ComposedNode, x: Tensor, grad: Tensor, twin: ComposedNode | None = None) -> list[str]:
    """What the library computes otherwise than torch's steps: gradients may differ by 1e-6 of the largest.

    Those of numbers for a whole layer are sums, which torch adds up in float32: that much of what was added.
    """
    ours, theirs = seen(node, ComposedNode.forward, x, grad), seen(twin or node, BaseNode.forward, x, grad)
    assert ours.keys() == theirs.keys()
    wrong = []
    for name, wanted in theirs.items():
        if "gradient" not in name:
            wrong += [] if torch.equal(ours[name], wanted) else [name]
            continue
        size = float(wanted.abs().max()) if wanted.ndim else float(grad.abs().sum()) ** 0.5 * float(x.abs().max())
        if not torch.allclose(ours[name], wanted, rtol=0, atol=(1e-6 if wanted.ndim else 1e-5) * max(1.0, size)):
            wrong.append(name)
    return wrong


def levels_of(*shape: int, seed: int = 0) -> Tensor:
    """Sums of spikes ``z/N``: ties of the levels, but for what rounding leaves."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-9, 15, (7, *shape), generator=generator).div(21).mul(0.7).sum(0)


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_every_neuron_equals_torch(monkeypatch, make, level):
    monkeypatch.setenv(native.VARIABLE, level)
    for T in (1, 4):
        node, grad = make(T), random(T, 7, 163, seed=1)
        for x in (1.5 * random(T, 7, 163), 1.5 * random(1, 7, 163), levels_of(T, 7, 163)):
            assert fused.steps(copy.deepcopy(node), x) is not None
            assert differences(node, x, grad) == []


@needs_library
@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_in_evaluation_it_equals_torch_too(make):
    node, x, grad = make(4), random(4, 9, 70), random(4, 9, 70, seed=1)
    node(x)
    node.eval()
    assert fused.steps(node, x) is not None
    assert differences(node, x, grad) == []


@needs_library
@given(
    make=st.sampled_from(list(NODES.values())),
    T=st.integers(1, 9),
    held=st.booleans(),
    shape=st.lists(st.integers(1, 9), min_size=0, max_size=4),
    size=st.sampled_from([0.0, 1e-42, 0.3, 1.0, 1e30]),
    seed=st.integers(0, 99),
)
def test_any_shape_size_and_number_of_steps(make, T, held, shape, size, seed):
    x, grad = random(1 if held else T, *shape, seed=seed) * size, random(T, *shape, seed=seed + 1)
    assert [one for one in differences(make(T), x, grad) if size <= 1 or "step" not in one] == []


@needs_library
def test_sums_over_the_layer_are_those_in_double():
    """Currents and thresholds here are exact in both."""
    x, grad = random(4, 20000).mul(8).round().div(8), random(4, 20000, seed=1)
    for options in ({}, {"rounds": False}, {"signed": True, "per_step": True}):
        node = adaptive(4, **options)
        for quantizer in node.quantizers:
            quantizer.step.data.fill_(0.25)
        ours, double = (
            seen(node, ComposedNode.forward, x, grad),
            seen(node.double(), BaseNode.forward, x.double(), grad),
        )
        for name, wanted in double.items():
            if name.startswith("kept"):
                continue
            assert float((ours[name] - wanted).abs().max()) <= 1e-6 * max(1.0, float(wanted.abs().max())), name


@needs_library
def test_the_comparison_sees_what_is_planted():
    x, grad = random(4, 500), random(4, 500, seed=1)
    assert "first spikes" in differences(QuantLIFNode(4, 3), x, grad, twin=QuantLIFNode(4, 4))
    assert "kept store.peak" in differences(QuantLIFNode(4, 3), x, grad, twin=QuantLIFNode(4, 3, tau=2.001))
    untied = MultiLevelIFNode(4, 7, 0.7)
    assert differences(behind_spikes(MultiLevelIFNode(4, 7, 0.7)), levels_of(4, 500), grad, twin=untied) != []
    twin = adaptive(4)
    twin.quantizers[0].learned_bits.data += 0.6
    assert differences(adaptive(4), x, grad, twin=twin) != []
    twin = adaptive(4)
    twin.quantizers[0].step.data *= 1.00001
    assert "first spikes" in differences(adaptive(4), x, grad, twin=twin)


@needs_library
def test_floats_are_the_same_with_any_number_of_threads_and_at_every_level(monkeypatch):
    x, grad, before = random(5, 3, 70001), random(5, 3, 70001, seed=1), torch.get_num_threads()
    for name in ("paper 002", "stored, learned leak", "adaptive, per step"):
        found = []
        for level in LEVELS:
            for threads in (1, 3):
                monkeypatch.setenv(native.VARIABLE, level)
                try:
                    torch.set_num_threads(threads)
                    found.append(seen(NODES[name](5), ComposedNode.forward, x, grad))
                finally:
                    torch.set_num_threads(before)
        assert all(torch.equal(one[key], found[0][key]) for one in found for key in one), name


@needs_library
@pytest.mark.parametrize("name", ["paper 002", "adaptive, per step", "adaptive, stored", "tied"])
def test_the_op_is_what_it_says_of_itself(name):
    kinds, numbers, tensors = fused.described(NODES[name](3))  # type: ignore[misc]
    learned = None if tensors.learned is None else tensors.learned.detach().requires_grad_()
    given = (random(3, 4).requires_grad_(), tensors.rate, learned, tensors.peaks, kinds, numbers)
    torch.library.opcheck(torch.ops.bitspike.neurons.default, given)


def unstarted() -> AdaptiveIFNode:
    return AdaptiveIFNode(3, 4, 2, 4)


def renewed() -> AdaptiveIFNode:
    node = adaptive(3)
    node.quantizers[0].learned_bits.data += 1
    return node


def watched() -> AdaptiveIFNode:
    node = adaptive(3)
    node.quantizers[0].register_forward_hook(lambda part, given, made: made * 2)
    return node


def other_ties() -> IFNode:
    node = IFNode(3, surrogate_function=Triangle())
    node.integrate = TiedIntegrate(1.0, MultiLevelIFNode(3, 7, 0.7).staircase, 3)
    return node


class Negated(AdaptiveIFNode):
    def fire(self, u: Tensor, t: int) -> Tensor:
        return -super().fire(u, t)


class Doubled(TiedIntegrate):
    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return super().forward(v, 2 * x)


def own_ties() -> MultiLevelIFNode:
    node = MultiLevelIFNode(3, 7)
    node.integrate = Doubled(1.0, node.staircase, 3)
    return node


UNKNOWN: dict[str, Callable[[], ComposedNode]] = {
    "not started": unstarted,
    "bits renewed": renewed,
    "hook": watched,
    "T/T is not 1 in float32": lambda: adaptive(41),
    "ties of others": other_ties,
    "fire of one's own": lambda: Negated(3, 4, 2, 4).eval(),
    "ties of one's own": own_ties,
    "tanh": lambda: QuantLIFNode(3, 3, reading="carry-tanh"),
    "quantized charge": lambda: QuantLIFNode(3, 3, reading="charge"),
}


@needs_library
@pytest.mark.parametrize("make", UNKNOWN.values(), ids=UNKNOWN)
def test_what_the_library_does_not_know_runs_in_torch(make, monkeypatch):
    node = make()
    x, grad = random(node.T, 90), random(node.T, 90, seed=1)
    assert not node._steps_as_composed(x) or fused.steps(copy.deepcopy(node), x) is None
    assert [one for one in differences(node, x, grad) if "first" in one] == []


def test_a_stored_potential_that_no_batch_has_seen_is_refused_as_in_torch():
    node = QuantLIFNode(3, 3).eval()
    for run in (node, partial(BaseNode.forward, node)):
        with pytest.raises(UserError, match="membrane maximum"):
            run(random(3, 4))


def test_a_potential_that_is_no_number_stays_none():
    x = random(3, 70)
    x[0, 5] = torch.nan
    node, twin = QuantLIFNode(3, 3), QuantLIFNode(3, 3)
    assert torch.equal(node(x).isnan(), BaseNode.forward(twin, x).isnan())
    assert node.store.peak.isnan() == twin.store.peak.isnan()


# Derivatives that there are none of


@pytest.mark.parametrize("make", [lambda: LIFNode(3, surrogate_function=ATan()), lambda: adaptive(3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forward_mode_is_refused_by_name(make, dtype):
    node, x = make().to(dtype), random(3, 5).to(dtype)
    wanted = pytest.raises(UserError, match=f"forward-mode derivative.*{type(node).__name__}")
    with forward_ad.dual_level(), wanted:
        node(forward_ad.make_dual(x, torch.ones_like(x)))
    with wanted:
        torch.func.jvp(node, (x,), (torch.ones_like(x),))
    with wanted:
        torch.func.jacfwd(node)(x)


def test_forward_mode_through_a_parameter_is_refused_too():
    node, x = ParametricLIFNode(3, surrogate_function=ATan()), random(3, 5)
    w = node.integrate.w.detach()

    def of(w: Tensor) -> Tensor:
        return torch.func.functional_call(node, {"integrate.w": w}, (x,))

    with pytest.raises(UserError, match="forward-mode derivative"):
        torch.func.jvp(of, (w,), (torch.ones_like(w),))


def test_without_a_tangent_a_dual_level_changes_nothing():
    node, x = LIFNode(3), random(3, 5)
    with forward_ad.dual_level():
        assert torch.equal(node(x), node(x.clone()))


@needs_library
def test_a_second_derivative_is_refused_by_name():
    node, x = LIFNode(3, surrogate_function=ATan()), random(3, 5).requires_grad_()
    (first,) = torch.autograd.grad(node(x).square().sum(), x, create_graph=True)
    with pytest.raises(UserError, match="second derivative"):
        first.sum().backward()


def test_integrate_behind_spikes_stays_what_it_is_called():
    assert type(behind_spikes(IFNode(3)).integrate) is TiedIntegrate
    assert issubclass(TiedIntegrate, Integrate)
