"""The electrocardiograms of the QT database as spikes: two leads, level-crossing coded, a label at every step."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.files import is_file, read_bytes
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError, require
from bitspike.sample import Sample

__all__ = ["ECG", "EcgSource", "parse_ecg"]

CLASSES = ("P", "PQ", "QR", "RS", "ST", "TP")
"""Waves and the ways between them, in the order in which a heart beats."""
_FOLDERS = ("qtdb_ecg", "ecg", ".")
_LIMIT = 1 << 22  # bytes; the larger official file has 537,262
_SAMPLE = Sample((4,), 1301, -1, 1)


def parse_ecg(content: bytes | memoryview, name: str) -> Arrays:
    """Codes ``[N, T, 4]`` (0, 1, 2 for the levels -1, 0, 1) and labels ``[N, T]`` in one official MATLAB file.

    A step that carries none of the six labels (8 % of them, most where a recording begins) counts as the first one,
    as for the file's authors, who take the largest of six numbers.

    Raises:
        UserError: SciPy is missing, or the file is not such a one.
    """
    scipy = require("scipy.io", "events")
    try:
        found = scipy.loadmat(io.BytesIO(content), variable_names=["x", "y"])
    except Exception as wrong:  # of any kind, as the reader runs into what is damaged
        raise UserError(name, str(wrong), "not a MATLAB 5 file, or damaged: get it again") from wrong
    x, y = (_whole(found.get(key), key, name) for key in ("x", "y"))
    if x.shape[:2] != y.shape[:2] or x.shape[2:] != _SAMPLE.shape or y.shape[2] != len(CLASSES):
        raise UserError(name, (x.shape, y.shape), "want x of [N, T, 4] and y of [N, T, 6]")
    if x.size and not -1 <= x.min() <= x.max() <= 1:
        raise UserError(name, f"x of {x.min()} to {x.max()}", "want levels -1, 0 and 1")
    if y.size and (y.min() < 0 or y.max() > 1 or y.sum(2).max() > 1):
        raise UserError(name, "y", "want at most one 1 at a step, and else 0")
    return (x.astype(np.int16) + 1).astype(np.uint8), y.argmax(2).astype(np.uint8)


def _whole(found: Any, key: str, name: str) -> NDArray[Any]:
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iu" or found.ndim != 3:
        raise UserError(name, f"no {key}", f"want an array {key} of whole numbers with three axes")
    return found


@dataclass(frozen=True)
class EcgSource:
    """The two MATLAB files, one a split."""

    on_disk: bool = True
    kept_by: None = None

    def find(self, split: Split, data_dir: Path) -> Found:
        name = f"QTDB_{split}.mat"
        for folder in _FOLDERS:
            if is_file(path := data_dir / folder / name):
                return Found(str(path), partial(_read, path), (path,))
        raise FileNotFoundError(f"no {name} in {_FOLDERS[0]}/")

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        (file,) = files
        yield parse_ecg(file.content, file.path)


def _read(path: Path) -> Iterator[Stored]:
    yield Stored(str(path), path.name, read_bytes(path, _LIMIT))


ECG = Dataset(
    name="ecg",
    sample=_SAMPLE,
    images=MappingProxyType({"train": 618, "test": 141}),
    classes=CLASSES,
    how_to_get=(
        "Get QTDB_train.mat and QTDB_test.mat from https://github.com/byin-cwi/Efficient-spiking-networks "
        "(folder ECG) and put them into qtdb_ecg/ in the data directory"
    ),
    citation=(
        "P. Laguna et al., A Database for Evaluation of Algorithms for Measurement of QT and Other Waveform "
        "Intervals in the ECG, Computers in Cardiology 24, 1997 (PhysioNet, ODC-BY); coded by B. Yin, F. Corradi, "
        "S. M. Bohte, Accurate and efficient time-domain classification with adaptive spiking recurrent neural "
        "networks, Nature Machine Intelligence 3, 2021 (MIT)"
    ),
    sums=MappingProxyType(
        {"QTDB_train.mat": "39790ebc28587c94a2245fae7475e6f2", "QTDB_test.mat": "4deb6d02f9dae171ad99f2b372926cc0"},
    ),
    source=EcgSource(),
    labels_per_step=True,
)
