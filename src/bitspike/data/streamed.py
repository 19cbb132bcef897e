"""Pictures in the place of a tensor of images: what is asked for is read then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Readable", "StreamedImages"]


class Readable(Protocol):
    """Pictures of one size that are read when they are asked for, as `bitspike.datasets.pictures.Pictures`."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def channels(self) -> int: ...

    def __len__(self) -> int: ...

    def part(self, indices: Sequence[int]) -> Readable:
        """Those at ``indices``."""

    def read(self) -> NDArray[np.uint8]:
        """All of them, ``[N, C, H, W]``."""


class StreamedImages:
    """What a set of images asks of a tensor ``uint8 [N, C, H, W]``: shape, rows, parts.

    A slice, or `part`, is streamed too; rows that are given as a tensor, or `split`, are read.

    Args:
        pictures: where they are.
        device: where what is read goes.
    """

    dtype = torch.uint8
    ndim = 4

    def __init__(self, pictures: Readable, device: torch.device | str = "cpu") -> None:
        self.pictures, self.device = pictures, torch.device(device)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.pictures), self.pictures.channels, *self.pictures.size))

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: slice | Tensor) -> StreamedImages | Tensor:
        if isinstance(rows, slice):
            return self.part(range(len(self))[rows])
        return self.part(rows.tolist()).read()

    def part(self, indices: Sequence[int]) -> StreamedImages:
        """Those at ``indices``. Nothing is read."""
        return StreamedImages(self.pictures.part(indices), self.device)

    def read(self) -> Tensor:
        """All of them as a tensor.

        Raises:
            UserError: a file is no picture, by its path.
        """
        return torch.from_numpy(self.pictures.read()).to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """All of them in order, ``size`` at a time, each part read when its turn comes."""
        return (self.part(range(start, min(start + size, len(self)))).read() for start in range(0, len(self), size))

    def to(self, device: torch.device | str) -> StreamedImages:
        """The same, to be read there."""
        return StreamedImages(self.pictures, device)

    def numpy(self) -> object:
        """All of them, read."""
        return self.pictures.read()
