"""Image sets and their stratified split."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike.data import ImageSet, split_validation
from bitspike.data.randomness import seeded
from bitspike.datasets.split import permutation
from bitspike.errors import UserError
from bitspike.sample import Sample

CLASSES = ("a", "b", "c", "d")


def image_set(labels: Tensor) -> ImageSet:
    images = torch.arange(len(labels)).to(torch.uint8).view(-1, 1, 1, 1)  # an image's value is its index
    return ImageSet(images, labels.long(), CLASSES)


@given(st.data())
def test_the_split_is_complete_stratified_and_exact(data: st.DataObject) -> None:
    labels = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=200)))
    size = data.draw(st.integers(0, len(labels) - 1))
    whole = image_set(labels)
    rest, chosen = split_validation(whole, size, seed=data.draw(st.integers(0, 10)))
    assert (len(rest), len(chosen)) == (len(labels) - size, size)
    indices = torch.cat([rest.images, chosen.images]).flatten().long()
    assert sorted(indices.tolist()) == list(range(len(labels)))
    for part in (rest, chosen):
        own = part.images.flatten().long()
        assert own.tolist() == sorted(own.tolist())
        assert torch.equal(part.labels, whole.labels[own])
        share = len(part) * torch.bincount(labels, minlength=4) / len(labels)
        assert ((torch.bincount(part.labels, minlength=4) - share).abs() < 1).all()


def test_the_seed_decides() -> None:
    whole = image_set(torch.arange(200) % 4)
    first, again, other = (split_validation(whole, 40, seed=seed)[1].images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("size", [-1, 8, 9])
def test_a_split_that_leaves_nothing_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"validation: got {size}; want 0 to 7"):
        split_validation(image_set(torch.arange(8) % 4), size)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (torch.zeros(2, 1, 1), torch.zeros(2).long(), "images: got 'float32 .2, 1, 1.'; want uint8"),
        (torch.zeros(2, 1, 1, 1), torch.zeros(2).long(), "want uint8"),
        (np.zeros((2, 1, 1, 1), np.uint8), torch.zeros(2).long(), "images: got 'numpy.ndarray'; want a torch.Tensor"),
        ([[[[0]]]], torch.zeros(1).long(), "images: got 'builtins.list'; want a torch.Tensor"),
        (torch.zeros(2, 1, 1, 1).byte(), [0, 1], "labels: got 'builtins.list'; want a torch.Tensor"),
        (torch.zeros(2, 1, 1, 1).byte(), np.zeros(2, np.int64), "labels: got 'numpy.ndarray'; want a torch.Tensor"),
        (torch.zeros(2, 1, 1, 1).byte(), torch.zeros(3).long(), "labels: got 'int64 .3.'; want int64 .2."),
        (torch.zeros(2, 1, 1, 1).byte(), torch.zeros(2), "want int64"),
        (torch.zeros(2, 1, 1, 1).byte(), torch.tensor([0, 4]), r"got \(0, 4\); want 0 to 3"),
        (torch.zeros(2, 1, 1, 1).byte(), torch.tensor([0, -1]), r"got \(-1, 0\); want 0 to 3"),
    ],
)
def test_what_is_no_image_set_is_refused(images: Tensor, labels: Tensor, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ImageSet(images, labels, CLASSES)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 178, 20_000])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_a_permutation_is_the_one_that_torch_draws(count: int, seed: int) -> None:
    """So the splits are those of the networks that were trained before NumPy drew them."""
    draws, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    for _ in range(2):
        own, wanted = permutation(count, draws), torch.randperm(count, generator=generator).numpy()
        assert np.array_equal(own, wanted)
    assert count < 2 or not np.array_equal(own[::-1], wanted)  # the comparison can fail


def test_generators_of_near_seeds_are_unrelated() -> None:
    drawn = [int(torch.randint(2**62, (), generator=seeded(*key))) for key in ((0,), (1,), (0, 1), (1, 0), (0, 2))]
    assert len(set(drawn)) == len(drawn)
    assert drawn[0] == int(torch.randint(2**62, (), generator=seeded(0)))
    with pytest.raises(UserError, match="seed: got -1"):
        seeded(-1)


TRAIN = Sample((2, 1, 1), 3, 0, 9)


def test_trains_and_labels_at_every_step_are_a_set() -> None:
    codes = torch.randint(10, (8, 3, 2, 1, 1), generator=seeded(0)).byte()
    by_step = ImageSet(codes, torch.randint(4, (8, 3), generator=seeded(1)), CLASSES, TRAIN)
    assert by_step.labels_per_step
    assert not ImageSet(codes, by_step.labels[:, 0], CLASSES, TRAIN).labels_per_step
    some = by_step.select(torch.tensor([3, 1]))
    assert some.sample == by_step.first(2).sample == by_step.to("cpu").sample == TRAIN
    assert torch.equal(some.images, codes[[3, 1]])
    assert torch.equal(some.labels, by_step.labels[[3, 1]])
    assert image_set(torch.zeros(3)).sample == Sample((1, 1, 1))


def test_a_train_counts_as_one_of_its_commonest_class() -> None:
    labels = torch.tensor([[0, 0, 1], [1, 0, 1], [0, 2, 0], [1, 1, 3]]).repeat(5, 1)
    whole = ImageSet(torch.zeros(20, 3, 2, 1, 1).byte(), labels, CLASSES, TRAIN)
    rest, chosen = split_validation(whole, 4)
    assert (len(rest), len(chosen)) == (16, 4)
    assert torch.bincount(chosen.labels.mode(1).values).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (torch.zeros(2, 3, 2, 1).byte(), torch.zeros(2).long(), r"want uint8 \[N, 3, 2, 1, 1\]"),
        (torch.zeros(2, 2, 1, 1).byte(), torch.zeros(2).long(), r"want uint8 \[N, 3, 2, 1, 1\]"),
        (torch.zeros(2, 3, 2, 1, 1), torch.zeros(2).long(), "want uint8"),
        (torch.full((2, 3, 2, 1, 1), 10).byte(), torch.zeros(2).long(), "got 'a code of 10'; want codes of 0 to 9"),
        (torch.zeros(2, 3, 2, 1, 1).byte(), torch.zeros(2, 2).long(), r"want int64 \[2\], or \[2, 3\]"),
        (torch.zeros(2, 3, 2, 1, 1).byte(), torch.full((2, 3), 4), r"got \(4, 4\); want 0 to 3"),
    ],
)
def test_what_is_no_set_of_the_sample_is_refused(images: Tensor, labels: Tensor, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ImageSet(images, labels, CLASSES, TRAIN)
