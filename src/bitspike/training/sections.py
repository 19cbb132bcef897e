"""What the parts of a config have in common: strict sections, and lists as the command writes them."""

from __future__ import annotations

from typing import Any

from bitspike.settings import Strict

__all__ = ["Section", "each", "numbers", "words"]


class Section(Strict):
    """A part of a config that comes in one kind."""


def words(value: Any) -> Any:
    """``a,b`` on the command line is a list."""
    if not isinstance(value, str) or not value:
        return value or () if isinstance(value, str) else value
    found = [word.strip() for word in value.split(",")]
    if not all(found):
        raise ValueError("want words with a comma between two, for example a,b")
    return found


def numbers(value: Any) -> Any:
    """``2/2/1`` on the command line is three numbers."""
    return value.split("/") if isinstance(value, str) else value


def each(value: Any) -> Any:
    """``0.5`` is that for all channels; ``0.5,0.4,0.4`` on the command line is one for each."""
    return (value,) if isinstance(value, int | float) else words(value)
