"""Neurons that read what they sent one step before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.neurons import BaseNode, State

__all__ = ["Recurrent"]


class Recurrent(nn.Module):
    """``s[t] = node(x[t] + feedback(s[t-1]))`` of a train ``[T, N, ...]``, with ``s[-1] = 0``.

    The state is the neurons' and the spikes of the last step, fresh at each call. Batch norm in the feedback sees one
    step of a batch at a time.

    Args:
        feedback: ``[N, ...]`` to ``[N, ...]`` of the same shape: a ``Linear``, a ``Conv2d``, or a ``Sequential`` of
            one and a batch norm.
        node: the neurons.
    """

    def __init__(self, feedback: nn.Module, node: BaseNode) -> None:
        super().__init__()
        if not isinstance(node, BaseNode):
            raise UserError("node", type(node).__name__, "want neurons of bitspike.neurons")
        self.feedback, self.node = feedback, node

    @property
    def T(self) -> int:  # noqa: N802
        """Time steps."""
        return self.node.T

    def initial_state(self, current: Tensor) -> State:
        """The state before the first step, given the current of one step ``[N, ...]``."""
        start: State | Tensor = self.node.initial_state(current)
        return (torch.zeros_like(current), *((start,) if isinstance(start, Tensor) else start))

    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        """One time step, as a neuron's (`bitspike.neurons.BaseNode.step`).

        Raises:
            UserError: the feedback makes another shape than it reads.
        """
        sent, *neurons = state
        back = self.feedback(sent)
        if back.shape != current.shape:
            raise UserError("feedback", tuple(back.shape), f"want {tuple(current.shape)}, the shape of the current")
        spikes, carried = self.node.step(current + back, tuple(neurons), t)
        return spikes, (spikes, *carried)

    def forward(self, current: Tensor) -> Tensor:
        """All steps from a fresh state.

        Args:
            current: ``[T, N, ...]``, or ``[1, N, ...]`` for a current that is the same at every step.

        Returns:
            Spikes ``[T, N, ...]``.

        Raises:
            UserError: the first axis is neither ``T`` nor 1.
        """
        if len(current) not in (1, self.T):
            raise UserError("time steps of the current", len(current), f"the neurons run T={self.T} (or give 1)")
        state, spikes = self.initial_state(current[0]), []
        for t in range(self.T):
            spike, state = self.step(current[t if len(current) > 1 else 0], state, t)
            spikes.append(spike)
        return torch.stack(spikes)
