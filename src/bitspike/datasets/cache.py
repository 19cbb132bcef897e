"""Arrays that took long to make, kept so that they are made once.

A cache is a ``.npz`` file of `images` and `labels`, not compressed: it is mapped, not read, so a set may be larger
than the memory, and `numpy.load` opens it too. Its name is a hash of all that decides the arrays: names, sizes and
times of the files that they are made of, and settings. A changed file is another name.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bitspike.datasets.sources import Arrays
from bitspike.places import cache_folder

__all__ = ["cache_file", "cached", "signature"]

VERSION = 1
"""Another one where the same files and settings become other arrays than before."""
_CHUNK = 1 << 24  # bytes


def signature(files: Sequence[Path]) -> str:
    """A hash of the files' names, sizes and times: of writing, and of any change, which no program can set back.

    Raises:
        OSError: one of them is gone.
    """
    told = hashlib.sha256()
    for file in files:
        seen = file.stat()
        told.update(
            f"{file}\0{seen.st_size}\0{seen.st_mtime_ns}\0{seen.st_ctime_ns}\n".encode(errors="surrogateescape")
        )
    return told.hexdigest()


def cache_file(name: str, key: Mapping[str, Any]) -> Path:
    """Where the arrays lie that ``key`` decides.

    Args:
        name: for people who look into the folder.
        key: what JSON can say.
    """
    told = json.dumps({"version": VERSION, **key}, sort_keys=True, allow_nan=False)
    plain = "".join(letter if letter.isalnum() else "-" for letter in name)[-80:]
    return cache_folder() / "data" / f"{plain}-{hashlib.sha256(told.encode()).hexdigest()[:32]}.npz"


def cached(
    file: Path, images_shape: tuple[int, ...], labels_shape: tuple[int, ...], blocks: Callable[[], Iterator[Arrays]]
) -> Arrays:
    """The arrays in ``file``; where there are none, or damaged ones, those that ``blocks`` makes, which are kept.

    A place that cannot be written to is as none: the arrays are made in memory. What ``blocks`` refuses leaves nothing.

    Args:
        images_shape, labels_shape: of the arrays, whose first axis is that of samples.
        blocks: makes them, some samples at a time.

    Returns:
        Images, that may be written to, which the file does not see; and labels.
    """
    if (found := _read(file, images_shape, labels_shape)) is not None:
        return found
    labels = np.empty(labels_shape, np.uint8)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError:
        return _in_memory(np.empty(images_shape, np.uint8), labels, blocks())
    try:
        with os.fdopen(handle, "wb") as out:
            _write(out, images_shape, labels, blocks())
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
    except OSError:  # the disk is full
        _discard(temporary)
        return _in_memory(np.empty(images_shape, np.uint8), labels, blocks())
    except BaseException:
        _discard(temporary)
        raise
    found = _read(file, images_shape, labels_shape)
    return _in_memory(np.empty(images_shape, np.uint8), labels, blocks()) if found is None else found


def _in_memory(images: NDArray[np.uint8], labels: NDArray[np.uint8], blocks: Iterable[Arrays]) -> Arrays:
    for place, block in _placed(labels, blocks):
        images[place] = block
    return images, labels


def _placed(labels: NDArray[np.uint8], blocks: Iterable[Arrays]) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Each block's images and where they go; its labels are put into ``labels``."""
    done = 0
    for images, names in blocks:
        place = slice(done, done + len(images))
        labels[place] = names
        yield place, images
        done += len(images)
    if done != len(labels):
        raise AssertionError(f"{done} samples were made, {len(labels)} were announced")


def _write(out: IO[bytes], shape: tuple[int, ...], labels: NDArray[np.uint8], blocks: Iterable[Arrays]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            npy.write_array_header_1_0(member, header)
            for _, images in _placed(labels, blocks):
                if images.shape[1:] != shape[1:] or images.dtype != np.uint8:
                    raise AssertionError(f"made {images.dtype} {images.shape}, announced uint8 {shape}")
                member.write(np.ascontiguousarray(images).data)
        with archive.open("labels.npy", "w") as member:
            npy.write_array(member, labels, allow_pickle=False)


def _read(file: Path, images_shape: tuple[int, ...], labels_shape: tuple[int, ...]) -> Arrays | None:
    """The arrays of a whole file of these shapes. All of it is read once, against its checksums."""
    if not file.is_file():
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            with archive.open("labels.npy") as member:
                _expect(member, labels_shape)
                labels = np.frombuffer(member.read(), np.uint8).reshape(labels_shape).copy()
            with archive.open("images.npy") as member:
                start = _expect(member, images_shape)
                while member.read(_CHUNK):
                    pass
            offset = _start_of(file, archive.getinfo("images.npy")) + start
        return np.memmap(file, np.uint8, "c", offset, images_shape), labels
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return None


def _expect(member: IO[bytes], shape: tuple[int, ...]) -> int:
    """How long the header is, if it is that of a uint8 array of ``shape``."""
    if npy.read_magic(member) != (1, 0):
        raise ValueError("another version")
    seen, fortran, dtype = npy.read_array_header_1_0(member)
    if seen != shape or dtype != np.uint8 or fortran:
        raise ValueError("another array")
    return member.tell()


def _start_of(file: Path, info: zipfile.ZipInfo) -> int:
    """Where the content of a member that is not compressed begins."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError("it is compressed")
    with file.open("rb") as content:
        content.seek(info.header_offset + 26)
        lengths = np.frombuffer(content.read(4), "<u2")
    return info.header_offset + 30 + int(lengths.sum())


def _discard(temporary: str) -> None:
    with suppress(OSError):
        os.unlink(temporary)
