"""A user's forward as data: which modules it calls, in which order, and what each reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from torch import nn

from bitspike.errors import UserError

__all__ = ["Call", "Calls", "needed", "unused"]


def unused(name: str, *taken: Collection[str]) -> str:
    """``name``, with a number where it is in one of ``taken``."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(free for free in chain([name], numbered) if not any(free in names for names in taken))


@dataclass(frozen=True, eq=False)
class Call:
    """One module called once. A function is the module that it equals, so that there is one word for one thing.

    Attributes:
        path: name that no other call has: the module's path in the model, or for a function the path of the module in
            whose forward it is written, and its word (``blocks.0.add``).
        module: what it computes, with its parameters and options.
        inputs: the earlier calls whose results it reads.
        lead: the axes before a result's own shape: ``("N",)`` in ``[N, C, H, W]``, two names in ``[T, N, C, H, W]``.
            Axes of one name are of one size.
        written: how the user wrote it, for messages: the path of a module, the name of a function.
        place: of a function, in whose forward it is written, for messages; of a module nothing.
    """

    path: str
    module: nn.Module
    inputs: tuple[Call, ...]
    lead: tuple[str, ...]
    written: str
    place: str = ""


@dataclass(frozen=True)
class Calls(Sequence[Call]):
    """The calls of one forward in their order, and whose results are the network's answers. The first is the images."""

    calls: tuple[Call, ...]
    answers: tuple[Call, ...]

    @property
    def answer(self) -> Call:
        """Whose result is the network's only answer.

        Raises:
            UserError: it has several.
        """
        if len(self.answers) > 1:
            raise UserError("model output", f"{len(self.answers)} tensors", "want one tensor of logits")
        return self.answers[0]

    def __getitem__(self, index: Any) -> Any:
        return self.calls[index]

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def readers(self, call: Call) -> list[Call]:
        """The calls that read ``call``."""
        return [reader for reader in self.calls if call in reader.inputs]


def needed(calls: Calls) -> Calls:
    """The calls that the answers are made of, and the images."""
    kept = set(calls.answers)
    for call in reversed(calls.calls):
        if call in kept:
            kept.update(call.inputs)
    return Calls(tuple(call for call in calls if call in kept or not call.inputs), calls.answers)
