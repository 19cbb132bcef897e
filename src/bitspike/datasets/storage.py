"""A folder, or a ZIP archive in its place: files by their path inside."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

from bitspike.datasets.files import read_bytes
from bitspike.errors import UserError

__all__ = ["Storage", "storage"]


class Storage:
    """Files in a folder, or those of an archive, below one place.

    Args:
        path: the folder or the archive.
        inside: the folder in it, with a slash behind it, that names begin at; or nothing.
    """

    def __init__(self, path: Path, inside: str = "") -> None:
        self.path, self.inside = path, inside
        self.is_archive = path.suffix.lower() == ".zip"
        self._lock = threading.Lock()
        self._opened: tuple[int, zipfile.ZipFile | None] = (0, None)

    def __reduce__(self) -> Any:
        return type(self), (self.path, self.inside)

    def below(self, folder: str) -> Storage:
        """The same files, with names that begin at ``folder``."""
        return Storage(self.path, f"{self.inside}{folder}/" if folder else self.inside)

    def called(self, name: str) -> str:
        """What people know a file by."""
        return f"{self.path}:{self.inside}{name}" if self.is_archive else str(self.path / self.inside / name)

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        if self.is_archive:
            return self.inside + name in self._names
        return os.path.isfile(self.path / self.inside / name)

    def files(self, folder: str = "") -> list[str]:
        """Names of the files that lie directly in a folder, sorted; none where there is no folder."""
        if self.is_archive:
            start = f"{self.inside}{folder}/" if folder else self.inside
            return sorted(
                name[len(start) :] for name in self._names if name.startswith(start) and "/" not in name[len(start) :]
            )
        try:
            with os.scandir(self.path / self.inside / folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as wrong:
            raise UserError(str(self.path / self.inside / folder), wrong.strerror, "want a folder") from wrong

    def folders(self) -> list[str]:
        """Names of the folders directly in it, sorted."""
        if self.is_archive:
            rest = (name[len(self.inside) :] for name in self._names if name.startswith(self.inside))
            return sorted({name.partition("/")[0] for name in rest if "/" in name})
        with os.scandir(self.path / self.inside) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))

    def read(self, name: str, limit: int) -> bytes:
        """The content of a file.

        Raises:
            UserError: it is missing, damaged, or longer than ``limit`` bytes; the line names it.
        """
        if not self.is_archive:
            return read_bytes(self.path / self.inside / name, limit)
        try:
            with self._lock, self._archive.open(self.inside + name) as file:
                content = file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, LookupError, RuntimeError, ValueError) as wrong:
            raise UserError(self.called(name), str(wrong), "missing, or damaged: get the archive again") from wrong
        if len(content) > limit:
            raise UserError(self.called(name), f"more than {limit} bytes", "too long to be what its name says")
        return content

    @cached_property
    def _names(self) -> frozenset[str]:
        with self._lock:
            return frozenset(name for name in self._archive.namelist() if not name.endswith("/"))

    @property
    def _archive(self) -> zipfile.ZipFile:
        """Opened once in each process: a file that is shared with a child would be read at two places at once."""
        process, archive = self._opened
        if archive is None or process != os.getpid():
            try:
                archive = zipfile.ZipFile(self.path)
            except (zipfile.BadZipFile, OSError, ValueError) as wrong:
                raise UserError(str(self.path), str(wrong), "not a ZIP archive, or damaged: get it again") from wrong
            self._opened = (os.getpid(), archive)
        return archive


def storage(path: Path) -> Storage | None:
    """The folder at ``path``, or the archive ``path`` or ``path.zip``; ``None`` where there is none of them."""
    if os.path.isdir(path):
        return Storage(path)
    for archive in (path, path.with_name(f"{path.name}.zip")):
        if archive.suffix.lower() == ".zip" and os.path.isfile(archive):
            return Storage(archive)
    return None
