"""Augmentation of trains: the same at every step, decided by a sample's own row; mixtures and their labels."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from bitspike.data import Compose, Cutout, HorizontalFlip, ImageSet, TrainingImages, build_augment
from bitspike.data.augment import Augment
from bitspike.data.randomness import seeded
from bitspike.data.trains import EventMix, OneOf, Roll, Rotate, Shear, neuromorphic
from bitspike.errors import UserError
from bitspike.sample import Sample

SHAPE = (4, 2, 9, 8)
TRAINS = torch.randint(4, (48, *SHAPE), generator=seeded(0)).to(torch.uint8)
EVERY = (Roll(3), Rotate(30, fill=2), Shear(20, fill=2), OneOf((Roll(2), HorizontalFlip())), neuromorphic(2))


def rows(drawn: Mapping[str, Tensor], index: slice | Tensor) -> dict[str, Tensor]:
    return {name: values[index] for name, values in drawn.items()}


@pytest.mark.parametrize("augment", EVERY, ids=lambda augment: type(augment).__name__)
def test_a_sample_and_its_row_decide_and_steps_are_alike(augment: Augment) -> None:
    drawn = augment.draw(len(TRAINS), SHAPE, seeded(1))
    before = TRAINS.clone()
    whole = augment(TRAINS, drawn)
    assert torch.equal(TRAINS, before)
    assert whole.shape == TRAINS.shape
    assert whole.dtype == torch.uint8
    one_by_one = [augment(TRAINS[i : i + 1], rows(drawn, slice(i, i + 1))) for i in range(len(TRAINS))]
    assert torch.equal(whole, torch.cat(one_by_one))
    by_step = torch.stack([augment(TRAINS[:, t], drawn) for t in range(SHAPE[0])], 1)
    assert torch.equal(whole, by_step)
    assert not torch.equal(whole, by_step.flip(1))  # the comparison can fail
    assert not torch.equal(whole, TRAINS)


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_roll_comes_in_on_the_other_side(down: int, right: int) -> None:
    rolled = Roll(9)(TRAINS[:1], {"shift": torch.tensor([[down, right]])})
    assert np.array_equal(rolled.numpy(), np.roll(TRAINS[:1].numpy(), (down, right), (-2, -1)))


def test_turns_and_slants_by_hand() -> None:
    square = TRAINS[:1, ..., :8, :]
    right = {"degrees": torch.tensor([90.0], dtype=torch.float64)}
    assert torch.equal(Rotate(180)(square, right), torch.rot90(square, 1, (-2, -1)))
    degrees = math.degrees(math.atan(0.4))
    slanted = Shear(45, fill=3)(TRAINS[:1], {"degrees": torch.tensor([degrees], dtype=torch.float64)})
    for row, shift in enumerate([-2, -1, -1, 0, 0, 0, 1, 1, 2]):  # 0.4 pixels a row, the fifth of nine stays
        for column in range(8):
            source = column + shift
            if 0 <= source < 8:
                assert torch.equal(slanted[..., row, column], TRAINS[:1, ..., row, source])
            else:
                assert (slanted[..., row, column] == 3).all()


def test_each_kind_is_drawn_evenly() -> None:
    kinds = neuromorphic().augments[1].draw(4000, SHAPE, seeded(0))["kind"]
    assert torch.bincount(kinds).min() > 900
    shifts = Roll(2).draw(500, SHAPE, seeded(0))["shift"]
    assert torch.unique(shifts, dim=0).tolist() == [[y, x] for y in range(-2, 3) for x in range(-2, 3)]
    degrees = Rotate(15).draw(1000, SHAPE, seeded(0))["degrees"]
    assert -15 <= degrees.min() < -14
    assert 14 < degrees.max() <= 15


def test_names() -> None:
    built = build_augment(["roll5", "rotate15", "shear10", "nda", "eventmix"], fill=1)
    assert built == Compose((Roll(5), Rotate(15, 1), Shear(10, 1), neuromorphic(1)), EventMix(1))
    assert neuromorphic(1).augments[1] == OneOf((Roll(5), Rotate(15, 1), Cutout(8, 1), Shear(15, 1)))
    for wrong in (["eventmix", "flip"], ["eventmix", "eventmix"], ["roll0"], ["rotate181"], ["shear46"], ["roll"]):
        with pytest.raises(UserError):
            build_augment(wrong)
    for name in ("roll5", "rotate15", "shear10", "nda", "eventmix"):
        with pytest.raises(UserError, match=r"got \(5, 4\)"):
            build_augment([name]).draw(3, (5, 4), seeded(0))


def mixture(share: float, mixed: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """The mask, the mixtures and the own shares of ten trains with ten others."""
    mix = EventMix(dark=0)
    drawn = mix.draw(10, SHAPE, seeded(2)) | {
        "share": torch.full((10,), share, dtype=torch.float64),
        "mixed": torch.full((10,), mixed),
    }
    images, own = mix(TRAINS[:10], TRAINS[10:20], drawn)
    return mix.mask(SHAPE, drawn), images, own


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_mask_takes_what_it_should(share: float) -> None:
    mask, images, own = mixture(share)
    assert torch.equal(mask[:, :, 0], mask[:, :, 1])  # channels are alike
    assert (mask[:, :, 0].flatten(1).sum(1) == int(share * (4 * 9 * 8 + 1))).all()
    assert torch.equal(images[mask], TRAINS[10:20][mask])
    assert torch.equal(images[~mask], TRAINS[:10][~mask])
    for i in range(10):
        mine, all_of_it = int(images[i][~mask[i]].sum()), int(images[i].sum())
        assert own[i] == pytest.approx(mine / all_of_it)


def test_what_is_not_mixed_is_its_own() -> None:
    mask, images, own = mixture(0.9, mixed=False)
    assert not mask.any()
    assert torch.equal(images, TRAINS[:10])
    assert (own == 1).all()


def test_a_mixture_without_events_has_the_share_of_its_mask() -> None:
    mix, silent = EventMix(dark=3), torch.full((10, *SHAPE), 3, dtype=torch.uint8)
    drawn = mix.draw(10, SHAPE, seeded(2))
    _, own = mix(silent, silent, drawn)
    assert torch.allclose(own, 1 - mix.mask(SHAPE, drawn).float().flatten(1).mean(1))


@pytest.mark.parametrize("each", [False, True])
def test_training_samples_and_labels_are_mixed_alike(each: bool) -> None:
    labels = torch.randint(5, (len(TRAINS), 4) if each else (len(TRAINS),), generator=seeded(3))
    data = TrainingImages(
        ImageSet(TRAINS, labels, tuple("abcde"), Sample((2, 9, 8), 4, 0, 3)), build_augment(["flip", "eventmix"]), 7
    )
    data.set_epoch(2)
    images, soft = data.__getitems__(range(len(TRAINS)))
    assert soft.shape == (*labels.shape, 5)
    assert torch.allclose(soft.sum(-1), torch.ones(labels.shape))
    order = [5, 40, 3]  # of another batch the same comes out
    again, same = data.__getitems__(order)
    assert torch.equal(again, images[order])
    assert torch.equal(same, soft[order])
    kept = ~data.drawn["mix.mixed"]
    assert 10 < kept.sum() < 40
    assert torch.equal(soft[kept], F.one_hot(labels[kept], 5).float())
    flipped = TrainingImages(data.images, build_augment(["flip"]), 7)
    flipped.drawn = {name: values for name, values in data.drawn.items() if name.startswith("0.")}
    plain, _ = flipped.__getitems__(range(len(TRAINS)))
    assert torch.equal(images[kept], plain[kept])
    partner = data.drawn["mix.partner"]
    assert ((images == plain) | (images == plain[partner])).all()
    data.set_epoch(3)
    assert not torch.equal(data.__getitems__(order)[0], again)
