"""Triton's neurons beside torch's, by its interpreter on the processor: equal spikes, gradients within 1e-6.

The comparisons are those of the C library, on all of its neurons. ``make test-gpu`` runs them in an environment with
Triton, and on a GPU where there is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="no Triton: pip install 'bitspike[gpu]'")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no GPU, and no TRITON_INTERPRET=1", allow_module_level=True)

import test_fused as plain
import test_fused_learned as learned
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bitspike.neurons import ATan, LIFNode, ParametricLIFNode, Sigmoid, Triangle, fused, fused_op, fused_triton
from bitspike.neurons.node import BaseNode, ComposedNode

DEVICE = "cuda" if torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1" else "cpu"
simulated = pytest.mark.skipif(DEVICE == "cuda", reason="torch itself divides so on a GPU")


def random(*shape: int, seed: int = 0) -> Tensor:
    return plain.random(*shape, seed=seed).to(DEVICE)


@pytest.fixture(autouse=True)
def by_triton(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has Triton run what the C library would, and says what it ran."""
    ran: list[str] = []

    def engine(x: Tensor) -> object:
        ran.append(str(x.dtype))
        return fused_triton

    monkeypatch.setattr(fused_op, "engine_of", engine)
    return ran


@pytest.mark.parametrize("gradient", plain.SURROGATES)
@pytest.mark.parametrize("make", plain.NODES)
def test_every_neuron_and_gradient_equals_torch(make, gradient, by_triton):
    for v_reset, detach, steps in ((0.0, True, 2), (None, False, 1), (0.25, False, 2)):
        node = plain.NODES[make](2, v_reset, plain.SURROGATES[gradient], detach).to(DEVICE)
        x, grad = 1.5 * random(steps, 7, 163), random(2, 7, 163, seed=1)
        assert plain.differences(node, x, grad) == []
    assert by_triton


@pytest.mark.parametrize("make", learned.NODES)
def test_what_is_stored_tied_or_learned_equals_torch(make, by_triton):
    node, grad = learned.NODES[make](3), random(3, 7, 163, seed=1)
    node.to(DEVICE)
    for x in (1.5 * random(1, 7, 163), learned.levels_of(3, 7, 163).to(DEVICE)):
        assert learned.differences(node, x, grad) == []
    node(x)
    assert learned.differences(node.eval(), x, grad) == []
    assert by_triton


@settings(max_examples=20)
@given(
    make=st.sampled_from([*plain.NODES, *learned.NODES]),
    gradient=st.sampled_from(list(plain.SURROGATES.values())),
    T=st.integers(1, 6),
    held=st.booleans(),
    shape=st.lists(st.integers(1, 9), min_size=0, max_size=4),
    v_reset=st.sampled_from([0.0, None, 0.25]),
    detach=st.booleans(),
    size=st.sampled_from([0.0, 1e-42, 0.3, 1.0]),
    seed=st.integers(0, 99),
)
def test_any_neuron_shape_and_number_of_steps(make, gradient, T, held, shape, v_reset, detach, size, seed):
    x, grad = size * random(1 if held else T, *shape, seed=seed), random(T, *shape, seed=seed + 1)
    if make in plain.NODES:
        assert plain.differences(plain.NODES[make](T, v_reset, gradient, detach).to(DEVICE), x, grad) == []
    else:
        assert learned.differences(learned.NODES[make](T).to(DEVICE), x, grad) == []


def test_no_neurons_at_all_have_no_spikes():
    x = torch.zeros(4, 0, 3, requires_grad=True, device=DEVICE)
    spikes = ParametricLIFNode(4).to(DEVICE)(x)
    spikes.sum().backward()
    assert spikes.shape == x.shape
    assert x.grad is not None


@pytest.mark.parametrize("make", ["lif tau 3", "plif", "adaptive, per step", "paper 002"])
def test_more_blocks_than_programs(make, monkeypatch):
    monkeypatch.setattr(fused_triton, "BLOCK", 64)
    monkeypatch.setattr(fused_triton, "PROGRAMS", 3)
    x, grad = random(3, 5, 67), random(3, 5, 67, seed=1)
    if make in plain.NODES:
        assert plain.differences(plain.NODES[make](3, None, Sigmoid(), False).to(DEVICE), x, grad) == []
    else:
        assert learned.differences(learned.NODES[make](3).to(DEVICE), x, grad) == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("make", ["lif tau 3", "plif", "multi-level", "adaptive", "paper 002"])
def test_half_a_float_in_and_out_is_what_autocast_makes_of_torch(make, held, dtype, by_triton):
    """Potentials are float32; the gradient is rounded once."""
    x, grad = random(1 if held else 3, 300).to(dtype), random(3, 300, seed=1).to(dtype)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    by_name = plain.NODES.get(make)
    node = (learned.NODES[make](3) if by_name is None else by_name(3, 0.25, ATan(), False)).to(DEVICE)
    described = fused.described(node, x.device)
    assert described is not None
    spikes, _ = fused_op.run(ours, *described)
    expected = BaseNode.forward(node, theirs.float()).to(dtype)
    assert spikes.dtype == expected.dtype == dtype
    assert torch.equal(spikes, expected)
    spikes.backward(grad)
    expected.backward(grad)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert ours.grad.dtype == dtype
    largest, step = float(theirs.grad.abs().max()), torch.finfo(dtype).eps
    off = (ours.grad.float() - theirs.grad.float()).abs()
    assert bool((off <= step * theirs.grad.float().abs() + 1e-6 * max(1.0, largest)).all())
    assert set(by_triton) == {str(dtype)}


class ByReciprocals(TorchDispatchMode):
    """Torch as it divides by numbers on a GPU: by their reciprocals; by tensors it divides there too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.div.Tensor, torch.ops.aten.div_.Tensor) and not isinstance(args[1], Tensor):
            self.met = True
            product = torch.ops.aten.mul.Tensor if func is torch.ops.aten.div.Tensor else torch.ops.aten.mul_.Tensor
            return product(args[0], float(1 / torch.tensor(args[1], dtype=torch.float32)))
        return func(*args, **(kwargs or {}))


@simulated
@pytest.mark.parametrize(
    "make",
    ["lif tau 3", "lif, input stays", "multi-bit", "multi-level", "one bit of its own value", "paper 002", "tied"],
)
def test_it_divides_as_torch_does_on_a_gpu(make, monkeypatch):
    x, grad = 1.5 * random(4, 7, 1163), random(4, 7, 1163, seed=1)

    def seen(run: Callable[[ComposedNode, Tensor], Tensor]) -> list[Tensor]:
        by_name = plain.NODES.get(make)
        node = learned.NODES[make](4) if by_name is None else by_name(4, 0.25, Triangle(), False)
        current = x.clone().requires_grad_()
        spikes = run(node, current)
        spikes.backward(grad)
        assert current.grad is not None
        return [spikes.detach(), current.grad]

    monkeypatch.setattr(fused_triton, "multiplies_by_reciprocals", lambda device: True)
    ours = seen(ComposedNode.forward)
    with ByReciprocals() as mode:
        theirs = seen(BaseNode.forward)
    assert mode.met
    assert torch.equal(ours[0], theirs[0])
    assert torch.allclose(ours[1], theirs[1], rtol=0, atol=1e-6 * max(1.0, float(theirs[1].abs().max())))


def test_channels_last_stays_channels_last():
    x = random(6, 8, 5, 6).to(memory_format=torch.channels_last).unflatten(0, (2, 3))
    spikes = LIFNode(2)(x)
    assert spikes.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert plain.differences(LIFNode(2), x[..., ::2], random(2, 3, 8, 5, 3)) == []


def test_the_comparison_sees_a_wrong_threshold_and_a_wrong_slope():
    x, grad = random(4, 50), random(4, 50, seed=1)
    right = LIFNode(4, surrogate_function=ATan())
    assert plain.differences(LIFNode(4, v_threshold=0.9, surrogate_function=ATan()), x, grad, twin=right) != []
    assert plain.differences(LIFNode(4, surrogate_function=ATan(2.00001)), x, grad, twin=right) == ["current"]


@pytest.mark.parametrize("make", ["adaptive, per step", "stored, learned leak"])
def test_the_op_is_what_it_says_of_itself(make):
    kinds, numbers, tensors = fused.described(learned.NODES[make](3).to(DEVICE), torch.device(random(1).device))  # type: ignore[misc]
    own = [None if one is None else one.detach().requires_grad_() for one in tensors]
    given = (random(3, 4).requires_grad_(), *own, kinds, numbers)
    torch.library.opcheck(torch.ops.bitspike.neurons.default, given)
    assert torch._C._dispatch_has_kernel_for_dispatch_key("bitspike::neurons", "CUDA")


def test_compiled_for_a_gpu_every_operation_stands_for_itself():
    """For one that need not be here: the assembly has the operations of torch's steps, products and sums apart."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    script = Path(__file__).parents[2] / "triton_ptx.py"
    ended = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    assert found["tau 3, forward"]["div.rn"]
    assert not found["tau 3, forward"]["fma"]
    assert not found["tau 3, by reciprocals"]["div.rn"]
    assert found["rounded once"]["fma"]
    assert found["tau 3, forward"]["wide loads"]
    assert found.keys() >= {"plif, backward", "adaptive, backward", "stored, forward", "micro-steps, backward"}
    allowed = {"cvt.rmi.ftz.f32.f32", "ex2.approx.ftz.f32", "ex2.approx.f32", "div.full.f32"}
    assert all(set(one["others"]) <= allowed for one in found.values())
    assert not any(
        "ex2.approx" in said or "div" in said
        for name, one in found.items()
        if "forward" in name
        for said in one["others"]
    )
