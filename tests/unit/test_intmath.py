"""The integer arithmetic against exact rational numbers: every code up to 8 bits, and the ends of int64."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.intmath import half, round_half_up, saturate, shift_right, shift_right_round

LOWEST, HIGHEST = -(2**63), 2**63 - 1
ENDS = [LOWEST, LOWEST + 1, -(2**62), -1, 0, 1, 2**62, HIGHEST - 1, HIGHEST]
HALF = Fraction(1, 2)

int64s = st.integers(LOWEST, HIGHEST) | st.sampled_from(ENDS)
distances = st.integers(0, 63)


def codes(bits: int) -> list[int]:
    """Every two's complement and every unsigned code of that many bits."""
    return list(range(-(1 << (bits - 1)), 1 << bits))


def differing(
    ours: Callable[[int, int], object], exact: Callable[[int, int], int], xs: Iterable[int], ns: Iterable[int]
) -> list[tuple[int, int]]:
    """The ``(x, n)`` on which two shifts differ."""
    ns = list(ns)
    return [(x, n) for x in xs for n in ns if int(ours(x, n)) != exact(x, n)]  # type: ignore[call-overload]


def exact_shift(x: int, n: int) -> int:
    return floor(Fraction(x, 2**n))


def exact_shift_round(x: int, n: int) -> int:
    return floor(Fraction(x, 2**n) + HALF)


SHIFTS = [(shift_right, exact_shift), (shift_right_round, exact_shift_round)]


@pytest.mark.parametrize(("ours", "exact"), SHIFTS)
@pytest.mark.parametrize("bits", range(1, 9))
def test_shifts_of_every_code(ours, exact, bits):
    assert differing(ours, exact, codes(bits), range(bits + 2)) == []


def test_half_of_what_is_shifted_out():
    assert differing(lambda x, n: (x + half(n)) >> n, exact_shift_round, ENDS, range(64)) == []
    assert differing(lambda x, n: (x + half(n + 1)) >> n, exact_shift_round, ENDS, range(63)) != []
    for n in (-1, 64):
        with pytest.raises(ValueError, match=r"outside 0\.\.63"):
            half(n)


@pytest.mark.parametrize(("ours", "exact"), SHIFTS)
def test_shifts_at_the_ends_of_int64(ours, exact):
    assert differing(ours, exact, ENDS, range(64)) == []


@pytest.mark.parametrize(("ours", "exact"), SHIFTS)
@given(x=int64s, n=distances)
def test_shifts_of_any_number(ours, exact, x, n):
    assert differing(ours, exact, [x], [n]) == []


@pytest.mark.parametrize(
    ("planted", "exact"),
    [
        (lambda x, n: int(x / 2**n), exact_shift),  # toward zero
        (lambda x, n: round(Fraction(x, 2**n)), exact_shift_round),  # halves to even
        (lambda x, n: -floor(HALF - Fraction(x, 2**n)), exact_shift_round),  # halves down
    ],
)
def test_the_comparison_notices_a_wrong_rounding(planted, exact):
    assert differing(planted, exact, codes(4), range(5)) != []


@pytest.mark.parametrize(("x", "n"), [(1, 1), (-1, 1), (3, 1), (-3, 1)])
def test_the_two_roundings_agree_on_halves(x, n):
    assert shift_right_round(x, n) == round_half_up(x / 2**n)


@pytest.mark.parametrize(
    ("x", "rounded"),
    [
        *[(-2.5, -2), (-1.5, -1), (-0.5, 0), (-0.0, 0), (0.0, 0), (0.5, 1), (1.5, 2), (2.5, 3)],
        *[(0.49999999999999994, 0), (-0.5000000000000001, -1), (-5e-324, 0), (2.0**52 + 1, 2**52 + 1)],
    ],
)
def test_rounding_is_pinned(x, rounded):
    assert round_half_up(x) == rounded


@pytest.mark.parametrize("bits", range(1, 9))
def test_rounding_of_every_code_in_sixteenths(bits):
    xs = np.array(codes(bits)) / 16
    assert round_half_up(xs).tolist() == [floor(Fraction(x) + HALF) for x in xs.tolist()]


@given(st.floats(-(2.0**62), 2.0**62))
def test_rounding_of_any_float(x):
    assert round_half_up(x) == floor(Fraction(x) + HALF)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("lo", "hi"), [(-128, 127), (0, 1), (-1, 1), (-3, 0), (5, 5)])
def test_saturation_of_every_code(bits, lo, hi):
    assert saturate(codes(bits), lo, hi).tolist() == [max(lo, min(hi, x)) for x in codes(bits)]


@given(int64s, int64s, int64s)
def test_saturation_of_any_number(x, one, other):
    lo, hi = sorted([one, other])
    assert saturate(x, lo, hi) == max(lo, min(hi, x))


@pytest.mark.parametrize("function", [lambda x: shift_right(x, 0), lambda x: shift_right_round(x, 0)])
def test_the_result_is_a_fresh_array(function):
    x = np.array([[1, -2], [3, -4]])
    result = function(x)
    assert result.dtype == np.int64
    assert result.tolist() == x.tolist()
    assert not np.shares_memory(result, x)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.bool_])
def test_signed_integers_keep_their_type(dtype):
    x = np.array([0, 1], dtype=dtype)
    kept = dtype if np.issubdtype(dtype, np.signedinteger) else np.int64
    for found, wanted in ((shift_right_round(x, 1), [0, 1]), (shift_right(x, 1), [0, 0]), (saturate(x, 0, 0), [0, 0])):
        assert found.tolist() == wanted
        assert found.dtype == kept


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
@given(data=st.data())
def test_no_type_decides_a_result(dtype, data):
    """Up to the ends of the type, and for shifts beyond its width; a result that it cannot hold is refused."""
    lo, hi = np.iinfo(dtype).min, np.iinfo(dtype).max
    x = data.draw(st.integers(lo, hi) | st.sampled_from([lo, lo + 1, -1, 0, hi - 1, hi]))
    n, (low, high) = data.draw(distances), sorted(data.draw(st.tuples(st.integers(lo, hi), st.integers(lo, hi))))
    narrow = np.array([x], dtype=dtype)
    for ours in (shift_right, shift_right_round):
        assert ours(narrow, n).tolist() == [int(ours(x, n))]
    assert saturate(narrow, low, high).tolist() == [max(low, min(high, x))]
    if hi < HIGHEST:
        assert saturate(narrow, lo - 1, hi + 1).tolist() == [x]
        with pytest.raises(OverflowError):
            saturate(narrow, hi + 1, hi + 2)


@pytest.mark.parametrize("x", [1.5, [0.5], np.float32(1), np.uint64(2**63), 2**63, "1"])
def test_what_int64_cannot_hold_is_refused(x):
    for refuses in (shift_right, shift_right_round, partial(saturate, hi=1)):
        with pytest.raises(TypeError):
            refuses(x, 1)


@pytest.mark.parametrize("n", [-1, 64])
def test_a_shift_out_of_range_is_refused(n):
    for shift in (shift_right, shift_right_round):
        with pytest.raises(ValueError, match=f"shift distance {n} is outside"):
            shift(1, n)
