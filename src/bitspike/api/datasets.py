"""The data sets: what is there, and how to get the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["datasets"]


def datasets(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Every data set that is known, with the place of each split that is here.

    Raises:
        UserError: there is no such data directory.
    """
    from bitspike.data import DATASETS, where

    rows = []
    for dataset in DATASETS.values():
        places = {split: where(dataset.name, split, data_dir) for split in dataset.images}
        rows.append(
            {
                "name": dataset.name,
                "image": "x".join(str(size) for size in dataset.image_shape),
                "classes": dataset.num_classes,
                "train": dataset.train_count,
                "test": dataset.test_count,
                "here": {split: place for split, place in places.items() if place is not None},
                "how_to_get": dataset.how_to_get,
                "citation": dataset.citation,
            }
        )
    return rows
