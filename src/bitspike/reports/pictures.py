"""Pictures as files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.errors import UserError
from bitspike.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "check_picture", "save_picture"]

FORMATS = ("png", "svg", "pdf")
DPI = 150


def check_picture(option: str, path: Path) -> None:
    """Whether a picture can have that name.

    Raises:
        UserError: its ending is of no format that we write, or it is a folder.
    """
    if _format(path) not in FORMATS:
        raise UserError(option, str(path), f"want a name that ends in one of {', '.join(FORMATS)}")
    if os.path.isdir(path):
        raise UserError(option, str(path), "it is a folder; want the name of a file")


def save_picture(figure: Figure, path: Path) -> None:
    """Writes the picture, whole or not at all, in the format that its name ends in."""
    content = io.BytesIO()
    figure.savefig(content, format=_format(path), dpi=DPI)
    write_atomically(path, content.getvalue())


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()
