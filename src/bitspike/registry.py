"""What is known by name: a room's own things, and those that other code adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from bitspike.errors import UserError, closest

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Things of one kind by name, in the order in which they were registered. A name is given once.

    >>> colours = Registry[str]("colour")
    >>> colours.register("red", "#f00")
    '#f00'
    >>> colours.find("blue")
    Traceback (most recent call last):
    ...
    bitspike.errors.UserError: colour: got 'blue'; known: red

    Args:
        thing: what they are, in the word that a refusal uses.
    """

    def __init__(self, thing: str) -> None:
        self.thing = thing
        self._known: dict[str, T] = {}

    def register(self, name: str, value: T) -> T:
        """Makes ``value`` known as ``name``, and returns it.

        Raises:
            UserError: the name is taken.
        """
        if name in self._known:
            raise UserError(self.thing, name, "the name is taken; give it another")
        self._known[name] = value
        return value

    def find(self, name: str) -> T:
        """What is known as ``name``.

        Raises:
            UserError: nothing is; the line names what there is.
        """
        if name not in self._known:
            raise UserError(self.thing, name, closest(str(name), self._known))
        return self._known[name]

    @contextmanager
    def added(self, name: str, value: T) -> Iterator[T]:
        """`register` for as long as a ``with`` block runs."""
        self.register(name, value)
        try:
            yield value
        finally:
            del self._known[name]

    def __getitem__(self, name: str) -> T:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
