"""Small pictures as data URIs: PNG written by hand, so that a page of runs needs no other package."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError

__all__ = ["jpeg_uri", "png", "png_uri", "unpacked"]

ON, OFF = (37, 99, 235), (217, 72, 15)
"""Colours of events: brighter, darker."""
MOST_BYTES = 1 << 22
"""Bytes of a packed picture, at most: a small text cannot become a large array."""


def unpacked(told: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The bytes that training packed (`bitspike.training.samples.packed`).

    Raises:
        UserError: they are not these.
    """
    try:
        shape = tuple(int(side) for side in told["shape"])
        out = zlib.decompressobj().decompress(base64.b64decode(told["zlib"], validate=True), MOST_BYTES)
        return np.frombuffer(out, np.uint8).reshape(shape)
    except (KeyError, TypeError, ValueError, zlib.error) as wrong:
        raise UserError("picture", told, "want a shape and packed bytes, as train wrote them") from wrong


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture ``[C, H, W]`` as a data URI: one channel is grey, two are events, three are red, green and blue."""
    return "data:image/png;base64," + base64.b64encode(png(_coloured(pixels))).decode()


def jpeg_uri(text: str) -> str:
    """A JPEG in base64 as a data URI.

    Raises:
        UserError: it is not base64.
    """
    try:
        return "data:image/jpeg;base64," + base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except (TypeError, ValueError) as wrong:
        raise UserError("picture", text, "want a JPEG in base64, as train wrote it") from wrong


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of ``[H, W]`` (grey) or ``[H, W, 3]``."""
    height, width = pixels.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], 1)  # 0: rows as they are
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*parts, strict=True)))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _coloured(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if len(pixels) == 3:
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))
    if len(pixels) == 2:
        on, off = (plane[..., None] / 255 for plane in pixels[::-1])  # channel 0 is darker, as event files have it
        white = np.full((*pixels.shape[1:], 3), 255.0)
        return (white - on * (255 - np.array(ON)) - off * (255 - np.array(OFF))).clip(0, 255).astype(np.uint8)
    return pixels[0] if len(pixels) == 1 else pixels.mean(0).astype(np.uint8)
