"""The datasets by name: what they are, where to get them, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from bitspike.datasets import checksums, classes
from bitspike.datasets.cifar import CifarSource, Version
from bitspike.datasets.digits import DigitsSource
from bitspike.datasets.files import data_directory
from bitspike.datasets.idx import IdxSource
from bitspike.datasets.sources import Arrays, Found, Source, Split, Stored
from bitspike.errors import UserError, closest
from bitspike.sample import Sample

__all__ = ["DATASETS", "Dataset", "find_dataset", "find_split", "load_split", "parse_split", "where"]

T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """What a dataset is.

    Args:
        name: its name on the command line, and the folder of the data directory where it is looked for.
        sample: what one input is.
        images: images in each split.
        classes: the names of the classes.
        how_to_get: where its files come from; nothing is ever downloaded.
        citation: who made it, and under which terms.
        sums: MD5 of the official files, as far as known.
        source: what finds and reads it.
    """

    name: str
    sample: Sample
    images: Mapping[Split, int]
    classes: tuple[str, ...]
    how_to_get: str
    citation: str
    sums: Mapping[str, str]
    source: Source

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def train_count(self) -> int:
        return self.images["train"]

    @property
    def test_count(self) -> int:
        return self.images["test"]


def find_dataset(name: str) -> Dataset:
    """The dataset called ``name``.

    Raises:
        UserError: no dataset is called that.
    """
    if name not in DATASETS:
        raise UserError("dataset", name, closest(name, DATASETS))
    return DATASETS[name]


def load_split(name: str, split: Split, data_dir: Path | None = None) -> Arrays:
    """One split of a dataset, verified in count, shape and labels.

    Args:
        data_dir: where datasets lie; ``None`` means ``$BITSPIKE_DATA``, else ``./data``.

    Raises:
        UserError: unknown name, no such directory, a missing, damaged or wrong file.
    """
    dataset = find_dataset(name)
    try:
        found = find_split(dataset, split, data_dir)
    except FileNotFoundError as missing:
        directory = str(data_directory(data_dir))
        raise UserError(f"{name} {split} split", directory, f"there is {missing}. {dataset.how_to_get}") from missing
    return parse_split(dataset, split, list(found.read()))


def where(name: str, split: Split, data_dir: Path | None = None) -> str | None:
    """The folder or archive that holds a split, or ``None``; contents are not looked at."""
    try:
        return find_split(find_dataset(name), split, data_dir).place
    except FileNotFoundError:
        return None


def find_split(dataset: Dataset, split: Split, data_dir: Path | None) -> Found:
    """Where a split is, and how to read its files.

    Raises:
        FileNotFoundError: it is not there; says which file is missing.
        UserError: no such data directory, or what may not be read.
    """
    return dataset.source.find(split, data_directory(data_dir) if dataset.source.on_disk else Path())


def parse_split(dataset: Dataset, split: Split, files: Sequence[Stored]) -> Arrays:
    """The images in the files of a split.

    Raises:
        UserError: a file is malformed, or count, shape or labels are not those of the dataset.
    """
    images, labels = dataset.source.parse(split, files)
    want = (dataset.images[split], *dataset.sample.array_shape)
    thing = f"{dataset.name} {split} split in {files[0].path}"
    if images.shape != want:
        raise UserError(thing, images.shape, f"want images of shape {want}")
    if labels.shape != want[:1]:
        raise UserError(thing, labels.shape, f"want {want[0]} labels")
    if labels.max() >= dataset.num_classes:
        raise UserError(thing, f"label {labels.max()}", f"want 0 to {dataset.num_classes - 1}")
    return images, labels


def _splits(train: T, test: T) -> Mapping[Split, T]:
    return MappingProxyType({"train": train, "test": test})


_DIGITS = _splits(1437, 360)
_MNIST = _splits(60_000, 10_000)
_CIFAR = _splits(50_000, 10_000)
_CIFAR_TERMS = (
    "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009; "
    "no formal licence, the authors ask for the citation"
)
_CIFAR_GET = (
    "Get it from https://www.cs.toronto.edu/~kriz/cifar.html (binary or python version) and put the archive, "
    "or the folder that it unpacks to, into the data directory"
)

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            Dataset(
                name="digits",
                sample=Sample((1, 8, 8)),
                images=_DIGITS,
                classes=classes.DIGITS,
                how_to_get="It comes with scikit-learn: pip install 'bitspike[data]'",
                citation=(
                    "E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning "
                    "Repository, 1998; CC BY 4.0"
                ),
                sums=checksums.DIGITS,
                source=DigitsSource(_DIGITS),
            ),
            Dataset(
                name="mnist",
                sample=Sample((1, 28, 28)),
                images=_MNIST,
                classes=classes.DIGITS,
                how_to_get=(
                    "Get the four IDX files from http://yann.lecun.com/exdb/mnist/ (often out of order) or a "
                    "mirror such as https://ossci-datasets.s3.amazonaws.com/mnist/, and put them into mnist/ "
                    "in the data directory"
                ),
                citation=(
                    "Y. LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE "
                    "86(11), 1998; commonly given as CC BY-SA 3.0"
                ),
                sums=checksums.MNIST,
                source=IdxSource(("mnist", "MNIST/raw"), checksums.MNIST),
            ),
            Dataset(
                name="fashion-mnist",
                sample=Sample((1, 28, 28)),
                images=_MNIST,
                classes=classes.FASHION_MNIST,
                how_to_get=(
                    "Install the Debian package dataset-fashion-mnist and name the directory that holds its "
                    "folder fashion-mnist/, or get the four IDX files from "
                    "https://github.com/zalandoresearch/fashion-mnist and put them into fashion-mnist/ "
                    "in the data directory"
                ),
                citation=(
                    "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking "
                    "Machine Learning Algorithms, arXiv:1708.07747, 2017; MIT"
                ),
                sums=checksums.FASHION_MNIST,
                source=IdxSource(("fashion-mnist", "FashionMNIST/raw"), checksums.FASHION_MNIST),
            ),
            Dataset(
                name="cifar10",
                sample=Sample((3, 32, 32)),
                images=_CIFAR,
                classes=classes.CIFAR10,
                how_to_get=_CIFAR_GET,
                citation=_CIFAR_TERMS,
                sums=checksums.CIFAR10,
                source=CifarSource(
                    name="cifar10",
                    binary=Version(
                        "cifar-10-batches-bin",
                        "cifar-10-binary.tar.gz",
                        _splits(tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",)),
                    ),
                    python=Version(
                        "cifar-10-batches-py",
                        "cifar-10-python.tar.gz",
                        _splits(tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)),
                    ),
                    sheets=_splits("cifar10_train.zip", "cifar10_test.zip"),
                    images=_CIFAR,
                    label_files=("labels.bin",),
                    labels_key="labels",
                ),
            ),
            Dataset(
                name="cifar100",
                sample=Sample((3, 32, 32)),
                images=_CIFAR,
                classes=classes.CIFAR100,
                how_to_get=_CIFAR_GET,
                citation=_CIFAR_TERMS,
                sums=checksums.CIFAR100,
                source=CifarSource(
                    name="cifar100",
                    binary=Version(
                        "cifar-100-binary", "cifar-100-binary.tar.gz", _splits(("train.bin",), ("test.bin",))
                    ),
                    python=Version("cifar-100-python", "cifar-100-python.tar.gz", _splits(("train",), ("test",))),
                    sheets=_splits("cifar100_train.zip", "cifar100_test.zip"),
                    images=_CIFAR,
                    label_files=("coarse_labels.bin", "labels.bin"),
                    labels_key="fine_labels",
                ),
            ),
        )
    }
)
"""Every dataset that bitspike knows, by name."""
