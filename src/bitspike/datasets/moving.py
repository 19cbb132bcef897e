"""Images as an event camera sees them that moves before them: real pixels, made into events without a recording.

As N-MNIST was recorded, with the movement computed. The image stands still and a sensor makes three quick movements
(saccades) of `SACCADE` microseconds each along a triangle; a pixel of the sensor sees the light between the four
pixels of the image that it lies on, and sends an event for every `THRESHOLD` by which the logarithm of the light has
risen (ON) or fallen (OFF) since its last event. There is no noise: pixels are alike, none rests after an event.

- **The picture.** Grey, an image of three channels by ITU-R 601; every pixel becomes a square of as many pixels of the
  sensor as the sensor has room for, its border `MARGIN` kept free. Around it the image goes on as at its edge.
- **The light** is ``pixel + DARK``: a screen's black is not without light, or its logarithm would have no end.
- **The path** is walked in `STEPS` equal steps a saccade; between two of them the logarithm goes straight, which
  says when an event happened.

All of it is computed in whole numbers, so events are the same on every machine.

Source: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, *Converting Static Image Datasets to Spiking Neuromorphic
Datasets Using Saccades*, Frontiers in Neuroscience 9:437, 2015 (the movement); P. Lichtsteiner, C. Posch, T. Delbruck,
*A 128x128 120 dB 15 us Latency Asynchronous Temporal Contrast Vision Sensor*, IEEE JSSC 43(2), 2008 (the pixel).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.dataset import Dataset, parse_split
from bitspike.datasets.events import EVENT, Events
from bitspike.datasets.frames import FrameSettings, frames_of
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError
from bitspike.intmath import round_half_up

__all__ = ["MovingSource", "log_light", "moving", "moving_events", "sensor_side"]

SACCADE, STEPS = 100_000, 12
"""Microseconds, and steps, of one saccade."""
EIGHTH = 8
"""Positions are in eighths of a pixel."""
CORNERS = ((-24, -24), (0, 24), (24, -24), (-24, -24))
"""``(x, y)`` of the sensor at both ends of each saccade: the triangle is 6 pixels wide and high."""
MARGIN = 3
"""Pixels around the picture, which the sensor moves by at most."""
DARK = 20
"""Light of a black pixel, where a white one has 275: an edge between them is worth 8 events."""
UNIT = 4096
"""Parts of one e-fold in which logarithms are counted."""
THRESHOLD = 1229
"""Of these, 0.3: the contrast that makes an event."""
BATCH = 16
MOVEMENT = {
    "saccade": SACCADE,
    "steps": STEPS,
    "corners": CORNERS,
    "margin": MARGIN,
    "dark": DARK,
    "unit": UNIT,
    "threshold": THRESHOLD,
}
Int = NDArray[np.int64]
USUAL = FrameSettings(slices=8, clip=15)


def sensor_side(shape: tuple[int, ...]) -> int:
    """34 pixels, as N-MNIST has it, and 48 of images that are larger than MNIST's.

    Raises:
        UserError: images that are larger than such a sensor.
    """
    side = max(shape[1:])
    if side > 48 - 2 * MARGIN:
        raise UserError("moving images", shape, f"want at most {48 - 2 * MARGIN} pixels a side")
    return 34 if side <= 34 - 2 * MARGIN else 48


def log_light(images: NDArray[np.uint8], moved: tuple[int, int]) -> NDArray[np.int16]:
    """What a sensor sees whose middle stands ``moved`` eighths of a pixel right of and below that of the image.

    Args:
        images: ``[N, C, H, W]``.

    Returns:
        ``[N, side, side]``, the logarithm in parts of `UNIT`.
    """
    return _seen(_screen(images), moved)


def _screen(images: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The grey picture, enlarged, in the middle, and going on at its edges: ``[N, side + 2 (MARGIN + 1), ...]``."""
    side = sensor_side(images.shape[1:])
    grey = images[:, 0].astype(np.int16)
    if images.shape[1] == 3:
        red, green, blue = (images[:, channel].astype(np.int32) for channel in range(3))
        grey = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.int16)
    times = (side - 2 * MARGIN) // max(grey.shape[1:])
    grey = grey.repeat(times, 1).repeat(times, 2)
    around = [(0, 0)]
    for length in grey.shape[1:]:
        before = (side - length) // 2
        around.append((before + MARGIN + 1, side - length - before + MARGIN + 1))
    return np.pad(grey, around, "edge")


def _seen(screen: NDArray[np.int16], moved: tuple[int, int]) -> NDArray[np.int16]:
    side = screen.shape[1] - 2 * (MARGIN + 1)
    (left, x), (top, y) = (divmod(part + (MARGIN + 1) * EIGHTH, EIGHTH) for part in moved)
    rows = screen[:, top : top + side + 1]
    rows = rows[:, :-1] * (EIGHTH - y) + rows[:, 1:] * y if y else rows[:, :-1] * EIGHTH
    near = rows[:, :, left : left + side]
    light = near * (EIGHTH - x) + rows[:, :, left + 1 : left + side + 1] * x if x else near * EIGHTH
    seen: NDArray[np.int16] = _LOGARITHMS[light]
    return seen


_LOGARITHMS = round_half_up(UNIT * np.log(np.arange(255 * EIGHTH**2 + 1) / EIGHTH**2 + DARK)).astype(np.int16)


def path() -> list[tuple[int, int]]:
    """Where the sensor stands after each step, in eighths of a pixel."""
    places = [CORNERS[0]]
    for (x0, y0), (x1, y1) in pairwise(CORNERS):
        places += [(x0 + (x1 - x0) * i // STEPS, y0 + (y1 - y0) * i // STEPS) for i in range(1, STEPS + 1)]
    return places


def moving_events(images: NDArray[np.uint8]) -> list[Events]:
    """The events of each image ``[N, C, H, W]``, in order of time and then of row, column and number."""
    screen, places = _screen(images), path()
    before = _seen(screen, places[0])
    last = before.copy()  # the logarithm at each pixel's last event
    parts = []
    for step, place in enumerate(places[1:]):
        now = _seen(screen, place)
        change = now - last
        speaks = np.flatnonzero(np.abs(change) >= THRESHOLD)
        there, since, was, rise = (seen.reshape(-1)[speaks].astype(np.int64) for seen in (now, last, before, change))
        count = np.abs(rise) // THRESHOLD
        parts.append(_events(step, now.shape, speaks, count, since, was, there))
        last.reshape(-1)[speaks] += (np.sign(rise) * count * THRESHOLD).astype(np.int16)
        before = now
    which = np.concatenate([image for image, _ in parts])
    events = np.concatenate([part for _, part in parts])
    order = np.argsort(which * len(places) * SACCADE + events["t"], kind="stable")  # what is first of one time stays so
    ends = np.cumsum(np.bincount(which, minlength=len(images)))
    side = before.shape[1]
    return [Events((side, side), one) for one in np.split(events[order], ends[:-1])]


def _events(
    step: int, shape: tuple[int, ...], where: Int, count: Int, last: Int, before: Int, now: Int
) -> tuple[Int, NDArray[Any]]:
    """The events of one step, by pixel, and the image that each is of.

    Args:
        step: number of the step.
        shape: of all images, as the sensor sees them.
        where: the pixels that speak, in all images together.
        count: how many events each of them sends.
        last, before, now: its logarithm at its last event, and at both ends of the step.
    """
    start, end = (i * SACCADE // STEPS for i in (step, step + 1))
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + 1
    where, last, before, now = (np.repeat(values, count) for values in (where, last, before, now))
    crossed = last + np.sign(now - before) * number * THRESHOLD
    events = np.empty(len(where), EVENT)
    events["t"] = start + np.abs(crossed - before) * (end - start) // np.abs(now - before)
    image, y, x = np.unravel_index(where, shape)
    events["x"], events["y"], events["p"] = x, y, now > before
    return image, events


@dataclass(frozen=True)
class MovingSource:
    """The images of another dataset, seen in movement.

    Args:
        base: the dataset.
        frames: what its events become.
    """

    base: Dataset
    frames: FrameSettings

    @property
    def on_disk(self) -> bool:
        return self.base.source.on_disk

    @property
    def kept_by(self) -> Mapping[str, Any]:
        return {"frames": self.frames.model_dump(mode="json"), "movement": MOVEMENT}

    def find(self, split: Split, data_dir: Path) -> Found:
        return self.base.source.find(split, data_dir)

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        side = sensor_side(self.base.sample.shape)
        shape = self.frames.sample((side, side)).array_shape
        for images, labels in parse_split(self.base, split, None, files):
            for start in range(0, len(images), BATCH):
                seen = moving_events(images[start : start + BATCH])
                trains = [frames_of(events, self.frames) for events in seen]
                yield np.stack(trains).reshape(-1, *shape), labels[start : start + BATCH]


def moving(base: Dataset, frames: FrameSettings | None, name: str = "") -> Dataset:
    """The dataset of the images of ``base`` in movement.

    Args:
        frames: how events become frames; by default 8 slices of equally many events, counted up to 15.
        name: by default ``moving:`` and that of ``base``.

    Raises:
        UserError: ``base`` has no images of pixels, or too large ones.
    """
    if not base.sample.is_image or base.sample.shape[0] not in (1, 3):
        raise UserError("moving images", base.name, "want a data set of images, grey or of three colours")
    name, frames = name or f"moving:{base.name}", frames or USUAL
    side = sensor_side(base.sample.shape)
    return replace(
        base,
        name=name,
        sample=frames.sample((side, side)),
        source=MovingSource(base, frames),
        made_from=base.name,
        remade=partial(moving, base, name=name),
    )
