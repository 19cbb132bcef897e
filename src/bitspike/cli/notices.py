"""Warnings as the command prints them: one line each on stderr, and not Python's two with a place in our code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

__all__ = ["notices"]


@contextmanager
def notices() -> Iterator[None]:
    """Within it a warning is a line that begins with ``bitspike:``."""
    with warnings.catch_warnings():
        warnings.showwarning = _line
        yield


def _line(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"bitspike: {message}", err=True)
