"""How bitspike says no: one line that names the thing, the value seen, and what would do."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral
from types import ModuleType

__all__ = ["UserError", "closest", "named_in", "require", "shown", "whole_number"]

_LONGEST = 300  # characters of a value that are shown
_LONGEST_ADVICE = 2000  # of what would do: all known words fit, another library's listing of a file does not


class UserError(ValueError):
    """A mistake that its maker can mend. The command prints it on one line and exits with status 2.

    Args:
        thing: what is wrong, in the user's own word (an option, a key, a file).
        seen: the value that was met.
        would_do: what would be accepted instead.
    """

    def __init__(self, thing: str, seen: object, would_do: str) -> None:
        super().__init__(thing, seen, would_do)  # as they came, so that it pickles (worker processes)
        self.thing, self.seen, self.would_do = thing, seen, would_do

    def __str__(self) -> str:
        line = f"{_cut(self.thing)}: got {shown(self.seen)}; {_cut(self.would_do, _LONGEST_ADVICE)}"
        return " ".join(line.split())  # one line, whatever is in it


@contextmanager
def named_in(file: object) -> Iterator[None]:
    """What is refused meanwhile lies in ``file``, and the line says so."""
    try:
        yield
    except UserError as wrong:
        raise UserError(wrong.thing, wrong.seen, f"{wrong.would_do} (in {file})") from wrong


def shown(value: object) -> str:
    """A value as a message quotes it: no longer than a line holds."""
    try:
        return _cut(repr(value))
    except (ValueError, RecursionError):  # an integer of more digits than Python likes to print, or a list too deep
        return f"a {type(value).__name__} too long to print"


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def closest(word: str, known: Iterable[str]) -> str:
    """Names what may have been meant: ``"did you mean 'lr'? known: ..."`` or just the known words."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(known)}"


def whole_number(thing: str, value: object, least: int = 1) -> int:
    """The value, which is a whole number of at least ``least``.

    Raises:
        UserError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise UserError(thing, value, f"want a whole number of at least {least}")
    return int(value)


def require(module: str, extra: str) -> ModuleType:
    """Imports an optional dependency, or says which extra brings it.

    Raises:
        UserError: the module is not installed.
    """
    try:
        found = importlib.import_module(module)
        if getattr(found, "__file__", None) is None:  # a folder of that name, which happens to be here
            raise ImportError(module)
    except ImportError as missing:
        raise UserError("import", module, f"install it with: pip install 'bitspike[{extra}]'") from missing
    return found
