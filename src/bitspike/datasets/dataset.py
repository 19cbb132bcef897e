"""What a dataset is, and how one of its splits is read, checked and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitspike.datasets.cache import cache_file, cached, signature
from bitspike.datasets.files import data_directory
from bitspike.datasets.frames import FrameSettings
from bitspike.datasets.sources import Arrays, Found, Source, Split, Stored
from bitspike.errors import UserError
from bitspike.sample import Sample

__all__ = ["Dataset", "find_split", "parse_split", "read_blocks", "read_split"]


@dataclass(frozen=True)
class Dataset:
    """What a dataset is.

    Args:
        name: its name on the command line, and the folder of the data directory where it is looked for.
        sample: what one input is.
        images: samples in each split, where the set has splits; of recordings in folders, fewer than these will do.
        classes: the names of the classes.
        how_to_get: where its files come from; nothing is ever downloaded.
        citation: who made it, and under which terms.
        sums: MD5 of the official files, as far as known.
        source: what finds and reads it.
        labels_per_step: whether a train has a label at every step.
        own: whether it is one of the user's own, which a run describes.
        made_from: the dataset that it is made from, whose files are its own.
        remade: makes the same dataset with other frames, where it is one of events.
    """

    name: str
    sample: Sample
    images: Mapping[Split, int]
    classes: tuple[str, ...]
    how_to_get: str
    citation: str
    sums: Mapping[str, str]
    source: Source
    labels_per_step: bool = False
    own: bool = False
    made_from: str = ""
    remade: Callable[[FrameSettings], Dataset] | None = None

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def train_count(self) -> int:
        return self.images["train"]

    @property
    def test_count(self) -> int:
        return self.images["test"]

    def with_frames(self, frames: FrameSettings) -> Dataset:
        """The same recordings as other trains.

        Raises:
            UserError: they are no recordings of events.
        """
        if self.remade is None:
            raise UserError("frames", str(frames), f"{self.name} has no events; want frames=null")
        return self.remade(frames)


def find_split(dataset: Dataset, split: Split, data_dir: Path | None) -> Found:
    """Where a split is, and how to read its files.

    Raises:
        FileNotFoundError: it is not there; says which file is missing.
        UserError: no such data directory, or what may not be read.
    """
    return dataset.source.find(split, data_directory(data_dir) if dataset.source.on_disk else Path())


def read_split(dataset: Dataset, split: Split, data_dir: Path | None = None) -> Arrays:
    """One split, verified in count, shape and labels; out of the cache, where an earlier call has left it there.

    Raises:
        UserError: no such directory, a missing, damaged or wrong file.
    """
    found = _found(dataset, split, data_dir)
    if dataset.source.kept_by is None:
        return _joined(list(parse_split(dataset, split, found, found.read())))
    return _kept(dataset, split, found)


def read_blocks(dataset: Dataset, split: Split, data_dir: Path | None = None) -> Iterator[Arrays]:
    """`read_split`, some samples at a time where they are not kept: as pictures, of which all may not fit into memory.

    Raises:
        UserError: see `read_split`.
    """
    if dataset.source.kept_by is not None:
        yield read_split(dataset, split, data_dir)
        return
    found = _found(dataset, split, data_dir)
    yield from parse_split(dataset, split, found, found.read())


def _found(dataset: Dataset, split: Split, data_dir: Path | None) -> Found:
    try:
        return find_split(dataset, split, data_dir)
    except FileNotFoundError as missing:
        directory, thing = str(data_directory(data_dir)), f"{dataset.name} {split} split"
        raise UserError(thing, directory, f"there is {missing}. {dataset.how_to_get}") from missing


def _kept(dataset: Dataset, split: Split, found: Found) -> Arrays:
    decides = dataset.source.kept_by or {}
    try:
        key = {"dataset": dataset.name, "split": split, "files": signature(found.files), "told": found.told, **decides}
    except OSError as wrong:
        raise UserError(found.place, wrong.strerror, "its files change while they are read") from wrong
    file = cache_file(f"{dataset.name}-{split}", key)
    count = dataset.images[split] if found.count is None else found.count
    image, label = _shapes(dataset)
    return cached(file, (count, *image), (count, *label), lambda: parse_split(dataset, split, found, found.read()))


def parse_split(dataset: Dataset, split: Split, found: Found | None, files: Iterable[Stored]) -> Iterator[Arrays]:
    """The samples in the files of a split, some at a time.

    Args:
        found: where they are; ``None`` for another dataset that is made from this one, which counts them itself.

    Raises:
        UserError: a file is malformed, or count, shape or labels are not those of the dataset.
    """
    image, label = _shapes(dataset)
    count = None if found is None else dataset.images[split] if found.count is None else found.count
    thing, done = f"{dataset.name} {split} split" + (f" in {found.place}" if found else ""), 0
    for images, labels in dataset.source.parse(split, files):
        done += len(images)
        if images.shape[1:] != image or (count is not None and done > count):
            raise UserError(thing, (done, *images.shape[1:]), f"want images of shape {(count or done, *image)}")
        if labels.shape != (len(images), *label):
            raise UserError(thing, labels.shape, f"want labels of shape {(len(images), *label)}")
        if labels.size and labels.max() >= dataset.num_classes:
            raise UserError(thing, f"label {labels.max()}", f"want 0 to {dataset.num_classes - 1}")
        yield images, labels
    if count is not None and done != count:
        raise UserError(thing, (done, *image), f"want images of shape {(count, *image)}")


def _shapes(dataset: Dataset) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of one sample, and of its label or labels."""
    return dataset.sample.array_shape, (dataset.sample.T,) * dataset.labels_per_step


def _joined(blocks: list[Arrays]) -> Arrays:
    if len(blocks) == 1:
        return blocks[0]
    return np.concatenate([images for images, _ in blocks]), np.concatenate([labels for _, labels in blocks])
