"""Which names in a forward see what is written in place: every later reader of the same tensor.

>>> from types import SimpleNamespace as Call
>>> names, before, after = Names(), Call(path="conv"), Call(path="relu_")
>>> names.new("x", before); names.same("shortcut", "x")
>>> names.write("x", after, "relu_")
>>> names.value("shortcut").path
'relu_'
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from bitspike.errors import UserError
from bitspike.frontend.calls import Call

__all__ = ["Names"]


@dataclass(eq=False)
class _Tensor:
    """One tensor: the call whose result it holds now. ``memory`` are the tensors that may lie where it lies."""

    holds: Call
    memory: list[_Tensor] = field(default_factory=list)
    overwritten: str = ""


class Names:
    """The names of a forward, each of a tensor. Several may be of one tensor, and tensors may share memory."""

    def __init__(self) -> None:
        self._tensors: dict[Hashable, _Tensor] = {}

    def __contains__(self, name: Hashable) -> bool:
        return name in self._tensors

    def new(self, name: Hashable, call: Call) -> None:
        """``name`` is of a tensor that nothing else sees."""
        tensor = _Tensor(call)
        tensor.memory.append(tensor)
        self._tensors[name] = tensor

    def same(self, name: Hashable, of: Hashable) -> None:
        """``name`` is of the very tensor that ``of`` is of."""
        self._tensors[name] = self._tensors[of]

    def view(self, name: Hashable, of: Hashable, call: Call) -> None:
        """``name`` is of another tensor, which may lie in the memory of that of ``of``."""
        tensor = _Tensor(call, self._tensors[of].memory)
        tensor.memory.append(tensor)
        self._tensors[name] = tensor

    def write(self, name: Hashable, call: Call, written: str) -> None:
        """The tensor of ``name`` holds the result of ``call`` from now on; ``written`` says by what, for messages."""
        tensor = self._tensors[name]
        tensor.holds = call
        for other in tensor.memory:
            if other is not tensor:
                other.overwritten = written

    def value(self, name: Hashable) -> Call:
        """What the tensor of ``name`` holds.

        Raises:
            UserError: what it held may have been overwritten, through another view of its memory.
        """
        tensor = self._tensors[name]
        if tensor.overwritten:
            instead = f"it may write into what {tensor.holds.path} made, which is read afterwards; do it out of place"
            raise UserError("in place", tensor.overwritten, instead)
        return tensor.holds
