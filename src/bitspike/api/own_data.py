"""A config for a data set that its recipe was not written for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bitspike.importing import is_import_path

if TYPE_CHECKING:
    from bitspike.datasets import Dataset
    from bitspike.training import TrainConfig

__all__ = ["data_lines", "given_dataset", "on_boxes", "on_dataset"]

WATCHED = 10
"""One of so many training samples watches training, where the data have no validation split of their own."""
SHOWN = 8
"""Names of classes in a line."""


def given_dataset(dataset: Any) -> Dataset:
    """A data set by its name; or arrays, a ``torch.utils.data.Dataset``, or a mapping of splits to these, all read.

    Raises:
        UserError: no such data set, or an object that is none; see `bitspike.datasets.own_objects.given`.
    """
    from bitspike.datasets import Dataset, find_dataset
    from bitspike.datasets.own_objects import given

    if isinstance(dataset, Dataset):
        return dataset
    return find_dataset(dataset) if isinstance(dataset, str) else given(dataset)


def on_dataset(config: TrainConfig, dataset: Dataset) -> TrainConfig:
    """The config for another data set: what it says of its own data is as ``dataset`` needs it.

    That is ``train_size``, ``validation_size`` (a tenth of what is trained on, at least one of each class, or the
    data's own split), ``batch_size`` where there are fewer samples, normalisation, frames, readout, and the steps of
    a train. What augments images stays.
    """
    from bitspike.training.described import as_described

    counts, sample = dataset.images, dataset.sample
    train = counts.get("train", 2)
    watched = min(max(dataset.num_classes, train // WATCHED), max(1, train - 1))
    left = train if "validation" in counts else train - watched
    changes: dict[str, Any] = {
        "dataset": dataset.name,
        "frames": None,
        "mean": None,
        "std": None,
        "train_size": None,
        "validation_size": counts.get("validation", watched),
        "batch_size": min(config.batch_size, max(1, left)),
        "augment": config.augment if sample.is_image else (),
        "readout": "each" if dataset.labels_per_step else "mean" if config.readout == "each" else config.readout,
        "chunks": None if sample.T == 1 else config.chunks,
    }
    if sample.T > 1:
        changes["bits"] = replace(config.bits, t=sample.T)
    return as_described(config.model_copy(update=changes), dataset)


def on_boxes(config: TrainConfig, name: str) -> TrainConfig:
    """The config of a network that finds boxes, for another data set of boxes.

    That is ``validation_size`` (of a folder of one's own the images that it sets apart, or a tenth), ``train_size``,
    and ``batch_size`` where there are fewer images.

    Raises:
        UserError: no such data set, or a config whose network finds no boxes.
    """
    from bitspike.datasets.detection_sets import find_detection_set, read_annotations, validation_files

    changes: dict[str, Any] = {"dataset": name, "train_size": None}
    if find_detection_set(name).path is not None:
        train = len(read_annotations(name, "train", None, "skip"))
        watched = min(len(validation_files(name)) or max(1, train // WATCHED), max(1, train - 1))
        changes |= {"validation_size": watched, "batch_size": min(config.batch_size, max(1, train - watched))}
    return config.model_copy(update=changes)


def data_lines(config: TrainConfig) -> list[str]:
    """What is said before training on data or by code of one's own: samples, classes, and what code is run."""
    from bitspike.datasets.registry import MADE

    made = config.task == "detect" or config.dataset.partition(":")[0] in MADE
    named = {config.model, "" if made else config.dataset}
    lines = [f"runs your code, by design: {name}" for name in sorted(filter(is_import_path, named))]
    if (told := config.data) is None:
        return lines
    counts, watched = told.images, config.validation_size
    names = ", ".join(told.classes[:SHOWN]) + ", ..." * (len(told.classes) > SHOWN)
    watching = f"{watched:,} {'of its own' if 'validation' in counts else 'of these'} to watch"
    parts = f"{counts.get('train', 0):,} to train on, {watching}, {counts.get('test', 0):,} to test"
    return [*lines, f"data: {config.dataset}: {told.sample}, {len(told.classes)} classes ({names}); {parts}"]
