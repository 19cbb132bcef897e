"""Whether a module computes what its class is known to compute: a subclass may have overridden that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from bitspike.errors import UserError
from bitspike.frontend.vocabulary import KNOWN, Known
from bitspike.neurons import BaseNode

__all__ = ["Layers", "check_hooks", "class_of", "overridden", "stays_in_training"]

CALLS = ("__call__", "_call_impl")
"""Methods by which `torch.nn` calls a module's forward."""
CHANGED_BY_TRAINING = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


def class_of(module: nn.Module) -> type[nn.Module]:
    """The class that its user gave it: a parametrization puts one of its own before it."""
    kind = type(module)
    return kind.__mro__[1] if parametrize.is_parametrized(module) else kind


class Layers:
    """The layers that are read whole.

    Args:
        whole: classes that are, beside those of the vocabulary.
    """

    def __init__(self, whole: tuple[type[nn.Module], ...] = ()) -> None:
        self._known = {kind: Known(kind) for kind in whole} | {what.kind: what for what in KNOWN.values()}

    def known(self, module: nn.Module) -> Known | None:
        """What is known of the nearest class of ``module`` that is read whole."""
        return next((self._known[kind] for kind in type(module).__mro__ if kind in self._known), None)


def overridden(module: nn.Module, what: Known) -> str:
    """What makes a module compute something else than its kind, in words; nothing where it computes the same."""
    return next(_changes(module, what), "")


def _changes(module: nn.Module, what: Known) -> Iterator[str]:
    kind, base = class_of(module), what.kind
    if not what.decides:
        return
    for name in (*CALLS, *what.decides):
        if kind is not base and _defined(kind, name) is not _defined(base, name):
            yield f"{kind.__name__} overrides {name} of {base.__name__}"
        if callable(module.__dict__.get(name)):
            yield f"this {kind.__name__} has a {name} of its own"


def _defined(kind: type, name: str) -> Any:
    """What a class has by that name, as it is written in it or in a base."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def check_hooks(module: nn.Module, path: str) -> None:
    """Whether a layer's numbers are its own: a hook (of weight norm, of pruning, of one's own) may change them.

    Reading asks it of what it leaves out alone: what is called, and in which shapes, is the same. Who takes weights
    from a layer asks it of that. The parts of a layer count, as a quantizer does.

    Raises:
        UserError: it has hooks. A neuron may, since they may watch its spikes; it is tried with them when it is frozen.
    """
    for name, part in () if isinstance(module, BaseNode) else module.named_modules():
        if part._forward_pre_hooks or part._forward_hooks:
            about = f"this {class_of(part).__name__} has hooks (weight norm, pruning or one's own)"
            where = ".".join(filter(None, (path, name)))
            raise UserError("layer", where, f"{about}, which may change what it computes; remove them first")


def stays_in_training(model: nn.Module) -> str:
    """Path of a layer that is in training while ``model`` is not, and computes something else than in evaluation.

    Some switch dropout on for good so, or take a norm's statistics from each batch. Nothing where there is none.
    """
    layers = () if model.training else model.named_modules()
    return next((name for name, part in layers if part.training and isinstance(part, CHANGED_BY_TRAINING)), "")
