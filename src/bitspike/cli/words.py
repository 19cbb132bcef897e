"""The words of a command line: what they mean, and what is told of wrong ones."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from bitspike.errors import UserError

__all__ = ["going_on", "seeds_of", "usage", "words"]

GOES_ON = {"allocate": [], "convert": ["--resume"], "train": ["--resume"]}
"""Verbs whose runs are gone on with, and what their command needs for it."""

MOST_SEEDS = 1000


def words(typed: Sequence[str]) -> list[str]:
    """The command's words with ``~`` as the user's home also in ``--option=~/place``, where no shell puts it."""
    return [re.sub(r"^(--[\w-]+=)(~.*)", lambda found: found[1] + os.path.expanduser(found[2]), word) for word in typed]


def seeds_of(text: str) -> list[int]:
    """``0-2``, ``5`` and ``0,3,7``."""
    found: list[int] = []
    for part in text.split(","):
        said = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part, flags=re.ASCII)
        first, last = (int(said[1]), int(said[2] or said[1])) if said else (1, 0)
        if not first <= last < first + MOST_SEEDS:
            raise UserError("--seeds", text, "want whole numbers, for example 0-2 or 0,3,7")
        found += range(first, last + 1)
    if len(set(found)) < len(found):
        raise UserError("--seeds", text, "a seed is there twice")
    return found


def usage(told: str, takes_edits: bool) -> str:
    """What a wrong command line is told: where a verb takes edits, a recipe's key is no option and no argument."""
    if edit := re.search(r"extra arguments?(?:\(s\))? \((\S+=.*)\)", told):
        return f"{told}; want --set before each: --set {edit[1]}"
    unknown = re.match(r"No such option: --([\w.-]+)", told)
    if takes_edits and unknown and _is_key(unknown[1].split(".")[0]):
        return f"No such option: --{unknown[1]}; it is a recipe's key: want --set {unknown[1]}=VALUE"
    return f"{told} (see bitspike --help)"


def _is_key(name: str) -> bool:
    from bitspike.training import TrainConfig  # slow, and this is only for mistakes

    return name in TrainConfig.model_fields


def going_on(arguments: list[str]) -> str:
    """The command that goes on with a run that is kept."""
    if (needed := GOES_ON.get(arguments[0])) is None:
        return ""
    more = (option for option in needed if option not in arguments)
    return f"; to go on: bitspike {shlex.join([*arguments, *more])}"
