"""Image operations against Pillow, on pieces of real photographs: equal, pixel for pixel."""

import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike.data import pixelops
from bitspike.data.autoaugment import OPERATIONS

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")
ImageOps = pytest.importorskip("PIL.ImageOps")
datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn's photographs")

FILL = 128


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> Tensor:
    """60 pieces of two photographs, 32 x 32, and some that real ones are not: flat, two-valued, noise."""
    rng = np.random.default_rng(0)
    pieces = []
    for name in ("china.jpg", "flower.jpg"):
        photo = datasets.load_sample_image(name)
        for _ in range(30):
            y, x = rng.integers(0, photo.shape[0] - 32), rng.integers(0, photo.shape[1] - 32)
            pieces.append(photo[y : y + 32, x : x + 32])
    pieces += [np.full((32, 32, 3), value) for value in (0, 77, 255)]
    pieces += [rng.integers(0, 2, (32, 32, 3)) * 255, rng.integers(0, 256, (32, 32, 3))]
    pieces.append(np.arange(3072).reshape(32, 32, 3) // 1000 + 3)
    pieces.append(np.where(np.arange(3072).reshape(32, 32, 3) == 7, 9, 200))
    return torch.from_numpy(np.stack(pieces).astype(np.uint8)).permute(0, 3, 1, 2).contiguous()


def affine(image: "Image.Image", *matrix: float) -> "Image.Image":
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=(FILL,) * 3)


PILLOW: dict[str, Callable[["Image.Image", float], "Image.Image"]] = {
    "shear_x": lambda image, v: affine(image, 1, v, 0, 0, 1, 0),
    "shear_y": lambda image, v: affine(image, 1, 0, 0, v, 1, 0),
    "translate_x": lambda image, v: affine(image, 1, 0, v, 0, 1, 0),
    "translate_y": lambda image, v: affine(image, 1, 0, 0, 0, 1, v),
    "rotate": lambda image, v: image.rotate(v, fillcolor=(FILL,) * 3),
    "color": lambda image, v: ImageEnhance.Color(image).enhance(v),
    "contrast": lambda image, v: ImageEnhance.Contrast(image).enhance(v),
    "sharpness": lambda image, v: ImageEnhance.Sharpness(image).enhance(v),
    "brightness": lambda image, v: ImageEnhance.Brightness(image).enhance(v),
    "posterize": lambda image, v: ImageOps.posterize(image, int(v)),
    "solarize": lambda image, v: ImageOps.solarize(image, v),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
}
SPREAD = {
    **dict.fromkeys(("shear_x", "shear_y"), (-0.5, 0.5)),
    **dict.fromkeys(("translate_x", "translate_y"), (-40.0, 40.0)),
    **dict.fromkeys(("color", "contrast", "sharpness", "brightness"), (0.0, 2.0)),
    "rotate": (-180.0, 180.0),
    "solarize": (0.0, 256.0),
    "posterize": (1.0, 8.0),
}


def by_pillow(name: str, images: Tensor, amounts: Tensor) -> Tensor:
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    changed = [PILLOW[name](picture, float(v)) for picture, v in zip(pictures, amounts, strict=True)]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in changed])).permute(0, 3, 1, 2)


def test_every_operation_is_compared() -> None:
    assert set(PILLOW) == set(OPERATIONS) == set(pixelops.__all__)


@pytest.mark.parametrize("name", PILLOW)
def test_the_amounts_of_the_policy(name: str, images: Tensor) -> None:
    images = images[::5]
    magnitudes = torch.arange(10).repeat(2)
    signs = torch.tensor([-1, 1]).repeat_interleave(10)
    for amount in torch.unique(OPERATIONS[name].amount(magnitudes, signs, 32)):
        amounts = amount.expand(len(images))
        assert torch.equal(OPERATIONS[name].apply(images, amounts, FILL), by_pillow(name, images, amounts)), amount


@pytest.mark.parametrize("name", SPREAD)
def test_an_amount_of_its_own_for_every_image(name: str, images: Tensor) -> None:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for _ in range(3):
        drawn = rng.uniform(*SPREAD[name], len(images))
        amounts = torch.from_numpy(drawn.round() if name == "posterize" else drawn)
        assert torch.equal(OPERATIONS[name].apply(images, amounts, FILL), by_pillow(name, images, amounts))


def test_the_comparison_catches_a_wrong_pixel(images: Tensor) -> None:
    inverted = pixelops.invert(images)
    inverted[3, 1, 4, 5] += 1
    assert not torch.equal(inverted, by_pillow("invert", images, torch.zeros(len(images))))
