"""What is known by name: a room's own things, and those that other code adds to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from bitspike.errors import UserError, closest
from bitspike.importing import imported, is_import_path

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
        own: says the class that one of the user's own is a subclass of. `find` then takes its import path too,
            ``package.module:Class``, which runs the user's code.
    """

    def __init__(self, thing: str, own: Callable[[], type[Any]] | None = None) -> None:
        self.thing, self._own = thing, own
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
        """What is known as ``name``, or lies there.

        Raises:
            UserError: nothing is; the line names what there is.
        """
        if name in self._known:
            return self._known[name]
        if self._own is None:
            raise UserError(self.thing, name, closest(str(name), self._known))
        if not is_import_path(name):
            raise UserError(self.thing, name, f"{closest(name, self._known)}; or package.module:Class of your own")
        base, found = self._own(), imported(self.thing, name)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise UserError(self.thing, name, f"want a subclass of {base.__module__}.{base.__name__}")
        return found  # type: ignore[return-value]  # a registry that says its class holds such classes

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
