"""Pictures in files of their own, of any size: read when they are asked for, so that a set need not fit into memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError, require

__all__ = ["SUFFIXES", "Pictures", "decoded", "fitted", "picture_size", "read_picture"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif"})
"""How names of pictures end; case does not count."""
MOST_PIXELS = 1 << 27
"""Of one file: a larger one is refused by its header, before it could fill the memory."""
THREADS = 4
"""Pictures that are decoded at the same time; Pillow leaves Python alone meanwhile."""
MODES = {1: "L", 3: "RGB"}
"""What Pillow calls pictures of so many channels."""
BYTES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"})
"""Modes of at most 8 bits a channel: others would be cut to their lowest values."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Files, what they show, and how large they are given.

    Args:
        files: one for each picture.
        labels: ``int64 [N]``.
        size: height and width of what is given; pictures are scaled so that their shorter side, or one of ``scaled``,
            has ``size``, and the middle is cut out.
        scaled: how long the shorter side is made; by default as long as that of what is given needs it.
        channels: 3, where grey pictures have three that are equal, or 1, where colours become grey.
        exact: whether pictures of another size are refused.
    """

    files: tuple[Path, ...]
    labels: NDArray[np.int64]
    size: tuple[int, int]
    scaled: int | None = None
    channels: int = 3
    exact: bool = False

    def __post_init__(self) -> None:
        if self.scaled is not None and self.scaled < max(self.size):
            raise UserError("scaled", self.scaled, f"want at least {max(self.size)}, the size of what is cut out")

    def __len__(self) -> int:
        return len(self.files)

    def part(self, indices: Sequence[int]) -> Pictures:
        """Those at ``indices``, in that order. Nothing is read."""
        files = tuple(self.files[index] for index in indices)
        return replace(self, files=files, labels=self.labels[np.asarray(indices, dtype=np.int64)])

    def read(self) -> NDArray[np.uint8]:
        """All of them, ``[N, C, H, W]``.

        Raises:
            UserError: Pillow is missing, or a file is no picture; the line names the file.
        """
        images = np.empty((len(self.files), self.channels, *self.size), np.uint8)
        with ThreadPoolExecutor(THREADS) as pool:
            for place, image in enumerate(pool.map(self.one, self.files)):
                images[place] = image
        return images

    def one(self, file: Path) -> NDArray[np.uint8]:
        """What a file is given as, ``[C, H, W]``."""
        return read_picture(file, self.size, self.scaled, self.channels, self.exact)


def read_picture(
    file: Path, size: tuple[int, int], scaled: int | None = None, channels: int = 3, exact: bool = False
) -> NDArray[np.uint8]:
    """One picture, ``[C, H, W]``: in colours, where grey ones have three equal channels, or grey. What is transparent
    is as it is.

    Args:
        file: of any format that Pillow reads.
        size, scaled, channels, exact: see `Pictures`.

    Raises:
        UserError: Pillow is missing, or the file is no picture, or a damaged, cut or enormous one, or one that has more
            than 8 bits a channel.
    """
    with _opened(file, file) as picture:
        return fitted(str(file), picture, size, scaled, channels, exact)


def decoded(name: str | Path, source: Path | IO[bytes]) -> Any:
    """The picture in a file, or in a stream of it, as Pillow's in colours.

    Args:
        name: what a message calls it.
        source: where it is.

    Raises:
        UserError: see `read_picture`.
    """
    with _opened(name, source) as picture:
        return _with_channels(str(name), picture, 3)


def fitted(
    thing: str, image: Any, size: tuple[int, int], scaled: int | None, channels: int, exact: bool
) -> NDArray[np.uint8]:
    """A picture of Pillow as it is given, see `Pictures`.

    Raises:
        UserError: of more than 8 bits a channel, or of another size than ``exact`` wants.
    """
    width, height = image.size
    converted = _with_channels(thing, image, channels)
    if exact and (height, width) != size:
        wanted = f"want {size[1]}x{size[0]} as the first has, or a size behind the name, as folder:PATH@64"
        raise UserError(thing, f"{width}x{height} pixels", wanted)
    return _cut_out(converted, size, scaled, require("PIL.Image", "data"))


def picture_size(file: Path) -> tuple[int, int]:
    """Height and width of a picture, by its header alone.

    Raises:
        UserError: see `read_picture`.
    """
    with _opened(file, file) as picture:
        width, height = picture.size
        return height, width


def _with_channels(thing: str, image: Any, channels: int) -> Any:
    if image.mode not in BYTES:
        raise UserError(thing, f"mode {image.mode}", "want 8 bits a channel; convert it")
    return image.convert(MODES[channels])


@contextmanager
def _opened(name: str | Path, source: Path | IO[bytes]) -> Iterator[Any]:
    """What a decoder meets in a damaged file, of which Pillow has no list, is one line with the file's name."""
    pillow = require("PIL.Image", "data")
    try:
        with pillow.open(source) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise UserError(str(name), f"{width}x{height} pixels", f"want at most {MOST_PIXELS:,}")
            yield opened
    except (UserError, MemoryError):
        raise
    except Exception as wrong:
        seen = re.sub(r" (<_io[^>]*>|'[^']*')$", "", str(wrong).replace("\n", " ")) or type(wrong).__name__
        raise UserError(str(name), seen, "want a picture, whole: get it again, or leave it out") from wrong


def _cut_out(image: Any, size: tuple[int, int], scaled: int | None, pillow: Any) -> NDArray[np.uint8]:
    rows, columns = size
    width, height = image.size
    factor = scaled / min(width, height) if scaled else max(rows / height, columns / width)
    wide, high = max(columns, round(width * factor)), max(rows, round(height * factor))
    if (wide, high) != (width, height):
        image = image.resize((wide, high), pillow.Resampling.BILINEAR)
    left, top = (wide - columns) // 2, (high - rows) // 2
    pixels = np.atleast_3d(np.asarray(image, dtype=np.uint8))[top : top + rows, left : left + columns]
    return np.array(pixels.transpose(2, 0, 1), order="C")
