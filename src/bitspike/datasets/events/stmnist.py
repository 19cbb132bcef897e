"""The ``.mat`` files of ST-MNIST, digits written on a tactile sensor of 10 x 10 taxels; SciPy reads the container.

Source: H. H. See et al., ST-MNIST: The Spiking Tactile MNIST Neuromorphic Dataset, arXiv:2005.04319, 2020. The array
``spiketrain`` has a row for each taxel, 1 or -1 where it spikes, and a last row of times in seconds.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from bitspike.datasets.events.event import Events, SensorSize
from bitspike.datasets.events.source import EventFile, packed
from bitspike.errors import UserError, require
from bitspike.intmath import round_half_up

__all__ = ["MAGIC", "read_stmnist"]

MAGIC = b"MATLAB 5.0 MAT-file"
_NAME = "spiketrain"
_SIZE: SensorSize = (10, 10)
_ROWS = 101
_RATIO = 1032
"""The most bytes that one byte of a deflated stream stands for."""


def read_stmnist(file: EventFile) -> Events:
    """Taxel ``i`` is column ``i % 10`` of row ``i // 10``; 1 is ON, -1 is OFF.

    Raises:
        UserError: SciPy is not installed, or the file holds another array.
    """
    file.require(MAGIC)
    matlab: Any = require("scipy.io", "events")
    try:
        arrays = {name: (shape, kind) for name, shape, kind in matlab.whosmat(io.BytesIO(file.content))}
        shape, kind = arrays.get(_NAME, ((), ""))
        wanted = len(shape) == 2 and shape[0] == _ROWS and kind == "double"
        if not wanted or 8 * _ROWS * shape[1] > _RATIO * len(file.content):
            raise file.refusal(0, arrays, f"want {_NAME}, doubles [{_ROWS}, E]")
        train = matlab.loadmat(io.BytesIO(file.content), variable_names=[_NAME])[_NAME]
    except UserError:
        raise
    except Exception as wrong:  # SciPy's reader raises whatever it meets in a damaged file
        raise file.refusal(0, str(wrong), "SciPy cannot read it: damaged, or cut short") from wrong
    spikes, seconds = train[:-1], train[-1]
    if not (np.isin(spikes, (-1, 0, 1)).all() and np.isfinite(seconds).all() and (abs(seconds) < 1e6).all()):
        raise file.refusal(0, _NAME, "want spikes of -1, 0 or 1, and times in seconds")
    column, taxel = np.nonzero(spikes.T)
    t = round_half_up(seconds * 1e6).astype(np.int64)[column]
    return file.events(file.sensor(_SIZE, ""), packed(t, taxel % 10, taxel // 10, spikes[taxel, column] > 0), None)
