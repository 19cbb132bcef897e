"""The network's eye: images become whole levels, so that the first layer computes on integers too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers.pixels import Normalization

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """``(pixel - 128) * scale``: levels -128..127, lossless for 8-bit images; or the normalisation that is given.

    Of ``mean`` and ``std`` it makes ``(pixel/255 - mean)/std`` in whole levels (`Normalization.levels`), which a frozen
    network has too, exactly. Floats in 0..1 are no pixels and are refused, unless ``normalized`` says that they are.

    Args:
        scale: value of one level; 1/64, without one, puts an image in [-2, 2).
        mean, std: as torchvision's ``Normalize`` has them: of pixels/255, one number or one for each channel. Where one
            of them is given, the other is 0 or 1.
        normalized: floats come as ``(pixel/255 - mean)/std`` already; integers are pixels nevertheless.

    Raises:
        UserError: a scale beside a mean or std, or ``normalized`` without them; numbers that pixels cannot have.
    """

    lo, hi = -128, 127
    multiplier: Tensor
    offset: Tensor

    def __init__(
        self,
        scale: float | None = None,
        *,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        normalized: bool = False,
    ) -> None:
        super().__init__()
        self.normalization, self.normalized = Normalization.of(mean, std), normalized
        self.levels = self.normalization.levels() if self.normalization else None
        if normalized and self.levels is None:
            raise UserError("normalized", normalized, "want the mean and std; mean=0, std=1 of pixels/255")
        if self.levels is not None:
            if scale is not None:
                raise UserError("scale", scale, "mean and std say it; leave it out")
            scale, (self.lo, self.hi) = self.levels.scale, self.levels.range
            for name in ("multiplier", "offset"):  # whole numbers, which half() leaves alone
                each = torch.tensor(getattr(self.levels, name)).view(-1, 1, 1)
                self.register_buffer(name, each, persistent=False)
        self.scale = 1 / 64 if scale is None else scale
        self._looked = False  # at floats that are not on the CPU

    def forward(self, images: Tensor) -> Tensor:
        """Images ``[N, C, H, W]``, pixels 0..255 (integers or floats), to one static step ``[1, N, C, H, W]``.

        Raises:
            UserError: the input has not four axes or not the channels of the mean and std, or it is no pixels.
        """
        if images.ndim != 4:
            raise UserError("images", tuple(images.shape), "want [N, C, H, W] with pixels 0..255")
        if images.dtype == torch.bool or images.is_complex():
            raise UserError("images", str(images.dtype).removeprefix("torch."), "want pixels 0..255")
        pixels = images if images.is_floating_point() else images.to(torch.get_default_dtype())
        if self.levels is None:
            self._look(images, pixels)
            return ((pixels + self.lo) * self.scale).unsqueeze(0)
        if images.shape[1] != len(self.multiplier) != 1:
            raise UserError(
                "images", tuple(images.shape), f"want {len(self.multiplier)} channels, as mean and std have"
            )
        wide = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
        if self.normalized and images.is_floating_point():
            wide = ((wide / self.scale - self.offset) / self.multiplier).round()
        self._look(images, wide)
        return ((wide * self.multiplier + self.offset) * self.scale).to(pixels.dtype).unsqueeze(0)

    def _look(self, images: Tensor, pixels: Tensor) -> None:
        """Refuses what is no pixels. Beside the CPU once only, as a look stops the device."""
        if images.dtype == torch.uint8 or images.is_meta or not images.numel() or torch.compiler.is_compiling():
            return
        if images.device.type != "cpu":
            if self._looked:
                return
            self._looked = True
        lowest, highest = (float(end) for end in pixels.aminmax())
        stays_dark = 0 < highest <= 1 and images.is_floating_point() and not self.normalized
        if not (lowest >= 0 and highest <= 255) or stays_dark:
            dtype = str(images.dtype).removeprefix("torch.")
            seen = f"{dtype} from {float(images.min()):.4g} to {float(images.max()):.4g}"
            wanted = "Encoder(mean=..., std=..., normalized=True) if they are normalised; mean=0, std=1 for pixels/255"
            raise UserError("images", seen, f"want pixels 0..255, or {wanted}")

    def extra_repr(self) -> str:
        seen = f"levels={self.lo}..{self.hi}, scale={self.scale}"
        if self.normalization is None:
            return seen
        return f"{seen}, mean={self.normalization.mean}, std={self.normalization.std}, normalized={self.normalized}"
