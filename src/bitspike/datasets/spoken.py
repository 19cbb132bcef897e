"""Spoken digits as signed spikes: a sound, its energy in bands of the mel scale, and how far each has risen or fallen.

The front end, of a recording of `RATE` samples a second, whose samples are -1..1:

1. The first ``WINDOW + HOP * (STEPS - 1)`` samples are taken (1.04 s; silence is put after a shorter recording).
2. A step begins every `HOP` samples, and has `WINDOW` of them, weighted by Hann's window,
   ``0.5 - 0.5 cos(2 pi n / WINDOW)``.
3. ``energy = filters @ |rfft|^2``: `BANDS` triangles, each from the middle of the band before to that of the band
   after, whose middles lie equally far apart on the scale ``mel = 2595 log10(1 + f / 700)``, between `LOWEST` Hz and
   half the rate. A triangle is 1 in its middle.
4. ``loudness = ln(energy + FLOOR)``.
5. Level crossing: each band remembers a loudness, at first that of silence, ``ln(FLOOR)``. At each step the level sent
   is ``(loudness - remembered) / DELTA`` rounded towards 0, within ``-MOST..MOST``, and what was sent times `DELTA` is
   added to what is remembered. So the sum of the levels follows the loudness.
"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets import classes
from bitspike.datasets.dataset import Dataset
from bitspike.datasets.files import read_bytes
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError
from bitspike.files import is_there
from bitspike.sample import Sample

__all__ = ["SPOKEN_DIGITS", "SpokenSource", "levels_of", "read_wave"]

Float = NDArray[np.float64]

RATE = 8000
WINDOW, HOP, STEPS = 256, 128, 64
BANDS, LOWEST = 24, 60.0
FLOOR, DELTA, MOST = 1e-3, 0.5, 3
_LIMIT = 1 << 20  # bytes; the longest official recording has 36,568
_FOLDERS = ("fsdd/recordings", "free-spoken-digit-dataset/recordings", "recordings")
_NAME = re.compile(r"([0-9])_([a-z]+)_([0-9]{1,4})\.wav")
_TEST = 5


def read_wave(content: bytes | memoryview, name: str) -> Float:
    """The samples, -1..1, of a WAVE file of 8,000 samples a second, of one channel and 16 bits.

    Raises:
        UserError: another file, or a damaged one.
    """
    try:
        with wave.open(io.BytesIO(content)) as sound:
            kind = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            count, samples = sound.getnframes(), sound.readframes(sound.getnframes())
    except (wave.Error, EOFError, ValueError, RuntimeError) as wrong:
        raise UserError(name, str(wrong), "not a WAVE file, or damaged: get it again") from wrong
    if kind != (1, 2, RATE):
        raise UserError(name, f"(channels, bytes, rate) = {kind}", f"want (1, 2, {RATE})")
    if len(samples) != 2 * count or not count:
        raise UserError(name, f"{len(samples)} bytes of {count} samples", "cut short: get it again")
    return np.frombuffer(samples, "<i2") / 32768


def levels_of(samples: Float) -> NDArray[np.int8]:
    """The levels ``[T, bands]`` of one recording."""
    whole = np.zeros(WINDOW + HOP * (STEPS - 1))
    whole[: len(samples)] = samples[: len(whole)]
    steps = np.lib.stride_tricks.sliding_window_view(whole, WINDOW)[::HOP] * _window()
    loudness = np.log(np.abs(np.fft.rfft(steps)) ** 2 @ _filters().T + FLOOR)
    remembered = np.full(BANDS, np.log(FLOOR))
    levels = np.empty((STEPS, BANDS), np.int8)
    for step, heard in enumerate(loudness):
        sent = np.trunc((heard - remembered) / DELTA).clip(-MOST, MOST)
        remembered += sent * DELTA
        levels[step] = sent
    return levels


@cache
def _window() -> Float:
    window: Float = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return window


@cache
def _filters() -> Float:
    """``[bands, frequencies]``."""
    first, last = (2595 * np.log10(1 + hertz / 700) for hertz in (LOWEST, RATE / 2))
    edges = 700 * (10 ** (np.linspace(first, last, BANDS + 2) / 2595) - 1)
    hertz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    before, middle, after = (part[:, None] for part in (edges[:-2], edges[1:-1], edges[2:]))
    filters: Float = np.minimum((hertz - before) / (middle - before), (after - hertz) / (after - middle)).clip(0)
    return filters


@dataclass(frozen=True)
class SpokenSource:
    """A folder of ``{digit}_{speaker}_{index}.wav``; of every speaker's digits the first five are the test split."""

    on_disk: bool = True

    @property
    def kept_by(self) -> Mapping[str, Any]:
        return {"front end": [RATE, WINDOW, HOP, STEPS, BANDS, LOWEST, FLOOR, DELTA, MOST]}

    def find(self, split: Split, data_dir: Path) -> Found:
        for folder in (data_dir / name for name in _FOLDERS):
            files = _recordings(folder, split) if is_there(folder) else ()
            if files:
                return Found(str(folder), partial(_read, files), files, len(files))
        raise FileNotFoundError(f"no 0_jackson_0.wav and its like in {_FOLDERS[0]}/")

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        for file in files:
            codes = (levels_of(read_wave(file.content, file.path)) + MOST).astype(np.uint8)
            yield codes[None], np.array([int(file.name[0])], np.uint8)


def _recordings(folder: Path, split: Split) -> tuple[Path, ...]:
    """Those of a split, by digit, speaker and index."""
    try:
        names = [(found, path) for path in folder.iterdir() if (found := _NAME.fullmatch(path.name))]
    except OSError as wrong:
        raise UserError(str(folder), wrong.strerror, "cannot be read") from wrong
    chosen = [(int(n[1]), n[2], int(n[3]), path) for n, path in names if (int(n[3]) < _TEST) == (split == "test")]
    return tuple(path for *_, path in sorted(chosen))


def _read(files: Sequence[Path]) -> Iterator[Stored]:
    for path in files:
        yield Stored(str(path), path.name, read_bytes(path, _LIMIT))


SPOKEN_DIGITS = Dataset(
    name="spoken-digits",
    sample=Sample((BANDS,), STEPS, -MOST, MOST),
    images=MappingProxyType({"train": 2700, "test": 300}),
    classes=classes.DIGITS,
    how_to_get=(
        "Get https://github.com/Jakobovski/free-spoken-digit-dataset and put its folder recordings/ into fsdd/ "
        "in the data directory"
    ),
    citation="Z. Jackson et al., Free Spoken Digit Dataset, 2016-2020; CC BY-SA 4.0",
    sums=MappingProxyType({}),
    source=SpokenSource(),
)
