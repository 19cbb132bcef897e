"""`bitspike.compile`: a frozen network made ready for this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run
from bitspike.api.sources import as_net

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from bitspike.ir import FrozenGraph

__all__ = ["compile"]


def compile(  # noqa: A001
    source: FrozenGraph | Run | str | Path, *, engine: str = "native", **options: Any
) -> Callable[[NDArray[np.uint8]], Any]:
    """Makes a network ready once, for any number of runs.

    >>> net = bitspike.compile("digits.bitspike", threads=1)
    >>> net(images).argmax(1)

    Args:
        source: a frozen network, its file, or a run, which is frozen.
        engine: what runs it, a name of `bitspike.backends.engines`. Where the machine lacks what ``native`` runs on,
            or the network has loops, the oracle does, with a warning.
        options: of the engine, as ``threads``.

    Returns:
        A function of images, uint8 ``[N, C, H, W]``, or of trains, ``[N, T, ...]``, that gives logits, int64 ``[N, K]``
        or, of each step, ``[N, T, K]``: those of the oracle. Of a network of several outputs a tuple of them, int64
        ``[N, *shape]`` each, all from one run.

    Raises:
        UserError: no such file, a broken one, an unknown engine, or an option that is for another.
    """
    from bitspike.api.backends import chosen
    from bitspike.backends import able, engines

    runner, net = chosen("engine", engine, engines(), options), as_net(source)
    engine_of_net = able(runner, net)
    return engine_of_net.compile(net) if len(net.readouts) == 1 else engine_of_net.prepare(net)
