"""The data sets: what is there, and how to get the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.errors import UserError

if TYPE_CHECKING:
    from bitspike.datasets import Dataset
    from bitspike.datasets.detection_sets import DetectionSet
    from bitspike.datasets.event_sets import EventSet

__all__ = ["datasets", "how_to_get"]


def datasets(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Every data set that is known, with the place of each split that is here; ``problem`` says why it cannot be read.

    Of a set of recordings of events, ``image`` is the sensor, and ``recordings`` says how many the whole set has.

    Raises:
        UserError: there is no such data directory.
    """
    from bitspike.datasets import DATASETS
    from bitspike.datasets.detection_sets import DETECTION_SETS
    from bitspike.datasets.event_sets import EVENT_SETS
    from bitspike.datasets.files import data_directory

    directory = data_directory(data_dir)  # refuses one that is not there
    rows = []
    for dataset in (one for name, one in DATASETS.items() if name not in EVENT_SETS):
        places, problem = _places(dataset, data_dir)
        rows.append(
            {
                "name": dataset.name,
                "image": str(dataset.sample),
                "classes": dataset.num_classes,
                "train": dataset.train_count,
                "test": dataset.test_count,
                "here": {split: place for split, place in places.items() if place is not None},
                "problem": problem,
                "how_to_get": dataset.how_to_get,
                "citation": dataset.citation,
            }
        )
    rows += [_event_row(chosen, directory) for chosen in EVENT_SETS.values()]
    return rows + [_boxed_row(chosen, data_dir) for chosen in DETECTION_SETS.values()]


def how_to_get(name: str) -> str:
    """Where the files of a data set that is known come from, or of a folder of recordings."""
    from bitspike.datasets import find_dataset
    from bitspike.datasets.detection_sets import find_detection_set, is_detection

    return find_detection_set(name).how_to_get if is_detection(name) else find_dataset(name).how_to_get


def _boxed_row(chosen: DetectionSet, data_dir: Path | None) -> dict[str, Any]:
    """A set of images with boxes, of any size; both splits are in one place."""
    place, problem = None, ""
    try:
        place = chosen.home(data_dir).called("").rstrip("/")
    except FileNotFoundError:
        pass
    except UserError as wrong:
        problem = str(wrong)
    return {
        "name": chosen.name,
        "image": "boxes",
        "classes": len(chosen.classes),
        "train": chosen.images["train"],
        "test": chosen.images["test"],
        "here": {split: place for split in chosen.images if place is not None},
        "problem": problem,
        "how_to_get": chosen.how_to_get,
        "citation": chosen.citation,
    }


def _event_row(chosen: EventSet, directory: Path) -> dict[str, Any]:
    """A set of recordings: ``train`` and ``test`` are ``None`` where it has no split of its own."""
    from bitspike.datasets.sources import BOTH

    here: dict[str, str] = {}
    problem = ""
    for split in BOTH:
        try:
            files = chosen.source.recordings(split, directory)
        except FileNotFoundError:
            continue
        except UserError as wrong:
            here, problem = {}, str(wrong)
            break
        here[split] = os.path.commonpath({os.path.dirname(file.path) for file in files})
    return {
        "name": chosen.name,
        "image": "x".join(str(side) for side in chosen.sensor_size),
        "classes": chosen.num_classes,
        "train": chosen.full.get("train"),
        "test": chosen.full.get("test"),
        "here": here,
        "problem": problem,
        "how_to_get": chosen.how_to_get,
        "citation": chosen.citation,
        "recordings": chosen.total or sum(chosen.full.values()),
    }


def _places(dataset: Dataset, data_dir: Path | None) -> tuple[dict[str, str | None], str]:
    """Where each split is, and what forbids to look."""
    from bitspike.datasets import where

    places: dict[str, str | None] = {}
    for split in dataset.images:
        try:
            places[split] = where(dataset.name, split, data_dir)
        except UserError as wrong:
            return {}, str(wrong)
    return places, ""
