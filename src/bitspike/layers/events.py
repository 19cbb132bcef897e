"""A network's eye for trains: codes of events, or of signals, become levels at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers.encoder import Encoder
from bitspike.sample import Sample

__all__ = ["EventEncoder", "encoder_for"]


class EventEncoder(nn.Module):
    """``(code + lo) * scale`` of codes ``0 .. hi - lo``: levels of any input that is no image, at each of its steps.

    Args:
        sample: what one input is.
        scale: value of one level.
    """

    def __init__(self, sample: Sample, scale: float = 1.0) -> None:
        super().__init__()
        self.sample, self.scale = sample, scale
        self._looked = False  # at codes that are not on the CPU

    def forward(self, codes: Tensor) -> Tensor:
        """Codes ``[N, *sample.array_shape]`` to levels ``[T, N, *sample.shape]``, time first.

        Raises:
            UserError: another shape, or what are no codes of the sample.
        """
        if codes.shape[1:] != self.sample.array_shape:
            wanted = f"want [N, {', '.join(map(str, self.sample.array_shape))}]"
            raise UserError("codes", tuple(codes.shape), wanted)
        if codes.dtype == torch.bool or codes.is_complex():
            raise UserError("codes", str(codes.dtype).removeprefix("torch."), self._wanted)
        self._look(codes)
        given = codes if codes.is_floating_point() else codes.to(torch.get_default_dtype())
        levels = (given + self.sample.lo) * self.scale
        return levels.unsqueeze(0) if self.sample.T == 1 else levels.transpose(0, 1)

    @property
    def _wanted(self) -> str:
        return f"want whole codes 0..{self.sample.hi - self.sample.lo}"

    def _look(self, codes: Tensor) -> None:
        """Refuses what are no codes. Beside the CPU once only, as a look stops the device."""
        if codes.is_meta or not codes.numel() or torch.compiler.is_compiling():
            return
        if codes.device.type != "cpu":
            if self._looked:
                return
            self._looked = True
        lowest, highest = (float(end) for end in codes.aminmax())
        whole = not codes.is_floating_point() or bool((codes == codes.round()).all())  # scaled frames are none
        if not (lowest >= 0 and highest <= self.sample.hi - self.sample.lo and whole):
            dtype = str(codes.dtype).removeprefix("torch.")
            raise UserError("codes", f"{dtype} from {lowest:.4g} to {highest:.4g}", self._wanted)

    def extra_repr(self) -> str:
        return f"{self.sample}, levels={self.sample.lo}..{self.sample.hi}, scale={self.scale}"


def encoder_for(sample: Sample) -> Encoder | EventEncoder:
    """What makes levels of such inputs."""
    return Encoder() if sample.is_image else EventEncoder(sample)
