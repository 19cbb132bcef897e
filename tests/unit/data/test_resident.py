"""Samples on another device: the same pixels, and nothing that goes back and forth on the way."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from bitspike.data import EpochBatches, ImageSet, TrainingImages, as_is, build_augment, resident
from bitspike.data.randomness import seeded

COUNT = 40
SET = ImageSet(
    torch.randint(256, (COUNT, 3, 16, 16), generator=seeded(0)).to(torch.uint8),
    torch.arange(COUNT) % 10,
    tuple("0123456789"),
)
PLAIN = ["crop2", "flip", "cutout4", "erase0.5"]
EVERY = [*PLAIN, "autoaugment"]


class Shapes(ImageSet):
    """Samples of which there are shapes alone: torch refuses an operation of these and of what lies elsewhere."""

    def __post_init__(self) -> None:
        pass


def batches(images: ImageSet, augment: list[str]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    training = TrainingImages(images, build_augment(augment), seed=5)
    training.set_epoch(2)
    return [training.__getitems__(batch) for batch in EpochBatches(COUNT, 7, seed=5, epoch=2)]


@pytest.mark.parametrize("augment", [EVERY, [*EVERY, "mixup0.5"], [*EVERY, "cutmix1"]], ids=lambda names: names[-1])
def test_a_resident_set_has_the_pixels_of_a_loader(augment: list[str]) -> None:
    training = TrainingImages(SET, build_augment(augment), seed=5)
    training.set_epoch(2)
    loader = DataLoader(training, batch_sampler=EpochBatches(COUNT, 7, seed=5, epoch=2), collate_fn=as_is)
    pairs = list(zip(batches(resident(SET, torch.device("cpu")), augment), loader, strict=True))
    assert all(torch.equal(x, wanted) and torch.equal(y, labels) for (x, y), (wanted, labels) in pairs)
    other = TrainingImages(SET, build_augment(augment), seed=6)
    other.set_epoch(2)
    assert not torch.equal(other.__getitems__(list(range(7)))[0], training.__getitems__(list(range(7)))[0])


@pytest.mark.parametrize("augment", [PLAIN, [*PLAIN, "mixup0.5"], [*PLAIN, "cutmix1"]], ids=lambda names: names[-1])
def test_all_is_done_where_the_images_lie(augment: list[str]) -> None:
    there = Shapes(SET.images.to("meta"), SET.labels.to("meta"), SET.classes, SET.sample)
    for (x, y), (images, labels) in zip(batches(there, augment), batches(SET, augment), strict=True):
        assert (x.device.type, x.shape, x.dtype) == ("meta", images.shape, images.dtype)
        assert (y.device.type, y.shape, y.dtype) == ("meta", labels.shape, labels.dtype)


@pytest.mark.parametrize("augment", [PLAIN, [*PLAIN, "cutmix1"]], ids=lambda names: names[-1])
def test_images_that_stay_behind_have_labels_that_do_not(augment: list[str]) -> None:
    apart = Shapes(SET.images, SET.labels.to("meta"), SET.classes, SET.sample)
    for (x, y), (images, _) in zip(batches(apart, augment), batches(SET, augment), strict=True):
        assert torch.equal(x, images)
        assert y.device.type == "meta"


@pytest.mark.parametrize("free", [2 * SET.images.nbytes, 2 * SET.images.nbytes - 2])
def test_images_are_sent_where_half_of_the_memory_holds_them(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def to(self: ImageSet, device: torch.device) -> ImageSet:
        sent.append(str(device))
        return self

    monkeypatch.setattr(ImageSet, "to", to)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 4 * free))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_: self)
    assert resident(SET, torch.device("cuda", 0)).images is SET.images
    assert sent == (["cuda:0"] if free >= 2 * SET.images.nbytes else [])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("augment", [EVERY, [*EVERY, "mixup0.5"], [*EVERY, "cutmix1"]], ids=lambda names: names[-1])
def test_a_gpu_makes_the_pixels_of_the_processor(augment: list[str]) -> None:
    pairs = zip(batches(SET.to("cuda"), augment), batches(SET, augment), strict=True)
    assert all(torch.equal(x.cpu(), images) for (x, _), (images, _) in pairs)
