"""The sets of images with boxes: BCCD, and folders of one's own in the layouts of VOC and COCO."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from bitspike.datasets.boxed import DetectionSplit, Faults, Wrong
from bitspike.datasets.classes import COCO, VOC
from bitspike.datasets.coco import coco_classes, coco_home, coco_validation, read_coco
from bitspike.datasets.files import data_directory
from bitspike.datasets.sources import Split
from bitspike.datasets.storage import Storage, storage
from bitspike.datasets.voc import read_voc, voc_classes, voc_home, voc_validation
from bitspike.errors import UserError, closest
from bitspike.files import at_home

__all__ = [
    "DETECTION_SETS",
    "DetectionSet",
    "classes_of",
    "find_detection_set",
    "is_detection",
    "load_detection",
    "read_annotations",
    "validation_files",
]

T = TypeVar("T")


@dataclass(frozen=True)
class DetectionSet:
    """A set of images with boxes.

    Args:
        name: on the command line.
        layout: ``voc`` or ``coco``.
        path: its folder or archive; of a set that is known, looked for in the data directory.
        classes: their names; without any, those in its files.
        images: how many each split of the whole set has, where that is known.
        how_to_get: where its files come from; nothing is ever downloaded.
        citation: who made it, and under which terms.
    """

    name: str
    layout: str
    path: Path | None = None
    classes: tuple[str, ...] = ()
    images: Mapping[Split, int] = field(default_factory=dict)
    how_to_get: str = "It is a folder of your own"
    citation: str = ""

    def home(self, data_dir: Path | None = None) -> Storage:
        """Its folder or archive.

        Raises:
            FileNotFoundError: it is not there.
            UserError: what is there has another layout.
        """
        if self.path is not None:
            tried = [self.path]
        else:
            directory = data_directory(data_dir)
            tried = [directory / self.name, directory / self.name.upper()]
        for path in tried:
            if (place := storage(path)) is not None:
                return _LAYOUTS[self.layout].home(place)
        raise FileNotFoundError(f"no folder {tried[0]}, and no {tried[0]}.zip")


class _VOC:
    home = staticmethod(voc_home)
    classes = staticmethod(voc_classes)
    read = staticmethod(read_voc)
    validation = staticmethod(voc_validation)


class _COCO:
    home = staticmethod(coco_home)
    classes = staticmethod(coco_classes)
    read = staticmethod(read_coco)
    validation = staticmethod(coco_validation)


_LAYOUTS: Mapping[str, Any] = MappingProxyType({"voc": _VOC, "coco": _COCO})

DETECTION_SETS: Mapping[str, DetectionSet] = MappingProxyType(
    {
        "bccd": DetectionSet(
            name="bccd",
            layout="voc",
            classes=("RBC", "WBC", "Platelets"),
            images={"train": 292, "test": 72},
            how_to_get="Put the folder BCCD of github.com/Shenggan/BCCD_Dataset there as bccd/, or as bccd.zip",
            citation="Shenggan, BCCD Dataset: 364 images of blood cells; MIT",
        ),
        "voc": DetectionSet(
            name="voc",
            layout="voc",
            classes=VOC,
            images=MappingProxyType({"train": 5011, "test": 4952}),
            how_to_get="Put the folder VOC2007 of PASCAL VOC there as voc/",
            citation="Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 2010",
        ),
        "coco": DetectionSet(
            name="coco",
            layout="coco",
            classes=COCO,
            images=MappingProxyType({"train": 118287, "test": 5000}),
            how_to_get="Put train2017/, val2017/ and annotations/ of COCO there as coco/",
            citation="Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; annotations CC BY 4.0",
        ),
    }
)
"""Those that bitspike knows, by name; COCO is tested on what it calls validation. ``voc:PATH`` and ``coco:PATH`` are
folders of one's own."""


def is_detection(name: str) -> bool:
    """Whether a name is that of a set of images with boxes."""
    return name in DETECTION_SETS or (name.partition(":")[0] in _LAYOUTS and ":" in name)


def find_detection_set(name: str) -> DetectionSet:
    """The set called ``name``.

    Raises:
        UserError: none is.
    """
    layout, colon, rest = name.partition(":")
    if colon and layout in _LAYOUTS:
        if not rest:
            raise UserError("dataset", name, f"want {layout}:PATH, a folder or a ZIP archive in the layout of {layout}")
        return DetectionSet(name, layout, at_home(rest).absolute())
    if name not in DETECTION_SETS:
        known = closest(name, [*DETECTION_SETS, *(f"{layout}:PATH" for layout in _LAYOUTS)])
        raise UserError("dataset of boxes", name, known)
    return DETECTION_SETS[name]


def load_detection(name: str, split: Split, data_dir: Path | None = None, wrong: Wrong = "skip") -> DetectionSplit:
    """A split; annotations are read and checked, images when they are asked for.

    Args:
        data_dir: where datasets lie; ``None`` means ``$BITSPIKE_DATA``, else ``./data``.
        wrong: what becomes of boxes and images that cannot be used: they are left out, which a warning says
            (`DetectionSplit.faults` names each), or the first is refused. An image that cannot be read is always
            refused when its turn comes: a run that went on without it would be another one.

    Raises:
        UserError: unknown name, no such folder, another layout, or no image that can be used.
    """
    found = read_annotations(name, split, data_dir, wrong)
    if found.faults:
        more = "" if len(found.faults) == 1 else f" (and {len(found.faults) - 1} more: bitspike data check names them)"
        warnings.warn(f"{found.name}: left out: {found.faults[0]}{more}", stacklevel=2)
    return found


def read_annotations(name: str, split: Split, data_dir: Path | None, wrong: Wrong) -> DetectionSplit:
    """The split that `load_detection` gives, without the warning."""
    chosen = find_detection_set(name)
    classes = classes_of(name, data_dir)
    faults = Faults(wrong)
    found: DetectionSplit = _read(
        chosen, split, data_dir, lambda layout, home: layout.read(chosen.name, home, split, classes, faults)
    )
    if not len(found):
        first = f"; the first of {len(found.faults)} faults: {found.faults[0]}" if found.faults else ""
        raise UserError(found.name, "no images", f"want some with annotations{first}")
    return found


def classes_of(name: str, data_dir: Path | None = None) -> tuple[str, ...]:
    """The classes of the set called ``name``; of a folder of one's own, those in its files.

    Raises:
        UserError: unknown name, or no such folder.
    """
    chosen = find_detection_set(name)
    return chosen.classes or _read(chosen, "train", data_dir, lambda layout, home: layout.classes(home))


def validation_files(name: str, data_dir: Path | None = None) -> frozenset[str]:
    """Names of the training images that the set itself has for validation; none, where it does not say.

    Raises:
        UserError: unknown name, or no such folder.
    """
    return _read(find_detection_set(name), "train", data_dir, lambda layout, home: layout.validation(home))


def _read(chosen: DetectionSet, split: Split, data_dir: Path | None, read: Callable[[Any, Storage], T]) -> T:
    """What ``read`` finds in the folder of a set."""
    try:
        return read(_LAYOUTS[chosen.layout], chosen.home(data_dir))
    except FileNotFoundError as missing:
        where = str(chosen.path or data_directory(data_dir))
        raise UserError(f"{chosen.name} {split} split", where, f"there is {missing}. {chosen.how_to_get}") from missing
