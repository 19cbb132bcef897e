"""What every weight quantizer is: a parametrization that knows its bits and can name its integers."""

from __future__ import annotations

from torch import Tensor, nn

from bitspike.bits import signed_range
from bitspike.errors import UserError

__all__ = ["WeightQuantizer"]


class WeightQuantizer(nn.Module):
    """Maps a float weight to ``codes * step``, with codes in the symmetric signed range of ``bits``.

    A subclass defines `step` (the value of one code) and `forward` (the quantized weight with its gradient);
    `codes` are the integers that the shipped network holds.

    Args:
        bits: ``b_w``, 1 to 16. One bit is the two codes +-1; ``b`` bits are ``+-(2^(b-1) - 1)``.
        weight: the weight that it will be attached to, ``[C_out, ...]``; gives shapes and starting values.
    """

    def __init__(self, bits: int, weight: Tensor) -> None:
        super().__init__()
        if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 16:
            raise UserError("weight bits", bits, "want a whole number from 1 to 16")
        self._bits = bits

    @property
    def bits(self) -> int:
        """``b_w``."""
        return self._bits

    @property
    def top(self) -> int:
        """The largest code."""
        return signed_range(self.bits)[1]

    def step_size(self, weight: Tensor) -> Tensor:
        """Value of one code: a scalar, or ``[C_out, 1, ...]`` where each output channel has its own."""
        raise NotImplementedError

    def codes(self, weight: Tensor) -> Tensor:
        """The integers (in float dtype) that `forward` multiplies by `step_size`, shaped like ``weight``."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


def per_channel(weight: Tensor) -> tuple[int, ...]:
    """Shape ``[C_out, 1, ...]`` of one number for each output channel."""
    return (weight.shape[0], *(1 for _ in weight.shape[1:]))
