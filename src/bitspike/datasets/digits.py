"""The digits that come with scikit-learn: 1,797 images of 8 x 8 pixels, a dataset that needs no file.

Source: E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998 (its test set).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bitspike.datasets.files import read_bytes
from bitspike.datasets.records import parse_records
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.datasets.split import stratified_indices
from bitspike.intmath import round_half_up

__all__ = ["DigitsSource"]

_PLACE = "scikit-learn"
_LIMIT = 1 << 20  # bytes; the file has 264,712


@dataclass(frozen=True)
class DigitsSource:
    """Records of one label and 64 pixels: values 0..16 scaled to 0..255; the split is stratified and fixed.

    Args:
        images: images in each split.
    """

    images: Mapping[Split, int]
    on_disk: bool = False
    kept_by: None = None

    def find(self, split: Split, data_dir: Path) -> Found:
        return Found(_PLACE, partial(self._read, split, file := _file()), (file,))

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        (file,) = files
        yield parse_records(file.content, self.images[split], 1, (1, 8, 8), file.path)

    def _read(self, split: Split, file: Path) -> Iterator[Stored]:
        rows = read_bytes(file, _LIMIT).decode().splitlines()
        table = np.loadtxt(rows, dtype=np.int64, delimiter=",")  # pixels, then the label
        records = np.column_stack([table[:, -1], round_half_up(table[:, :-1] * 255 / 16)]).astype(np.uint8)
        rest, chosen = stratified_indices(table[:, -1], self.images["test"], 0)
        name = f"digits.{split}"
        yield Stored(f"{_PLACE}:{name}", name, records[rest if split == "train" else chosen].tobytes())


def _file() -> Path:
    """The digits as scikit-learn's own ``load_digits`` reads them; importing that takes a hundred times as long.

    Raises:
        FileNotFoundError: it is not installed, or holds no digits.
    """
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        if (path := Path(folder, "datasets", "data", "digits.csv.gz")).is_file():
            return path
    raise FileNotFoundError("no scikit-learn" if found is None else "no digits in scikit-learn")
