"""The images that a run is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bitspike.errors import UserError

if TYPE_CHECKING:
    from bitspike.data import Dataset
    from bitspike.training import TrainConfig

__all__ = ["Split", "images_of"]

Split = Literal["test", "validation"]


def images_of(
    config: TrainConfig, split: Split, first: int | None, data_dir: Path | None, dataset: Dataset | None = None
) -> Any:
    """The test set, or the images that were kept out of training; the ``first`` of them, or all.

    They are a `bitspike.data.ImageSet`, or `bitspike.data.BoxedImages`.

    Args:
        dataset: the data set, where it was given as an object.

    Raises:
        UserError: unknown split, data that are missing or broken, or fewer images than asked for.
    """
    from bitspike.training.setup import load_images

    if split not in ("test", "validation"):
        raise UserError("--split", split, "want test or validation")
    found = getattr(load_images(config, data_dir, dataset), split)
    if first is not None and not 1 <= first <= len(found):
        raise UserError("--images", first, f"the {split} split of {config.dataset} has {len(found)}")
    return found if first is None else found.first(first)
