"""The network's eye: images become signed 8-bit levels, so that the first layer computes on integers too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """``(pixel - 128) * scale``: levels -128..127, lossless for 8-bit images.

    Args:
        scale: value of one level; 1/64 puts an image in [-2, 2).
    """

    lo, hi = -128, 127

    def __init__(self, scale: float = 1 / 64) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        """Images ``[N, C, H, W]``, pixels 0..255 (uint8 or float), to one static step ``[1, N, C, H, W]``.

        Raises:
            UserError: the input has not four axes.
        """
        if images.ndim != 4:
            raise UserError("images", tuple(images.shape), "want [N, C, H, W] with pixels 0..255")
        pixels = images if images.is_floating_point() else images.to(torch.get_default_dtype())
        return ((pixels + self.lo) * self.scale).unsqueeze(0)

    def extra_repr(self) -> str:
        return f"levels={self.lo}..{self.hi}, scale={self.scale}"
