"""Image operations on whole batches of 8-bit images, each image with an amount of its own.

All take ``uint8 [B, 3, H, W]`` and most an ``amount`` ``float64 [B]``; they return new tensors of that kind.
They do what Pillow's `ImageOps`, `ImageEnhance` and `Image.transform` (nearest neighbour) do, bit for bit:
its rounding, 16.16 fixed-point coordinates and single-precision blending are kept, and tests compare them.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "autocontrast",
    "brightness",
    "color",
    "contrast",
    "equalize",
    "invert",
    "posterize",
    "rotate",
    "sharpness",
    "shear_x",
    "shear_y",
    "solarize",
    "translate_x",
    "translate_y",
]


def invert(images: Tensor) -> Tensor:
    """``255 - pixel``."""
    return 255 - images


def solarize(images: Tensor, amount: Tensor) -> Tensor:
    """Inverts the pixels that are not below ``amount`` (0..256)."""
    return torch.where(images < _each(amount), images, 255 - images)


def posterize(images: Tensor, amount: Tensor) -> Tensor:
    """Keeps the ``amount`` (whole numbers 1..8) highest bits of every pixel."""
    low = (1 << (8 - amount.to(torch.int64))) - 1
    return images & _each((255 - low).to(torch.uint8))


def autocontrast(images: Tensor) -> Tensor:
    """Stretches every channel so that its darkest pixel is 0 and its brightest 255."""
    lo, hi = images.amin((2, 3)).double(), images.amax((2, 3)).double()
    scale = torch.full_like(lo, 255) / (hi - lo).clamp(min=1)  # a true division; 255 / x is not one in torch
    level = torch.arange(256, dtype=torch.float64, device=images.device)
    table = (level * scale[..., None] + (-lo * scale)[..., None]).clamp(0, 255).to(torch.uint8)
    return torch.where((hi > lo)[..., None, None], _look_up(table, images), images)


def equalize(images: Tensor) -> Tensor:
    """Makes the histogram of every channel as even as one table of levels can."""
    batch, channels, height, width = images.shape
    row = torch.arange(batch * channels, device=images.device)[:, None] * 256
    histogram = torch.bincount(
        (images.reshape(batch * channels, -1) + row).flatten(), minlength=batch * channels * 256
    ).view(batch, channels, 256)
    brightest = histogram.gather(2, images.amax((2, 3)).long()[..., None])
    step = (height * width - brightest) // 255
    before = histogram.cumsum(2) - histogram
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255).to(torch.uint8)
    return torch.where(step[..., None] > 0, _look_up(table, images), images)


def color(images: Tensor, amount: Tensor) -> Tensor:
    """Goes from grey (0) through the image (1) to more colour."""
    return _blend(_grey(images).expand_as(images), images, amount)


def contrast(images: Tensor, amount: Tensor) -> Tensor:
    """Goes from the mean grey (0) through the image (1) to more contrast."""
    grey = _grey(images)
    mean = (grey.double().sum((1, 2, 3)) / grey[0].numel() + 0.5).floor().to(torch.uint8)
    return _blend(_each(mean).expand_as(images), images, amount)


def brightness(images: Tensor, amount: Tensor) -> Tensor:
    """Goes from black (0) through the image (1) to brighter."""
    return _blend(torch.zeros_like(images), images, amount)


def sharpness(images: Tensor, amount: Tensor) -> Tensor:
    """Goes from blurred (0) through the image (1) to sharper; the border stays as it is."""
    height, width = images.shape[2:]
    wide = images.to(torch.int32)
    total = 4 * wide[:, :, 1:-1, 1:-1]  # the kernel is 1 everywhere and 5 in the middle, over 13
    for y in range(3):
        for x in range(3):
            total = total + wide[:, :, y : y + height - 2, x : x + width - 2]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = ((2 * total + 13) // 26).to(torch.uint8)
    return _blend(smooth, images, amount)


def shear_x(images: Tensor, amount: Tensor, fill: int) -> Tensor:
    """Row ``y`` comes from ``amount * y`` pixels to the right; ``fill`` where nothing comes from."""
    return _affine(images, _matrix(amount, b=amount), fill)


def shear_y(images: Tensor, amount: Tensor, fill: int) -> Tensor:
    """Column ``x`` comes from ``amount * x`` pixels below."""
    return _affine(images, _matrix(amount, d=amount), fill)


def translate_x(images: Tensor, amount: Tensor, fill: int) -> Tensor:
    """Every pixel comes from ``amount`` pixels to the right."""
    return _affine(images, _matrix(amount, c=amount), fill)


def translate_y(images: Tensor, amount: Tensor, fill: int) -> Tensor:
    """Every pixel comes from ``amount`` pixels below."""
    return _affine(images, _matrix(amount, f=amount), fill)


def rotate(images: Tensor, amount: Tensor, fill: int) -> Tensor:
    """Turns counter-clockwise by ``amount`` degrees about the middle."""
    height, width = images.shape[2:]
    angle = -torch.deg2rad(amount)
    cos, sin = torch.cos(angle), torch.sin(angle)
    x, y = width / 2, height / 2
    matrix = _matrix(amount, a=cos, b=sin, c=cos * -x + sin * -y + x, d=-sin, e=cos, f=-sin * -x + cos * -y + y)
    return _affine(images, matrix, fill)


def _matrix(like: Tensor, **entries: Tensor) -> Tensor:
    """``[6, B]``: pixel ``(x, y)`` comes from ``(a x + b y + c, d x + e y + f)``; the identity by default."""
    default = {"a": 1.0, "b": 0.0, "c": 0.0, "d": 0.0, "e": 1.0, "f": 0.0}
    return torch.stack([entries.get(name, torch.full_like(like, value)) for name, value in default.items()])


def _affine(images: Tensor, matrix: Tensor, fill: int) -> Tensor:
    batch, channels, height, width = images.shape
    a, b, c, d, e, f = matrix
    c, f = c + a * 0.5 + b * 0.5, f + d * 0.5 + e * 0.5  # the middle of a pixel
    a, b, c, d, e, f = (_each((v * 65536.0 + 0.5).floor().long())[:, 0] for v in (a, b, c, d, e, f))
    x = torch.arange(width, device=images.device)
    y = torch.arange(height, device=images.device)[:, None]
    from_x, from_y = (a * x + b * y + c) >> 16, (d * x + e * y + f) >> 16
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    index = torch.where(inside, from_y * width + from_x, 0).view(batch, 1, -1).expand(-1, channels, -1)
    moved = images.reshape(batch, channels, -1).gather(2, index).view_as(images)
    return torch.where(inside[:, None], moved, fill)


def _blend(start: Tensor, images: Tensor, amount: Tensor) -> Tensor:
    start = start.float()
    return (start + _each(amount.float()) * (images.float() - start)).clamp(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """ITU-R 601 luma ``uint8 [B, 1, H, W]``."""
    red, green, blue = images.to(torch.int32).unbind(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)[:, None]


def _look_up(table: Tensor, images: Tensor) -> Tensor:
    """``table [B, C, 256]`` at every pixel."""
    return table.gather(2, images.flatten(2).long()).view_as(images)


def _each(amount: Tensor) -> Tensor:
    """``[B]`` as ``[B, 1, 1, 1]``."""
    return amount[:, None, None, None]
