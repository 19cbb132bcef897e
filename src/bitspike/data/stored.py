"""Stored datasets as sets of images for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bitspike import datasets
from bitspike.data.images import ImageSet
from bitspike.datasets.frames import FrameSettings
from bitspike.datasets.sources import Split

__all__ = ["load", "load_split"]


def load(name: str, data_dir: Path | None = None, frames: FrameSettings | None = None) -> tuple[ImageSet, ImageSet]:
    """The training and test images of a dataset, verified in count, shape and labels.

    Args:
        name: of the dataset.
        data_dir: where datasets lie; ``None`` means ``$BITSPIKE_DATA``, else ``./data``.
        frames: how events become frames, of a dataset of events.

    Raises:
        UserError: unknown name, no such directory, a missing, damaged or wrong file.
    """
    return load_split(name, "train", data_dir, frames), load_split(name, "test", data_dir, frames)


def load_split(name: str, split: Split, data_dir: Path | None = None, frames: FrameSettings | None = None) -> ImageSet:
    """One split of a dataset; see `load`. The images are contiguous, and may be written to."""
    dataset = datasets.find_dataset(name, frames)
    images, labels = datasets.load_split(name, split, data_dir, frames)
    writable = torch.from_numpy(np.require(images, requirements=["C", "W", "O"]))
    return ImageSet(writable, torch.from_numpy(labels.astype(np.int64)), dataset.classes, dataset.sample)
