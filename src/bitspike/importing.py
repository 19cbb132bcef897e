"""Code of one's own by its import path, ``package.module:name``: the user's, imported and run by design."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from bitspike.errors import UserError

__all__ = ["FORM", "import_path", "imported", "is_import_path", "made", "users_code"]

FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_import_path(text: str) -> bool:
    """Whether a text speaks of code of one's own; names of the package have no colon."""
    return ":" in text


@contextmanager
def users_code() -> Iterator[None]:
    """While it runs, modules of the working folder can be imported, and what is printed goes to stderr: it is no part
    of a result."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(here)


def imported(thing: str, path: str) -> Any:
    """What ``package.module:name`` is; the module may lie in the working folder.

    Args:
        thing: what it is for, in the word that a refusal uses.
        path: where it is.

    Raises:
        UserError: not of that form, no such module or name, or a module that fails.
    """
    if not FORM.fullmatch(path):
        raise UserError(thing, path, "want package.module:name")
    module, _, name = path.partition(":")
    try:
        with users_code():
            return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as wrong:
        raise UserError(thing, path, f"cannot be imported: {type(wrong).__name__}: {wrong}") from wrong


def made(thing: str, path: str) -> Any:
    """What ``package.module:name`` returns, called without arguments.

    Raises:
        UserError: see `imported`; or the call fails.
    """
    maker = imported(thing, path)
    try:
        with users_code():
            return maker()
    except (Exception, SystemExit) as wrong:
        raise UserError(thing, path, f"cannot be made: {type(wrong).__name__}: {wrong}") from wrong


def import_path(kind: type) -> str | None:
    """Where another process finds a class; ``None`` if it cannot: of a script, or made within a function."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    there = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None)
    return path if there is kind and kind.__module__ != "__main__" else None
