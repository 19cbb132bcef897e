"""Learned levels by the C library beside torch's: equal to the last bit, sums within 1e-6 of those in double."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike import native
from bitspike.neurons import QReLU
from bitspike.neurons.node import BaseNode
from bitspike.quant import LSQ, fused
from bitspike.quant.lsq import _LSQ, lsq

needs_library = pytest.mark.skipif(native.library() is None, reason="no C library")
LEVELS = [one.name for one in native.Level if one == 0 or (one <= native.detected() < native.Level.neon)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def differences(
    x: Tensor, step: Tensor, bits: float, signed: bool, rounds: bool = True, top: int | None = None, off: float = 1.0
) -> list[str]:
    """What the library computes otherwise than torch, in float32; sums are compared with those of torch in double."""
    grad, found, values = random(*x.shape, seed=9), [], []
    for ours, dtype in ((True, torch.float32), (False, torch.float32), (False, torch.float64)):
        a, s, b = (one.detach().clone().to(dtype).requires_grad_() for one in (x, step, torch.tensor(bits)))
        if ours:
            made = lsq(a, s * off, b, signed=signed, rounds=rounds, levels=top)
        else:
            made = _LSQ.apply(a, s, b, signed, rounds, top, True)
        made.backward(grad.to(dtype))
        values.append((made.detach(), a.grad, s.grad, b.grad))
    mine, theirs, double = values
    found += [] if torch.equal(mine[0], theirs[0]) else ["levels"]
    found += [] if torch.equal(mine[1], theirs[1]) else ["x"]
    if torch.equal(theirs[0].double().sign(), double[0].sign()) and torch.equal(theirs[1].double(), double[1]):
        for name, one, wanted in zip(("step", "bits"), mine[2:], double[2:], strict=True):
            if float((one.double() - wanted).abs().max()) > 1e-6 * max(1.0, float(wanted.abs().max())):
                found.append(name)
    return found


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_weights_equal_torchs(monkeypatch, level, bits):
    monkeypatch.setenv(native.VARIABLE, level)
    for shape in ((7, 5, 3, 3), (16, 16, 3, 3), (10, 70)):
        weight = random(*shape)
        for layout in (weight, weight.to(memory_format=torch.channels_last) if weight.ndim == 4 else weight):
            for channelwise in (False, True):
                quantizer = LSQ(bits, layout, channelwise)
                assert fused.takes(layout, quantizer.step)
                assert differences(layout, quantizer.step.detach(), bits, signed=True) == []


@needs_library
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    bits=st.integers(1, 8),
    kind=st.sampled_from(["signed", "nearest", "floor", "levels"]),
    size=st.sampled_from([0.0, 1e-30, 0.3, 1.0, 1e30]),
    step=st.sampled_from([0.125, 0.3, 2.0]),
    seed=st.integers(0, 99),
)
def test_any_shape_alphabet_and_size(shape, bits, kind, size, step, seed):
    x = random(*shape, seed=seed) * size
    top = 5 if kind == "levels" else None
    bits = max(bits, 3) if kind == "levels" else bits  # which hold the highest level
    assert [
        one
        for one in differences(x, torch.tensor(step), float(bits), kind == "signed", kind != "floor", top)
        if size <= 1
    ] == []


@needs_library
def test_the_comparison_sees_a_wrong_step():
    x, step = random(50, 40), torch.tensor(0.3)
    assert differences(x, step, 3, signed=True) == []
    assert "levels" in differences(x, step, 3, signed=True, off=1.0001)


@needs_library
def test_floats_are_the_same_with_any_number_of_threads_and_at_every_level(monkeypatch):
    x, before, seen = random(3, 70001), torch.get_num_threads(), []
    for level in LEVELS:
        for threads in (1, 3):
            monkeypatch.setenv(native.VARIABLE, level)
            try:
                torch.set_num_threads(threads)
                a, step = x.clone().requires_grad_(), torch.tensor(0.3, requires_grad=True)
                made = lsq(a, step, 3)
                made.backward(random(3, 70001, seed=1))
                seen.append((made, a.grad, step.grad))
            finally:
                torch.set_num_threads(before)
    assert all(torch.equal(a, b) for one in seen for a, b in zip(one, seen[0], strict=True))


@needs_library
@pytest.mark.parametrize("in_bf16", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_a_q_relu_of_several_paths_equals_torchs(training, in_bf16):
    node = QReLU(8, paths=(4, 2)).train()
    x = random(1, 8, 6, 5, 7)
    node(x)
    node.train(training)
    x = x[0].to(memory_format=torch.channels_last).unsqueeze(0)
    found = []
    for run in (node, lambda one: BaseNode.forward(node, one)):
        node.zero_grad()
        a = (x.bfloat16() if in_bf16 else x).detach().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
            made = run(a)
        made.backward(random(*x.shape, seed=3).to(made.dtype))
        found.append((made, a.grad, node.step_size.grad.clone()))
    (ours, to_x, to_step), (theirs, wanted, step) = found
    assert torch.equal(ours, theirs)
    assert torch.equal(to_x, wanted)
    assert math.isclose(float(to_step), float(step), rel_tol=1e-5, abs_tol=1e-6)
    assert ours[0].is_contiguous(memory_format=torch.channels_last)


@needs_library
def test_a_q_relu_that_somebody_changed_runs_as_changed():
    node, x = QReLU(4), random(1, 6, 9)
    node(x)
    node.integrate.register_forward_hook(lambda part, given, u: u * 0)
    assert not node(x).any()


@needs_library
def test_a_second_derivative_through_levels_is_refused():
    x = random(50).requires_grad_()
    (first,) = torch.autograd.grad(lsq(x, torch.tensor(0.3), 3).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.sum().backward()
