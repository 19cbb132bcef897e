"""What every kind of stored dataset can do: be found, be read file by file, be parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arrays", "Found", "Shape", "Source", "Split", "Stored"]

Split = Literal["train", "test"]

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images ``[N, C, H, W]`` and labels ``[N]``."""

Shape = tuple[int, int, int]
"""``(C, H, W)``: channels, height, width of an image."""


@dataclass(frozen=True)
class Stored:
    """The uncompressed content of one official file, wherever it came from.

    Args:
        path: where it was read, for people; a member of an archive is ``archive:member``.
        name: its official name, under which a checksum may be known.
        content: its bytes.
    """

    path: str
    name: str
    content: bytes | memoryview


@dataclass(frozen=True)
class Found:
    """A split that is there: its folder or archive, and how to read its files one after the other."""

    place: str
    read: Callable[[], Iterator[Stored]]


class Source(Protocol):
    """Finds, reads and parses the files of one dataset."""

    @property
    def on_disk(self) -> bool:
        """Whether a data directory is needed."""

    def find(self, split: Split, data_dir: Path) -> Found:
        """Looks for a split without reading more than it must.

        Raises:
            FileNotFoundError: says which file is missing, and where it was looked for.
        """

    def parse(self, split: Split, files: Sequence[Stored]) -> Arrays:
        """Turns the files of one split into arrays.

        Raises:
            UserError: a file is malformed; the line names the file.
        """
