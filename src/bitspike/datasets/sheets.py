"""CIFAR as a lossless archive: a ZIP of WebP sheets, half the size of the official files.

The archive holds ``sheet_000.webp``, ``sheet_001.webp``, ... (each a column of RGB images, 32 pixels wide)
and ``labels.bin`` (one byte an image); for CIFAR-100 ``coarse_labels.bin`` too. The official binary records
are rebuilt from it, so that their checksums prove the pixels.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError, require

__all__ = ["read_sheets"]

_SIDE, _PIXELS = 32, 3 * 32 * 32
_DIRECTORY = 1 << 20  # bytes; the directory of a hundred sheets has 6,000
_SHEET = 1 << 22  # bytes; an uncompressed sheet of 500 images has 1,536,000


def read_sheets(path: Path, count: int, label_files: tuple[str, ...]) -> NDArray[np.uint8]:
    """The ``count`` official binary records: the bytes of ``label_files``, then 3,072 pixels ``[C, H, W]``.

    Raises:
        UserError: Pillow is missing, the archive is damaged, or it does not hold ``count`` images.
    """
    pillow = require("PIL.Image", "data")
    records = np.empty((count, len(label_files) + _PIXELS), np.uint8)
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            for column, file in enumerate(label_files):
                records[:, column] = np.frombuffer(_member(archive, file, count), np.uint8)
            done = 0
            for file in sorted(name for name in archive.namelist() if re.fullmatch(r"sheet_\d+\.webp", name)):
                images = _sheet(_member(archive, file, _SHEET), pillow)
                if done + len(images) > count:
                    raise ValueError(f"more than {count} images")
                records[done : done + len(images), len(label_files) :] = images
                done += len(images)
        if done != count:
            raise ValueError(f"{done} images where there should be {count}")
    except (zipfile.BadZipFile, zlib.error, struct.error) as wrong:
        raise UserError(str(path), str(wrong), "not a ZIP archive, or damaged: get it again") from wrong
    except (OSError, EOFError, ValueError, LookupError, RuntimeError, OverflowError, SyntaxError) as wrong:
        raise UserError(str(path), str(wrong), "not the archive its name says: get it again") from wrong
    return records


def _check_directory(path: Path) -> None:
    """Refuses an archive whose directory alone could fill the memory (`zipfile` reads it whole)."""
    with path.open("rb") as file:
        start = max(file.seek(0, io.SEEK_END) - 42, 0)
        file.seek(start)
        tail = file.read()
    end = tail[-22:]
    if end[:4] != b"PK\5\6" or tail[:4] == b"PK\6\7" or struct.unpack("<I", end[12:16])[0] > _DIRECTORY:
        raise zipfile.BadZipFile("its end is not that of a small ZIP archive")


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in another way than DEFLATE")
    with archive.open(info) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{name} has more than {limit} bytes")
    return content


def _sheet(content: bytes, pillow: ModuleType) -> NDArray[np.uint8]:
    """The images ``[N, 3072]`` of one sheet; its header is read first, so the size is known to be small."""
    if content[:4] != b"RIFF" or content[8:16] != b"WEBPVP8L" or content[20:21] != b"\x2f":
        raise ValueError("a sheet is not lossless WebP")
    (sizes,) = struct.unpack("<I", content[21:25])
    width, height = (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1
    if width != _SIDE or height % _SIDE:
        raise ValueError(f"a sheet of {width} x {height} pixels is no column of {_SIDE} x {_SIDE} images")
    with pillow.open(io.BytesIO(content), formats=("WEBP",)) as image:
        if image.mode != "RGB" or image.size != (width, height):
            raise ValueError("a sheet is not RGB")
        pixels = np.asarray(image).reshape(-1, _SIDE, _SIDE, 3)
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), _PIXELS)
