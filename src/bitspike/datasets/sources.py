"""What every kind of stored dataset can do: be found, be read file by file, be parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOTH", "Arrays", "Found", "Shape", "Source", "Split", "Stored"]

Split = Literal["train", "validation", "test"]
"""``validation`` is of those sets alone that have one of their own; of others it is taken from ``train``."""

BOTH: tuple[Split, ...] = ("train", "test")
"""What every set has."""

Arrays = tuple[NDArray[np.uint8], NDArray[Any]]
"""Codes ``[N, *sample.array_shape]``, ``[N, C, H, W]`` of images; and labels ``[N]``, or ``[N, T]`` per step: bytes, or
whole numbers of another width in sets of one's own, which may have more classes."""

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

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.content)


@dataclass(frozen=True)
class Found:
    """A split that is there.

    Args:
        place: its folder or archive.
        read: reads its files one after the other.
        files: the files that it lies in.
        count: how many samples it has, where another number than the official one will do.
        told: what else decides the arrays: of a file with several samples, where they are and what they show.
    """

    place: str
    read: Callable[[], Iterator[Stored]]
    files: tuple[Path, ...]
    count: int | None = None
    told: str = ""


class Source(Protocol):
    """Finds, reads and parses the files of one dataset."""

    @property
    def on_disk(self) -> bool:
        """Whether a data directory is needed."""

    @property
    def kept_by(self) -> Mapping[str, Any] | None:
        """What, beside the files, decides the arrays, if these are so dear that a cache keeps them; as JSON."""

    def find(self, split: Split, data_dir: Path) -> Found:
        """Looks for a split without reading more than it must.

        Raises:
            FileNotFoundError: says which file is missing, and where it was looked for.
        """

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        """Turns the files of one split into arrays, some samples at a time. Files are read when they are needed.

        Raises:
            UserError: a file is malformed; the line names the file.
        """
