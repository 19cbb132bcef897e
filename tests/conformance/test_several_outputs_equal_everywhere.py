"""Networks of several outputs are the model's in integers, and the same in every backend, element for element."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from several_outputs import IMAGE, ROUTES, Plan, images, network

from bitspike.backends import oracle
from bitspike.lowering import agreement, freeze

plans = st.builds(
    Plan,
    T=st.integers(1, 3),
    thresholds=st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 2.0])] * 3),
    seed=st.integers(0, 99),
)


def as_floats(model: torch.nn.Module, codes: np.ndarray) -> list[np.ndarray]:
    """What the model says, the mean over time of each output."""
    with torch.no_grad():
        return [out.double().mean(0).numpy() for out in model(torch.from_numpy(codes))]


@settings(max_examples=30)
@given(name=st.sampled_from(sorted(ROUTES)), plan=plans)
def test_the_integers_are_the_model(name: str, plan: Plan) -> None:
    model, codes = network(name, plan), images(3, plan.seed)
    net = freeze(model, IMAGE)
    found = oracle.outputs(net, codes)
    for readout, integers, floats in zip(net.readouts, found, as_floats(model, codes), strict=True):
        assert integers.shape == floats.shape
        assert np.abs(integers * readout.scale - floats).max() < 1e-5
    seen = agreement(model, net, [torch.from_numpy(codes)])
    assert not any(layer.mismatches for layer in seen.layers), seen
