"""Data of one's own as objects: arrays, or what can be indexed, as the data sets of PyTorch and Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.own import ClassesSource, Int, Labelled, asked, checked_names, dataset_of, parted
from bitspike.datasets.own_arrays import SPLIT_NAMES, channels_first, named_test, pixels_of, set_of_arrays
from bitspike.datasets.pictures import fitted
from bitspike.datasets.sources import Split
from bitspike.errors import UserError, require
from bitspike.importing import made, users_code
from bitspike.sample import Sample

__all__ = ["given", "hf_set", "imported_set"]

WANTED = (
    "want (images, labels), a data set of (image, label) as of torch.utils.data, or a mapping of train, test and, if"
    " you like, validation and classes to these"
)


def imported_set(path: str) -> Dataset:
    """What ``package.module:function`` returns: the user's code, run by design."""
    return given(made("dataset", path), path)


def given(thing: Any, name: str = "") -> Dataset:
    """A data set that is given as an object; all of it is read, once, and kept in memory.

    Args:
        thing: arrays ``(images, labels)``; or what has a length and gives ``(image, label)`` of an index, where an
            image is a picture of Pillow or an array; or a mapping of ``train``, ``test`` and ``validation`` to such.
            Pixels are bytes, or floats of 0..1. Names of classes are those of its ``classes``, of the object or in
            the mapping. Without ``test``, a fifth of each class is set aside for it, drawn with seed 0.
        name: what it is called.

    Raises:
        UserError: another object, images that are unlike, or labels that name no class.
    """
    name = name or f"given:{type(thing).__name__}"
    parts: dict[Split, Any] = {"train": thing}
    classes = getattr(thing, "classes", None)
    if isinstance(thing, Mapping):
        parts = named_test({s: thing[n] for s, names in SPLIT_NAMES.items() for n in names if n in thing})
        classes = thing.get("classes", getattr(parts.get("train"), "classes", None))
    if "train" not in parts:
        raise UserError("dataset", sorted(map(str, thing)) if isinstance(thing, Mapping) else name, WANTED)
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Sequence)):
        raise UserError(f"{name}, classes", type(classes).__name__, "want a list of names")
    with users_code():
        arrays = {split: _arrays(f"{name}, {split}", part) for split, part in parts.items()}
    return set_of_arrays(name, arrays, classes, known=True)


def _arrays(thing: str, part: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    if isinstance(part, tuple | list) and len(part) == 2 and all(hasattr(one, "__array__") for one in part):
        return channels_first(f"{thing}, images", np.asarray(part[0]), _is_torch(part[0])), np.asarray(part[1])
    if isinstance(part, tuple | list | str) or not (hasattr(part, "__getitem__") and hasattr(part, "__len__")):
        raise UserError(thing, type(part).__name__, WANTED)
    if not len(part):
        raise UserError(thing, "0 samples", "want some")
    images: NDArray[np.uint8] | None = None
    labels = np.zeros(len(part), np.int64)
    for index in range(len(part)):
        image, labels[index] = _item(f"{thing}, sample {index}", part[index])
        if images is None:
            images = np.empty((len(part), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise UserError(f"{thing}, sample {index}", image.shape, f"want {images.shape[1:]} as the first has")
        images[index] = image
    assert images is not None
    return images, labels


def _item(thing: str, item: Any) -> tuple[NDArray[np.uint8], int]:
    if not (isinstance(item, tuple | list) and len(item) == 2):
        raise UserError(thing, type(item).__name__, "want (image, label)")
    image, label = item
    if not hasattr(image, "__array__") and not hasattr(image, "__array_interface__"):
        raise UserError(f"{thing}, image", type(image).__name__, "want an array or a picture")
    number = np.asarray(label)
    if number.size != 1 or number.dtype.kind not in "iu":
        raise UserError(f"{thing}, label", label, "want a whole number from 0 up")
    pixels = pixels_of(f"{thing}, image", np.asarray(image))[None]
    return channels_first(f"{thing}, image", pixels, _is_torch(image))[0], int(number.item())


def _is_torch(values: Any) -> bool:
    """Whether it is a tensor of torch, which is not known here."""
    return type(values).__module__.partition(".")[0] == "torch"


def hf_set(rest: str) -> Dataset:
    """The set that is called ``hf:PATH@64``, without ``hf:``: one of Hugging Face's ``datasets``, saved on a disk.

    It has one column of images and one of classes. Without a size, that of the first image, and others are refused.

    Raises:
        UserError: the package is missing, no such set, or other columns.
    """
    told = asked("hf", rest)
    library = require("datasets", "hf")
    if not told.path.is_dir():
        raise UserError("dataset", told.name, f"there is no folder {told.path}; want what save_to_disk wrote")
    try:
        saved = library.load_from_disk(str(told.path))
    except Exception as wrong:  # of what it meets in a damaged folder, the library has no list
        raise UserError("dataset", told.name, f"cannot be read: {type(wrong).__name__}: {wrong}") from wrong
    parts: dict[Split, Any] = {"train": saved}
    if isinstance(saved, Mapping):
        parts = named_test({s: saved[n] for s, names in SPLIT_NAMES.items() for n in names if n in saved})
    if "train" not in parts:
        raise UserError(f"splits of {told.name}", sorted(saved), "want train, and test or validation if you like")
    column, answer, classes = _columns(told.name, parts["train"].features)
    labels = {split: np.asarray(part[answer], dtype=np.int64) for split, part in parts.items()}
    names = classes or checked_names(f"{told.name}, {answer}", range(int(labels["train"].max()) + 1))
    for split, of in labels.items():
        if not len(of) or int(of.min()) < 0 or int(of.max()) >= len(names):
            raise UserError(
                f"{told.name}, {split} {answer}", (of.min(), of.max()) if len(of) else "none", "want classes"
            )
    rows: dict[Split, Int] = {split: np.arange(len(of)) for split, of in labels.items()}
    if "test" not in parts:
        rows = dict(parted(labels["train"], names, told.test, told.seed))
        parts, labels = dict.fromkeys(rows, parts["train"]), dict.fromkeys(rows, labels["train"])
    width, height = parts["train"][0][column].size
    size, channels = told.size or (height, width), 1 if told.grey else 3

    def read(split: Split) -> Labelled:
        images = np.empty((len(rows[split]), channels, *size), np.uint8)
        for place, row in enumerate(rows[split].tolist()):
            where = f"{told.name}, {split} row {row}"
            images[place] = fitted(where, parts[split][row][column], size, None, channels, told.size is None)
        return images, labels[split][rows[split]]

    counts = {split: len(of) for split, of in rows.items()}
    source = ClassesSource(str(told.path), counts, read, told.path)
    return dataset_of(told.name, Sample((channels, *size)), counts, names, source)


def _columns(name: str, features: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...] | None]:
    """The column of images, that of classes, and their names."""
    kinds = {column: type(feature).__name__ for column, feature in features.items()}
    images = [column for column, kind in kinds.items() if kind == "Image"]
    answers = [column for column, kind in kinds.items() if kind == "ClassLabel"]
    answers = answers or [column for column in features if column in ("label", "labels")]
    if len(images) != 1 or len(answers) != 1:
        raise UserError(
            f"columns of {name}", kinds, "want one of kind Image and one of kind ClassLabel, or called label"
        )
    names = getattr(features[answers[0]], "names", None)
    return images[0], answers[0], None if names is None else checked_names(f"{name}, {answers[0]}", names)
