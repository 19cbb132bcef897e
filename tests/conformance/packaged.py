"""The trained network that comes with the project, and 1,000 real images of its size that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from bitspike.ir import FrozenGraph, load

__all__ = ["packaged"]


def packaged() -> tuple[FrozenGraph, NDArray[np.uint8]]:
    """``examples/fashion-tiny.bitspike``, and digits enlarged threefold on black: not its own data, but images."""
    net = load(Path(__file__).parents[2] / "examples" / "fashion-tiny.bitspike")
    digits = load_digits().images[:1000].repeat(3, axis=1).repeat(3, axis=2) * (255 / 16)
    return net, np.pad(digits, ((0, 0), (2, 2), (2, 2)))[:, None].astype(np.uint8)
