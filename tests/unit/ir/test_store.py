"""The store of a quantized membrane: its limits, every code up to 8 bits, and potentials that stay in their range."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.errors import UserError
from bitspike.ir import Dynamics, Fire, Store
from bitspike.ir.ops import carry, fire, membrane_range
from bitspike.ir.ranges import Range

plain = {"multiplier": 1, "shift": 0, "step": 1, "step_shift": 0}
LIMITS = {"multiplier": (1, 2**30), "shift": (0, 60), "step": (0, 2**46), "step_shift": (0, 30)}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_each_field(name):
    least, most = LIMITS[name]
    for value in (least, most):
        assert getattr(Store(**plain | {name: value}), name) == value
    for value in (least - 1, most + 1, 10**30):
        with pytest.raises(UserError, match=f"^{name}: got {value}; want {least} to {most}$"):
            Store(**plain | {name: value})


def test_no_code_of_any_width_overflows():
    """What the limits of ``step`` and ``step_shift`` are for."""
    store, top = Store(multiplier=1, shift=0, step=2**46, step_shift=30), 2**15 - 1
    d = Dynamics(fraction_bits=0, leak_multiplier=0, leak_shift=0, v_reset=None, store=store)
    node = Fire(name="op", inputs=("x",), T=2, lo=0, hi=0, membrane_bits=16, dynamics=d)
    assert top * store.step + 2**29 < 2**62
    carried = carry(node, np.array([2**61, -(2**61)]), np.zeros(2, dtype=np.int64))
    assert carried.tolist() == [top * 2**16, -top * 2**16]


@pytest.mark.parametrize(("bits", "top"), [(2, 1), (3, 3), (8, 127), (16, 32767)])
def test_the_largest_code(bits, top):
    assert Fire(name="op", inputs=("x",), T=2, lo=0, hi=1, membrane_bits=bits).top == top


def test_without_bits_there_are_no_codes():
    assert Fire(name="op", inputs=("x",), T=2, lo=0, hi=1).top == 0


def level_of(numerator, halvings):
    """A store whose levels have ``numerator / 2^halvings`` units."""
    multiplier = round(2**40 / numerator) * 2**halvings
    shift = 40
    while multiplier > 2**30:
        multiplier, shift = (multiplier + 1) // 2, shift - 1
    return Store(multiplier=multiplier, shift=shift, step=numerator, step_shift=halvings)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize(("numerator", "halvings"), [(1, 0), (2, 0), (7, 0), (2**20, 0), (5, 1), (1025, 7), (99999, 3)])
@pytest.mark.parametrize("v_reset", [None, 0])
def test_every_code_comes_back(bits, numerator, halvings, v_reset):
    """What stands for a code has that code: storing once more changes nothing. Beyond the codes it saturates."""
    top = 2 ** (bits - 1) - 1
    d = Dynamics(
        fraction_bits=30, leak_multiplier=1, leak_shift=0, v_reset=v_reset, store=level_of(numerator, halvings)
    )
    node = Fire(name="op", inputs=("x",), T=2, lo=0, hi=1, membrane_bits=bits, dynamics=d)
    codes = np.arange(-top, top + 1)
    values = (2 * codes * numerator + 2**halvings) // 2 ** (halvings + 1)  # to the nearest unit, half up
    none = np.zeros_like(codes)
    assert np.array_equal(carry(node, values, none), values)
    assert len(set(values.tolist())) == 2**bits - 1
    beyond = np.array([values[-1] + 1, 2 * values[-1] + 9, 2**29])
    for sign in (1, -1):
        assert set(carry(node, sign * beyond, np.zeros(3, dtype=np.int64)).tolist()) == {values[::sign][-1]}


@pytest.mark.parametrize("bits", range(2, 9))
def test_halves_between_two_codes_go_up(bits):
    """Levels of 4 units: -6 and -2 and 2 are ties."""
    top, store = 2 ** (bits - 1) - 1, Store(multiplier=1, shift=2, step=4, step_shift=0)
    d = Dynamics(fraction_bits=30, leak_multiplier=1, leak_shift=0, v_reset=None, store=store)
    node = Fire(name="op", inputs=("x",), T=2, lo=0, hi=1, membrane_bits=bits, dynamics=d)
    ties = np.arange(-4 * top + 2, 4 * top, 4)
    assert np.array_equal(carry(node, ties, np.zeros_like(ties)), ties + 2)


@settings(max_examples=300)
@given(
    store=st.builds(
        lambda *fields: Store(**dict(zip(plain, fields, strict=True))),
        st.integers(1, 2**16),
        st.integers(0, 20),
        st.integers(0, 2**20),
        st.integers(0, 12),
    ),
    bits=st.integers(2, 16),
    T=st.integers(1, 8),
    fraction=st.integers(0, 8),
    v_reset=st.none() | st.integers(-500, 500),
    v_init=st.integers(-500, 500),
    span=st.tuples(st.integers(-3000, 3000), st.integers(-3000, 3000)).map(sorted),
    rounds=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_potential_leaves_its_proven_range(store, bits, T, fraction, v_reset, v_init, span, rounds, seed):
    """Neither ``u``, nor ``v`` before or after it is stored."""
    d = Dynamics(
        fraction_bits=fraction,
        leak_multiplier=3,
        leak_shift=2,
        v_reset=v_reset,
        v_init=v_init,
        rounds=rounds,
        store=store,
    )
    node = Fire(name="op", inputs=("x",), T=T, lo=-2, hi=5, membrane_bits=bits, dynamics=d)
    proven = membrane_range(node, Range(*span))
    rng = np.random.default_rng(seed)
    currents = np.where(
        rng.random((T, 60)) < 0.5, rng.choice(span, (T, 60)), rng.integers(*span, (T, 60), endpoint=True)
    )
    levels, u = fire(node, currents)
    v = carry(node, u, levels)
    reset = carry(replace(node, dynamics=replace(d, store=None)), u, levels)
    for values in (u, v, reset):
        assert proven.lo <= values.min()
        assert values.max() <= proven.hi
