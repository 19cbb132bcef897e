"""Frames are counts: the same as a loop over the events gives, whatever the slicing, scale and polarity."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from bitspike.datasets.events import EVENT, Events
from bitspike.datasets.frames import FRAMES, FrameSettings, frames_of, read_frames
from bitspike.errors import UserError
from bitspike.sample import Sample


@st.composite
def recordings(draw: st.DrawFn) -> Events:
    """Events of a small sensor, often several at one time and place."""
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    count = draw(st.integers(0, 60))
    draws = np.random.default_rng(draw(st.integers(0, 2**32)))
    events = np.zeros(count, EVENT)
    start = draw(st.sampled_from([0, 10**6, 2**40]))
    events["t"] = start + np.sort(draws.integers(0, draw(st.sampled_from([1, 10, 10**6])), count))
    events["x"], events["y"] = draws.integers(0, width, count), draws.integers(0, height, count)
    events["p"] = draws.integers(0, 2, count)
    return Events((width, height), events)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Events, FrameSettings]:
    events = draw(recordings())
    width, height = events.sensor_size
    slices = draw(st.integers(1, 8))
    settings = FrameSettings(
        slices=slices,
        keep=draw(st.none() | st.integers(1, slices)),
        by=draw(st.sampled_from(["count", "time"])),
        clip=draw(st.integers(1, 3) | st.just(127)),
        size=draw(st.none() | st.tuples(st.integers(1, height), st.integers(1, width))),
        polarity=draw(st.sampled_from(["two", "one", "signed"])),
    )
    return events, settings


def by_hand(recording: Events, settings: FrameSettings) -> NDArray[np.int64]:
    """Levels ``[T, C, H, W]``, event by event."""
    events, (width, height) = recording.events, recording.sensor_size
    rows, columns = settings.size or (height, width)
    counts = np.zeros((settings.slices, 2 if settings.polarity == "two" else 1, rows, columns), np.int64)
    n, S = len(events), settings.slices
    for number, (t, x, y, p) in enumerate(events.tolist()):
        if settings.by == "count":
            step = max(i for i in range(S) if i * n // S <= number)
        else:
            first, last = int(events["t"][0]), int(events["t"][-1])
            step = (t - first) * S // (last - first + 1)
        channel = p if settings.polarity == "two" else 0
        weight = -1 if settings.polarity == "signed" and p == 0 else 1
        counts[step, channel, y * rows // height, x * columns // width] += weight
    lo = -settings.clip if settings.polarity == "signed" else 0
    return np.minimum(np.maximum(counts, lo), settings.clip)[: settings.steps]


@given(cases())
def test_frames_are_the_counts_of_a_loop(case: tuple[Events, FrameSettings]) -> None:
    events, settings = case
    codes, sample = frames_of(events, settings), settings.sample(events.sensor_size)
    assert codes.dtype == np.uint8
    assert codes.shape == (sample.T, *sample.shape)
    assert np.array_equal(codes.astype(np.int64) + sample.lo, by_hand(events, settings))
    assert codes.max(initial=0) <= sample.hi - sample.lo


@given(recordings(), st.integers(1, 9), st.sampled_from(["count", "time"]))
def test_every_event_is_in_one_frame(events: Events, slices: int, by: Any) -> None:
    codes = frames_of(events, FrameSettings(slices=slices, by=by))
    assert codes.sum(dtype=np.int64) == len(events)
    assert np.array_equal(codes.sum((0, 2, 3), dtype=np.int64), np.bincount(events.events["p"], minlength=2))


@given(recordings(), st.integers(1, 9))
def test_slices_by_count_hold_equally_many_events_or_one_more(events: Events, slices: int) -> None:
    held = frames_of(events, FrameSettings(slices=slices)).sum((1, 2, 3), dtype=np.int64)
    assert set(held.tolist()) <= {len(events) // slices, len(events) // slices + 1}


@given(recordings())
def test_one_pixel_sums_the_sensor(events: Events) -> None:
    small = frames_of(events, FrameSettings(slices=2, size=(1, 1)))
    whole = frames_of(events, FrameSettings(slices=2))
    assert np.array_equal(small[..., 0, 0], whole.sum((2, 3)))


def test_an_event_that_is_counted_elsewhere_would_be_seen() -> None:
    events = np.zeros(3, EVENT)
    events["x"] = 0, 1, 2
    right, settings = by_hand(Events((3, 1), events), FrameSettings()), FrameSettings()
    events["x"] = 0, 1, 1
    assert not np.array_equal(frames_of(Events((3, 1), events), settings), right)


@pytest.mark.parametrize(("T", "slices"), [(1, 4), (2, 10), (3, 16), (4, 16), (16, 16)])
def test_paper_001_keeps_the_first_of_4_10_or_16_slices(T: int, slices: int) -> None:
    assert read_frames(f"paper-001@{T}") == FrameSettings(slices=slices, keep=T)


def test_the_papers_by_name() -> None:
    assert set(FRAMES) == {"paper-000", "paper-001", "paper-002", "paper-004"}
    assert read_frames("paper-002@10").sample((128, 128)) == Sample((2, 48, 48), 10, 0, 255)
    assert read_frames("paper-000@16").sample((128, 128)) == Sample((2, 128, 128), 16, 0, 255)
    assert read_frames("paper-004@1").sample((128, 128)) == Sample((2, 128, 128), 1, 0, 255)


@pytest.mark.parametrize("text", ["paper-001", "paper-001@", "paper-001@17", "paper-001@0", "paper-9@2", "@2"])
def test_other_names_and_steps_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_frames(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slices": 0},
        {"slices": 2, "keep": 3},
        {"keep": 0},
        {"clip": 0},
        {"clip": 256},
        {"clip": 128, "polarity": "signed"},
        {"by": "events"},
        {"size": (0, 3)},
        {"size": (3,)},
        {"size": "20,20"},
        {"size": "0x3"},
        {"size": 34},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((UserError, ValidationError)):
        FrameSettings(**wrong)


def test_a_size_is_written_as_height_x_width() -> None:
    assert FrameSettings.model_validate({"size": "24x32"}) == FrameSettings(size=(24, 32))
    with pytest.raises(ValidationError, match="want height x width, for example 48x48"):
        FrameSettings.model_validate({"size": "48"})


def test_frames_larger_than_the_sensor_are_refused() -> None:
    with pytest.raises(UserError, match=r"frames\.size: got \(4, 3\); want at most \(3, 3\)"):
        FrameSettings(size=(4, 3)).sample((3, 3))
