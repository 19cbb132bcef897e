"""Whether a module computes what its class is known to compute: a subclass may have overridden that."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import getattr_static
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from bitspike.frontend.vocabulary import KNOWN, Known

__all__ = ["class_of", "known", "overridden"]


def class_of(module: nn.Module) -> type[nn.Module]:
    """The class that its user gave it: a parametrization puts one of its own before it."""
    kind = type(module)
    return kind.__mro__[1] if parametrize.is_parametrized(module) else kind


def known(module: nn.Module, whole: tuple[type[nn.Module], ...] = ()) -> Known | None:
    """What is known of the nearest class of a module that the vocabulary has, or that is in ``whole``."""
    there = {kind: Known(kind) for kind in whole} | {entry.kind: entry for entry in KNOWN.values()}
    return next((there[kind] for kind in type(module).__mro__ if kind in there), None)


def overridden(module: nn.Module, what: Known) -> str:
    """What makes a module compute something else than its kind, in words; nothing where it computes the same."""
    return next(_changes(module, what), "")


def _changes(module: nn.Module, what: Known) -> Iterator[str]:
    kind, base = class_of(module), what.kind
    if not what.decides:
        return
    for name in ("__call__", *what.decides):
        mine: Any = getattr_static(kind, name, None)
        if mine is not getattr_static(base, name, None):
            yield f"{kind.__name__} overrides {name} of {base.__name__}"
        held = module.__dict__.get(name)
        if callable(held):
            yield f"this {kind.__name__} has a {name} of its own"
    if module._forward_pre_hooks or module._forward_hooks:
        yield f"this {kind.__name__} has hooks (weight norm, pruning or one's own), which may change what it computes"
