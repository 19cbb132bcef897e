"""A clipped ReLU, and one that is mixed with a quantized one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike import Bits, UserError
from bitspike.neurons import ClipReLU, NotDescribedError, QReLU, SlipReLU, describe, make_node, neuron_settings


def trained(node: QReLU, step: float = 0.5) -> QReLU:
    node.step_size.data.fill_(step)
    return node.eval()


@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=9), st.integers(1, 9), st.floats(0.01, 1))
def test_it_is_the_mean_of_the_two_by_its_slope(values: list[float], n: int, slope: float) -> None:
    x = torch.tensor(values)[None]
    clipped, stepped = trained(ClipReLU(n))(x), trained(QReLU(n))(x)
    assert torch.allclose(clipped, x.clamp(0, 0.5 * n), atol=1e-5)
    mixed = trained(SlipReLU(n, slope=slope))(x)
    assert torch.allclose(mixed, slope * clipped + (1 - slope) * stepped, atol=1e-5)


def test_its_bound_learns_from_what_is_clipped() -> None:
    node = trained(ClipReLU(4))
    x = torch.tensor([[-1.0, 1.0, 3.0]], requires_grad=True)  # the bound is 2
    node.train()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 1.0, 0.0]]
    assert node.step_size.grad == 4  # d theta/d s, of the one that is clipped


def test_the_first_batch_sets_its_step_as_that_of_a_q_relu() -> None:
    x = torch.randn(1, 5, 7)
    one, other = ClipReLU(4).train(), QReLU(4).train()
    one(x), other(x)
    assert one.learned_step == other.learned_step
    with pytest.raises(UserError, match="training sets it from its first batch"):
        ClipReLU(4).eval()(x)


def test_its_activations_are_floats() -> None:
    node = trained(SlipReLU(8))
    assert node.scale is None
    assert (node.staircase.lo, node.staircase.hi) == (0, 65535)
    with pytest.raises(NotDescribedError, match="its activations are floats"):
        describe(node)


@pytest.mark.parametrize("kind", ["clip-relu", "slip-relu"])
def test_settings_make_it_and_refuse_what_it_has_not(kind: str) -> None:
    node = make_node(neuron_settings(kind, levels=3), Bits(8, 16, 1))
    assert isinstance(node, SlipReLU)
    assert (node.levels, node.scaled, node.slope) == (3, False, 1.0 if kind == "clip-relu" else 0.5)
    with pytest.raises(UserError, match="sends floats; want 16"):
        make_node(neuron_settings(kind), Bits(8, 4, 1))
    with pytest.raises(UserError, match="runs one step"):
        make_node(neuron_settings(kind), Bits(8, 16, 2))
    assert make_node(neuron_settings(kind), Bits(8, 16, 1)).levels == 8
    with pytest.raises(UserError, match=r"neuron\.scaled: .* does not read it"):
        neuron_settings(kind, scaled=True)
    with pytest.raises(UserError, match="slope"):
        SlipReLU(4, slope=0.0)
