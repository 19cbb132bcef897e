"""Images become signed 8-bit levels without loss."""

import pytest
import torch

from bitspike.errors import UserError
from bitspike.layers import Encoder

EVERY_PIXEL = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 1 / 64, 2.0**-10])
def test_levels_are_exact_integers(dtype, scale):
    encoder = Encoder(scale)
    encoded = encoder(EVERY_PIXEL.to(dtype))
    assert encoded.shape == (1, *EVERY_PIXEL.shape)
    assert encoded.dtype == (torch.float32 if dtype == torch.uint8 else dtype)
    levels = encoded.double().flatten() / scale
    assert levels.tolist() == list(range(encoder.lo, encoder.hi + 1))


def test_an_image_lies_in_minus_two_to_two():
    encoded = Encoder()(EVERY_PIXEL)
    assert (encoded.min(), encoded.max()) == (-2, 2 - 1 / 64)


def test_the_image_is_not_changed():
    images = EVERY_PIXEL.float()
    Encoder()(images)
    assert torch.equal(images, EVERY_PIXEL.float())


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (1, 1, 1, 28, 28)])
def test_images_have_four_axes(shape):
    with pytest.raises(UserError, match="images: got"):
        Encoder()(torch.zeros(shape))


NORMALIZED = [
    (0.0, 1.0),
    (0.5, 0.5),
    (0.1307, 0.3081),
    (128 / 255, 64 / 255),
    (0.0, 1 / 255),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    ((0.5, 0.25, 0.0), 0.5),
    (0.5, (0.1, 0.3, 1.0)),
]


def normalised(pixels, mean, std):
    mean, std = (torch.tensor(part, dtype=torch.float64).view(-1, 1, 1) for part in (mean, std))
    return (pixels.double() / 255 - mean) / std


@pytest.mark.parametrize(("mean", "std"), NORMALIZED)
def test_a_normalisation_is_whole_levels_near_it(mean, std):
    encoder, pixels = Encoder(mean=mean, std=std), EVERY_PIXEL.expand(1, 3, 16, 16)
    encoded, wanted = encoder(pixels)[0].double(), normalised(pixels, mean, std)
    step = 1 / 255 / torch.tensor(std, dtype=torch.float64).view(-1, 1, 1)
    assert ((encoded - wanted).abs() <= (1 / 16 + 1e-3) * step).all()
    levels = encoded / encoder.scale
    assert (levels - levels.round()).abs().max() < 1e-2
    assert (levels.round().min(), levels.round().max()) == (encoder.lo, encoder.hi)
    assert encoder.hi - encoder.lo < 2**18
    assert not encoder.state_dict()  # a checkpoint is that of any Encoder


@pytest.mark.parametrize(("mean", "std"), NORMALIZED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_normalised_already_is_the_same_levels(mean, std, dtype):
    pixels = EVERY_PIXEL.expand(1, 3, 16, 16)
    wanted = Encoder(mean=mean, std=std)(pixels)
    told = Encoder(mean=mean, std=std, normalized=True)
    seen = told(normalised(pixels, mean, std).to(dtype))
    assert torch.equal((seen / told.scale).round().float(), (wanted / told.scale).round())
    assert torch.equal(told(pixels), wanted)  # integers are pixels


def test_the_usual_ones_are_few_levels():
    assert Encoder(mean=0).levels.plain
    assert (Encoder(mean=0).lo, Encoder(mean=0).hi) == (0, 255)
    assert (Encoder(mean=0.5, std=0.5).lo, Encoder(mean=0.5, std=0.5).hi) == (-255, 255)  # 2 pixel - 255, exactly
    assert Encoder(mean=128 / 255, std=64 / 255).levels.plain
    assert torch.equal(Encoder(mean=128 / 255, std=64 / 255)(EVERY_PIXEL), Encoder()(EVERY_PIXEL))


@pytest.mark.parametrize(
    "images",
    [
        EVERY_PIXEL / 255,
        (EVERY_PIXEL / 255 - 0.1307) / 0.3081,
        (EVERY_PIXEL > 99).float(),
        (EVERY_PIXEL / 255).half(),
        EVERY_PIXEL.float() * 2,
        EVERY_PIXEL.int() - 128,
        EVERY_PIXEL.float().where(EVERY_PIXEL > 0, torch.nan),
    ],
    ids=["0..1", "normalised", "0 or 1", "half", "to 510", "signed", "nan"],
)
@pytest.mark.parametrize("encoder", [Encoder(), Encoder(mean=0.5)], ids=["house", "mean"])
def test_floats_that_are_no_pixels_are_refused(images, encoder):
    for _ in range(2):  # on the CPU at every call
        with pytest.raises(UserError, match=r"images: got '.* from .* to .*'; want pixels 0\.\.255, or .*normalized"):
            encoder(images)


@pytest.mark.parametrize(
    "images", [EVERY_PIXEL.float(), EVERY_PIXEL.float() * 0, EVERY_PIXEL // 255, EVERY_PIXEL.int()]
)
def test_pixels_are_taken(images):
    assert Encoder()(images).shape == (1, 1, 1, 16, 16)
    assert Encoder(mean=0.5)(images).shape == (1, 1, 1, 16, 16)


def test_pixels_that_are_said_to_be_normalised_are_refused():
    with pytest.raises(UserError, match="float32 from 0 to 255"):
        Encoder(mean=0, normalized=True)(EVERY_PIXEL.float())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mean": 33.3}, "mean: got .33.3.*want 0 to 1 .*pixel/255"),
        ({"mean": 0.1, "std": 0}, "std: got .0.0"),
        ({"std": 78.5}, "std: got .78.5"),
        ({"mean": float("nan")}, "finite"),
        ({"mean": "grey"}, "want a number"),
        ({"mean": (0.1, 0.2), "std": (1, 2, 3)}, "as many of both"),
        ({"mean": ()}, "mean: got"),
        ({"mean": 0.5, "std": (1e-6, 10)}, "too unlike"),
        ({"scale": 1 / 64, "mean": 0.5}, "scale: got"),
        ({"normalized": True}, "normalized: got True; want the mean and std"),
    ],
)
def test_what_no_pixels_have_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        Encoder(**options)


def test_the_channels_are_those_of_the_mean():
    with pytest.raises(UserError, match="want 3 channels"):
        Encoder(mean=(0.1, 0.2, 0.3))(EVERY_PIXEL)
