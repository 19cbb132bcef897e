"""What a data set of one's own is, written into the run: so that the run is costed and frozen without its files."""

from __future__ import annotations

from bitspike.datasets import Dataset, find_dataset
from bitspike.datasets.own import described
from bitspike.datasets.recorded import FramesSource
from bitspike.datasets.sources import Split
from bitspike.errors import UserError
from bitspike.sample import Sample
from bitspike.training.config import TrainConfig
from bitspike.training.data import DataConfig

__all__ = ["as_described", "dataset_of", "found_dataset"]


def as_described(config: TrainConfig, given: Dataset | None) -> TrainConfig:
    """The config with what its data set is, or the one that was ``given``, if that is one's own."""
    if config.task == "detect":
        return config
    dataset = find_dataset(config.dataset, config.frames) if given is None else given
    if not dataset.own:
        return config if config.data is None else config.model_copy(update={"data": None})
    sample = dataset.sample
    told = DataConfig(
        sample=str(sample), lo=sample.lo, hi=sample.hi, classes=dataset.classes, images=dict(dataset.images)
    )
    frames = dataset.source.frames if isinstance(dataset.source, FramesSource) else config.frames
    return config.model_copy(update={"data": told, "frames": frames})


def dataset_of(config: TrainConfig) -> Dataset:
    """The config's data set, with its frames: as the config describes it, or else as it is found.

    Raises:
        UserError: an unknown data set, frames that it has no use for, or a description that is none.
    """
    told = config.data
    if told is None:
        return find_dataset(config.dataset, config.frames)
    counts: dict[Split, int] = dict(told.images)
    return described(config.dataset, Sample.parse(told.sample, told.lo, told.hi), counts, told.classes)


def found_dataset(config: TrainConfig, given: Dataset | None = None) -> Dataset:
    """The data set itself, whose samples can be read.

    Args:
        given: it, where it was given as an object.

    Raises:
        UserError: it is not there, or is another than the one that the config describes.
    """
    if given is not None and given.name != config.dataset:
        raise UserError("dataset", given.name, f"the run was trained on {config.dataset}; give that")
    found = find_dataset(config.dataset, config.frames) if given is None else given
    for thing, seen, wanted in (
        ("classes", found.classes, config.data and config.data.classes),
        ("sample", str(found.sample), config.data and config.data.sample),
    ):
        if wanted is not None and seen != wanted:
            raise UserError(f"{thing} of {config.dataset}", seen, f"it has changed: the run was trained on {wanted}")
    return found
