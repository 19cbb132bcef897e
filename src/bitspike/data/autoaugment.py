"""AutoAugment for CIFAR-10: one of 25 learned pairs of operations for every image.

Source: E. D. Cubuk, B. Zoph, D. Mane, V. Vasudevan, Q. V. Le, *AutoAugment: Learning Augmentation Policies
from Data*, CVPR 2019 (arXiv:1805.09501): its tables of the policy and of the ranges of the magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from bitspike.data import pixelops
from bitspike.errors import UserError

__all__ = ["LEVELS", "OPERATIONS", "POLICY", "AutoAugmentCIFAR10", "Operation"]

LEVELS = 9.0
"""The highest magnitude of the paper, 0..9; its ranges are divided evenly."""


@dataclass(frozen=True)
class Operation:
    """An operation, and the amount that stands for each magnitude.

    Args:
        apply: takes ``(images, amount, fill)``.
        start, end: amount at magnitude 0 and 9; linear between.
        signed: the difference from ``start`` is taken with either sign, equally often.
        whole: amounts are rounded.
        of_width: amounts are fractions of the image's width.
    """

    apply: Callable[[Tensor, Tensor, int], Tensor]
    start: float = 0.0
    end: float = 0.0
    signed: bool = False
    whole: bool = False
    of_width: bool = False

    def amount(self, magnitude: Tensor, sign: Tensor, width: int) -> Tensor:
        """``float64 [B]`` from magnitudes 0..9 and signs -1 or 1."""
        change = magnitude.double() / LEVELS * (self.end - self.start)
        amount = self.start + (change * sign if self.signed else change)
        amount = (amount + 0.5).floor() if self.whole else amount
        return amount * width if self.of_width else amount


def _geometric(apply: Callable[[Tensor, Tensor, int], Tensor], end: float, of_width: bool = False) -> Operation:
    return Operation(apply, end=end, signed=True, of_width=of_width)


def _enhance(apply: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return Operation(lambda images, amount, _: apply(images, amount), start=1.0, end=1.9, signed=True)


def _plain(apply: Callable[[Tensor], Tensor]) -> Operation:
    return Operation(lambda images, _amount, _fill: apply(images))


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "shear_x": _geometric(pixelops.shear_x, 0.3),
        "shear_y": _geometric(pixelops.shear_y, 0.3),
        "translate_x": _geometric(pixelops.translate_x, 150 / 331, of_width=True),  # of 331 pixels, the paper says
        "translate_y": _geometric(pixelops.translate_y, 150 / 331, of_width=True),
        "rotate": _geometric(pixelops.rotate, 30.0),
        "color": _enhance(pixelops.color),
        "contrast": _enhance(pixelops.contrast),
        "sharpness": _enhance(pixelops.sharpness),
        "brightness": _enhance(pixelops.brightness),
        "posterize": Operation(lambda x, amount, _: pixelops.posterize(x, amount), 8.0, 4.0, whole=True),
        "solarize": Operation(lambda x, amount, _: pixelops.solarize(x, amount), 256.0, 0.0),
        "autocontrast": _plain(pixelops.autocontrast),
        "equalize": _plain(pixelops.equalize),
        "invert": _plain(pixelops.invert),
    }
)

Step = tuple[str, float, int]

POLICY: tuple[tuple[Step, Step], ...] = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)
"""Pairs of ``(operation, probability, magnitude)``."""


@dataclass(frozen=True)
class AutoAugmentCIFAR10:
    """One sub-policy an image, drawn evenly; each of its two steps is applied with its own probability.

    Args:
        fill: the value of pixels that a geometric operation brings in from outside; the paper does not say.
    """

    fill: int = 128

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """``policy`` ``[N]``, and for both steps ``chance`` in [0, 1) and ``sign`` -1 or 1, each ``[N, 2]``.

        Raises:
            UserError: the images are not of three channels, at least three pixels high and wide.
        """
        if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < 3:
            raise UserError("autoaugment", shape, "want colour images (3, H, W) of at least 3 x 3 pixels")
        return {
            "policy": torch.randint(len(POLICY), (count,), generator=generator),
            "chance": torch.rand(count, 2, generator=generator),
            "sign": torch.randint(2, (count, 2), generator=generator) * 2 - 1,
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        images, names, policy = images.clone(), list(OPERATIONS), drawn["policy"]

        def chosen(values: list[float]) -> Tensor:
            """The value of each image's policy."""
            return torch.tensor(values, device=policy.device)[policy]

        for step in (0, 1):
            column = [pair[step] for pair in POLICY]
            kind = chosen([names.index(name) for name, _, _ in column])
            applied = drawn["chance"][:, step] < chosen([p for _, p, _ in column])
            magnitude = chosen([m for _, _, m in column])
            for number, operation in enumerate(OPERATIONS.values()):
                rows = torch.nonzero(applied & (kind == number)).flatten()
                if len(rows):
                    amount = operation.amount(magnitude[rows], drawn["sign"][rows, step], images.shape[3])
                    images[rows] = operation.apply(images[rows], amount, self.fill)
        return images
