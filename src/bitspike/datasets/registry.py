"""The datasets by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bitspike.datasets.dataset import Dataset, find_split, read_split
from bitspike.datasets.ecg import ECG
from bitspike.datasets.event_sets import EVENT_SETS, event_folder, find_event_set
from bitspike.datasets.frames import FrameSettings
from bitspike.datasets.image_sets import IMAGE_SETS
from bitspike.datasets.moving import moving
from bitspike.datasets.own import asked
from bitspike.datasets.own_arrays import npz_set
from bitspike.datasets.own_objects import hf_set, imported_set
from bitspike.datasets.own_pictures import picture_folder
from bitspike.datasets.picture_sets import PICTURE_SETS
from bitspike.datasets.recorded import recorded
from bitspike.datasets.recordings import Shares
from bitspike.datasets.sources import Arrays, Split
from bitspike.datasets.spoken import SPOKEN_DIGITS
from bitspike.datasets.summed import steps_and_name, summed
from bitspike.errors import UserError, closest
from bitspike.importing import FORM

__all__ = ["DATASETS", "MADE", "Dataset", "find_dataset", "load_split", "where"]


def find_dataset(name: str, frames: FrameSettings | None = None) -> Dataset:
    """The dataset called ``name``: of `DATASETS`, or one that is made when it is asked for.

    Args:
        name: also of a set of recordings, the path of a folder of them, of what `MADE` makes, or the import path of a
            function of one's own, which is called.
        frames: how recordings of events become trains; by default as the dataset does it.

    Raises:
        UserError: no dataset is called that, or it has no recordings that ``frames`` could be made of.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind in MADE:
        return MADE[kind](rest, frames)
    if FORM.fullmatch(name):
        return _of_images(imported_set(name), frames)
    if name in EVENT_SETS or os.sep in name:
        return recorded(find_event_set(name), frames)
    if name not in DATASETS:
        known = closest(name, [*DATASETS, *EVENT_SETS, *(f"{kind}:NAME" for kind in MADE if kind != "given")])
        raise UserError("dataset", name, f"{known}; or the path of a folder of recordings, as ./recordings")
    return DATASETS[name] if frames is None else DATASETS[name].with_frames(frames)


def load_split(name: str, split: Split, data_dir: Path | None = None, frames: FrameSettings | None = None) -> Arrays:
    """One split of a dataset, verified in count, shape and labels.

    Args:
        data_dir: where datasets lie; ``None`` means ``$BITSPIKE_DATA``, else ``./data``.
        frames: how recordings of events become trains; by default as the dataset does it.

    Raises:
        UserError: unknown name, no such directory, a missing, damaged or wrong file.
    """
    return read_split(find_dataset(name, frames), split, data_dir)


def where(name: str, split: Split, data_dir: Path | None = None) -> str | None:
    """The folder or archive that holds a split, or ``None``; contents are not looked at."""
    try:
        return find_split(find_dataset(name), split, data_dir).place
    except FileNotFoundError:
        return None


def _moving(name: str, frames: FrameSettings | None) -> Dataset:
    return moving(find_dataset(name), frames)


def _summed(rest: str, frames: FrameSettings | None) -> Dataset:
    steps, name = steps_and_name(rest)
    return summed(find_dataset(name, frames), steps)


def _of_images(found: Dataset, frames: FrameSettings | None) -> Dataset:
    return found if frames is None else found.with_frames(frames)


def _events(rest: str, frames: FrameSettings | None) -> Dataset:
    told = asked("events", rest).only("test", "seed")
    return recorded(event_folder(told.path, Shares(100 - told.test, told.seed), name=told.name), frames)


def _given(rest: str, frames: FrameSettings | None) -> Dataset:
    raise UserError("dataset", f"given:{rest}", "it was given as an object; give it again, as dataset=")


MADE: Mapping[str, Callable[[str, FrameSettings | None], Dataset]] = MappingProxyType(
    {
        "moving": _moving,
        "summed": _summed,
        "folder": lambda rest, frames: _of_images(picture_folder(rest), frames),
        "npz": lambda rest, frames: _of_images(npz_set(rest), frames),
        "hf": lambda rest, frames: _of_images(hf_set(rest), frames),
        "events": _events,
        "given": _given,
    }
)
"""What makes a dataset of its name after the colon: ``moving:digits`` are the digits as a moving sensor sees them,
``summed:8:ecg`` the electrocardiograms in eight steps at a time, ``folder:PATH@64`` pictures in
class folders, ``npz:PATH`` arrays, ``hf:PATH`` what Hugging Face's ``datasets`` saved, ``events:PATH`` recordings."""

_IMAGES = {dataset.name: dataset for dataset in (*IMAGE_SETS, *PICTURE_SETS)}

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    _IMAGES
    | {
        dataset.name: dataset
        for dataset in (ECG, SPOKEN_DIGITS, moving(_IMAGES["fashion-mnist"], None, "moving-fashion"))
    }
)
"""Every dataset that bitspike knows, by name."""
