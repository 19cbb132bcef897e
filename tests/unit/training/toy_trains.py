"""Two small data sets of trains, made up: one class for each sample, and one at every step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets import Dataset
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.sample import Sample

COUNTS: dict[Split, int] = {"train": 300, "test": 100}
BURSTS = Sample((2, 8, 8), 4, 0, 7)
SIGNS = Sample((3,), 12, -1, 1)


def bursts(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """In which half of the time most events come; where they come says nothing."""
    labels = rng.integers(2, size=count)
    busy = np.arange(4)[None] // 2 == labels[:, None]
    codes = rng.poisson(np.where(busy, 3.0, 0.5)[:, :, None, None, None], size=(count, *BURSTS.array_shape))
    return codes.clip(0, 7).astype(np.uint8), labels.astype(np.uint8)


def signs(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Of the last number of the first channel that was not 0, at each step whether it was above 0."""
    levels = rng.choice([-1, 0, 0, 1], size=(count, *SIGNS.array_shape))
    levels[:, 0, 0] = rng.choice([-1, 1], size=count)
    last = levels[:, :, 0].copy()
    for t in range(1, SIGNS.T):
        last[:, t] = np.where(last[:, t] == 0, last[:, t - 1], last[:, t])
    return (levels + 1).astype(np.uint8), (last > 0).astype(np.uint8)


class Toy:
    """Makes its arrays."""

    on_disk = False
    kept_by = None

    def __init__(self, name: str) -> None:
        self.name = name

    def find(self, split: Split, data_dir: Path) -> Found:
        def read() -> Iterator[Stored]:
            yield Stored(self.name, self.name, b"")

        return Found(self.name, read, ())

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        make = bursts if self.name == "toy-bursts" else signs
        yield make(COUNTS[split], np.random.default_rng(split == "test"))


def _toy(name: str, sample: Sample, labels_per_step: bool) -> Dataset:
    return Dataset(
        name=name,
        sample=sample,
        images=MappingProxyType(COUNTS),
        classes=("a", "b"),
        how_to_get="",
        citation="",
        sums={},
        source=Toy(name),
        labels_per_step=labels_per_step,
    )


TOYS = {toy.name: toy for toy in (_toy("toy-bursts", BURSTS, False), _toy("toy-signs", SIGNS, True))}
