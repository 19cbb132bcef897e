"""Neurons in autocast: bfloat16 in and out, which the C library widens and rounds as torch's casts around it do."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike import native
from bitspike.neurons import (
    AdaptiveIFNode,
    ATan,
    LIFNode,
    MultiBitLIFNode,
    MultiLevelIFNode,
    ParametricLIFNode,
    QuantLIFNode,
    fused,
)
from bitspike.neurons.node import ComposedNode

needs_library = pytest.mark.skipif(native.library() is None, reason="no C library")
LEVELS = [one.name for one in native.Level if one == 0 or (one <= native.detected() < native.Level.neon)]


def adaptive(T: int) -> AdaptiveIFNode:
    node = AdaptiveIFNode(T, T + 2, 2, 4, per_step=True)
    for i, quantizer in enumerate(node.quantizers):
        quantizer.start(torch.full((1,), 0.5 + 0.07 * i))  # type: ignore[operator]
    return node


NODES = {
    "lif": lambda T: LIFNode(T, surrogate_function=ATan()),
    "plif": lambda T: ParametricLIFNode(T, 2.5, surrogate_function=ATan()),
    "multi-bit": lambda T: MultiBitLIFNode(T, 2, 2.0, 0.5, None, ATan()),
    "multi-level": lambda T: MultiLevelIFNode(T, 4),
    "stored": lambda T: QuantLIFNode(T, 3),
    "adaptive": adaptive,
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seen(node: ComposedNode, x: Tensor, grad: Tensor, around: bool) -> dict[str, Tensor]:
    """Spikes and gradients of a call in autocast; ``around`` casts by torch's ops, as they were without bfloat16."""
    node, x = copy.deepcopy(node), x.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        spikes = node(x.float()).bfloat16() if around else node(x)
    spikes.backward(grad.bfloat16())
    found = {"spikes": spikes.detach(), "current": x.grad}
    return found | {n: p.grad for n, p in node.named_parameters() if p.grad is not None} | dict(node.named_buffers())


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_it_equals_casts_around_it(monkeypatch, make, level):
    monkeypatch.setenv(native.VARIABLE, level)
    for T in (1, 4):
        node, grad = make(T), random(T, 7, 163, seed=1)
        for x in (random(T, 7, 163), random(1, 7, 163), 1e4 * random(T, 7, 163), random(T, 163, 7).transpose(1, 2)):
            ours, theirs = seen(node, x, grad, around=False), seen(node, x, grad, around=True)
            assert ours.keys() == theirs.keys()
            assert ours["spikes"].dtype == torch.bfloat16
            assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@needs_library
@given(T=st.integers(1, 6), held=st.booleans(), shape=st.lists(st.integers(1, 40), min_size=0, max_size=3))
def test_of_any_shape(T, held, shape):
    x, grad = random(1 if held else T, *shape), random(T, *shape, seed=1)
    ours, theirs = (seen(LIFNode(T), x, grad, around) for around in (False, True))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@needs_library
@pytest.mark.parametrize("in_bf16", [False, True])
def test_a_gradient_that_is_one_of_all_steps_is_not_copied_and_counts_as_copied(in_bf16):
    dtype = torch.bfloat16 if in_bf16 else torch.float32
    grad, found = random(1, 5, 90, seed=1).to(dtype), []
    for given_grad in (grad.expand(4, 5, 90), grad.expand(4, 5, 90).contiguous()):
        x = random(4, 5, 90).to(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
            MultiLevelIFNode(4, 4)(x).backward(given_grad)
        found.append(x.grad)
    assert torch.equal(*found)


@needs_library
def test_the_comparison_sees_another_rounding():
    x = random(4, 500)
    a, b = seen(LIFNode(4), x, x, around=False), seen(LIFNode(4, tau=2.01), x, x, around=True)
    assert not torch.equal(a["current"], b["current"])


@needs_library
def test_op_in_bf16_is_what_it_says_of_itself():
    kinds, numbers, _ = fused.described(LIFNode(3))  # type: ignore[misc]
    given_all = (random(3, 4).bfloat16().requires_grad_(), None, None, None, kinds, numbers)
    torch.library.opcheck(torch.ops.bitspike.neurons.default, given_all)


@needs_library
def test_without_autocast_bf16_stays_torchs():
    assert fused.steps(LIFNode(3), random(3, 4).bfloat16()) is None
