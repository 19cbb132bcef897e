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
