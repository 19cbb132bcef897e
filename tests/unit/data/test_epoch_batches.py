"""Batches that are the same however a run is divided or resumed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from bitspike.data import EpochBatches, ImageSet, TrainingImages, as_is, build_augment
from bitspike.data.randomness import seeded
from bitspike.errors import UserError

COUNT = 50
SET = ImageSet(
    torch.randint(256, (COUNT, 3, 8, 8), generator=seeded(0)).to(torch.uint8),
    torch.arange(COUNT) % 10,
    tuple("0123456789"),
)


def training(epoch: int = 3, seed: int = 5) -> TrainingImages:
    images = TrainingImages(SET, build_augment(["crop2", "flip", "cutout2", "autoaugment"]), seed)
    images.set_epoch(epoch)
    return images


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_an_epoch_is_a_permutation_in_batches(count: int, size: int, seed: int, epoch: int, drop_last: bool) -> None:
    size = min(size, count)
    batches = EpochBatches(count, size, seed, epoch, drop_last=drop_last)
    seen = list(batches)
    assert seen == list(batches)
    assert len(seen) == len(batches) == (count // size if drop_last else -(-count // size))
    assert all(len(batch) == size for batch in seen[:-1])
    flat = [index for batch in seen for index in batch]
    assert len(set(flat)) == len(flat) == (count // size * size if drop_last else count)
    for start in range(len(seen) + 1):
        tail = EpochBatches(count, size, seed, epoch, start, drop_last)
        assert list(tail) == seen[start:]
        assert len(tail) == len(seen) - start


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(next(iter(EpochBatches(COUNT, COUNT, seed, epoch)))) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((100, 512), "batch_size: got 512; want at most 100, the number of training images"),
        ((100, 0), "batch_size: got 0; want at least 1"),
        ((100, 10, 0, 0, 11), "start_batch: got 11; want 0 to 10"),
        ((100, 10, 0, 0, -1), "start_batch: got -1"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        EpochBatches(*arguments)


def test_parts_of_a_batch_are_the_batch() -> None:
    images = training()
    for batch in EpochBatches(COUNT, 10, 5, 3):
        x, y = images.__getitems__(batch)
        for parts in ((batch[:5], batch[5:]), (batch[0::2], batch[1::2])):
            joined = [images.__getitems__(part) for part in parts]
            order = [batch.index(index) for part in parts for index in part]
            assert torch.equal(torch.cat([part for part, _ in joined]), x[order])
            assert torch.equal(torch.cat([part for _, part in joined]), y[order])


def test_seed_and_epoch_decide_and_nothing_else() -> None:
    everything = list(range(COUNT))
    x, y = training().__getitems__(everything)
    again, _ = training().__getitems__(everything)
    assert torch.equal(x, again)
    assert torch.equal(y, SET.labels)
    back = training(epoch=9)
    back.set_epoch(3)
    assert torch.equal(x, back.__getitems__(everything)[0])
    for other in (training(epoch=4), training(seed=6)):
        assert not torch.equal(x, other.__getitems__(everything)[0])


def test_without_augmentation_images_stay() -> None:
    x, _ = TrainingImages(SET).__getitems__([4, 2])
    assert torch.equal(x, SET.images[[4, 2]])


def test_in_a_loader() -> None:
    images, batches = training(), EpochBatches(COUNT, 8, 5, 3, start_batch=2)
    loaded = list(DataLoader(images, batch_sampler=batches, collate_fn=as_is))
    assert len(loaded) == len(batches) == 4
    for (x, y), batch in zip(loaded, batches, strict=True):
        assert torch.equal(x, images.__getitems__(batch)[0])
        assert torch.equal(y, SET.labels[batch])
        assert torch.equal(x[0], images[batch[0]][0])


def test_mixed_images_and_labels_are_the_same_however_a_batch_is_divided() -> None:
    images = TrainingImages(SET, build_augment(["flip", "erase0.5", "mixup0.5", "cutmix1"]), 5)
    images.set_epoch(3)
    whole, labels = images.__getitems__(range(COUNT))
    assert labels.shape == (COUNT, 10)
    assert torch.allclose(labels.sum(1), torch.ones(COUNT))
    assert (labels.gather(1, SET.labels[:, None]) < 1).any()
    for index in (0, 7, 49):
        x, y = images[index]
        assert torch.equal(x, whole[index])
        assert torch.equal(y, labels[index])
    images.set_epoch(4)
    assert not torch.equal(images.__getitems__(range(COUNT))[0], whole)
