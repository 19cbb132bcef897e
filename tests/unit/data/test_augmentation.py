"""Augmentation: what each does, and that what happens to an image is decided by its own row alone."""

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike.data import (
    AutoAugmentCIFAR10,
    Compose,
    Cutout,
    HorizontalFlip,
    Mixing,
    RandAugment,
    RandomCrop,
    RandomErasing,
    build_augment,
)
from bitspike.data.augment import Augment
from bitspike.data.autoaugment import OPERATIONS, POLICY
from bitspike.data.randaugment import DRAWN
from bitspike.data.randomness import seeded
from bitspike.errors import UserError

SHAPE = (3, 8, 8)
IMAGES = torch.randint(256, (64, *SHAPE), generator=seeded(0)).to(torch.uint8)
ALL = (RandomCrop(2), HorizontalFlip(), Cutout(3, fill=7), AutoAugmentCIFAR10(), RandAugment(9, 2), RandomErasing(0.5))
EVERY = (*ALL, Compose(ALL), Compose(()))


def rows(drawn: Mapping[str, Tensor], index: slice | Tensor) -> dict[str, Tensor]:
    return {name: values[index] for name, values in drawn.items()}


@pytest.mark.parametrize("augment", EVERY, ids=repr)
def test_an_image_and_its_row_decide(augment: Augment) -> None:
    drawn = augment.draw(len(IMAGES), SHAPE, seeded(1))
    assert all(len(values) == len(IMAGES) for values in drawn.values())
    before = IMAGES.clone()
    whole = augment(IMAGES, drawn)
    assert torch.equal(IMAGES, before)
    assert whole.shape == IMAGES.shape
    assert whole.dtype == torch.uint8
    one_by_one = [augment(IMAGES[i : i + 1], rows(drawn, slice(i, i + 1))) for i in range(len(IMAGES))]
    assert torch.equal(whole, torch.cat(one_by_one))
    order = torch.randperm(len(IMAGES), generator=seeded(2))
    assert torch.equal(whole[order], augment(IMAGES[order], rows(drawn, order)))
    again = augment.draw(len(IMAGES), SHAPE, seeded(1))
    assert all(torch.equal(drawn[name], again[name]) for name in drawn)


@given(st.integers(1, 5), st.integers(0, 10), st.integers(0, 10))
def test_a_crop_is_a_window_of_the_padded_image(padding: int, top: int, left: int) -> None:
    top, left = min(top, 2 * padding), min(left, 2 * padding)
    padded = torch.full((3, 8 + 2 * padding, 8 + 2 * padding), 9, dtype=torch.uint8)
    padded[:, padding : padding + 8, padding : padding + 8] = IMAGES[0]
    (crop,) = RandomCrop(padding, fill=9)(IMAGES[:1], {"corner": torch.tensor([[top, left]])})
    assert torch.equal(crop, padded[:, top : top + 8, left : left + 8])


def test_every_corner_and_side_is_drawn() -> None:
    corners = RandomCrop(1).draw(500, SHAPE, seeded(0))["corner"]
    assert torch.unique(corners, dim=0).tolist() == [[y, x] for y in range(3) for x in range(3)]
    flips = HorizontalFlip().draw(10_000, SHAPE, seeded(0))["flip"]
    assert 0.48 < flips.double().mean() < 0.52
    centres = Cutout(3).draw(1000, (3, 4, 5), seeded(0))
    assert torch.unique(centres["y"]).tolist() == list(range(4))
    assert torch.unique(centres["x"]).tolist() == list(range(5))


def test_a_flip_mirrors_left_to_right() -> None:
    flipped = HorizontalFlip()(IMAGES[:2], {"flip": torch.tensor([True, False])})
    assert torch.equal(flipped[0], IMAGES[0, :, :, [7, 6, 5, 4, 3, 2, 1, 0]])
    assert torch.equal(flipped[1], IMAGES[1])


@given(st.integers(1, 20), st.integers(0, 7), st.integers(0, 7))
def test_a_cutout_covers_its_square_and_nothing_else(size: int, y: int, x: int) -> None:
    (out,) = Cutout(size, fill=9)(IMAGES[:1], {"y": torch.tensor([y]), "x": torch.tensor([x])})
    covered = torch.zeros(8, 8, dtype=torch.bool)
    top, left = y - size // 2, x - size // 2
    covered[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = True
    assert (out[:, covered] == 9).all()
    assert torch.equal(out[:, ~covered], IMAGES[0][:, ~covered])


def test_composition_is_one_after_the_other() -> None:
    both = Compose((HorizontalFlip(), HorizontalFlip()))
    drawn = both.draw(4, SHAPE, seeded(0))
    twice = torch.where(drawn["0.flip"] == drawn["1.flip"], 1, -1)
    expected = torch.stack([x if same == 1 else x.flip(2) for x, same in zip(IMAGES[:4], twice, strict=True)])
    assert torch.equal(both(IMAGES[:4], drawn), expected)


def test_names() -> None:
    names = ["crop4", "flip", "cutout16", "autoaugment"]
    wanted = (RandomCrop(4), HorizontalFlip(), Cutout(16), AutoAugmentCIFAR10())
    assert build_augment(names) == Compose(wanted)
    assert build_augment([]) == Compose(())


@pytest.mark.parametrize("name", ["", "flipp", "crop", "crop-1", "crop4x", "cutout99999", "crop٤"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"augment: got .*; want flip, autoaugment, nda, eventmix, crop4, cutout16, "):
        build_augment([name])


@pytest.mark.parametrize(("name", "words"), [("crop0", "1 to 64"), ("crop65", "1 to 64"), ("cutout0", "1 to 1024")])
def test_sizes_out_of_range_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        build_augment([name])


def test_autoaugment_needs_colour() -> None:
    with pytest.raises(UserError, match=r"autoaugment: got .1, 28, 28."):
        AutoAugmentCIFAR10().draw(1, (1, 28, 28), seeded(0))


def test_the_policy_is_the_paper_s() -> None:
    assert len(POLICY) == 25
    assert all(0 <= chance <= 1 and 0 <= magnitude <= 9 for pair in POLICY for _, chance, magnitude in pair)
    assert {name for pair in POLICY for name, _, _ in pair} <= set(OPERATIONS)
    ends = {name: operation.amount(torch.tensor([0, 9]), torch.ones(2), 331) for name, operation in OPERATIONS.items()}
    ranges = {name: [round(float(v), 9) for v in end] for name, end in ends.items()}
    assert ranges["shear_x"] == ranges["shear_y"] == [0, 0.3]
    assert ranges["translate_x"] == ranges["translate_y"] == [0, 150]
    assert ranges["rotate"] == [0, 30]
    assert ranges["posterize"] == [8, 4]
    assert ranges["solarize"] == [256, 0]
    assert ranges["color"] == ranges["contrast"] == ranges["sharpness"] == ranges["brightness"] == [1, 1.9]


def test_each_sub_policy_does_its_two_steps_as_often_as_it_says() -> None:
    """Step by step from the drawn numbers, one image after the other."""
    augment = AutoAugmentCIFAR10()
    drawn = augment.draw(len(IMAGES), SHAPE, seeded(3))
    out = augment(IMAGES, drawn)
    for i in range(len(IMAGES)):
        image = IMAGES[i : i + 1]
        for step, (name, chance, magnitude) in enumerate(POLICY[int(drawn["policy"][i])]):
            if drawn["chance"][i, step] < chance:
                amount = OPERATIONS[name].amount(torch.tensor([magnitude]), drawn["sign"][i : i + 1, step], 8)
                image = OPERATIONS[name].apply(image, amount, 128)
        assert torch.equal(out[i : i + 1], image)


def test_randaugment_draws_all_its_operations_evenly_at_one_magnitude() -> None:
    augment = RandAugment(10, 1)
    drawn = augment.draw(14_000, SHAPE, seeded(0))
    counts = torch.bincount(drawn["kind"].flatten(), minlength=14)
    assert len(counts) == 14
    assert (counts - 1000).abs().max() < 150
    strongest = OPERATIONS["posterize"]
    alone = rows(drawn, drawn["kind"][:, 0] == DRAWN.index("posterize"))
    images = IMAGES[:1].expand(len(alone["kind"]), -1, -1, -1)
    by_hand = strongest.apply(images, torch.full((len(images),), strongest.end, dtype=torch.float64), 0)
    assert torch.equal(augment(images, alone), by_hand)


@given(st.floats(0.02, 1 / 3), st.floats(-1.2, 1.2), st.floats(0, 0.999), st.floats(0, 0.999))
def test_a_rectangle_is_erased_and_the_rest_is_left(area: float, log_aspect: float, y: float, x: float) -> None:
    image, aspect = torch.full((1, 3, 24, 20), 77, dtype=torch.uint8), torch.tensor([log_aspect]).exp()
    drawn = {"erased": torch.tensor([True]), "area": torch.tensor([area]), "aspect": aspect}
    drawn |= {"y": torch.tensor([y]), "x": torch.tensor([x])}
    (out,) = RandomErasing(fill=9)(image, drawn)
    erased = out[0] == 9
    filled_rows, columns = erased.any(1).nonzero().flatten(), erased.any(0).nonzero().flatten()
    height, width = (int(found[-1] - found[0]) + 1 for found in (filled_rows, columns))
    assert int(erased.sum()) == height * width
    assert (out == torch.where(erased, 9, 77)).all()
    assert abs(height - min(24, float((area * 480 * aspect).sqrt()))) <= 0.501
    assert abs(width - min(20, float((area * 480 / aspect).sqrt()))) <= 0.501
    assert torch.equal(RandomErasing()(image, drawn | {"erased": torch.tensor([False])}), image)


def test_mixup_is_the_mean_and_cutmix_a_rectangle() -> None:
    images, others = torch.full((2, 3, 10, 10), 100, dtype=torch.uint8), torch.full((2, 3, 10, 10), 200)
    drawn = {"cut": torch.tensor([False, True]), "share": torch.tensor([0.75, 0.75])}
    drawn |= {"y": torch.full((2,), 0.5), "x": torch.full((2,), 0.5)}
    mixed, share = Mixing(0.5, 1.0)(images, others.to(torch.uint8), drawn)
    assert (mixed[0] == 125).all()
    assert (mixed[1] == 200).sum() == 3 * 25
    assert torch.equal(mixed[1, :, 3:8, 3:8], others[1, :, 3:8, 3:8].to(torch.uint8))
    assert share.tolist() == [0.75, 0.75]


def test_mixing_draws_what_it_says() -> None:
    both = Mixing(0.5, 1.0).draw(20_000, SHAPE, seeded(0))
    assert 0.48 < both["cut"].double().mean() < 0.52
    assert not Mixing(mixup=0.5).draw(100, SHAPE, seeded(0))["cut"].any()
    assert Mixing(cutmix=1.0).draw(100, SHAPE, seeded(0))["cut"].all()
    mixup = both["share"][~both["cut"]].double()
    assert abs(float(mixup.var()) - 1 / 8) < 0.01  # of Beta(a, a): 1/(4 (2a + 1))
    assert int(both["partner"].min()) >= 0
    assert len(both["partner"].unique()) > 12_000


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mixup0.5", "flip"], "once and last"),
        (["mixup0.5", "mixup0.8"], "once and last"),
        (["rand-m11-n1"], "want a magnitude of 0 to 10"),
        (["rand-m9-n0"], "1 to 14 operations"),
        (["erase1.5"], "want a probability"),
        (["erase..5"], "want a number behind it"),
        (["cutmix1.1.1"], "want a number behind it"),
    ],
)
def test_a_wrong_number_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_augment(names)


def test_all_names_are_built_in_order() -> None:
    made = build_augment(["crop4", "flip", "rand-m9-n1", "erase0.25", "mixup0.8", "cutmix1"])
    assert made.augments == (RandomCrop(4), HorizontalFlip(), RandAugment(9, 1), RandomErasing(0.25))
    assert made.mix == Mixing(0.8, 1.0)


@pytest.mark.parametrize("augment", [RandomCrop(2), HorizontalFlip(), Cutout(3, fill=7), RandomErasing(0.5)], ids=repr)
def test_the_same_happens_at_every_step_of_a_train(augment: Augment) -> None:
    trains = torch.randint(256, (16, 5, 2, 6, 7), generator=seeded(0)).to(torch.uint8)
    drawn = augment.draw(len(trains), tuple(trains.shape[1:]), seeded(1))
    by_step = torch.stack([augment(trains[:, t], drawn) for t in range(5)], 1)
    assert torch.equal(augment(trains, drawn), by_step)
    assert not torch.equal(augment(trains, drawn), by_step.flip(1))  # the comparison can fail


@pytest.mark.parametrize("name", ["crop4", "flip", "cutout16", "autoaugment", "erase1"])
def test_what_augments_images_refuses_numbers_without_pixels(name: str) -> None:
    with pytest.raises(UserError, match=rf"{name.rstrip('0123456789')}: got '?\(5, 4\)"):
        build_augment([name]).draw(3, (5, 4), seeded(0))


def test_what_comes_from_outside_is_level_0() -> None:
    made = build_augment(["crop1", "cutout2", "erase0.5"], fill=3).augments
    assert made == (RandomCrop(1, fill=3), Cutout(2, fill=3), RandomErasing(0.5, fill=3))


def test_trains_are_mixed_alike_at_every_step() -> None:
    trains = torch.randint(256, (8, 5, 2, 6, 7), generator=seeded(0)).to(torch.uint8)
    mixing = Mixing(0.5, 1.0)
    drawn = mixing.draw(8, (5, 2, 6, 7), seeded(1))
    others = trains[drawn["partner"]]
    mixed, share = mixing(trains, others, drawn)
    for t in range(5):
        at_t, same = mixing(trains[:, t], others[:, t], drawn)
        assert torch.equal(mixed[:, t], at_t)
        assert torch.equal(share, same)
    with pytest.raises(UserError, match="cutmix: got "):
        mixing.draw(8, (5, 4), seeded(0))
