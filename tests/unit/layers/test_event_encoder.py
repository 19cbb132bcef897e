"""Codes of trains become levels at each step, time first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.errors import UserError
from bitspike.layers import Encoder, EventEncoder, encoder_for
from bitspike.sample import Sample

sides = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@given(shape=sides, T=st.integers(1, 5), lo=st.integers(-200, 200), levels=st.integers(1, 255), n=st.integers(0, 3))
def test_a_level_is_its_code_and_the_lowest(shape: tuple[int, ...], T: int, lo: int, levels: int, n: int) -> None:
    sample = Sample(shape, T, lo, lo + levels)
    codes = torch.randint(0, levels + 1, (n, *sample.array_shape), dtype=torch.uint8)
    encoded = EventEncoder(sample, scale=0.5)(codes)
    assert encoded.shape == (T, n, *shape)
    for image in range(n):
        for step in range(T):
            code = codes[image] if T == 1 else codes[image, step]
            assert torch.equal(encoded[step, image], (code.float() + lo) * 0.5)


@pytest.mark.parametrize(
    "codes",
    [
        torch.zeros(2, 3, 4, 4),
        torch.zeros(3, 2, 4),
        torch.full((1, 3, 2, 4), 3, dtype=torch.uint8),
        torch.full((1, 3, 2, 4), -1.0),
        torch.full((1, 3, 2, 4), float("nan")),
        torch.full((1, 3, 2, 4), 0.5),
        torch.zeros(1, 3, 2, 4, dtype=torch.bool),
    ],
)
def test_what_are_no_codes_is_refused(codes: torch.Tensor) -> None:
    with pytest.raises(UserError, match="codes: got"):
        EventEncoder(Sample((2, 4), 3, 0, 2))(codes)


def test_whole_floats_are_codes() -> None:
    codes = torch.randint(0, 3, (2, 3, 2, 4), dtype=torch.uint8)
    encoder = EventEncoder(Sample((2, 4), 3, -1, 1))
    assert torch.equal(encoder(codes.double()), encoder(codes).double())


def test_images_have_an_encoder_of_their_own() -> None:
    assert isinstance(encoder_for(Sample((3, 8, 8))), Encoder)
    for sample in (Sample((2, 8, 8), 4, 0, 1), Sample((3, 8, 8), lo=0, hi=15), Sample((4,), 1301, -1, 1)):
        made = encoder_for(sample)
        assert isinstance(made, EventEncoder)
        assert made.sample == sample
