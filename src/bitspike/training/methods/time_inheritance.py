"""Time inheritance (Deng et al. 2022, TIT): the first epochs run fewer time steps, and what they learned goes on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pydantic import Field
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.neurons import BaseNode, SpikingNode
from bitspike.training.methods.method import METHODS, Method, MethodSettings, Objective, Training

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig

__all__ = ["TimeInheritance", "TimeInheritanceSettings", "steps_at"]


class TimeInheritanceSettings(MethodSettings):
    """How the time steps grow.

    Attributes:
        epochs: at the start, that run fewer steps than the network has.
        first: steps of the first epoch; they grow evenly from there, a step at a time.
    """

    epochs: int = Field(1, ge=1)
    first: int = Field(1, ge=1)


class TimeInheritance(Method[TimeInheritanceSettings]):
    """Runs the training batches of the first epochs with fewer time steps; all epochs share one schedule.

    The authors train a run for each number of steps, which ``--init`` does; here one run has them all. Nothing but the
    loss of a batch is computed so: the network is watched and tested with all of its steps. A layer with fewer steps
    than the largest of the network keeps them while that has no fewer.
    """

    settings_type = TimeInheritanceSettings
    in_shares = True

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        if self.settings.epochs >= config.epochs:
            wanted = f"want fewer than the {config.epochs} epochs of the run, the last of which have all steps"
            raise UserError("methods.time-inheritance.epochs", self.settings.epochs, wanted)
        return model

    def start(self, training: Training) -> None:
        T = training.task.sample.T
        if T > 1:
            raise UserError(
                "methods.time-inheritance", f"samples of {T} steps", "a train has the steps it has; want null"
            )
        self.nodes: list[SpikingNode] = []
        for path, node in training.model.named_modules():
            if not isinstance(node, BaseNode):
                continue
            if not isinstance(node, SpikingNode) or type(node).T is not SpikingNode.T:
                seen = f"{type(node).__name__} at {path}"
                raise UserError("methods.time-inheritance", seen, "how many steps it runs is its own to say; want null")
            self.nodes.append(node)
        self.all = max((node.T for node in self.nodes), default=1)
        if self.settings.first >= self.all:
            wanted = f"want fewer than the {self.all} time steps of the network, or methods.time-inheritance=null"
            raise UserError("methods.time-inheritance.first", self.settings.first, wanted)
        self.T = self.all

    def before_epoch(self, epoch: int) -> None:
        self.T = steps_at(epoch, self.settings.epochs, self.settings.first, self.all)

    def loss(self, inner: Objective) -> Objective:
        def shortened(model: nn.Module, x: Tensor, y: Any) -> Tensor:
            with ExitStack() as stack:
                for node in self.nodes:
                    stack.enter_context(node.at_most(self.T))
                return inner(model, x, y)

        return shortened


def steps_at(epoch: int, epochs: int, first: int, steps: int) -> int:
    """Time steps of ``epoch``, from 0: from ``first`` on evenly over ``epochs``, behind which they are ``steps``."""
    return steps if epoch >= epochs else first + epoch * (steps - first) // epochs


METHODS.register("time-inheritance", TimeInheritance)
