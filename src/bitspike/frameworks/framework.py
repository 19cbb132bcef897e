"""What bitspike knows of another framework: by which classes a model is recognised, and what each of them is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from bitspike.errors import UserError
from bitspike.registry import Registry

__all__ = ["FRAMEWORKS", "Framework", "Refusal", "plain"]

Refusal = str
"""What would do in place of a class that has no counterpart."""
Neuron = Callable[[Any, int], nn.Module]
"""Makes the layer of bitspike's neurons that sends the same spikes, of theirs and a number of steps."""


@dataclass(frozen=True)
class Framework:
    """One framework, registered in `FRAMEWORKS` by its own file. Its package is never imported: classes have names.

    Attributes:
        package: the top-level package that its classes are of.
        neurons: by class name, what makes bitspike's neurons of a layer; raises UserError where none compute the same.
        layers: by class name, what makes the layer of torch that computes the same at one step.
        merged: classes that call their children, one after the other, on all steps merged into the batch.
        refused: by class name, what would do instead.
        many_steps: whether a module, as it is set, takes all steps ``[T, N, ...]`` at once.
        tupled: whether a layer of neurons, as it is set, returns its spikes first and what it carries behind.
    """

    package: str
    neurons: Mapping[str, Neuron]
    layers: Mapping[str, Callable[[Any], nn.Module]] = field(default_factory=dict)
    merged: Sequence[str] = ()
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    many_steps: Callable[[Any], bool] = lambda module: False
    tupled: Callable[[Any], bool] = lambda module: False

    def has(self, module: nn.Module) -> bool:
        """Whether a class of the module is this framework's; such as only tell how it is called do not count."""
        return any(kind.__module__.partition(".")[0] == self.package for kind in type(module).__mro__)

    def name(self, module: nn.Module) -> str | None:
        """The name of the module's class, if that is the framework's own; ``None`` of a class over it."""
        kind = type(module)
        return kind.__name__ if kind.__module__.partition(".")[0] == self.package else None

    def refuse(self, module: nn.Module, path: str) -> UserError:
        """A refusal of a class that has no counterpart."""
        kind = type(module)
        known = ", ".join([*self.neurons, *self.layers])
        if self.name(module) is None:
            bases = (base.__name__ for base in kind.__mro__ if base.__module__.partition(".")[0] == self.package)
            wanted = f"it may change what {next(bases)} computes; want a class of {self.package} itself: {known}"
            return UserError("layer", path, f"{kind.__name__}: {wanted}")
        found = self.refused.get(kind.__name__, f"want {known}")
        return UserError("layer", path, f"{kind.__name__} of {self.package} is not taken in; {found}")


FRAMEWORKS: Registry[Framework] = Registry("framework")


def plain(kind: type[nn.Module]) -> Callable[[Any], nn.Module]:
    """What makes of a module of a class over ``kind`` one of ``kind`` itself, with the same options and parameters."""

    def make(module: nn.Module) -> nn.Module:
        made = kind.__new__(kind)
        made.__dict__ = {name: dict(part) if isinstance(part, dict) else part for name, part in vars(module).items()}
        return made

    return make
