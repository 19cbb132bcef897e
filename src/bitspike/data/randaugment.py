"""RandAugment: operations of AutoAugment drawn evenly, all at one magnitude, instead of a learned policy.

Source: E. D. Cubuk, B. Zoph, J. Shlens, Q. V. Le, *RandAugment: Practical Automated Data Augmentation with a Reduced
Search Space*, NeurIPS 2020 (arXiv:1909.13719).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bitspike.data.autoaugment import LEVELS, OPERATIONS
from bitspike.errors import UserError

__all__ = ["DRAWN", "RandAugment"]

DRAWN = ("identity", *(name for name in OPERATIONS if name != "invert"))
"""The paper's 14 operations: AutoAugment's, with one that does nothing in place of ``invert``."""
TOP = 10
"""The paper's highest magnitude, at which an operation is as strong as AutoAugment's strongest."""


@dataclass(frozen=True)
class RandAugment:
    """``number`` operations an image, one after the other, each drawn evenly from `DRAWN`.

    Args:
        magnitude: of all of them, 0 to 10.
        number: of operations.
        fill: the value of pixels that a geometric operation brings in from outside.
    """

    magnitude: int = 9
    number: int = 1
    fill: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.magnitude <= TOP or not 1 <= self.number <= len(DRAWN):
            seen = f"rand-m{self.magnitude}-n{self.number}"
            raise UserError("augment", seen, f"want a magnitude of 0 to {TOP} and 1 to {len(DRAWN)} operations")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """``kind``, a place in `DRAWN`, and ``sign`` -1 or 1, each ``[N, number]``.

        Raises:
            UserError: the images are not of three channels, at least three pixels high and wide.
        """
        if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < 3:
            raise UserError("rand", shape, "want colour images (3, H, W) of at least 3 x 3 pixels")
        return {
            "kind": torch.randint(len(DRAWN), (count, self.number), generator=generator),
            "sign": torch.randint(2, (count, self.number), generator=generator) * 2 - 1,
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        images, magnitude = images.clone(), self.magnitude / TOP * LEVELS
        for step in range(self.number):
            for place, name in enumerate(DRAWN[1:], start=1):
                rows = torch.nonzero(drawn["kind"][:, step] == place).flatten()
                if len(rows):
                    each = torch.full(rows.shape, magnitude, dtype=torch.float64, device=images.device)
                    amount = OPERATIONS[name].amount(each, drawn["sign"][rows, step], images.shape[3])
                    images[rows] = OPERATIONS[name].apply(images[rows], amount, self.fill)
        return images
