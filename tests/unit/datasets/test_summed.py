"""Trains in fewer steps: sums, clipped to a byte's levels, and the commonest class of the steps in each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import find_dataset
from bitspike.datasets.dataset import Dataset
from bitspike.datasets.ecg import ECG
from bitspike.datasets.frames import FrameSettings
from bitspike.datasets.summed import sum_of_steps, summed
from bitspike.errors import UserError
from bitspike.sample import Sample


def dataset_of(sample: Sample) -> Dataset:
    return replace(ECG, sample=sample, labels_per_step=False)


@given(st.integers(2, 40), st.integers(1, 40), st.sampled_from([(-1, 1), (0, 15), (-3, 3), (0, 255)]), st.data())
def test_levels_are_sums_of_levels(T: int, steps: int, ends: tuple[int, int], data: st.DataObject) -> None:
    steps = min(steps, T)
    before = Sample((2, 3), T, *ends)
    after = summed(dataset_of(before), steps).sample
    assert (after.T, after.shape) == (T // steps, (2, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    codes = rng.integers(0, ends[1] - ends[0] + 1, (5, *before.array_shape)).astype(np.uint8)
    found = sum_of_steps(codes, steps, before, after).reshape(5, after.T, 2, 3)
    for t in range(after.T):
        levels = codes[:, t * steps : (t + 1) * steps].astype(int) + before.lo
        assert np.array_equal(found[:, t].astype(int) + after.lo, levels.sum(1).clip(after.lo, after.hi))
    if (ends[1] - ends[0]) * steps <= 255:
        assert (after.lo, after.hi) == (ends[0] * steps, ends[1] * steps)


def test_the_levels_are_those_that_a_byte_has() -> None:
    assert summed(dataset_of(Sample((2,), 64, -3, 3)), 64).sample == Sample((2,), 1, -128, 127)
    assert summed(dataset_of(Sample((2,), 64, 0, 15)), 64).sample == Sample((2,), 1, 0, 255)


def test_a_class_at_every_step_becomes_the_commonest_of_a_sum() -> None:
    labels = np.array([[0, 1, 1, 2, 3, 3, 5, 4, 4]], np.uint8)
    source = summed(replace(ECG, sample=Sample((4,), 9, -1, 1)), 3).source
    assert source._labels(labels).tolist() == [[1, 3, 4]]  # type: ignore[attr-defined]
    assert source._labels(labels[:, ::-1])[0].tolist() != [1, 3, 4]  # type: ignore[attr-defined]
    pairs = summed(replace(ECG, sample=Sample((4,), 9, -1, 1)), 2).source
    assert pairs._labels(labels).tolist() == [[0, 1, 3, 4]]  # type: ignore[attr-defined]


def test_a_name_says_it() -> None:
    found = find_dataset("summed:2:ecg")
    assert (found.name, found.sample, found.labels_per_step) == ("summed:2:ecg", Sample((4,), 650, -2, 2), True)
    frames = FrameSettings(slices=6, clip=3)
    moving = find_dataset("summed:3:moving-fashion", frames)
    assert moving.sample == Sample((2, 34, 34), 2, 0, 9)
    assert moving.with_frames(FrameSettings(slices=3, clip=1)).sample == Sample((2, 34, 34), 1, 0, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("summed:ecg", "want the steps of a sum and a data set"),
        ("summed:0:ecg", "summed steps: got 0; want 1 to 1301, the steps of ecg"),
        ("summed:1302:ecg", "summed steps: got 1302; want 1 to 1301"),
        ("summed:1000:ecg", "ecg has a class at every step; want at most 650"),
        ("summed:1:digits", "the steps of digits, if these are several"),
        ("summed:2:egc", "dataset: got 'egc'; did you mean 'ecg'"),
    ],
)
def test_what_cannot_be_summed_is_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_dataset(name)
