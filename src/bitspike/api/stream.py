"""`bitspike.stream`: a network that takes one step of its input at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bitspike.api.run import Run
from bitspike.api.sources import as_net, is_run

if TYPE_CHECKING:
    from torch import nn

    from bitspike.ir import FrozenGraph

__all__ = ["Streaming", "stream"]


class Streaming(Protocol):
    """What `stream` gives."""

    T: int
    t: int

    def step(self, codes: Any) -> Any:
        """The next step: codes ``[N, *shape]`` to the logits ``[N, K]``."""

    def reset(self) -> None:
        """The next step is the first again."""


def stream(source: FrozenGraph | nn.Module | Run | str | Path) -> Streaming:
    """Makes a network ready that is given one step of its input after another, and carries its state.

    >>> net = bitspike.stream("digits.bitspike")
    >>> for t in range(net.T):
    ...     logits = net.step(images)  # an image is given at every step
    >>> net.reset()

    Args:
        source: a frozen network or its file, whose answers are integers; a run, its folder, or a network in floats.

    Returns:
        An object with ``step(codes)``, where codes are uint8 ``[N, *shape]`` of one step, an array for integers and a
        tensor for floats; and ``reset()``, before the next sequence. Its answers are those of all steps at once: of
        integers the sum of the logits so far (or as the readout is), of floats the logits of that step, or the mean
        of those so far where the network ends in `mean_over_time`.

    Raises:
        UserError: no such file, or a layer that answers after all steps alone, by its name.
    """
    if isinstance(source, str | Path) and is_run(source):
        from bitspike.api.run import load_run

        source = load_run(source)
    model: Any = source.model() if isinstance(source, Run) else source
    if _in_floats(model):
        from bitspike.frontend import ModelStepper

        return ModelStepper(model)
    from bitspike.ir import Stepper

    return Stepper(as_net(model))


def _in_floats(source: object) -> bool:
    """Whether it is an ``nn.Module``, without loading torch where nobody did."""
    import sys

    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)
