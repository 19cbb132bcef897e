"""Where the time of a compiled network goes, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitspike.backends.native.compiled import Compiled
from bitspike.backends.native.kernels import Packed
from bitspike.backends.native.structs import Kind
from bitspike.backends.protocol import Images
from bitspike.ir import Synapse

__all__ = ["StageTime", "stage_times"]


@dataclass(frozen=True)
class StageTime:
    """One stage.

    Attributes:
        ops: names, in order. kernel: of its sums; ``plain`` where none takes the layer, empty where there are none.
        seconds: of one image, the median. macs: of one image, over all steps.
    """

    ops: tuple[str, ...]
    kernel: str
    seconds: float
    macs: int

    @property
    def macs_per_second(self) -> float:
        return self.macs / self.seconds if self.seconds else 0.0


def stage_times(compiled: Compiled, images: Images, rounds: int) -> list[StageTime]:
    """The stages of a network, as they took turns on these images."""
    compiled = compiled.of(len(images))
    compiled(images)
    seconds = np.median([compiled.timed(images)[1] for _ in range(rounds)], axis=0) / len(images)
    found = []
    for code, took in zip(compiled.plan.codes, seconds.tolist(), strict=True):
        graph = code.net.graph
        macs = sum(
            n.macs(graph.input_edge(n)) * graph.edges[n.name].T for n in code.group.nodes if isinstance(n, Synapse)
        )
        sums = [made for made in code.made if made.kind in (Kind.SUMS, Kind.WIDE)]
        named = [made.data[0].name if isinstance(made.data[0], Packed) else "plain" for made in sums]
        found.append(StageTime(tuple(node.name for node in code.group.nodes), ", ".join(named), took, macs))
    return found
