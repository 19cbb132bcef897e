"""Pictures in class folders: read when they are asked for, scaled and cut, refused by file; and trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bitspike.data import load, split_validation
from bitspike.data.streamed import StreamedImages
from bitspike.datasets import check
from bitspike.datasets.event_checks import check_any
from bitspike.datasets.picture_sets import PictureSource, tiny_imagenet_validation
from bitspike.datasets.pictures import Pictures, read_picture
from bitspike.errors import UserError
from bitspike.recipes import recipe
from bitspike.training import RunFolder, override, train

pillow = pytest.importorskip("PIL.Image")

SIZES = [(40, 30), (20, 50), (33, 33), (64, 24)]
KINDS = ["png", "jpg", "bmp", "webp"]


def picture(path: Path, label: int, number: int, size: tuple[int, int] | None = None) -> None:
    """Stripes whose colour and direction tell the class, of several sizes, formats and modes."""
    width, height = size or SIZES[number % len(SIZES)]
    stripes = np.add.outer(np.arange(height) * (label + 1), np.arange(width) * 3) % 32 * 7
    pixels = np.stack([stripes, 255 - stripes, np.full_like(stripes, 100 * label)], -1).astype(np.uint8)
    image = pillow.fromarray(pixels)
    if number % 5 == 4:
        image = image.convert("L")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def folder(home: Path, classes: tuple[str, ...] = ("cat", "dog", "owl"), train: int = 24, test: int = 5) -> Path:
    for split, count in (("train", train), ("val", test)):
        for label, name in enumerate(classes):
            for number in range(count):
                picture(home / split / name / f"{number:03}.{KINDS[number % 4]}", label, number)
    return home


def test_pictures_are_scaled_and_cut_as_told(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    pillow.fromarray(ramp).save(tmp_path / "ramp.png")
    whole = read_picture(tmp_path / "ramp.png", (48, 64))
    assert np.array_equal(whole, np.stack([ramp] * 3))
    middle = read_picture(tmp_path / "ramp.png", (48, 48))
    assert np.array_equal(middle, whole[:, :, 8:56])
    small = read_picture(tmp_path / "ramp.png", (16, 16), 24)
    assert small.shape == (3, 16, 16)
    assert abs(int(small[0, 8, 8]) - int(ramp[24, 33])) <= 4
    large = read_picture(tmp_path / "ramp.png", (96, 128))
    assert large.shape == (3, 96, 128)
    with pytest.raises(UserError, match="scaled: got 20; want at least 24"):
        Pictures((), np.zeros(0, np.int64), (24, 16), 20)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_picture_is_one_line_with_its_file(tmp_path: Path, damage: str) -> None:
    home = folder(tmp_path / "set", train=4, test=2)
    file = home / "train" / "dog" / "001.jpg"
    content = file.read_bytes()
    file.write_bytes({"cut": content[: len(content) // 2], "text": b"<html>not found</html>", "empty": b""}[damage])
    training, _ = load(f"folder:{home}@24")
    with pytest.raises(UserError) as refused:
        training.images[torch.arange(12)]
    assert str(refused.value).startswith(f"{file}: got ")
    assert "\n" not in str(refused.value)
    assert training.images[torch.tensor([0, 4, 11])].shape == (3, 3, 24, 24)  # the others are read
    problems = [entry.path for entry in check(f"folder:{home}@24") if not entry.ok]
    assert problems == [str(file)]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, seen = folder(tmp_path / "set"), []
    one = Pictures.one
    monkeypatch.setattr(Pictures, "one", lambda self, file: seen.append(file) or one(self, file))
    training, test = load(f"folder:{home}@24")
    rest, validation = split_validation(training, 9)
    assert (len(rest), len(validation), len(test)) == (63, 9, 15)
    assert isinstance(rest.first(5).to("cpu").images, StreamedImages)
    assert isinstance(rest.images[:7], StreamedImages)
    assert seen == []
    batch = rest.images[torch.tensor([4, 0])]
    assert len(seen) == 2
    assert torch.equal(batch, torch.from_numpy(rest.images.numpy())[[4, 0]])
    parts = list(rest.images.split(20))
    assert [len(part) for part in parts] == [20, 20, 20, 3]
    assert torch.equal(torch.cat(parts), torch.from_numpy(rest.images.numpy()))
    assert rest.labels.bincount().tolist() == [21, 21, 21]
    assert training.classes == ("cat", "dog", "owl")
    assert rest.images.shape == (63, 3, 24, 24)


def test_tiny_imagenet_in_the_layout_of_its_authors(tmp_path: Path) -> None:
    home = tmp_path / "tiny-imagenet-200"
    lines = []
    for label, name in enumerate(("n01", "n02")):
        for number in range(3):
            picture(home / "train" / name / "images" / f"{name}_{number}.JPEG", label, number, (64, 64))
        picture(home / "val" / "images" / f"val_{label}.JPEG", label, 0, (64, 64))
        (home / "train" / name / f"{name}_boxes.txt").write_text("n01_0.JPEG\t0\t10\t63\t58\n")
        lines.append(f"val_{label}.JPEG\t{name}\t0\t0\t63\t63\n")
    (home / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    source = PictureSource(("tiny-imagenet-200",), (64, 64), classes=2, test=tiny_imagenet_validation)
    assert source.pictures("train", tmp_path).labels.tolist() == [0, 0, 0, 1, 1, 1]
    test = source.pictures("test", tmp_path)
    assert [file.name for file in test.files] == ["val_1.JPEG", "val_0.JPEG"]
    assert test.labels.tolist() == [1, 0]
    assert test.read().shape == (2, 3, 64, 64)
    (home / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn09\t0\n")
    with pytest.raises(UserError, match=r"val_annotations.txt:1: got 'val_0.JPEG.tn09.t0'; want the name"):
        source.pictures("test", tmp_path)
    with pytest.raises(UserError, match="got '2 classes'; want 200"):
        load("tiny-imagenet", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder:{home}@", "want folder:PATH@64"),
        ("folder:{home}@0", "want folder:PATH@64"),
        ("folder:{home}/nowhere@8", "there is no folder"),
        ("folder:{home}/empty@8", "want some"),
        ("folder:{home}/strange@8", "it is none of the 3 classes"),
        ("imagenet", "there is no folder .*imagenet/train"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path: Path, name: str, message: str) -> None:
    home = folder(tmp_path / "set", train=1, test=1)
    for part in ("empty", "strange"):
        folder(home / part, train=1, test=1)
    (home / "empty" / "train" / "dog" / "000.png").unlink()
    (home / "strange" / "val" / "rat").mkdir()
    with pytest.raises(UserError, match=message) as refused:
        load(name.format(home=home), tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("spikformer-8-512-imagenet", "2,4,4,8"),
        ("sew-resnet34-imagenet", "4,4,4,4"),
        ("adaptive-sew-resnet34-imagenet", "4,4,4,4"),
        ("qsnn-vgg16-tiny-imagenet", "4,4,4,4,4"),
    ],
)
def test_recipes_of_imagenet_run_for_a_few_steps(tmp_path: Path, name: str, channels: str) -> None:
    home = folder(tmp_path / "set", train=8, test=3)
    side = 32 if "tiny" in name else 72
    edits = [f"dataset=folder:{home}@{side}", f"channels={channels}", "batch_size=6", "epochs=1", "validation_size=6"]
    config = override(recipe(name), [*edits, "tensorboard=false"])
    result = train(config, RunFolder(tmp_path / "run"))
    assert (result["train_images"], result["test_images"]) == (18, 9)
    again = train(config, RunFolder(tmp_path / "again"))
    assert again["test_accuracy"] == result["test_accuracy"]
    lines = [map(json.loads, (tmp_path / run / "metrics.jsonl").read_text().splitlines()) for run in ("run", "again")]
    losses = [[line["loss"] for line in of if "loss" in line] for of in lines]
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]


def test_pictures_in_a_folder_are_checked_by_their_name(tmp_path: Path) -> None:
    """The name has a path in it, as that of a folder of recordings has."""
    home = folder(tmp_path / "pets", train=2, test=1)
    assert all(result.ok for result in check_any(f"folder:{home}@16"))
    with pytest.raises(UserError, match="pictures"):
        check_any(f"folder:{tmp_path}/none@16")
