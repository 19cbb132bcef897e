"""The answer of a network: what its logits of every step are read as."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from bitspike.layers.time import mean_over_time

__all__ = ["Answer", "read_out"]

Answer = Literal["mean", "last", "each"]
"""The mean of all steps, the last step alone, or an answer at each."""


def read_out(logits: Tensor, readout: Answer = "mean") -> Tensor:
    """Logits of every step ``[T, N, K]`` to answers ``[N, K]``; to ``[N, T, K]`` where ``each`` step has one."""
    if readout == "each":
        return logits.transpose(0, 1)
    return logits[-1] if readout == "last" else mean_over_time(logits)
