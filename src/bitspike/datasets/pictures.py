"""Pictures in files of their own, of any size: read when they are asked for, so that a set need not fit into memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError, require

__all__ = ["SUFFIXES", "Pictures", "decoded", "read_picture"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif"})
"""How names of pictures end; case does not count."""
MOST_PIXELS = 1 << 27
"""Of one file: a larger one is refused by its header, before it could fill the memory."""
THREADS = 4
"""Pictures that are decoded at the same time; Pillow leaves Python alone meanwhile."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Files, what they show, and how large they are given.

    Args:
        files: one for each picture.
        labels: ``int64 [N]``.
        size: height and width of what is given; pictures are scaled so that their shorter side, or one of ``scaled``,
            has ``size``, and the middle is cut out.
        scaled: how long the shorter side is made; by default as long as that of what is given needs it.
    """

    files: tuple[Path, ...]
    labels: NDArray[np.int64]
    size: tuple[int, int]
    scaled: int | None = None

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
        """All of them, ``[N, 3, H, W]``.

        Raises:
            UserError: Pillow is missing, or a file is no picture; the line names the file.
        """
        images = np.empty((len(self.files), 3, *self.size), np.uint8)
        with ThreadPoolExecutor(THREADS) as pool:
            for place, image in enumerate(pool.map(self._one, self.files)):
                images[place] = image
        return images

    def _one(self, file: Path) -> NDArray[np.uint8]:
        return read_picture(file, self.size, self.scaled)


def read_picture(file: Path, size: tuple[int, int], scaled: int | None = None) -> NDArray[np.uint8]:
    """One picture in colours, ``[3, H, W]``; grey ones have three equal channels, and what is transparent is as it is.

    Args:
        file: of any format that Pillow reads.
        size, scaled: see `Pictures`.

    Raises:
        UserError: Pillow is missing, or the file is no picture, or a damaged, cut or enormous one.
    """
    return _cut_out(decoded(file, file), size, scaled, require("PIL.Image", "data"))


def decoded(name: str | Path, source: Path | IO[bytes]) -> Any:
    """The picture in a file, or in a stream of it, as Pillow's in colours.

    Args:
        name: what a message calls it.
        source: where it is.

    Raises:
        UserError: see `read_picture`.
    """
    pillow = require("PIL.Image", "data")
    try:
        with pillow.open(source) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise UserError(str(name), f"{width}x{height} pixels", f"want at most {MOST_PIXELS:,}")
            return opened.convert("RGB")
    except (UserError, MemoryError):
        raise
    except Exception as wrong:  # of what a decoder can meet in a damaged file, Pillow has no list
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
    pixels = np.asarray(image, dtype=np.uint8)[top : top + rows, left : left + columns]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
