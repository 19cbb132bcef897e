"""Files of equal records: some label bytes, then the pixels of one image, channel by channel.

Source: "Binary version" on https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import math

import numpy as np

from bitspike.datasets.sources import Arrays, Shape
from bitspike.errors import UserError

__all__ = ["parse_records"]


def parse_records(content: bytes | memoryview, count: int, label_bytes: int, shape: Shape, name: str) -> Arrays:
    """Views of the images ``[count, C, H, W]`` and labels ``[count]``; of several label bytes, the last.

    Raises:
        UserError: another length than ``count`` records have.
    """
    size = label_bytes + math.prod(shape)
    if len(content) != count * size:
        raise UserError(name, f"{len(content)} bytes", f"want {count * size}: {count} records of {size} bytes")
    records = np.frombuffer(content, np.uint8).reshape(count, size)
    return records[:, label_bytes:].reshape(count, *shape), records[:, label_bytes - 1]
