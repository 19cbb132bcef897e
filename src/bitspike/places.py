"""Where runs and files go: names and paths, checked before anything is loaded, read or written."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from bitspike.errors import UserError
from bitspike.files import is_there

__all__ = ["cache_folder", "checked_file", "checked_name", "checked_place", "refuse_taken", "run_folder"]

LONGEST_NAME = 255
"""Bytes of one name, in every common file system."""
LONGEST_PATH = 3800
"""Bytes of a whole path: Linux takes 4095, and the files of a run come below it."""


def cache_folder() -> Path:
    """Where what can be made again is kept: in the user's folder for caches; of a user without a home, nowhere."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if home.startswith("~"):
        home = os.devnull  # a relative path would be a folder called ~ right here
    return Path(home, "bitspike")


def checked_name(name: str) -> str:
    """``name``, if a folder or a file can have it: one name, not a way to another place.

    Raises:
        UserError: it is empty, a dot or two, too long, or has a separator or a control character in it.
    """
    if name in ("", ".", ".."):
        raise UserError("--name", name, "want a name, for example my-run")
    if any(separator in name for separator in (os.sep, os.altsep) if separator):
        raise UserError("--name", name, "want a name without a separator; --runs-dir says where it goes")
    _check_text("--name", name)
    return name


def checked_place(option: str, path: str | Path) -> Path:
    """``path``, ``~`` as the user's home, if there is a folder or one could be made.

    Raises:
        UserError: it is empty or too long, has a control character in it, lies below a file, or may not be written to.
    """
    text = os.path.expanduser(path)
    if not text:
        raise UserError(option, text, "want a folder; . is the current one")
    _check_text(option, text)
    _check_above(option, text, Path(text))
    return Path(text)


def checked_file(option: str, path: str | Path) -> Path:
    """``path``, ``~`` as the user's home, if a file could be written there.

    Raises:
        UserError: it is a folder, or its folder is no place to write to.
    """
    text = os.path.expanduser(path)
    if not text:
        raise UserError(option, text, "want the name of a file")
    _check_text(option, text)
    if os.path.isdir(text):
        raise UserError(option, text, "it is a folder; want the name of a file")
    _check_above(option, text, Path(text).parent)
    return Path(text)


def run_folder(runs_dir: str | Path, name: str) -> Path:
    """The folder of the run called ``name``.

    Raises:
        UserError: the name or the place will not do.
    """
    return checked_place("run folder", checked_place("--runs-dir", runs_dir) / checked_name(name))


def refuse_taken(path: Path) -> None:
    """Refuses the folder of a run where a new one is to go.

    Raises:
        UserError: there is a run in it.
    """
    if is_there(path / "config.json"):
        raise UserError("run folder", str(path), "it holds a run; give --resume, or another --name")


def _check_above(option: str, text: str, there: Path) -> None:
    """Refuses a folder that is none, or, as far as it is not there yet, could not be made."""
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not os.path.isdir(there):
        raise UserError(option, text, f"{there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(option, text, f"{there} may not be written to")


def _check_text(option: str, text: str) -> None:
    """Refuses what no file system holds, and what a line of a terminal does not show as it is."""
    if any(unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029" for letter in text):
        raise UserError(option, text, "want no control characters in it")
    lengths = [len(os.fsencode(part)) for part in Path(text).parts]
    if max(lengths, default=0) > LONGEST_NAME:
        raise UserError(option, text, f"a name has up to {LONGEST_NAME} bytes; it has {max(lengths)}")
    if len(os.fsencode(text)) > LONGEST_PATH:
        raise UserError(option, text, f"a path has up to {LONGEST_PATH} bytes; it has {len(os.fsencode(text))}")
