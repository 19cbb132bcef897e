"""Pictures of one's own in class folders: ``folder:PATH@64``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.own import asked, checked_names, dataset_of, parted
from bitspike.datasets.picture_sets import PictureSource, class_folders, in_class_folders
from bitspike.datasets.pictures import Pictures, picture_size
from bitspike.datasets.sources import Split
from bitspike.errors import UserError
from bitspike.sample import Sample

__all__ = ["picture_folder"]

VALIDATION = ("val", "validation", "valid")


@dataclass(frozen=True)
class OwnPictures(PictureSource):
    """Pictures that were found when the set was asked for; `folders` is where.

    Args:
        found: those of each split.
    """

    found: Mapping[Split, Pictures] = field(default_factory=dict)

    def pictures(self, split: Split, data_dir: Path) -> Pictures:
        if split not in self.found:
            raise FileNotFoundError(f"no {split} split in {self.folders[0]}")
        return self.found[split]

    def _place(self, split: Split, data_dir: Path) -> Path:
        self.pictures(split, data_dir)
        return Path(self.folders[0])


def picture_folder(rest: str) -> Dataset:
    """The set that is called ``folder:PATH@64``, or ``folder:PATH@48x64`` of height and width, without ``folder:``.

    Splits are the folders train/, val/ and test/ in it (without test/, val/ is the test split); a folder that holds the
    classes themselves is split by seed. Without a size it is that of the first picture, and others are refused.

    Raises:
        UserError: another text, no such folder, none for each class, or an empty one.
    """
    told = asked("folder", rest)
    if not os.path.isdir(told.path):
        raise UserError("dataset", told.name, f"there is no folder {told.path}; want one with a folder for each class")
    places = _places(told.path)
    home = places.get("train", told.path)
    folders = class_folders(home)
    if len(folders) < 2:
        wanted = "want one for each class, two at least; or train/ and test/ (or val/) with these"
        raise UserError(str(home), f"{len(folders)} folders", wanted)
    classes = checked_names(str(home), folders)
    labelled = {split: in_class_folders(place, folders) for split, place in places.items()}
    first = (labelled["train"] if labelled else in_class_folders(home, folders))[0][0]
    size = told.size or picture_size(first)

    def pictures(of: tuple[tuple[Path, int], ...]) -> Pictures:
        files, labels = zip(*of, strict=True)
        channels = 1 if told.grey else 3
        return Pictures(files, np.array(labels, dtype=np.int64), size, None, channels, told.size is None)

    if labelled:
        found: dict[Split, Pictures] = {split: pictures(of) for split, of in labelled.items()}
    else:
        whole = pictures(in_class_folders(home, folders))
        parts = parted(whole.labels, classes, told.test, told.seed)
        found = {split: whole.part(rows.tolist()) for split, rows in parts.items()}
    source = OwnPictures((str(told.path),), size, found=MappingProxyType(found))
    counts = {split: len(of) for split, of in found.items()}
    return dataset_of(told.name, Sample((1 if told.grey else 3, *size)), counts, classes, source)


def _places(home: Path) -> dict[Split, Path]:
    """The folders of splits that are in ``home``; none where the classes themselves are.

    Raises:
        UserError: one to train on without one to test on.
    """
    if not os.path.isdir(home / "train"):
        return {}
    there = [home / name for name in ("test", *VALIDATION) if os.path.isdir(home / name)]
    if not there:
        raise UserError(str(home), "train/ alone", "want train/ and test/ (or val/) in it, or the classes themselves")
    found: dict[Split, Path] = {"train": home / "train"}
    if there[0].name == "test" and len(there) > 1:
        found["validation"] = there[1]
    return found | {"test": there[0]}
