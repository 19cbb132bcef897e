"""Data sets of one's own: how a name says what is asked of one, how it is split, what its classes are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.datasets.split import hashed, permutation
from bitspike.errors import UserError, shown
from bitspike.files import at_home
from bitspike.sample import Sample

__all__ = [
    "FORMS",
    "Asked",
    "ClassesSource",
    "asked",
    "checked_names",
    "dataset_of",
    "described",
    "parted",
    "printable",
]

Int = NDArray[np.int64]
Labelled = tuple[NDArray[np.uint8], Int]

FORMS = "PATH, or PATH@ and words with commas: 64 or 48x64 (pixels), grey, test=20 (percent of each class), seed=0"
_WORD = re.compile(
    r"(?P<size>[0-9]{1,4}(x[0-9]{1,4})?)|(?P<grey>grey)|test=(?P<test>[0-9]{1,2})|seed=(?P<seed>[0-9]{1,9})"
)
LEAST = 3
"""Samples of a class that is split: one to train on, one to watch, one to test."""


@dataclass(frozen=True)
class Asked:
    """What stands behind ``folder:`` and its like.

    Args:
        name: all of it.
        path: of the folder or file.
        size: height and width of what pictures become; ``None`` where it is not said.
        grey: whether pictures have one channel, and not three.
        test: percent of each class that is set aside for testing, where the set has no test split of its own.
        seed: draws which.
    """

    name: str
    path: Path
    size: tuple[int, int] | None = None
    grey: bool = False
    test: int = 20
    seed: int = 0

    def only(self, *words: str) -> Asked:
        """Itself, if nothing else was said.

        Raises:
            UserError: a word that its kind of set has no use for.
        """
        for word, usual in (("size", None), ("grey", False), ("test", 20), ("seed", 0)):
            if word not in words and getattr(self, word) != usual:
                raise UserError("dataset", self.name, f"its kind has no use for {word}; leave that out")
        return self


def asked(kind: str, rest: str) -> Asked:
    """``PATH@64,grey,test=20,seed=0``, of which all but the path may be left out.

    Raises:
        UserError: another text.
    """
    name = f"{kind}:{rest}"
    path, at, words = rest.rpartition("@")
    if not at:
        path, words = rest, ""
    found: dict[str, Any] = {}
    for word in words.split(",") if at else ():
        said = _WORD.fullmatch(word)
        for key, value in said.groupdict().items() if said else ():
            if value is not None:
                found[key] = value
        if said is None:
            raise UserError("dataset", name, f"{word!r} says nothing; want {kind}:PATH@64, or {FORMS}")
    size = tuple(map(int, found["size"].split("x"))) if "size" in found else None
    if not path or (size and min(size) < 1) or found.get("test") in ("0", "00"):
        raise UserError("dataset", name, f"want {kind}:PATH@64, or {FORMS}")
    return Asked(
        name,
        at_home(path).absolute(),
        None if size is None else (size[0], size[-1]),
        "grey" in found,
        int(found.get("test", 20)),
        int(found.get("seed", 0)),
    )


def parted(labels: Int, classes: Sequence[str], test: int, seed: int) -> Mapping[Split, Int]:
    """Which samples are for training and which for testing: of each class ``test`` percent, at least one.

    It depends on the seed and on how many samples each class has, in their order, and on nothing else.

    Raises:
        UserError: a class with fewer than three.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < LEAST:
            wanted = f"want {LEAST} at least, to train on, to watch and to test; or folders or arrays of train and test"
            raise UserError(f"class {name}", f"{len(members)} sample{'s' * (len(members) != 1)}", wanted)
        count = min(max(1, (len(members) * test + 50) // 100), len(members) - 2)
        order = permutation(len(members), np.random.RandomState(hashed(seed, label)))
        chosen[members[order[:count]]] = True
    return {"train": np.flatnonzero(~chosen), "test": np.flatnonzero(chosen)}


def printable(name: str) -> str:
    """A name from a file or folder as text that can be printed: what cannot is escaped, as ``\\n``."""
    shown_as = (part if part.isprintable() else ascii(part)[1:-1] for part in name)
    return "".join(shown_as).strip() or "?"


def checked_names(thing: str, names: Iterable[object], least: int = 2) -> tuple[str, ...]:
    """The names of classes, `printable`.

    Raises:
        UserError: fewer than ``least``, or two that are the same as they are printed.
    """
    found: dict[str, object] = {}
    for name in names:
        told = printable(str(name))
        if told in found:
            raise UserError(thing, [shown(found[told]), shown(name)], f"both classes are printed as {told}; rename one")
        found[told] = name
    if len(found) < least:
        raise UserError(thing, f"{len(found)} classes", f"want {least} at least")
    return tuple(found)


@dataclass(frozen=True, eq=False)
class ClassesSource:
    """Samples that one call gives, of each split.

    Args:
        place: where they are, for people.
        counts: samples of each split.
        read: gives codes and labels of a split.
        file: that they lie in; ``None`` of what was given as an object.
    """

    place: str
    counts: Mapping[Split, int]
    read: Callable[[Split], Labelled] = field(repr=False)
    file: Path | None = None

    on_disk = False
    kept_by = None

    def find(self, split: Split, data_dir: Path) -> Found:
        if split not in self.counts:
            raise FileNotFoundError(f"no {split} split in {self.place}")

        def stored() -> Iterator[Stored]:
            yield Stored(self.place, self.place, b"")

        return Found(self.place, stored, () if self.file is None else (self.file,), self.counts[split])

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        for _ in files:
            yield self.read(split)


def dataset_of(
    name: str, sample: Sample, counts: Mapping[Split, int], classes: tuple[str, ...], source: Any
) -> Dataset:
    """A set of one's own.

    Raises:
        UserError: a split without a sample.
    """
    for split, count in counts.items():
        if not count:
            raise UserError(name, f"no sample in its {split} split", "want some")
    return Dataset(
        name=name,
        sample=sample,
        images=MappingProxyType(dict(counts)),
        classes=classes,
        how_to_get="It is of your own",
        citation="",
        sums=MappingProxyType({}),
        source=source,
        own=True,
    )


def described(name: str, sample: Sample, counts: Mapping[Split, int], classes: tuple[str, ...]) -> Dataset:
    """A set that is known by what was written of it, and whose samples nobody asks for."""

    def absent(split: Split) -> Labelled:
        raise UserError("dataset", name, "it was described, not given")

    return dataset_of(name, sample, counts, classes, ClassesSource(name, counts, absent))
