"""Stored datasets as sets of images for training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bitspike import datasets
from bitspike.data.images import ImageSet
from bitspike.data.streamed import StreamedImages
from bitspike.datasets.dataset import read_split
from bitspike.datasets.files import data_directory
from bitspike.datasets.frames import FrameSettings
from bitspike.datasets.picture_sets import PictureSource
from bitspike.datasets.sources import Split
from bitspike.errors import UserError

__all__ = ["load", "load_of", "load_split"]


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
    """One split of a dataset; see `load`. The images are contiguous, and may be written to; no file sees it."""
    return load_of(datasets.find_dataset(name, frames), split, data_dir)


def load_of(dataset: datasets.Dataset, split: Split, data_dir: Path | None = None) -> ImageSet:
    """One split of a dataset that was found; see `load`."""
    if isinstance(dataset.source, PictureSource):
        return _streamed(dataset, dataset.source, split, data_dir)
    images, labels = read_split(dataset, split, data_dir)
    writable = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return ImageSet(writable, torch.from_numpy(labels.astype(np.int64)), dataset.classes, dataset.sample)


def _streamed(dataset: datasets.Dataset, source: PictureSource, split: Split, data_dir: Path | None) -> ImageSet:
    """Pictures that are read when they are asked for."""
    directory = data_directory(data_dir)
    try:
        pictures = source.pictures(split, directory)
    except FileNotFoundError as missing:
        wanted = f"there is {missing}. {dataset.how_to_get}"
        raise UserError(f"{dataset.name} {split} split", str(directory), wanted) from missing
    images: Any = StreamedImages(pictures)
    return ImageSet(images, torch.from_numpy(pictures.labels), dataset.classes, dataset.sample)
