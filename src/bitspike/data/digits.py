"""The digits that come with scikit-learn: 1,797 images of 8 x 8 pixels, a dataset that needs no file.

Source: E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998 (its test set).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from bitspike.data.images import stratified_indices
from bitspike.data.randomness import seeded
from bitspike.data.records import parse_records
from bitspike.data.sources import Arrays, Found, Split, Stored
from bitspike.errors import require
from bitspike.intmath import round_half_up

__all__ = ["DigitsSource"]

_PLACE = "scikit-learn"


@dataclass(frozen=True)
class DigitsSource:
    """Records of one label and 64 pixels: values 0..16 scaled to 0..255; the split is stratified and fixed.

    Args:
        images: images in each split.
    """

    images: Mapping[Split, int]
    on_disk: bool = False

    def find(self, split: Split, data_dir: Path) -> Found:
        if find_spec("sklearn") is None:
            raise FileNotFoundError("no scikit-learn")
        return Found(_PLACE, partial(self._read, split))

    def parse(self, split: Split, files: Sequence[Stored]) -> Arrays:
        return parse_records(files[0].content, self.images[split], 1, (1, 8, 8), files[0].path)

    def _read(self, split: Split) -> Iterator[Stored]:
        digits = require("sklearn.datasets", "data").load_digits()
        pixels = round_half_up(digits.data * 255 / 16)
        records = np.concatenate([digits.target[:, None], pixels], axis=1).astype(np.uint8)
        rest, chosen = stratified_indices(torch.as_tensor(digits.target), self.images["test"], seeded(0))
        name = f"digits.{split}"
        yield Stored(f"{_PLACE}:{name}", name, records[(rest if split == "train" else chosen).numpy()].tobytes())
