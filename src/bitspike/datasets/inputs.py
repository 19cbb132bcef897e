"""One file as what a network reads: a picture, an array, a sound, a recording of events."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.event_sets import EVENT_SETS
from bitspike.datasets.events import read_events
from bitspike.datasets.events.read import SUFFIXES as RECORDINGS
from bitspike.datasets.files import read_bytes
from bitspike.datasets.frames import FrameSettings, frames_of
from bitspike.datasets.own_arrays import channels_first
from bitspike.datasets.picture_sets import PictureSource
from bitspike.datasets.pictures import SUFFIXES as PICTURES
from bitspike.datasets.pictures import read_picture
from bitspike.datasets.recorded import usual_frames
from bitspike.datasets.registry import DATASETS
from bitspike.datasets.spoken import MOST, SPOKEN_DIGITS, levels_of, read_wave
from bitspike.errors import UserError
from bitspike.files import is_there
from bitspike.sample import MOST_CODE, Sample

__all__ = ["codes_of"]

Codes = NDArray[np.uint8]
LONGEST_SOUND = 1 << 26  # bytes; most of it would not be listened to


def codes_of(file: Path, sample: Sample, dataset: str = "", frames: FrameSettings | None = None) -> Codes:
    """The codes in a file, ``[N, *sample.array_shape]``: of one sample, or of those that an array holds.

    Pictures are made as large as those of a folder are (`bitspike.datasets.pictures.Pictures`); an array is of pixels,
    or of codes; a sound goes through the front end of the spoken digits; events become frames as those of the data set.

    Args:
        file: its ending says what it is.
        sample: what the network reads.
        dataset: that it was trained on.
        frames: how events become frames, where that was said.

    Raises:
        UserError: no such file, of another kind than the network reads, or a damaged one; the line names the file.
    """
    if not is_there(file) or not os.path.isfile(file):
        raise UserError(str(file), "no such file", "want one")
    ending = file.suffix.lower()
    if ending == ".npy":
        return _array(file, sample)
    if ending in PICTURES and _is_picture(sample):
        known = DATASETS.get(dataset)
        scaled = known.source.scaled if known and isinstance(known.source, PictureSource) else None
        return read_picture(file, (sample.shape[1], sample.shape[2]), scaled, sample.shape[0])[None]
    if ending == ".wav" and dataset == SPOKEN_DIGITS.name:
        return (levels_of(read_wave(read_bytes(file, LONGEST_SOUND), str(file))) + MOST).astype(np.uint8)[None]
    if ending in RECORDINGS and not sample.is_image and len(sample.shape) == 3:
        return _recording(file, sample, dataset, frames)
    raise UserError(
        str(file), f"a file {ending or 'without an ending'}", f"the network reads {_readable(sample, dataset)}"
    )


def _is_picture(sample: Sample) -> bool:
    """Whether it is one of pixels, whose levels a mean and std may have changed."""
    shape = sample.shape
    return sample.T == 1 and len(shape) == 3 and shape[0] in (1, 3) and sample.hi - sample.lo == MOST_CODE


def _readable(sample: Sample, dataset: str) -> str:
    kinds = [f".npy of uint8 {sample.array_shape}"]
    if _is_picture(sample):
        kinds.append("pictures, as .png and .jpg")
    if dataset == SPOKEN_DIGITS.name:
        kinds.append(".wav")
    if not sample.is_image and len(sample.shape) == 3:
        kinds.append("recordings of events, as .aedat and .bin")
    return ", ".join(kinds)


def _array(file: Path, sample: Sample) -> Codes:
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as wrong:
        raise UserError(
            str(file), str(wrong) or type(wrong).__name__, "want an array of numbers, as np.save writes"
        ) from wrong
    shape = sample.array_shape
    if not isinstance(values, np.ndarray) or values.dtype != np.uint8:
        raise UserError(str(file), getattr(getattr(values, "dtype", None), "name", "an archive"), f"want uint8 {shape}")
    if sample.T == 1 and len(shape) == 3:  # pictures may have their channels last, or none of their own
        whole = values[None] if values.ndim == 2 or (values.ndim == 3 and values.shape[1:] != shape[1:]) else values
        whole = whole[None] if whole.shape == shape else whole
        values = whole if whole.shape[1:] == shape else channels_first(str(file), whole)
    found = values if values.shape[1:] == shape else values[None]
    if found.shape[1:] != shape or not len(found):
        raise UserError(str(file), values.shape, f"want {shape}, or [N, {', '.join(map(str, shape))}]")
    most = sample.hi - sample.lo
    if most < MOST_CODE and int(found.max()) > most:
        raise UserError(
            str(file), f"code {int(found.max())}", f"want codes 0..{most} of the levels {sample.lo}..{sample.hi}"
        )
    return np.ascontiguousarray(found)


def _recording(file: Path, sample: Sample, dataset: str, frames: FrameSettings | None) -> Codes:
    known = EVENT_SETS.get(dataset)
    events = read_events(file, sensor_size=None if known is None else known.sensor_size)
    settings = frames or usual_frames(events.sensor_size)
    made = settings.sample(events.sensor_size)
    if not len(events) or made.array_shape != sample.array_shape:
        seen = f"{len(events)} events of {events.sensor_size}, which are {made}"
        raise UserError(str(file), seen, f"want some that are {sample}, as the network reads")
    return frames_of(events, settings).reshape(1, *sample.array_shape)
