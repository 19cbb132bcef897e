"""The quantized ReLU of paper 003: values at every level, gradients, paths, and how it starts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike import Bits, UserError
from bitspike.neurons import QReLU, make_node, neuron_settings

STEP = 0.5


def node(levels: int, paths: tuple[int, ...] = (), step: float = STEP) -> QReLU:
    made = QReLU(levels, paths)
    with torch.no_grad():
        made.step_size.fill_(step)
    return made


@pytest.mark.parametrize("n", range(1, 256))
def test_every_level_with_its_ties(n):
    """Half up: a value between two levels goes to the upper one, which torch.round does not do."""
    quarters = torch.arange(-8, 4 * n + 9, dtype=torch.float64)
    wanted = ((quarters + 2) / 4).floor().clamp(0, n) * STEP
    assert torch.equal(node(n).eval()(quarters[None] * STEP / 4)[0], wanted)


def test_rounding_half_to_even_is_something_else():
    x = torch.tensor([0.5, 1.5, 2.5]) * STEP
    assert not torch.equal(node(8).eval()(x[None])[0], torch.round(x / STEP) * STEP)


def test_gradients_are_lsqs():
    x = torch.tensor([-0.2, 0.1, 0.9, 1.1, 9.0], requires_grad=True)
    made = node(4)
    made(x[None]).sum().backward()
    v = x.detach() / STEP
    inside = (v >= 0) & (v <= 4)
    code = (v + 0.5).floor().clamp(0, 4)
    slope = torch.where(inside, code - v, code)
    assert torch.equal(x.grad, inside.float())
    assert made.step_size.grad == pytest.approx(float(slope.sum()) / math.sqrt(5 * 4))


def test_without_its_scale_the_gradient_is_the_plain_one():
    x = torch.rand(1, 40) * 3
    grads = []
    for scaled in (True, False):
        made = QReLU(4, scaled=scaled)
        with torch.no_grad():
            made.step_size.fill_(STEP)
        made(x).sum().backward()
        grads.append(float(made.step_size.grad))
    assert grads[1] == pytest.approx(grads[0] * math.sqrt(40 * 4))


@given(n=st.integers(1, 16), of=st.integers(1, 16), seed=st.integers(0, 99))
def test_a_sub_path_has_the_step_that_spans_the_same_range(n, of, seed):
    """Eqs. 3 and 4, and ``df_i/ds = (s_i/s)`` times LSQ's gradient."""
    x = torch.randn(7, generator=torch.Generator().manual_seed(seed)) * 3
    made = node(n, (of,))
    both = made(torch.stack([x, x])[None])[0]
    wide = STEP * n / of
    assert torch.allclose(both[1], wide * (x / wide + 0.5).floor().clamp(0, of), atol=1e-6)
    both[1].sum().backward()
    alone = node(of, step=wide)
    alone(x[None]).sum().backward()
    assert made.step_size.grad == pytest.approx(float(alone.step_size.grad) * n / of, rel=1e-4, abs=1e-5)


def test_in_evaluation_all_is_the_main_path():
    x = torch.randn(1, 6, 3)
    assert torch.equal(node(8, (4, 2)).eval()(x), node(8).eval()(x))


def test_the_first_batch_of_the_main_path_sets_the_step():
    x = torch.randn(1, 9, 5)
    made = QReLU(8, (4, 2))
    assert made.scale is None
    made(x)
    assert float(made.step_size.detach()) == pytest.approx(float(2 * x[0, :3].abs().mean() / math.sqrt(8)))
    started = float(made.step_size.detach())
    made(10 * x)
    assert float(made.step_size.detach()) == started


def test_before_it_started_it_says_so():
    with pytest.raises(UserError, match="step size"):
        QReLU(4).eval()(torch.zeros(1, 2))


def test_the_config_makes_both_kinds():
    assert make_node(neuron_settings(kind="q-relu", levels=8, paths=(4, 2)), Bits(8, 4, 1)).levels == 8
    assert make_node(neuron_settings(kind="q-relu"), Bits(8, 3, 1)).levels == 7
    assert isinstance(make_node(neuron_settings(kind="relu"), Bits(16, 16, 1)), torch.nn.ReLU)
    assert neuron_settings(kind="q-relu", paths="4,2").paths == (4, 2)
    assert neuron_settings(kind="q-relu", paths="").paths == ()


@pytest.mark.parametrize(
    ("config", "bits", "named"),
    [
        ({"kind": "q-relu"}, Bits(8, 3, 2), "bits"),
        ({"kind": "q-relu"}, Bits(8, 3, 1, 8), "bits"),
        ({"kind": "q-relu", "levels": 8}, Bits(8, 3, 1), "neuron.levels"),
        ({"kind": "q-relu", "paths": (0,)}, Bits(8, 3, 1), "levels"),
        ({"kind": "relu"}, Bits(16, 4, 1), "spike bits"),
        ({"kind": "relu", "levels": 4}, Bits(16, 16, 1), "neuron.levels"),
        ({"kind": "if", "paths": (2,)}, Bits(2, 1, 1), "neuron.paths"),
        ({"kind": "multibit", "scaled": False}, Bits(2, 1, 1), "neuron.scaled"),
    ],
)
def test_what_does_not_fit_is_named(config, bits, named):
    with pytest.raises(UserError, match=f"^{named}: "):
        make_node(neuron_settings(**config), bits)
