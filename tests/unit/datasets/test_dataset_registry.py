"""Loading datasets by name: the one that is always there, and the real ones where they are."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_idx import idx

from bitspike import datasets
from bitspike.data import DATASETS, check, find_dataset, load, load_split, where
from bitspike.datasets.split import stratified_indices
from bitspike.errors import UserError
from bitspike.intmath import round_half_up


def test_the_plan_of_every_dataset() -> None:
    images = ["digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "tiny-imagenet", "imagenet"]
    classes = {"cifar100": 100, "ecg": 6, "tiny-imagenet": 200, "imagenet": 1000}
    assert list(DATASETS)[:7] == images
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert len(set(dataset.classes)) == dataset.num_classes == classes.get(name, 10)
        assert dataset.sample.is_image == (name in images)
        assert dataset.how_to_get
        assert dataset.citation
    with pytest.raises(TypeError):
        DATASETS["digits"] = find_dataset("mnist")  # type: ignore[index]


def test_digits() -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    train, test = load("digits", Path("/nowhere/at/all"))  # needs no data directory
    assert train.images.shape == (1437, 1, 8, 8)
    assert test.images.shape == (360, 1, 8, 8)
    assert train.images.max() == 255
    assert int(torch.bincount(test.labels).min()) == 35
    assert set(torch.unique(train.images).tolist()) == {(2 * 255 * level + 16) // 32 for level in range(17)}
    assert [result.checksum for result in check("digits")] == ["ok", "ok"]
    assert where("digits", "train") == "scikit-learn"


def test_digits_are_those_that_scikit_learn_loads() -> None:
    digits = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn").load_digits()
    pixels = round_half_up(digits.data * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    rest, chosen = stratified_indices(digits.target, 360, 0)
    for split, own in (("train", rest), ("test", chosen)):
        images, labels = datasets.load_split("digits", split)
        assert np.array_equal(images, pixels[own])
        assert np.array_equal(labels, digits.target[own])
    assert not np.array_equal(images, pixels[rest[:360]])  # the comparison can fail


def test_digits_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.digits, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="there is no scikit-learn"):
        datasets.load_split("digits", "test")
    empty = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(datasets.digits, "find_spec", lambda name: empty)
    with pytest.raises(UserError, match="there is no digits in scikit-learn"):
        datasets.load_split("digits", "test")


def test_unknown_names_and_directories(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dataset: got 'cifar'; did you mean 'cifar10'"):
        load("cifar")
    with pytest.raises(UserError, match="data directory: got '/nowhere/at/all'; no such directory"):
        load("mnist", Path("/nowhere/at/all"))
    with pytest.raises(UserError, match=r"cifar100 train split.* there is no cifar-100-binary/.*Get it from https"):
        load("cifar100", tmp_path)
    assert where("mnist", "train", tmp_path) is None
    (missing, _) = check("mnist", tmp_path)
    assert not missing.present
    assert not missing.ok
    assert "no train-images-idx3-ubyte" in missing.problem


def put_mnist(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))


def test_counts_shapes_and_labels_are_verified(tmp_path: Path) -> None:
    images, labels = np.zeros((10_000, 28, 28), np.uint8), np.zeros(10_000, np.uint8)
    put_mnist(tmp_path / "mnist", images, labels)
    assert len(load_split("mnist", "test", tmp_path)) == 10_000
    put_mnist(tmp_path / "mnist", images[:-1], labels[:-1])
    with pytest.raises(UserError, match=r"want images of shape .10000, 1, 28, 28."):
        load_split("mnist", "test", tmp_path)
    put_mnist(tmp_path / "mnist", images, labels[:-1])
    with pytest.raises(UserError, match=r"want labels of shape .10000,."):
        load_split("mnist", "test", tmp_path)
    labels[7] = 10
    put_mnist(tmp_path / "mnist", images, labels)
    with pytest.raises(UserError, match="got 'label 10'; want 0 to 9"):
        load_split("mnist", "test", tmp_path)


def test_checking_finds_what_is_wrong(tmp_path: Path) -> None:
    put_mnist(tmp_path / "mnist", np.zeros((10_000, 28, 28), np.uint8), np.zeros(10_000, np.uint8))
    train, images, _ = check("mnist", tmp_path)
    assert not train.present
    assert (images.bytes, images.checksum, images.ok) == (7_840_016, "wrong", False)
    assert "want 2646ac647ad5339dbf082846283269ea" in images.problem
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").rename(tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz")
    _, images, broken = check("mnist", tmp_path)
    assert images.present
    assert (broken.present, broken.ok) == (True, False)
    assert "not a .gz file" in broken.problem


def test_images_are_writable_and_contiguous(tmp_path: Path) -> None:
    put_mnist(tmp_path / "mnist", np.ones((10_000, 28, 28), np.uint8), np.ones(10_000, np.uint8))
    images = load_split("mnist", "test", tmp_path).images
    images += 1
    assert images.is_contiguous()


REAL = os.environ.get("BITSPIKE_DATA")


@pytest.mark.skipif(not REAL, reason="set BITSPIKE_DATA to the directory that holds the real datasets")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_real_files_are_the_official_ones(name: str) -> None:
    dataset = find_dataset(name)
    there = [split for split in dataset.images if where(name, split)]
    if not there:
        pytest.skip(f"{name} is not in {REAL}")
    for result in check(name):
        assert result.ok or not result.present, result
    for split in there:
        images = load_split(name, split)
        counts = torch.bincount(images.labels)
        assert len(images) == dataset.images[split]
        assert len(counts) == dataset.num_classes
        if name != "mnist":
            assert set(counts.tolist()) == {len(images) // dataset.num_classes}
