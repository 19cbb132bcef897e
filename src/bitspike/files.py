"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import json
import os
import tempfile
from errno import ENAMETOOLONG
from pathlib import Path
from typing import Any

from bitspike.errors import UserError

__all__ = ["at_home", "is_there", "read_json", "safetensors_metadata", "write_atomically", "write_json"]


def at_home(path: str | Path) -> Path:
    """``~`` is the user's home, and ``~name`` that of ``name``, as in a shell; where there is none the path stays."""
    return Path(os.path.expanduser(path))


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes ``content`` under ``path``: all of it, or nothing. What was there before stays until then.

    Raises:
        UserError: the disk is full, or the place cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as wrong:
        raise UserError("write", str(path), f"{wrong.strerror}; nothing was written") from wrong
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as wrong:
        os.unlink(temporary)
        if isinstance(wrong, OSError):
            before = "; the earlier file is untouched" if os.path.exists(path) else "; nothing was written"
            raise UserError("write", str(path), f"{wrong.strerror}{before}") from wrong
        raise


def write_json(path: str | Path, value: Any, indent: int | None = 2) -> None:
    """`write_atomically` of ``value`` as JSON, indented unless ``indent`` is ``None``."""
    write_atomically(path, (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode())


def is_there(path: str | Path) -> bool:
    """Whether a file or folder is there.

    Raises:
        UserError: nobody may tell, as in a folder that may not be looked into.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as wrong:
        if wrong.errno == ENAMETOOLONG:
            return False
        raise UserError("read", str(path), f"{wrong.strerror}") from wrong
    except ValueError as wrong:  # a NUL in the name
        raise UserError("read", str(path), f"{wrong}") from wrong
    return True


def read_json(path: str | Path) -> Any:
    """The JSON value in a file.

    Raises:
        UserError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as wrong:
        raise UserError("read", str(path), f"{wrong.strerror}") from wrong
    except (ValueError, RecursionError) as wrong:  # bad text, bad JSON, brackets too deep
        raise UserError("read", str(path), f"not JSON: {wrong}") from wrong


def safetensors_metadata(content: bytes) -> dict[str, str]:
    """The texts in the header of a safetensors file, which its own NumPy and torch readers leave out.

    Raises:
        ValueError: there is no such header.
    """
    length = int.from_bytes(content[:8], "little")
    try:
        found = json.loads(content[8 : 8 + length])["__metadata__"]
    except (KeyError, TypeError, RecursionError) as wrong:
        raise ValueError(f"no metadata: {wrong}") from wrong
    if not isinstance(found, dict):
        raise ValueError("its metadata is no object")
    return found
