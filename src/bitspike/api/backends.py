"""A backend as a verb asks for it: refused in the words of the verb's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bitspike.backends import Backend, backend, having
from bitspike.errors import UserError, closest

__all__ = ["chosen"]


def chosen(verb: str, name: str, known: Sequence[str], options: Mapping[str, Any]) -> Backend:
    """The backend called ``name``.

    Args:
        verb: the option that names it: ``engine`` or ``to``.
        known: what may be named.
        options: of the backend; one that is None is as not given.

    Raises:
        UserError: it is none of these, or an option is for another.
    """
    if name not in known:
        raise UserError(f"--{verb}", name, closest(str(name), known))
    for option, value in options.items():
        others = [other for other in having(option) if other in known]
        if value is not None and name not in others:
            whose = f"it is for --{verb} {' or '.join(others)}" if others else f"no --{verb} has such an option"
            raise UserError(f"--{option}", value, whose)
    return backend(name, **options)
