"""The words of a command line: what they mean, and what is told of wrong ones."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

__all__ = ["going_on", "usage", "words"]

GOES_ON = {"allocate": [], "convert": ["--resume"], "train": ["--resume"]}
"""Verbs whose runs are gone on with, and what their command needs for it."""


def words(typed: Sequence[str]) -> list[str]:
    """The command's words with ``~`` as the user's home also in ``--option=~/place``, where no shell puts it."""
    return [re.sub(r"^(--[\w-]+=)(~.*)", lambda found: found[1] + os.path.expanduser(found[2]), word) for word in typed]


def usage(told: str) -> str:
    """What a wrong command line is told: an edit behind an option's value is no argument, but another --set."""
    edit = re.search(r"extra arguments?(?:\(s\))? \((\S+=.*)\)", told)
    return f"{told}; want --set before each: --set {edit[1]}" if edit else f"{told} (see bitspike --help)"


def going_on(arguments: list[str]) -> str:
    """The command that goes on with a run that is kept."""
    if (needed := GOES_ON.get(arguments[0])) is None:
        return ""
    more = (option for option in needed if option not in arguments)
    return f"; to go on: bitspike {shlex.join([*arguments, *more])}"
