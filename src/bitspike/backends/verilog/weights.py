"""Weights as words: one tap for all elements, in the order in which a layer multiplies."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.verilog.layer import Layer

__all__ = ["Weights", "image"]


@dataclass
class Weights:
    """One memory for each width.

    Args:
        layers: of the network, in order.
        pes: processing elements.

    Attributes:
        words: by width, the words ``[words, pes]``. at: by layer, its width and the address of its first word.
    """

    layers: list[Layer]
    pes: int
    words: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    at: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, layer in enumerate(self.layers):
            sweep = layer.sweep
            if sweep is None or sweep.mode != "synapse":
                continue
            node = layer.plan.parts[sweep.weights].node
            bits = int(node.weight_bits)  # type: ignore[attr-defined]
            blocks = ceil(sweep.made / self.pes)
            weights = layer.plan.net.integers(f"{node.name}.weight").reshape(sweep.groups, sweep.made, sweep.taps)
            coded = (weights < 0).astype(np.int64) if bits == 1 else weights & ((1 << bits) - 1)
            padded = np.zeros((sweep.groups, blocks * self.pes, sweep.taps), np.int64)
            padded[:, : sweep.made] = coded
            words = padded.reshape(sweep.groups * blocks, self.pes, sweep.taps).swapaxes(1, 2).reshape(-1, self.pes)
            before = self.words.get(bits, np.zeros((0, self.pes), np.int64))
            self.at[index] = bits, len(before)
            self.words[bits] = np.concatenate([before, words])


def image(fields: NDArray[np.int64], widths: list[int]) -> str:
    """A memory as ``$readmemh`` reads it: each row of fields is a word, the first field its lowest bits."""
    digits = max(1, ceil(sum(widths) / 4))
    lines = []
    for row in fields.tolist():
        word, place = 0, 0
        for value, width in zip(row, widths, strict=True):
            word |= (value & ((1 << width) - 1)) << place
            place += width
        lines.append(f"{word:0{digits}x}")
    return "\n".join(lines) + "\n"
