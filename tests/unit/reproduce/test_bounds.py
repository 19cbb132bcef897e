"""Paper 001's proofs: what floor costs, and where a step that was kept no longer fits, by our quantizers."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.reproduce import bounds_001, reproduce
from bitspike.reproduce.bounds_001 import errors, grows, uniform

BITS = st.integers(2, 8)
STEP = st.integers(1, 64).map(lambda n: n / 16)
VALUES = st.lists(st.integers(0, 2**14), min_size=1, max_size=40)


def spread(values, bits, step):
    """Values of 2^-10 of a step, most within the alphabet and some above."""
    return torch.tensor(values, dtype=torch.float64) * (step * 2**bits / 2**13)


@given(values=VALUES, bits=st.integers(1, 8), step=STEP)
def test_floor_is_never_nearer_than_rounding(values, bits, step):
    x = spread(values, bits, step)
    assert (errors(x, bits, step, rounds=False) >= errors(x, bits, step)).all()


@given(values=VALUES, bits=BITS, fewer=st.integers(1, 7), step=STEP)
def test_an_error_grows_from_half_a_step_above_the_highest_code_on(values, bits, fewer, step):
    """The proof's cases, of any x: below it nothing changes, above it the error is larger (A.2.2)."""
    if fewer >= bits:
        return
    x = spread(values, bits, step)
    assert torch.equal(grows(x, bits, fewer, step), x > step * (2**fewer - 0.5))
    same = x <= step * (2**fewer - 1)
    assert torch.equal(errors(x, fewer, step)[same], errors(x, bits, step)[same])


@given(bits=BITS, fewer=st.integers(1, 7), step=STEP)
def test_lemma_1_of_evenly_spread_x(bits, fewer, step):
    if fewer >= bits:
        return
    share = float(grows(uniform(bits, step, samples=64), bits, fewer, step).double().mean())
    assert share >= 0.5
    assert (share == 0.5) == (bits - fewer == 1)


@pytest.mark.parametrize("name", ["001/rounding", "001/theorem1"])
def test_the_closed_forms_are_what_the_quantizer_does(name):
    rows = [row for row in reproduce(name) if "bell" not in row.row]
    assert Counter(row.status for row in rows) == {"equal": len(rows)}


def test_the_bound_is_not_of_bells():
    (bell,) = [row for row in reproduce("001/theorem1") if "bell" in row.row]
    assert bell.ours < 0.05
    assert "evenly spread" in bell.note


def test_a_squeezed_map_is_wider_than_a_spike():
    rows = {row.row: row for row in reproduce("001/squeezing")}
    assert rows["b = 2, T = 4: squeezed map"].ours == 4  # 13 values
    assert [row.ours for row in rows.values() if "T = 1:" in row.row] == [1, 2, 4]
    assert rows["ResNet20 4/4/2: additions of squeezing"].status == "holds"
    assert rows["ResNet18 4/4/2: additions of squeezing"].status == "differs"
    two = rows["ResNet20 4/4/2: squeezed over sequential"]
    assert (two.ours, two.true) == (0.5, 5 / 8)  # four bits and a carry of four


def test_a_planted_error_is_caught(monkeypatch):
    """Quantizers that round a hundredth of a step too early, or that miss the highest code."""
    right = bounds_001.lsq
    monkeypatch.setattr(bounds_001, "lsq", lambda x, *args, **kw: right(x + 1e-2, *args, **kw))
    assert {row.status for row in bounds_001.rounding()} != {"equal"}
    short = lambda x, step, bits, **kw: right(x, step, bits, **kw).clamp(max=float(step) * (2**bits - 2))  # noqa: E731
    monkeypatch.setattr(bounds_001, "lsq", short)
    assert {row.status for row in bounds_001.steps_that_no_longer_fit() if "bell" not in row.row} != {"equal"}
