"""The charge step, in numbers that floats hold exactly."""

import math

import pytest
import torch

from bitspike.errors import UserError
from bitspike.neurons.integrate import Integrate, LeakyIntegrate, ParametricLeakyIntegrate, RetainIntegrate

V = torch.tensor([-1.5, -0.25, 0.0, 0.75, 2.0])
X = torch.tensor([0.5, -1.0, 3.0, 0.25, -0.125])


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (Integrate(), V + X),
        (RetainIntegrate(1.0), V + X),
        (RetainIntegrate(2.0), V / 2 + X),
        (RetainIntegrate(4.0), V / 4 + X),
        (LeakyIntegrate(2.0, True, 0.0), V / 2 + X / 2),
        (LeakyIntegrate(4.0, True, -0.5), V + (X - (V + 0.5)) / 4),
        (LeakyIntegrate(2.0, False, 0.0), V / 2 + X),
        (LeakyIntegrate(4.0, False, 0.5), V - (V - 0.5) / 4 + X),
        (ParametricLeakyIntegrate(2.0, True, 0.0), V / 2 + X / 2),
        (ParametricLeakyIntegrate(2.0, False, -0.5), V - (V + 0.5) / 2 + X),
    ],
)
def test_potentials_are_exact(module, expected):
    assert torch.equal(module(V, X), expected)


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("v_rest", [0.0, -0.5])
@pytest.mark.parametrize(
    "make",
    [
        lambda decay_input, v_rest: Integrate(),
        lambda decay_input, v_rest: RetainIntegrate(3.0),
        lambda decay_input, v_rest: LeakyIntegrate(3.0, decay_input, v_rest),
        lambda decay_input, v_rest: ParametricLeakyIntegrate(3.0, decay_input, v_rest),
    ],
)
def test_retention_gain_and_offset_describe_the_step(make, decay_input, v_rest):
    module = make(decay_input, v_rest).double()
    v, x = V.double(), X.double()
    described = module.retention * v + module.gain * x + module.offset
    torch.testing.assert_close(described, module(v, x), rtol=1e-6, atol=1e-6)
    assert 0 < module.retention <= 1


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("v_rest", [0.0, 0.5])
def test_the_learned_leak_starts_at_tau_and_has_its_gradient(decay_input, v_rest):
    module = ParametricLeakyIntegrate(3.0, decay_input, v_rest).double()
    assert float(module.w.detach()) == pytest.approx(-math.log(2))
    v, x = V.double(), X.double()
    torch.testing.assert_close(module(v, x), LeakyIntegrate(3.0, decay_input, v_rest)(v, x), rtol=1e-6, atol=1e-6)
    module(v, x).square().sum().backward()
    learned, h = module.w.grad, 1e-5
    totals = []
    for shifted in (module.w.detach() + h, module.w.detach() - h):
        module.w.data = shifted
        totals.append(module(v, x).square().sum().item())
    assert learned.item() == pytest.approx((totals[0] - totals[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("tau", [0.5, 0.0, -1.0, math.inf, math.nan])
def test_a_time_constant_is_at_least_one_step(tau):
    for make in (
        RetainIntegrate,
        lambda t: LeakyIntegrate(t, True, 0.0),
        lambda t: ParametricLeakyIntegrate(t, True, 0.0),
    ):
        with pytest.raises(UserError, match="tau"):
            make(tau)


def test_a_learned_leak_cannot_start_without_any_memory():
    with pytest.raises(UserError, match="init_tau: got 1"):
        ParametricLeakyIntegrate(1.0, True, 0.0)
