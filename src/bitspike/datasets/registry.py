"""The datasets by name: what they are, where to get them, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, get_args

from bitspike.datasets import checksums, classes
from bitspike.datasets.cifar import CifarSource, Version
from bitspike.datasets.digits import DigitsSource
from bitspike.datasets.files import data_directory
from bitspike.datasets.frames import FrameSettings
from bitspike.datasets.idx import IdxSource
from bitspike.datasets.picture_sets import FOLDER, PictureSource, read_folder_name, tiny_imagenet_validation
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
        labels_per_step: whether a sample has a class at every step.
    """

    name: str
    sample: Sample
    images: Mapping[Split, int]
    classes: tuple[str, ...]
    how_to_get: str
    citation: str
    sums: Mapping[str, str]
    source: Source
    labels_per_step: bool = False

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def train_count(self) -> int:
        return self.images["train"]

    @property
    def test_count(self) -> int:
        return self.images["test"]


def find_dataset(name: str, frames: FrameSettings | None = None) -> Dataset:
    """The dataset called ``name``; ``folder:PATH@64`` is a folder of pictures.

    Args:
        frames: how events become frames, of a dataset of events.

    Raises:
        UserError: no dataset is called that, or one that has no events is to have frames.
    """
    if name.startswith(FOLDER):
        return _folder(name)
    if name not in DATASETS:
        raise UserError("dataset", name, f"{closest(name, DATASETS)}; or a folder of pictures, {FOLDER}PATH@64")
    if frames is not None:
        raise UserError("frames", str(frames), f"{name} has no events; want frames=null")
    return DATASETS[name]


def _folder(name: str) -> Dataset:
    source, names = read_folder_name(name)
    counts = {split: len(source.pictures(split, Path())) for split in get_args(Split)}
    return Dataset(
        name=name,
        sample=Sample((3, *source.size)),
        images=MappingProxyType(counts),
        classes=names,
        how_to_get="It is a folder of your own",
        citation="",
        sums={},
        source=source,
    )


def load_split(name: str, split: Split, data_dir: Path | None = None, frames: FrameSettings | None = None) -> Arrays:
    """One split of a dataset, verified in count, shape and labels.

    Args:
        frames: see `find_dataset`.
        data_dir: where datasets lie; ``None`` means ``$BITSPIKE_DATA``, else ``./data``.

    Raises:
        UserError: unknown name, no such directory, a missing, damaged or wrong file.
    """
    dataset = find_dataset(name, frames)
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
    each = (want[0], dataset.sample.T) if dataset.labels_per_step else want[:1]
    if labels.shape != each:
        raise UserError(thing, labels.shape, f"want {' x '.join(map(str, each))} labels")
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

_IMAGENET = (
    "O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 115, 2015; for research only"
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
            Dataset(
                name="tiny-imagenet",
                sample=Sample((3, 64, 64)),
                images=_splits(100_000, 10_000),
                classes=tuple(map(str, range(200))),
                how_to_get=(
                    "Get http://cs231n.stanford.edu/tiny-imagenet-200.zip and unpack it in the data directory; its "
                    "validation pictures are the test split, as its test pictures have no labels"
                ),
                citation=_IMAGENET,
                sums={},
                source=PictureSource(
                    ("tiny-imagenet-200", "tiny-imagenet"), (64, 64), classes=200, test=tiny_imagenet_validation
                ),
            ),
            Dataset(
                name="imagenet",
                sample=Sample((3, 224, 224)),
                images=_splits(1_281_167, 50_000),
                classes=tuple(map(str, range(1000))),
                how_to_get=(
                    "Get ILSVRC2012 from https://image-net.org, unpack it in train/ and val/ of the folder imagenet/ "
                    "in the data directory, and sort the validation pictures into a folder for each class, as train/ "
                    "has them"
                ),
                citation=_IMAGENET,
                sums={},
                source=PictureSource(("imagenet", "ILSVRC2012", "imagenet/ILSVRC2012"), (224, 224), 256, classes=1000),
            ),
        )
    }
)
"""Every dataset that bitspike knows, by name."""
