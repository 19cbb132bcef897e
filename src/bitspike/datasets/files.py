"""Files of unknown origin: found, and read no further than they ought to go."""

from __future__ import annotations

import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from bitspike.errors import UserError
from bitspike.files import is_there

__all__ = ["ENVIRONMENT", "data_directory", "is_file", "read_bytes", "read_members"]

ENVIRONMENT = "BITSPIKE_DATA"

_XZ_MEMORY = 1 << 27  # bytes; `xz -9` needs 65 MiB to decompress
_HEADER = 1 << 16  # bytes by which a stream may be longer than what it compresses
_STREAM: Any = "r|"  # uncompressed, read without seeking (the library's type hints leave this mode out)
_MEMBERS = 100  # an official archive holds fewer than ten


def data_directory(data_dir: Path | None) -> Path:
    """The argument, else the directory in ``$BITSPIKE_DATA``, else ``./data`` (which need not exist).

    Raises:
        UserError: a directory was named and is not there, or may not be looked into.
    """
    named = os.path.expanduser(data_dir or os.environ.get(ENVIRONMENT) or "")
    if named and is_there(named):
        is_there(os.path.join(named, "."))  # what may not be looked into is refused here
    if named and not os.path.isdir(named):
        raise UserError("data directory", str(named), f"no such directory; give another, or set {ENVIRONMENT}")
    return Path(named or "data")


def is_file(path: Path) -> bool:
    """Whether a file is there.

    Raises:
        UserError: it may not be read, or nobody may tell.
    """
    if not is_there(path) or not os.path.isfile(path):
        return False
    try:
        path.open("rb").close()
    except OSError as wrong:
        raise UserError(str(path), wrong.strerror, "cannot be read") from wrong
    return True


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file, decompressed if its name ends in ``.gz`` or ``.xz``.

    Raises:
        UserError: it cannot be read, is damaged or cut short, or holds more than ``limit`` bytes.
    """
    compressed = path.suffix in (".gz", ".xz")
    try:
        with path.open("rb") as file:
            content = file.read(limit + (_HEADER if compressed else 1))
        if compressed:
            content = _decompress(path, content, limit)
    except OSError as wrong:
        raise UserError(str(path), wrong.strerror, "cannot be read") from wrong
    except (zlib.error, lzma.LZMAError) as wrong:
        raise UserError(str(path), str(wrong), f"not a {path.suffix} file, or damaged: get it again") from wrong
    if len(content) > limit:
        raise UserError(str(path), f"more than {limit} bytes", "too long to be what its name says")
    return content


def _decompress(path: Path, content: bytes, limit: int) -> bytes:
    stream = (
        zlib.decompressobj(wbits=31)  # gzip
        if path.suffix == ".gz"
        else lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    )
    out = stream.decompress(content, limit + 1)
    if len(out) <= limit and not stream.eof:
        raise UserError(str(path), f"{len(out)} bytes, then nothing", "cut short: get it again")
    return out


class _Bounded:
    """A stream that refuses to give more than ``limit`` bytes in all."""

    def __init__(self, stream: gzip.GzipFile, path: Path, limit: int) -> None:
        self.stream, self.path, self.left = stream, path, limit

    def read(self, size: int) -> bytes:
        block = self.stream.read(min(size, self.left + 1))
        self.left -= len(block)
        if self.left < 0:
            raise UserError(str(self.path), "too much content", "too long to be what its name says")
        return block


def read_members(path: Path, names: Sequence[str], limit: int, total: int) -> list[bytes]:
    """The named members of a ``.tar.gz``, without unpacking it to disk, in the order of ``names``.

    Args:
        limit: the most bytes that one member may have.
        total: the most bytes that the whole archive may unpack to.

    Raises:
        UserError: the archive is damaged, too large, or lacks a member.
    """
    found: dict[str, bytes] = {}
    try:
        with (
            gzip.open(path) as stream,
            tarfile.open(fileobj=cast(IO[bytes], _Bounded(stream, path, total)), mode=_STREAM) as archive,
        ):
            for count, member in enumerate(archive):
                name = member.name.removeprefix("./")
                if count > _MEMBERS or (name in names and (member.size > limit or member.issparse())):
                    raise UserError(str(path), name, "more or longer members than the official archive has")
                file = archive.extractfile(member) if name in names and member.isreg() else None
                if file is not None:
                    found[name] = file.read(limit)
                if len(found) == len(names):
                    break
    except UserError:
        raise
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, OverflowError) as wrong:
        raise UserError(str(path), str(wrong), "not a .tar.gz archive, or damaged: get it again") from wrong
    for name in names:
        if name not in found:
            raise UserError(str(path), sorted(found), f"no member {name}: get it again")
    return [found[name] for name in names]
