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
