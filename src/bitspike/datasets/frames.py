"""Frames of events: how often each pixel of a sensor spoke in each slice of a recording.

A recording is cut into slices, and of the first ones a frame each is
made: exact integer counts, one a pixel and channel, which are levels of a network's input.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from bitspike.datasets.events import Events
from bitspike.errors import UserError
from bitspike.registry import Registry
from bitspike.sample import MOST_CODE, Sample
from bitspike.settings import Strict, first_mistake

__all__ = ["FRAMES", "FrameSettings", "frames_of", "read_frames"]

Side = Annotated[int, Field(ge=1, le=4096)]


def _sides(value: Any) -> Any:
    """``48x64`` on the command line is a height and a width."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}x[0-9]{1,4}", value):
        return value.split("x")
    if value is not None and not (isinstance(value, list | tuple) and len(value) == 2):
        raise ValueError("want height x width, for example 48x48")
    return value


class FrameSettings(Strict):
    """How a recording becomes a train of frames.

    Args:
        slices: how many slices a recording is cut into.
        keep: how many of them are kept, the first ones; by default all. They are the steps of the train.
        by: ``count``: every slice has as many events as the others, or one more (slice ``i`` of ``n`` events begins
            with event ``i * n // slices``); ``time``: every slice lasts as long as the others, from the first event
            of the recording to its last.
        clip: the largest count; a pixel that spoke more often is given as this. Counts are levels, whose width
            is counted, so a small one is cheap.
        size: ``(H, W)`` that events are scaled down to: pixel ``(y, x)`` of the sensor falls into
            ``(y * H // sensor's, x * W // sensor's)``, and counts of all pixels that fall together are summed.
            By default that of the sensor.
        polarity: ``two`` channels, of events OFF (0) and ON (1); ``one``, of both; ``signed``: one, ON less OFF,
            within ``-clip..clip``.
    """

    slices: int = Field(default=4, ge=1, le=4096)
    keep: int | None = Field(default=None, ge=1)
    by: Literal["count", "time"] = "count"
    clip: int = Field(default=MOST_CODE, ge=1, le=MOST_CODE)
    size: Annotated[tuple[Side, Side] | None, BeforeValidator(_sides)] = None
    polarity: Literal["two", "one", "signed"] = "two"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.keep is not None and self.keep > self.slices:
            raise UserError("frames.keep", self.keep, f"want at most {self.slices}, the slices there are")
        if self.polarity == "signed" and 2 * self.clip > MOST_CODE:
            raise UserError("frames.clip", self.clip, f"want at most {MOST_CODE // 2} where polarity is signed")
        return self

    @property
    def steps(self) -> int:
        """Steps of the train."""
        return self.slices if self.keep is None else self.keep

    def sample(self, sensor_size: tuple[int, int]) -> Sample:
        """What one input is, of a sensor of ``(W, H)`` pixels.

        Raises:
            UserError: the sensor is smaller than the frames are to be.
        """
        width, height = sensor_size
        rows, columns = self.size or (height, width)
        if rows > height or columns > width:
            raise UserError("frames.size", self.size, f"want at most {(height, width)}, the sensor's height and width")
        channels = 2 if self.polarity == "two" else 1
        return Sample((channels, rows, columns), self.steps, -self.clip if self.polarity == "signed" else 0, self.clip)


def frames_of(events: Events, settings: FrameSettings) -> NDArray[np.uint8]:
    """The codes ``[T, C, H, W]`` of one recording, also where T is 1: counts less ``sample.lo``.

    Raises:
        UserError: the sensor is smaller than the frames are to be.
    """
    sample = settings.sample(events.sensor_size)
    shape = (settings.steps, 2, *sample.shape[1:])
    kept, step = _slices(events.events["t"], settings)
    x, y, p = (events.events[name][:kept].astype(np.int64) for name in ("x", "y", "p"))
    width, height = events.sensor_size
    place = ((step * 2 + p) * shape[2] + y * shape[2] // height) * shape[3] + x * shape[3] // width
    counts = np.bincount(place, minlength=prod(shape)).reshape(shape)
    if settings.polarity == "one":
        counts = counts.sum(1, keepdims=True)
    elif settings.polarity == "signed":
        counts = counts[:, 1:] - counts[:, :1]
    codes: NDArray[np.uint8] = (counts.clip(sample.lo, sample.hi) - sample.lo).astype(np.uint8)
    return codes


def _slices(t: NDArray[np.int64], settings: FrameSettings) -> tuple[int, NDArray[np.int64]]:
    """How many events lie in the slices that are kept, and the slice of each of these."""
    borders = np.arange(settings.steps + 1)
    if settings.by == "count":
        ends = borders * len(t) // settings.slices
    elif len(t) == 0:
        ends = np.zeros_like(borders)
    else:  # slice i holds the times from start + ceil(i * lasts / slices) on: those of floor(t * slices / lasts) == i
        lasts = int(t[-1]) - int(t[0]) + 1
        ends = np.searchsorted(t, [int(t[0]) - (-int(i) * lasts // settings.slices) for i in borders])
    return int(ends[-1]), np.repeat(borders[:-1], np.diff(ends))


FRAMES: Registry[Callable[[int], FrameSettings]] = Registry("frames")
"""The slicing of the papers by name: settings for a train of T steps. None of them says that counts are limited."""


def _paper_000(T: int) -> FrameSettings:
    return FrameSettings(slices=T)


def _paper_001(T: int) -> FrameSettings:
    return FrameSettings(slices={1: 4, 2: 10}.get(T, 16), keep=T)


def _paper_002(T: int) -> FrameSettings:
    return FrameSettings(slices=T, size=(48, 48))


def _paper_004(T: int) -> FrameSettings:
    return FrameSettings(slices=T)


FRAMES.register("paper-000", _paper_000)
FRAMES.register("paper-001", _paper_001)
FRAMES.register("paper-002", _paper_002)
FRAMES.register("paper-004", _paper_004)


def read_frames(text: str) -> FrameSettings:
    """Settings by name and steps: ``paper-001@2`` is 10 slices of which the first 2 are kept.

    Raises:
        UserError: another text, an unknown name, or steps that it has not.
    """
    found = re.fullmatch(r"([^@]+)@([0-9]{1,4})", text)
    if found is None:
        raise UserError("frames", text, "want a name and the steps, for example paper-001@2")
    settings = FRAMES.find(found[1])
    try:
        return settings(int(found[2]))
    except ValidationError as wrong:
        raise first_mistake(wrong, "frames") from wrong
