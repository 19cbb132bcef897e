"""IDX, the format of MNIST and Fashion-MNIST: a magic number, the sizes, then the bytes.

Source: the description on http://yann.lecun.com/exdb/mnist/. All numbers are big-endian; the magic number is
``00 00 TYPE DIMENSIONS``, and type ``08`` is the unsigned byte, the only one these datasets use.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.checksums import md5
from bitspike.datasets.files import is_file, read_bytes
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError

__all__ = ["IdxSource", "parse_idx"]

_LIMIT = 1 << 26  # bytes; the largest official file has 47,040,016
_PREFIX = {"train": "train", "test": "t10k"}


def parse_idx(content: bytes | memoryview, dimensions: int, name: str) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes; a view of ``content``, so nothing is allocated.

    Raises:
        UserError: wrong magic number, or another length than the header says.
    """
    magic, start = bytes((0, 0, 8, dimensions)), 4 + 4 * dimensions
    if bytes(content[:4]) != magic:
        seen = f"magic number {bytes(content[:4]).hex()}"
        raise UserError(name, seen, f"want {magic.hex()}: IDX, unsigned bytes, {dimensions} dimensions")
    if len(content) < start:
        raise UserError(name, f"{len(content)} bytes", f"want a header of {start} bytes: get it again")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    wanted = start + math.prod(shape)
    if len(content) != wanted or 0 in shape:
        raise UserError(name, f"{len(content)} bytes", f"want {wanted}, for the sizes {shape} in its header")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


@dataclass(frozen=True)
class IdxSource:
    """The four files of MNIST or of one of its look-alikes, each plain, ``.gz`` or ``.xz``.

    Two datasets share these file names, so the folder decides which one a file belongs to. Files that lie
    in the data directory itself are taken only if their checksums are those of this dataset.

    Args:
        folders: folders of the data directory to look into, the preferred one first.
        sums: MD5 of each uncompressed file by its official name.
    """

    folders: tuple[str, ...]
    sums: Mapping[str, str]
    on_disk: bool = True
    kept_by: None = None

    def find(self, split: Split, data_dir: Path) -> Found:
        names = (f"{_PREFIX[split]}-images-idx3-ubyte", f"{_PREFIX[split]}-labels-idx1-ubyte")
        missing = ""
        for folder in (*self.folders, "."):
            paths = {name: _stored_as(data_dir / folder, name) for name in names}
            there = {name: path for name, path in paths.items() if path is not None}
            read = partial(_read, there)
            if len(there) == len(names):
                if folder != "." or self._official(read):
                    return Found(str(data_dir / folder), read, tuple(there.values()))
                missing = f"no official {names[0]} in it (other datasets use that name too)"
            elif there or not missing:
                lacking = next(name for name in names if name not in there)
                missing = f"no {lacking} (plain, .gz or .xz) in {folder if there else self.folders[0]}/"
        raise FileNotFoundError(missing)

    def _official(self, read: Callable[[], Iterator[Stored]]) -> bool:
        try:
            return all(md5(file.content) == self.sums[file.name] for file in read())
        except UserError:  # damaged
            return False

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        images, labels = files
        yield parse_idx(images.content, 3, images.path)[:, None], parse_idx(labels.content, 1, labels.path)


def _stored_as(folder: Path, name: str) -> Path | None:
    paths = (folder / (name + suffix) for suffix in ("", ".gz", ".xz"))
    return next((path for path in paths if is_file(path)), None)


def _read(paths: Mapping[str, Path]) -> Iterator[Stored]:
    for name, path in paths.items():
        yield Stored(str(path), name, read_bytes(path, _LIMIT))
