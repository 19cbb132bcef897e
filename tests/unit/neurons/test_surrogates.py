"""Surrogate gradients against their papers' formulas in NumPy, and against the steps they stand for."""

import numpy as np
import pytest
import torch

from bitspike.errors import UserError
from bitspike.neurons import (
    SURROGATES,
    ATan,
    Rectangle,
    Sigmoid,
    Staircase,
    StraightThrough,
    Surrogate,
    Triangle,
    surrogate,
)
from bitspike.neurons.fire import fire

# each surrogate: its derivative and the step that has this derivative, both of x and its one parameter
FORMULAS = {
    ATan: (
        lambda x, a: a / (2 * (1 + (np.pi * a * x / 2) ** 2)),
        lambda x, a: np.arctan(np.pi * a * x / 2) / np.pi + 0.5,
    ),
    Sigmoid: (
        lambda x, a: a * np.exp(-a * x) / (1 + np.exp(-a * x)) ** 2,
        lambda x, a: 1 / (1 + np.exp(-a * x)),
    ),
    Triangle: (
        lambda x, g: np.maximum(0, g - np.abs(x)) / g**2,
        lambda x, g: 0.5 + np.sign(x) * (0.5 - np.maximum(0, g - np.abs(x)) ** 2 / (2 * g**2)),
    ),
    Rectangle: (lambda x, w: np.where(np.abs(x) < w / 2, 1 / w, 0), lambda x, w: np.clip(x / w + 0.5, 0, 1)),
}
CASES = [(kind, parameter) for kind in FORMULAS for parameter in (0.5, 1.0, 2.0, 4.0)]
X = np.linspace(-3, 3, 602)  # meets no corner of a triangle or a rectangle


@pytest.mark.parametrize(("kind", "parameter"), CASES)
def test_derivative_equals_its_formula(kind, parameter):
    ours = kind(parameter).derivative(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(ours, FORMULAS[kind][0](X, parameter), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("kind", "parameter"), CASES)
def test_derivative_belongs_to_a_step_of_height_one(kind, parameter):
    step, h = FORMULAS[kind][1], 1e-6
    slope = (step(X + h, parameter) - step(X - h, parameter)) / (2 * h)
    np.testing.assert_allclose(kind(parameter).derivative(torch.from_numpy(X)).numpy(), slope, atol=1e-5)
    ends = step(np.array([-1e9, 1e9]) if kind is ATan else np.array([-50.0, 50.0]), parameter)
    np.testing.assert_allclose(ends, [0, 1], atol=1e-8)


@pytest.mark.parametrize(("kind", "wrong"), [(ATan, Sigmoid), (Sigmoid, Triangle), (Triangle, Rectangle)])
def test_the_formulas_tell_surrogates_apart(kind, wrong):
    ours = kind(2.0).derivative(torch.from_numpy(X)).numpy()
    assert np.abs(ours - FORMULAS[wrong][0](X, 2.0)).max() > 0.01


def test_a_rectangle_is_open():
    assert Rectangle(1.0).derivative(torch.tensor([-0.5, 0.0, 0.5])).tolist() == [0, 1, 0]


def gradient(staircase: Staircase, chosen: Surrogate, v: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    v = v.clone().requires_grad_()
    fire(v, staircase, chosen).backward(upstream)
    assert v.grad is not None
    return v.grad


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize(
    "staircase",
    [Staircase(1.0), Staircase(0.5, 0, 3), Staircase(0.5, -3, 3, 0.5, scale=0.25), Staircase(2.0, 0, 1, 0.5)],
)
def test_graded_spikes_act_on_the_nearest_threshold(kind, staircase):
    v = torch.linspace(-4, 4, 611, dtype=torch.float64)
    upstream = torch.linspace(-1, 2, 611, dtype=torch.float64)
    s = staircase
    thresholds = (np.arange(s.lo + 1, s.hi + 1) - s.shift) * s.v_threshold
    distance = v.numpy()[:, None] - thresholds
    x = np.take_along_axis(distance, np.abs(distance).argmin(1)[:, None], 1)[:, 0]
    expected = FORMULAS[kind][0](x, 1.5) * upstream.numpy() * s.scale
    np.testing.assert_allclose(gradient(s, kind(1.5), v, upstream).numpy(), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("staircase", "slope"),
    [
        (Staircase(1.0), 1.0),
        (Staircase(0.5, 0, 3, scale=0.5), 1.0),
        (Staircase(0.5, 0, 3), 2.0),
        (Staircase(2.0, -3, 3, 0.5, scale=0.5), 0.25),
    ],
)
def test_straight_through_inside_the_alphabet(staircase, slope):
    bottom, top = staircase.lo * staircase.v_threshold, staircase.hi * staircase.v_threshold
    before, after = np.nextafter([bottom, top], [-np.inf, np.inf])
    v = torch.tensor([bottom - 1, before, bottom, (bottom + top) / 2, top, after, top + 1], dtype=torch.float64)
    upstream = torch.arange(1, 8, dtype=torch.float64)
    inside = torch.tensor([0, 0, 1, 1, 1, 0, 0])
    assert torch.equal(gradient(staircase, StraightThrough(), v, upstream), slope * upstream * inside)


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_by_name_keep_type_and_upstream(name):
    made = surrogate(name)
    assert type(made) is SURROGATES[name]
    upstream = torch.ones(2, 2, dtype=torch.bfloat16)
    slope = gradient(Staircase(1.0, 0, 3), made, torch.ones(2, 2, dtype=torch.bfloat16), upstream)
    assert (slope.dtype, slope.shape) == (upstream.dtype, upstream.shape)
    assert torch.equal(upstream, torch.ones_like(upstream))  # nothing is done to it in place


def test_surrogates_say_what_is_wrong():
    with pytest.raises(UserError, match="did you mean 'atan'"):
        surrogate("atn")
    for kind in FORMULAS:
        with pytest.raises(UserError, match="above 0"):
            kind(0.0)
    with pytest.raises(NotImplementedError, match="Surrogate must define"):
        Surrogate().derivative(torch.zeros(1))
    assert repr(ATan(3.0)) == "ATan(alpha=3.0)"
