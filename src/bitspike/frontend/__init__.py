"""A user's `nn.Module` as plain calls, which compute what it computes; or the part that can't be read, by its path."""

from bitspike.frontend.batch_norm import folded
from bitspike.frontend.build import network
from bitspike.frontend.calls import Call, Calls, needed, unused
from bitspike.frontend.overridden import check_hooks, class_of, overridden
from bitspike.frontend.read import read
from bitspike.frontend.steps import ModelStepper
from bitspike.frontend.trace import evaluating
from bitspike.frontend.vocabulary import (
    KNOWN,
    WORDS,
    Images,
    Known,
    MeanOverTime,
    MergeTime,
    SplitTime,
    Sum,
    View,
    Word,
)

__all__ = [
    "KNOWN",
    "WORDS",
    "Call",
    "Calls",
    "Images",
    "Known",
    "MeanOverTime",
    "MergeTime",
    "ModelStepper",
    "SplitTime",
    "Sum",
    "View",
    "Word",
    "check_hooks",
    "class_of",
    "evaluating",
    "folded",
    "needed",
    "network",
    "overridden",
    "read",
    "unused",
]
