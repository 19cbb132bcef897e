"""Images in movement: their events are those of a pixel that is followed by hand, and give its contrast back."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.datasets import check, find_dataset, load_split
from bitspike.datasets.frames import FrameSettings, frames_of
from bitspike.datasets.image_sets import IMAGE_SETS
from bitspike.datasets.moving import (
    DARK,
    SACCADE,
    STEPS,
    THRESHOLD,
    UNIT,
    log_light,
    moving,
    moving_events,
    path,
)
from bitspike.errors import UserError
from bitspike.sample import Sample


def drawn(seed: int, shape: tuple[int, ...] = (2, 1, 8, 8)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def by_hand(seen: list[int]) -> list[tuple[int, int]]:
    """Time and polarity of the events of one pixel, from the light that it sees after each step."""
    sent, last = [], seen[0]
    for step, (before, now) in enumerate(pairwise(seen)):
        start, end = step * SACCADE // STEPS, (step + 1) * SACCADE // STEPS
        while abs(now - last) >= THRESHOLD:
            up = now > last
            last += THRESHOLD if up else -THRESHOLD
            sent.append((start + abs(last - before) * (end - start) // abs(now - before), int(up)))
    return sent


@given(st.integers(0, 2**32))
@settings(max_examples=10)
def test_every_pixel_sends_what_its_light_says(seed: int) -> None:
    images = drawn(seed)
    seen = np.stack([log_light(images, place) for place in path()], -1).astype(int)
    for light, recording in zip(seen, moving_events(images), strict=True):
        sent: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for t, x, y, p in recording.events.tolist():
            sent.setdefault((y, x), []).append((t, p))
        for y, x in np.ndindex(34, 34):
            assert sent.get((y, x), []) == by_hand(light[y, x].tolist())


def test_events_give_the_contrast_back() -> None:
    images = drawn(3)
    places = path()
    for number, recording in enumerate(moving_events(images)):
        events = recording.events
        assert np.all(np.diff(events["t"]) >= 0)
        for step in (1, STEPS // 2, STEPS, 2 * STEPS + 3, 3 * STEPS):
            until = events[events["t"] <= step * SACCADE // STEPS]
            change = np.zeros((34, 34), int)
            np.add.at(change, (until["y"], until["x"]), np.where(until["p"] == 1, THRESHOLD, -THRESHOLD))
            light = log_light(images, places[step])[number].astype(int) - log_light(images, places[0])[number]
            assert np.abs(change - light).max() <= THRESHOLD
            assert np.abs(light).max() > 2 * THRESHOLD or step == 3 * STEPS  # there was something to give back


def test_what_the_sensor_sees_in_its_middle_is_the_image() -> None:
    images = drawn(4, (3, 1, 28, 28))
    seen = log_light(images, (0, 0))[:, 3:-3, 3:-3] / UNIT
    assert np.allclose(np.exp(seen) - DARK, images[:, 0], atol=0.05)
    right = log_light(images, (8, 0))[:, 3:-3, 3:-4]
    assert np.array_equal(right, log_light(images, (0, 0))[:, 3:-3, 4:-3])
    halfway = np.exp(log_light(images, (4, 0))[:, 3:-3, 3:-4] / UNIT) - DARK
    assert np.allclose(halfway, (images[:, 0, :, :-1].astype(float) + images[:, 0, :, 1:]) / 2, atol=0.05)


def test_the_path_is_a_closed_triangle() -> None:
    places = path()
    assert places[0] == places[-1]
    assert len(places) == 3 * STEPS + 1
    moves = {(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(places)}
    assert len(moves) == 3
    assert max(abs(part) for place in places for part in place) == 24


def test_an_even_image_is_silent_and_a_batch_is_its_images() -> None:
    assert len(moving_events(np.full((1, 1, 8, 8), 77, np.uint8))[0]) == 0
    images = drawn(5, (5, 3, 32, 32))
    together = moving_events(images)
    for image, recording in zip(images, together, strict=True):
        assert np.array_equal(moving_events(image[None])[0].events, recording.events)
        assert recording.sensor_size == (48, 48)


def test_the_digits_in_movement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn's digits")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    frames = FrameSettings(slices=3, by="time", clip=7, size=(17, 17))
    dataset = find_dataset("moving:digits", frames)
    assert dataset.sample == Sample((2, 17, 17), 3, 0, 7)
    still, labels = load_split("digits", "test")
    for _ in range(2):  # made, then from the cache
        trains, same = load_split("moving:digits", "test", frames=frames)
        assert np.array_equal(same, labels)
        assert trains.shape == (360, 3, 2, 17, 17)
        assert np.array_equal(trains[7], frames_of(moving_events(still[7:8])[0], frames))
    assert len(list((tmp_path / "bitspike" / "data").iterdir())) == 1
    assert check("moving:digits") == [replace(one, dataset="moving:digits") for one in check("digits")]


def test_names() -> None:
    assert find_dataset("moving-fashion").sample == Sample((2, 34, 34), 8, 0, 15)
    assert find_dataset("moving:fashion-mnist").sample == find_dataset("moving-fashion").sample
    one = find_dataset("moving-fashion", FrameSettings(slices=4, keep=1))
    assert (one.name, one.sample) == ("moving-fashion", Sample((2, 34, 34), 1, 0, 255))
    assert find_dataset("moving:cifar10").sample.shape == (2, 48, 48)
    for wrong in ("moving:ecg", "moving:moving-fashion", "moving:nothing", "moved:digits"):
        with pytest.raises(UserError):
            find_dataset(wrong)
    with pytest.raises(UserError, match="at most 42 pixels"):
        moving(replace(IMAGE_SETS[0], sample=Sample((1, 64, 64))), None)
    with pytest.raises(UserError, match="digits has no events"):
        find_dataset("digits", FrameSettings())
