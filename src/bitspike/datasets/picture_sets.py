"""The sets of pictures in class folders: ImageNet and TinyImageNet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.files import read_bytes
from bitspike.datasets.pictures import SUFFIXES, Pictures
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError
from bitspike.files import is_there
from bitspike.sample import Sample

__all__ = ["PICTURE_SETS", "PictureSource", "class_folders", "in_class_folders", "pictures_in"]

Labelled = tuple[tuple[Path, int], ...]
SPLITS: Mapping[Split, tuple[str, ...]] = MappingProxyType(
    {"train": ("train",), "validation": (), "test": ("test", "val")}
)
BLOCK = 256
"""Pictures that are read together, where all of a split are."""
_ANNOTATIONS = 1 << 22  # bytes; those of 10,000 pictures have 380,000


def class_folders(place: Path) -> tuple[str, ...]:
    """The folders in ``place``, by name: the classes.

    Raises:
        UserError: it may not be looked into.
    """
    try:
        with os.scandir(place) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))
    except OSError as wrong:
        raise UserError(str(place), wrong.strerror, "want a folder with a folder for each class") from wrong


def pictures_in(place: Path) -> tuple[Path, ...]:
    """The pictures in a folder, by name."""
    with os.scandir(place) as entries:
        found = (Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_file())
        return tuple(sorted(path for path in found if path.suffix.lower() in SUFFIXES))


def in_class_folders(place: Path, classes: Sequence[str]) -> Labelled:
    """``place/CLASS/*``, or ``place/CLASS/images/*`` as TinyImageNet has them.

    Raises:
        UserError: a folder that is no class, or a class without a picture.
    """
    if strange := sorted(set(class_folders(place)) - set(classes)):
        raise UserError(str(place), strange[0], f"it is none of the {len(classes)} classes")
    found: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        folder = place / name / "images" if os.path.isdir(place / name / "images") else place / name
        files = pictures_in(folder) if os.path.isdir(folder) else ()
        if not files:
            raise UserError(
                str(folder), "no pictures", f"want some *{', *'.join(sorted(SUFFIXES))} of the class {name}"
            )
        found += ((file, label) for file in files)
    return tuple(found)


def tiny_imagenet_validation(place: Path, classes: Sequence[str]) -> Labelled:
    """Pictures in ``images/``, whose classes are in ``val_annotations.txt``; or in class folders, as some sort them.

    Raises:
        UserError: no such file, or a line of it that names no picture and class.
    """
    table = place / "val_annotations.txt"
    if not is_there(table):
        return in_class_folders(place, classes)
    label_of = {name: label for label, name in enumerate(classes)}
    found = []
    for number, line in enumerate(read_bytes(table, _ANNOTATIONS).decode(errors="replace").splitlines(), 1):
        name, _, rest = line.partition("\t")
        label = label_of.get(rest.partition("\t")[0])
        if label is None or "/" in name or not name:
            raise UserError(f"{table}:{number}", line[:60], "want the name of a picture, a tab, and its class")
        found.append((place / "images" / name, label))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Block(Stored):
    """Pictures that are read when they are parsed."""

    pictures: Pictures


@dataclass(frozen=True)
class PictureSource:
    """Finds the pictures of a set, and reads none of them.

    Args:
        folders: of the data directory, in which the splits are looked for.
        size, scaled: of `Pictures`.
        classes: how many there are; ``None`` for any.
        test: finds the test pictures, where they are not in class folders.
    """

    folders: tuple[str, ...]
    size: tuple[int, int]
    scaled: int | None = None
    classes: int | None = None
    test: Callable[[Path, Sequence[str]], Labelled] = in_class_folders

    on_disk = True
    kept_by = None  # they are read when they are asked for, and not kept

    def pictures(self, split: Split, data_dir: Path) -> Pictures:
        """The pictures of a split.

        Raises:
            FileNotFoundError: there is no such split.
            UserError: other classes than the set has, or what is no such set.
        """
        names = class_folders(self._place("train", data_dir))
        if self.classes is not None and len(names) != self.classes:
            raise UserError(str(self._place("train", data_dir)), f"{len(names)} classes", f"want {self.classes}")
        place = self._place(split, data_dir)
        found = in_class_folders(place, names) if split == "train" else self.test(place, names)
        files, labels = zip(*found, strict=True) if found else ((), ())
        return Pictures(tuple(files), np.array(labels, dtype=np.int64), self.size, self.scaled)

    def find(self, split: Split, data_dir: Path) -> Found:
        place = self._place(split, data_dir)

        def read() -> Iterator[Stored]:
            pictures = self.pictures(split, data_dir)
            for start in range(0, len(pictures), BLOCK):
                yield _Block(str(place), "", b"", pictures.part(range(start, min(start + BLOCK, len(pictures)))))

        return Found(str(place), read, ())

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        for block in files:
            assert isinstance(block, _Block)
            yield block.pictures.read(), block.pictures.labels

    def _place(self, split: Split, data_dir: Path) -> Path:
        tried = [data_dir / folder / part for folder in self.folders for part in SPLITS[split]]
        for place in tried:
            if os.path.isdir(place):
                return place
        raise FileNotFoundError(f"no folder {tried[0]}")


_TERMS = "O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 115, 2015; for research only"

PICTURE_SETS = (
    Dataset(
        name="tiny-imagenet",
        sample=Sample((3, 64, 64)),
        images=MappingProxyType({"train": 100_000, "test": 10_000}),
        classes=tuple(map(str, range(200))),
        how_to_get=(
            "Get http://cs231n.stanford.edu/tiny-imagenet-200.zip and unpack it in the data directory; its validation "
            "pictures are the test split, as its test pictures have no labels"
        ),
        citation=_TERMS,
        sums={},
        source=PictureSource(
            ("tiny-imagenet-200", "tiny-imagenet"), (64, 64), classes=200, test=tiny_imagenet_validation
        ),
    ),
    Dataset(
        name="imagenet",
        sample=Sample((3, 224, 224)),
        images=MappingProxyType({"train": 1_281_167, "test": 50_000}),
        classes=tuple(map(str, range(1000))),
        how_to_get=(
            "Get ILSVRC2012 from https://image-net.org, unpack it in train/ and val/ of the folder imagenet/ in the "
            "data directory, and sort the validation pictures into a folder for each class, as train/ has them"
        ),
        citation=_TERMS,
        sums={},
        source=PictureSource(("imagenet", "ILSVRC2012", "imagenet/ILSVRC2012"), (224, 224), 256, classes=1000),
    ),
)
"""The sets of pictures that bitspike knows. Classes are called by their number, in the order of their folders."""
