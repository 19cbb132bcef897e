"""Integers as bit planes: every code comes back, each bit lies where the format says, and nothing else is accepted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.ir.packing import pack, pack_codes, plane_bytes, unpack, unpack_codes
from bitspike.ir.ranges import Range

counts = st.integers(0, 40)
widths = st.integers(1, 62)


def all_codes(bits: int) -> list[int]:
    lo, hi = signed_range(bits)
    return [code for code in range(lo, hi + 1) if code or bits > 1]


def planes(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8)


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_code_comes_back(bits: int) -> None:
    codes = np.array(all_codes(bits))
    packed = pack_codes(codes, bits)
    assert packed.shape == (bits, plane_bytes(len(codes)))
    assert packed.dtype == np.uint8
    assert unpack_codes(packed, len(codes)).tolist() == codes.tolist()


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_integer_comes_back(bits: int) -> None:
    values = np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
    assert unpack(pack(values, bits), len(values)).tolist() == values.tolist()


@given(data=st.data(), bits=widths, count=counts)
def test_integers_of_any_width_and_count_come_back(data: st.DataObject, bits: int, count: int) -> None:
    drawn = st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    values = np.array(data.draw(st.lists(drawn, min_size=count, max_size=count)), dtype=np.int64)
    packed = pack(values, bits)
    assert packed.shape == (bits, -(-count // 8))
    found = unpack(packed, count)
    assert found.dtype == Range(-(1 << (bits - 1)), (1 << (bits - 1)) - 1).dtype
    assert found.tolist() == values.tolist()


@given(data=st.data(), bits=st.integers(1, 15), count=counts)
def test_codes_of_any_width_and_count_come_back(data: st.DataObject, bits: int, count: int) -> None:
    lo, hi = signed_range(bits)
    drawn = st.sampled_from([-1, 1]) if bits == 1 else st.integers(lo, hi)
    codes = np.array(data.draw(st.lists(drawn, min_size=count, max_size=count)), dtype=np.int64)
    assert unpack_codes(pack_codes(codes, bits), count).tolist() == codes.tolist()


def test_the_order_is_row_major_whatever_lies_in_memory() -> None:
    values = np.arange(-4, 2).reshape(2, 3)
    assert np.array_equal(pack(values, 3), pack(values.ravel(), 3))
    assert np.array_equal(pack(np.asfortranarray(values), 3), pack(values.ravel(), 3))
    assert np.array_equal(pack(values.T, 3), pack(values.T.ravel(), 3))


@pytest.mark.parametrize(
    ("values", "bits", "by_hand"),
    [
        ([1, 0, -1, -2, 1, 1, 0, 0, -1], 2, [[0b00110101, 0b1], [0b00001100, 0b1]]),  # value 8 is bit 0 of byte 1
        ([0, 1, 2, 3, -4, -3, -2, -1], 3, [[0b10101010], [0b11001100], [0b11110000]]),  # plane b is bit b
        ([0] * 16 + [-1], 1, [[0, 0, 1]]),
        ([5], 8, [[1], [0], [1], [0], [0], [0], [0], [0]]),
        ([], 4, [[], [], [], []]),
    ],
)
def test_the_planes_are_those_written_by_hand(values: list[int], bits: int, by_hand: list[list[int]]) -> None:
    assert pack(np.array(values, dtype=np.int64), bits).tolist() == by_hand
    assert unpack(np.array(by_hand, dtype=np.uint8), len(values)).tolist() == values


def test_one_bit_codes_are_signs() -> None:
    assert pack_codes(np.array([1, -1, -1, 1, 1, -1, 1, 1, -1, 1]), 1).tolist() == [[0b00100110, 0b01]]
    assert unpack_codes(planes([0b00100110, 0b01]), 10).tolist() == [1, -1, -1, 1, 1, -1, 1, 1, -1, 1]


@pytest.mark.parametrize("bits", [1, 2, 8, 62])
def test_a_value_that_does_not_fit_is_refused(bits: int) -> None:
    top = 1 << (bits - 1)
    for value in (top, -top - 1):
        with pytest.raises(UserError, match=f"want {-top} to {top - 1}: {bits} bits"):
            pack(np.array([0, value]), bits)


@pytest.mark.parametrize("bits", range(2, 16))
def test_the_code_that_symmetric_weights_do_not_have_is_refused(bits: int) -> None:
    lowest = -(1 << (bits - 1))
    with pytest.raises(UserError, match=f"weight codes: got {lowest}; want {lowest + 1} to {-lowest - 1}: {bits} bits"):
        unpack_codes(pack(np.array([0, lowest, 0]), bits), 3)


@pytest.mark.parametrize("bits", [16, 17, 40])
@pytest.mark.parametrize("count", [0, 3])
def test_codes_as_wide_as_floats_are_refused(bits: int, count: int) -> None:
    with pytest.raises(UserError, match="weight codes"):
        unpack_codes(np.zeros((bits, plane_bytes(count)), dtype=np.uint8), count)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float32", "bool"])
def test_planes_of_another_type_are_refused(dtype: str) -> None:
    with pytest.raises(UserError, match=f"planes: got .*{dtype}.*want uint8"):
        unpack(np.zeros((2, 1), dtype=dtype), 8)


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 1), (0, 1), (64, 1), (1000, 1)])
def test_what_is_no_stack_of_1_to_63_planes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"want uint8 .*1 to 63 bits"):
        unpack(np.zeros(shape, dtype=np.uint8), 8)
    assert unpack(np.zeros((63, 1), dtype=np.uint8), 8).tolist() == [0] * 8


@pytest.mark.parametrize(("count", "length"), [(8, 0), (8, 2), (9, 1), (0, 1), (10**30, 1), (17, 2)])
def test_another_number_of_bytes_is_refused(count: int, length: int) -> None:
    with pytest.raises(UserError, match=f"want {plane_bytes(count)} bytes each, for {count} integers"):
        unpack(np.zeros((2, length), dtype=np.uint8), count)


@pytest.mark.parametrize("count", [1, 3, 7, 9, 15])
def test_a_stray_bit_behind_the_last_integer_is_refused(count: int) -> None:
    for stray in range(count, 8 * plane_bytes(count)):
        for plane in range(3):
            packed = pack(np.full(count, -1), 3)
            packed[plane, stray // 8] |= 1 << stray % 8
            with pytest.raises(UserError, match="a bit behind the last integer"):
                unpack(packed, count)
