"""Trains in fewer steps: a dataset whose steps are summed, so many at a time, into levels that are larger.

What a network of one step and many bits reads of what another reads in many steps of one: the same numbers of spikes,
without when they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.dataset import Dataset, parse_split, read_split
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError
from bitspike.sample import MOST_CODE, Sample

__all__ = ["SummedSource", "steps_and_name", "sum_of_steps", "summed"]

BLOCK = 1024
"""Samples that are summed at once."""


def steps_and_name(rest: str) -> tuple[int, str]:
    """``8:ecg`` is eight steps at a time, of the electrocardiograms.

    Raises:
        UserError: another text.
    """
    found = re.fullmatch(r"([0-9]{1,4}):(.+)", rest)
    if found is None:
        raise UserError("dataset", f"summed:{rest}", "want the steps of a sum and a data set, for example summed:8:ecg")
    return int(found[1]), found[2]


def sum_of_steps(codes: NDArray[np.uint8], steps: int, before: Sample, after: Sample) -> NDArray[np.uint8]:
    """Codes ``[N, *after.array_shape]`` of the sums of ``steps`` steps each, within the levels of ``after``.

    Args:
        codes: ``[N, *before.array_shape]``. Steps behind the last whole sum are left out.
    """
    whole = codes[:, : after.T * steps].reshape(len(codes), after.T, steps, *before.shape).astype(np.int32)
    sums = (whole + before.lo).sum(2).clip(after.lo, after.hi) - after.lo
    return sums.astype(np.uint8).reshape(len(codes), *after.array_shape)


@dataclass(frozen=True)
class _Trains(Stored):
    """A split of the dataset itself, out of its cache where it has one."""

    arrays: Arrays = (np.empty(0, np.uint8), np.empty(0, np.uint8))


@dataclass(frozen=True)
class SummedSource:
    """The trains of another dataset, so many steps at a time; no cache keeps them, which are soon made.

    Args:
        base: the dataset.
        steps: of one sum.
        sample: what comes out.
    """

    base: Dataset
    steps: int
    sample: Sample
    kept_by: None = None

    @property
    def on_disk(self) -> bool:
        return self.base.source.on_disk

    def find(self, split: Split, data_dir: Path) -> Found:
        found = self.base.source.find(split, data_dir)

        def read() -> Iterator[Stored]:
            yield _Trains(found.place, "", b"", read_split(self.base, split, data_dir if self.on_disk else None))

        return replace(found, read=read)

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        files = iter(files)
        first = next(files)  # the files themselves, where it is these that are checked
        own = (first.arrays,) if isinstance(first, _Trains) else None
        for codes, labels in own or parse_split(self.base, split, None, chain((first,), files)):
            for start in range(0, len(codes), BLOCK):
                some = slice(start, start + BLOCK)
                sums = sum_of_steps(codes[some], self.steps, self.base.sample, self.sample)
                yield sums, self._labels(labels[some])

    def _labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Of a sum the class that most of its steps have; of several, the first."""
        if not self.base.labels_per_step:
            return labels
        groups = labels[:, : self.sample.T * self.steps].reshape(len(labels), self.sample.T, self.steps)
        counts = np.stack([(groups == label).sum(2) for label in range(self.base.num_classes)])
        return counts.argmax(0).astype(np.uint8)


def summed(base: Dataset, steps: int) -> Dataset:
    """The dataset of the trains of ``base``, ``steps`` of its steps at a time. Sums beyond a byte's levels are clipped.

    Raises:
        UserError: it has fewer steps, or of labels at every step none are left.
    """
    sample = base.sample
    T = sample.T // steps if steps else 0
    if not T or sample.T == 1:
        raise UserError("summed steps", steps, f"want 1 to {sample.T}, the steps of {base.name}, if these are several")
    if T == 1 and base.labels_per_step:
        raise UserError("summed steps", steps, f"{base.name} has a class at every step; want at most {sample.T // 2}")
    lo, hi = sample.lo * steps, sample.hi * steps
    if hi - lo > MOST_CODE:
        lo = max(lo, -(MOST_CODE + 1) // 2) if lo < 0 else lo
        hi = min(hi, lo + MOST_CODE)
    whole = Sample(sample.shape, T, lo, hi)
    return replace(
        base,
        name=f"summed:{steps}:{base.name}",
        sample=whole,
        source=SummedSource(base, steps, whole),
        made_from=base.made_from or base.name,
        remade=None if base.remade is None else lambda frames: summed(base.with_frames(frames), steps),
    )
