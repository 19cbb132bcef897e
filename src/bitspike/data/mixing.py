"""Mixup and CutMix: an image and another one in its place, and as much of the other's label.

Sources: H. Zhang et al., *mixup: Beyond Empirical Risk Minimization*, ICLR 2018 (arXiv:1710.09412); S. Yun et al.,
*CutMix*, ICCV 2019 (arXiv:1905.04899).

Which other image that is depends on the seed, the epoch and the image alone, as all augmentation does: it is drawn from
all training images, not from the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bitspike.data.augment import pixels_of
from bitspike.errors import UserError

__all__ = ["Mixing"]


@dataclass(frozen=True)
class Mixing:
    """Mixup, CutMix, or where both are given one of them for each image, either equally often.

    Args:
        mixup: ``alpha`` of ``share ~ Beta(alpha, alpha)``, in which pixels are averaged; 0 for none.
        cutmix: ``alpha`` of the share that is kept of an image when a rectangle of it is replaced; 0 for none.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, alpha in (("mixup", self.mixup), ("cutmix", self.cutmix)):
            if not 0 <= alpha <= 100:
                raise UserError(name, alpha, "want a number of 0 to 100")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """``partner``, the image that is mixed in; ``share`` of the first; ``cut``; and ``y``, ``x`` of its middle."""
        pixels_of("cutmix" if self.cutmix else "mixup", shape)
        cut = torch.rand(count, generator=generator) < (0.5 if self.mixup else 1.0) * bool(self.cutmix)
        numbers = np.random.default_rng(int(torch.randint(1 << 62, (), generator=generator)))  # torch seeds no Beta
        averaged, kept = (
            torch.from_numpy(numbers.beta(alpha, alpha, count) if alpha else np.ones(count))
            for alpha in (self.mixup, self.cutmix)
        )
        return {
            "partner": torch.randint(count, (count,), generator=generator),
            "share": torch.where(cut, kept, averaged).float(),
            "cut": cut,
            "y": torch.rand(count, generator=generator),
            "x": torch.rand(count, generator=generator),
        }

    def __call__(self, images: Tensor, others: Tensor, drawn: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Images of both, of the shape and kind of either, and the share of the first in each, ``float [B]``."""
        share, cut = drawn["share"], drawn["cut"]
        first, second = images.flatten(1, -3), others.flatten(1, -3)  # steps and channels alike
        each = share[:, None, None, None]
        averaged = (first * each + second * (1 - each) + 0.5).floor().to(torch.uint8)
        inside = self._rectangle(images.shape[-2], images.shape[-1], drawn)
        kept = 1 - inside.float().mean((1, 2))
        replaced = torch.where(inside[:, None], second, first)
        mixed = torch.where(cut[:, None, None, None], replaced, averaged)
        return mixed.view_as(images), torch.where(cut, kept, share)

    def _rectangle(self, height: int, width: int, drawn: Mapping[str, Tensor]) -> Tensor:
        """``bool [B, H, W]``: of the image's proportions and ``1 - share`` of its area, cut off at the border."""
        side = (1 - drawn["share"]).sqrt()
        axes = [_covered(drawn[name], side, length) for name, length in (("y", height), ("x", width))]
        return axes[0][:, :, None] & axes[1][:, None, :]


def _covered(middle: Tensor, side: Tensor, length: int) -> Tensor:
    place = torch.arange(length, device=middle.device)
    size = (side * length).long()[:, None]
    start = (middle * length).long()[:, None] - size // 2
    return (place >= start) & (place < start + size)
