"""What one input is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.errors import UserError
from bitspike.sample import Sample, as_sample

sides = st.lists(st.integers(1, 99), min_size=1, max_size=3).map(tuple)


@given(shape=sides, T=st.integers(1, 1500))
def test_text_and_back(shape: tuple[int, ...], T: int) -> None:
    sample = Sample(shape, T)
    assert Sample.parse(str(sample)) == sample
    assert sample.array_shape[-len(shape) :] == shape
    assert len(sample.array_shape) == len(shape) + (T > 1)


@pytest.mark.parametrize("text", ["", "3x", "x3", "3x32x32x1", "16@", "@3x32x32", "0x3", "0@3x2x2", "a", "-1x3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        Sample.parse(text)


@pytest.mark.parametrize(("lo", "hi"), [(0, 0), (1, 0), (0, 256), (-129, 127)])
def test_levels_are_a_byte(lo: int, hi: int) -> None:
    with pytest.raises(UserError, match="levels"):
        Sample((1,), 2, lo, hi)


def test_only_pixels_are_an_image() -> None:
    assert Sample((3, 32, 32)).is_image
    assert not Sample((3, 32, 32), T=2).is_image
    assert not Sample((2, 32, 32), lo=0, hi=15).is_image
    assert not Sample((4,)).is_image


def test_a_tuple_is_the_shape_of_an_image() -> None:
    assert as_sample((3, 8, 9)) == Sample((3, 8, 9))
    train = Sample((4,), 3, 0, 1)
    assert as_sample(train) is train
    for shape in ((3, 8), (0, 3, 3), ()):
        with pytest.raises(UserError):
            as_sample(shape)  # type: ignore[arg-type]


def test_counts_of_one_step_are_no_pixels() -> None:
    """Whose codes are other levels, and whose darkest is not the lowest."""
    counts = Sample((2, 4, 4), 1, 0, 255)
    assert not counts.is_image
    assert Sample((2, 4, 4)).is_image
    assert [s.dark for s in (Sample((3, 4, 4)), counts, Sample((3,), 2, -1, 1), Sample((3,), 2, 1, 4))] == [0, 0, 1, 0]
