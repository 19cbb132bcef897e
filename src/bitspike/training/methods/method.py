"""What a paper adds to training, behind one protocol: the loop calls it, and knows none by name.

A method is one file: its settings, a class, and one line that registers it. A config names it under ``methods``, the
command edits it with ``--set methods.NAME.KEY=VALUE``, and leaves it out with ``--set methods.NAME=null``. One that is
not registered is named by its import path, ``methods.package.module:Class.KEY=VALUE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError
from torch import Tensor, nn

from bitspike.costs import CostReport
from bitspike.errors import UserError, closest
from bitspike.ir import Graph
from bitspike.registry import Registry
from bitspike.settings import first_mistake
from bitspike.training.sections import Section

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig
    from bitspike.training.run_folder import RunFolder
    from bitspike.training.tasks import Task

__all__ = [
    "METHODS",
    "Method",
    "MethodSettings",
    "Objective",
    "ParameterGroup",
    "Training",
    "methods_of",
    "settings_of",
]

Objective = Callable[[nn.Module, Tensor, Any], Tensor]
"""The loss of a model on images ``[N, C, H, W]`` and what is wanted of them, labels ``[N]`` or boxes; a scalar."""


class MethodSettings(Section):
    """The settings of a method. A subclass has a field with a default for each."""


@dataclass(frozen=True)
class Training:
    """The run that a method is part of.

    Attributes:
        config: of the run.
        folder: where it goes.
        model: what is trained, on its device, as `Method.prepare` left it.
        graph: its structural graph, with the bits that it starts from.
        teacher: a trained network that it may learn from, or ``None``.
    """

    config: TrainConfig
    folder: RunFolder
    model: nn.Module
    graph: Graph
    teacher: nn.Module | None = None

    @property
    def task(self) -> Task:
        """What the model learns."""
        from bitspike.training.tasks import task_of  # which reads configs, and they the settings of methods

        return task_of(self.config)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a learning rate of their own (``None``: that of all), without weight decay."""

    parameters: Sequence[nn.Parameter]
    lr: float | None = None


S = TypeVar("S", bound=MethodSettings)


class Method(Generic[S]):
    """What a paper adds to training. Every hook does nothing unless a subclass says what.

    In their order: `prepare` wherever the network is made, also where it is only evaluated; then, in a run of training,
    `start`, `parameter_groups`, `loss`, and `restore` where the run is taken up; `before_epoch`, `after_step` and
    `after_epoch` as it goes, `judged` around all that looks at the network or keeps it; `result` at its end. Several
    methods are called in the order in which the config has them; `judged` is left, and `restore` called, in the
    reverse of it.

    Args:
        settings: of the config.
    """

    settings_type: type[S]
    """The class of its settings."""
    in_shares: bool = False
    """Whether its loss of a batch is the mean of that of its shares, so that several processes may train with it."""

    def __init__(self, settings: S) -> None:
        self.settings = settings

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        """The network as the method wants it, changed in place or another. It keeps nothing of it.

        Raises:
            UserError: a network or a config that the method does not fit.
        """
        return model

    @classmethod
    def without(cls, model: nn.Module, config: TrainConfig) -> nn.Module:
        """The network as it is where the config leaves the method out.

        Raises:
            UserError: a network that nothing else can train.
        """
        return model

    def start(self, training: Training) -> None:
        """Takes up the run, before anything is written.

        Raises:
            UserError: settings that the network cannot meet.
        """

    def parameter_groups(self, model: nn.Module) -> list[ParameterGroup]:
        """The parameters that it gives a learning rate of their own; each is one of ``model``'s."""
        return []

    def loss(self, inner: Objective) -> Objective:
        """The loss of a batch with the method, where ``inner`` is the one without: a term more, or another."""
        return inner

    def before_epoch(self, epoch: int) -> None:
        """Before the first batch of ``epoch``, counted from 0, or the first after a run was taken up in it."""

    def after_step(self, step: int) -> None:
        """After optimizer step ``step``, counted from 1, in every process."""

    def after_epoch(self, epoch: int) -> dict[str, Any]:
        """After ``epoch``, before the network is watched; what it adds to the epoch's line of the metrics."""
        return {}

    def judged(self) -> AbstractContextManager[None]:
        """Within it the model is the one that is watched, tested and kept; after it, the one that is trained."""
        return nullcontext()

    def result(self, graph: Graph, report: CostReport) -> dict[str, Any]:
        """What it adds to ``result.json``, or says otherwise there; files of its own go into the run's folder.

        Args:
            graph: of the trained network.
            report: what that costs, counted exactly.
        """
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """What a checkpoint must hold of it, beside the model as it is `judged`: tensors by name."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes up the `state` of a checkpoint, whose model the model is already; leaves it as it is trained."""


METHODS: Registry[type[Method[Any]]] = Registry("method", own=lambda: Method)
"""The training methods by name; `find` takes the import path of one's own too."""


def methods_of(config: TrainConfig) -> dict[str, Method[Any]]:
    """A fresh method for each that the config names, in its order."""
    return {name: METHODS.find(name)(settings) for name, settings in config.methods.items()}


def settings_of(name: str, given: Any) -> MethodSettings:
    """The settings of the method called ``name``, from JSON values; those that are not given have their defaults.

    Raises:
        UserError: an unknown method or key, or a value that does not fit it.
    """
    method = METHODS.find(name)
    wanted: type[MethodSettings] | None = getattr(method, "settings_type", None)
    if wanted is None:
        raise UserError(METHODS.thing, name, f"{method.__name__} must say its settings_type")
    if isinstance(given, wanted):
        return given
    if not isinstance(given, Mapping):
        raise UserError(f"methods.{name}", given, f"want its settings, {', '.join(wanted.model_fields)}, or null")
    for key in given:
        if key not in wanted.model_fields:
            raise UserError(f"key of methods.{name}", key, closest(str(key), wanted.model_fields))
    try:
        return wanted.model_validate(given)
    except ValidationError as wrong:
        raise first_mistake(wrong, f"methods.{name}") from wrong
