"""The data sets: what is there, and how to get the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.errors import UserError

if TYPE_CHECKING:
    from bitspike.datasets import Dataset

__all__ = ["datasets"]


def datasets(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Every data set that is known, with the place of each split that is here; ``problem`` says why it cannot be read.

    Raises:
        UserError: there is no such data directory.
    """
    from bitspike.datasets import DATASETS
    from bitspike.datasets.files import data_directory

    data_directory(data_dir)  # refuses one that is not there
    rows = []
    for dataset in DATASETS.values():
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
    return rows


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
