"""The words of a command line: what they mean, and what is told of wrong ones."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

__all__ = ["usage", "words"]


def words(typed: Sequence[str]) -> list[str]:
    """The command's words with ``~`` as the user's home also in ``--option=~/place``, where no shell puts it."""
    return [re.sub(r"^(--[\w-]+=)(~.*)", lambda found: found[1] + os.path.expanduser(found[2]), word) for word in typed]


def usage(told: str) -> str:
    """What a wrong command line is told: an edit behind an option's value is no argument, but another --set."""
    edit = re.search(r"extra arguments?(?:\(s\))? \((\S+=.*)\)", told)
    return f"{told}; want --set before each: --set {edit[1]}" if edit else f"{told} (see bitspike --help)"
