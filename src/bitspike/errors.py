"""How bitspike says no: one line that names the thing, the value seen, and what would do."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType

__all__ = ["UserError", "closest", "require"]

_LONGEST = 300  # characters of a value that are shown


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
        try:
            seen = repr(self.seen)
        except ValueError:  # an integer of more digits than Python likes to print
            seen = f"a {type(self.seen).__name__} too long to print"
        return " ".join(f"{_cut(self.thing)}: got {_cut(seen)}; {self.would_do}".split())  # one line, whatever is in it


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def closest(word: str, known: Iterable[str]) -> str:
    """Names what may have been meant: ``"did you mean 'lr'? known: ..."`` or just the known words."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(known)}"


def require(module: str, extra: str) -> ModuleType:
    """Imports an optional dependency, or says which extra brings it.

    Raises:
        UserError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise UserError("import", module, f"install it with: pip install 'bitspike[{extra}]'") from missing
