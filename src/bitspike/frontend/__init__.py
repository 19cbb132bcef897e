"""A user's `nn.Module` as plain calls, which compute what it computes; or the part that can't be read, by its path."""

from bitspike.frontend.batch_norm import folded
from bitspike.frontend.build import network
from bitspike.frontend.calls import Call, Calls, needed, unused
from bitspike.frontend.instead import instead
from bitspike.frontend.overridden import check_hooks, class_of, overridden
from bitspike.frontend.read import read
from bitspike.frontend.routes import Concat, Range
from bitspike.frontend.steps import ModelStepper
from bitspike.frontend.trace import evaluating
from bitspike.frontend.vocabulary import (
    KNOWN,
    WORDS,
    Images,
    Known,
    MatMul,
    MeanOverTime,
    MergeTime,
    Permute,
    SplitTime,
    Sum,
    Times,
    Transpose,
    View,
    Word,
)

__all__ = [
    "KNOWN",
    "WORDS",
    "Call",
    "Calls",
    "Concat",
    "Images",
    "Known",
    "MatMul",
    "MeanOverTime",
    "MergeTime",
    "ModelStepper",
    "Permute",
    "Range",
    "SplitTime",
    "Sum",
    "Times",
    "Transpose",
    "View",
    "Word",
    "check_hooks",
    "class_of",
    "evaluating",
    "folded",
    "instead",
    "needed",
    "network",
    "overridden",
    "read",
    "unused",
]
