"""The datasets of still images: what they are, where to get them, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from bitspike.datasets import checksums, classes
from bitspike.datasets.cifar import CifarSource, Version
from bitspike.datasets.dataset import Dataset
from bitspike.datasets.digits import DigitsSource
from bitspike.datasets.idx import IdxSource
from bitspike.datasets.sources import Split
from bitspike.sample import Sample

__all__ = ["IMAGE_SETS"]

T = TypeVar("T")


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

IMAGE_SETS = (
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
            binary=Version("cifar-100-binary", "cifar-100-binary.tar.gz", _splits(("train.bin",), ("test.bin",))),
            python=Version("cifar-100-python", "cifar-100-python.tar.gz", _splits(("train",), ("test",))),
            sheets=_splits("cifar100_train.zip", "cifar100_test.zip"),
            images=_CIFAR,
            label_files=("coarse_labels.bin", "labels.bin"),
            labels_key="fine_labels",
        ),
    ),
)
"""Every dataset of images that bitspike knows."""
