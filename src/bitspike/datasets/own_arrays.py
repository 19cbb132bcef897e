"""Images of one's own as arrays: which axes and numbers they may have, and files of them, ``npz:PATH``."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.own import ClassesSource, Int, Labelled, asked, checked_names, dataset_of, parted
from bitspike.datasets.sources import Split
from bitspike.errors import UserError
from bitspike.files import is_there
from bitspike.sample import MOST_CODE, Sample

__all__ = ["SPLIT_NAMES", "channels_first", "labels_of", "npz_set", "pixels_of", "set_of_arrays"]

CHANNELS = (1, 3)
SPLIT_NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
"""What splits are called in files of others."""
PATTERNS = (("{}_images", "{}_labels"), ("x_{}", "y_{}"), ("X_{}", "y_{}"))
WHOLE = (("images", "labels"), ("x", "y"), ("X", "y"))
KEYS = "train_images, train_labels, test_images, test_labels (or x_train, y_train, ...), or images, labels to be split"


def pixels_of(thing: str, values: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as bytes: those that are bytes, and floats of 0..1, in whole 255ths.

    Raises:
        UserError: of another type, or floats beyond these: normalised images, or no numbers.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise UserError(thing, values.dtype.name, "want pixels 0..255 in uint8, or floats 0..1")
    if values.size and not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        seen = f"floats {values.min():.4g}..{values.max():.4g}"
        raise UserError(thing, seen, "want 0..1, or uint8: the network normalises, by --set mean=... --set std=...")
    found: NDArray[np.uint8] = np.floor(values * MOST_CODE + 0.5).astype(np.uint8)
    return found


def channels_first(thing: str, values: NDArray[Any], known: bool = False) -> NDArray[Any]:
    """``[N, C, H, W]`` of ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]``, with one channel or three.

    Args:
        known: what could be read both ways has its channels first, as tensors of torch have.

    Raises:
        UserError: other axes, or those that could be read both ways.
    """
    if values.ndim == 3:
        return values[:, None]
    if known and values.ndim == 4 and values.shape[1] in CHANNELS:
        return values
    first, last = values.ndim == 4 and values.shape[1] in CHANNELS, values.ndim == 4 and values.shape[3] in CHANNELS
    if first == last:
        why = "both could be channels" if first else "want [N, H, W], [N, C, H, W] or [N, H, W, C] of 1 or 3 channels"
        raise UserError(thing, values.shape, why)
    return values if first else values.transpose(0, 3, 1, 2)


def labels_of(thing: str, values: NDArray[Any], count: int) -> Int:
    """Labels of so many samples.

    Raises:
        UserError: no whole numbers from 0 up, or not one for each sample.
    """
    if values.dtype.kind not in "iu":
        raise UserError(thing, values.dtype.name, "want whole numbers from 0 up, a class each")
    if values.shape not in ((count,), (count, 1)):
        raise UserError(thing, values.shape, f"want {(count,)}, one for each image")
    labels = values.reshape(count)
    if count and (int(labels.min()) < 0 or int(labels.max()) >= 1 << 31):
        raise UserError(thing, (int(labels.min()), int(labels.max())), "want whole numbers from 0 up")
    return labels.astype(np.int64)


def set_of_arrays(
    name: str,
    parts: Mapping[Split, tuple[NDArray[Any], NDArray[Any]]],
    classes: Sequence[object] | None,
    test: int = 20,
    seed: int = 0,
    known: bool = False,
) -> Dataset:
    """A data set of arrays, which are kept in memory.

    Args:
        name: what it is called.
        parts: images and labels of each split; of ``train`` alone, ``test`` percent of each class are set aside.
        classes: their names; by default their numbers.
        known: see `channels_first`.

    Raises:
        UserError: no images, unlike ones, or labels that name no class.
    """
    found: dict[Split, Labelled] = {}
    for split, (images, labels) in parts.items():
        pixels = np.ascontiguousarray(
            channels_first(f"{name}, {split} images", pixels_of(f"{name}, images", images), known)
        )
        found[split] = pixels, labels_of(f"{name}, {split} labels", labels, len(pixels))
        if not pixels.size:
            raise UserError(f"{name}, {split} images", images.shape, "want some")
    shapes = {split: images.shape[1:] for split, (images, _) in found.items()}
    for split, shape in shapes.items():
        if shape != shapes["train"]:
            raise UserError(f"{name}, {split} images", shape, f"want {shapes['train']}, as those to train on have")
    highest = max(int(labels.max()) for _, labels in found.values())
    names = checked_names(f"{name}, classes", range(highest + 1) if classes is None else classes)
    if highest >= len(names):
        raise UserError(f"{name}, labels", highest, f"want 0 to {len(names) - 1}, one of its {len(names)} classes")
    there = np.bincount(found["train"][1], minlength=len(names))
    if not there.all():
        missing = int(np.flatnonzero(there == 0)[0])
        wanted = f"want some of each class, whose labels are 0 to {len(names) - 1}"
        raise UserError(f"{name}, train labels", f"none that is {missing}", wanted)
    if "test" not in found:
        images, labels = found["train"]
        found = {split: (images[of], labels[of]) for split, of in parted(labels, names, test, seed).items()}
    counts = {split: len(labels) for split, (_, labels) in found.items()}
    source = ClassesSource(name, counts, found.__getitem__)
    return dataset_of(name, Sample(tuple(map(int, shapes["train"]))), counts, names, source)


def npz_set(rest: str) -> Dataset:
    """The set that is called ``npz:PATH``, without ``npz:``: arrays in a file of NumPy. Nothing is unpickled.

    Raises:
        UserError: no such file, none of NumPy, other arrays than are wanted, or arrays of objects.
    """
    told = asked("npz", rest).only("test", "seed")
    if not is_there(told.path):
        raise UserError("dataset", told.name, f"there is no file {told.path}")
    try:
        loaded = np.load(told.path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise UserError("dataset", told.name, f"it is one array; want a .npz of {KEYS}")
        with loaded as archive:
            parts = {split: (archive[i], archive[y]) for split, (i, y) in _keys(told.name, archive.files).items()}
            classes = archive["classes"].tolist() if "classes" in archive.files else None
    except UserError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
    ) as w:
        seen = "an array of objects" if "allow_pickle" in str(w) else str(w) or type(w).__name__
        raise UserError("dataset", told.name, f"{seen} in it; want a whole .npz of arrays of numbers") from w
    if classes is not None and not (isinstance(classes, list) and all(isinstance(one, str) for one in classes)):
        raise UserError(f"{told.name}, classes", type(classes).__name__, "want an array of texts")
    return set_of_arrays(told.name, parts, classes, told.test, told.seed)


def _keys(name: str, there: Collection[str]) -> dict[Split, tuple[str, str]]:
    """The keys of images and labels, by split."""
    found: dict[Split, tuple[str, str]] = {}
    for split, names in SPLIT_NAMES.items():
        for images, labels in PATTERNS:
            for called in names:
                pair = images.format(called), labels.format(called)
                if set(pair) <= set(there):
                    found.setdefault(split, pair)
    for pair in WHOLE:
        if not found and set(pair) <= set(there):
            found["train"] = pair
    if "train" not in found:
        raise UserError(f"arrays in {name}", sorted(there), f"want {KEYS}")
    unread = set(there) - {"classes", *(key for pair in found.values() for key in pair)}
    if unread:  # as a misspelt split would be
        raise UserError(f"arrays in {name}", sorted(unread), f"nothing reads them; want {KEYS}, classes if you like")
    return named_test(found)


def named_test(found: dict[Split, Any]) -> dict[Split, Any]:
    """Where there is no test split, that for validation is the one to test on."""
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    return found
