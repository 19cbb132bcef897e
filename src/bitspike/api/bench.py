"""`bitspike.bench`: how fast a frozen network runs here, and where its time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run
from bitspike.api.sources import as_net
from bitspike.errors import UserError, whole_number

if TYPE_CHECKING:
    from bitspike.backends.native import StageTime
    from bitspike.ir import FrozenGraph

__all__ = ["Bench", "Speed", "bench"]

BESIDE = "onnx"
ROUNDS, LEAST_SECONDS = 9, 0.02
"""Turns that the engines take, and how long each lasts at least."""


@dataclass(frozen=True)
class Speed:
    """Images a second of one engine: the median of its turns, with the quartiles around it."""

    engine: str
    batch: int
    threads: int
    images_per_second: float
    lower_quartile: float
    upper_quartile: float


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Attributes:
        processor, level: of this machine. peak: products of bytes that one thread adds up in a second;
            ``None`` of a level without an instruction for them.
        speeds: of each engine, batch and number of threads. stages: of the network on one thread, at the last batch.
    """

    processor: str
    level: str
    peak: float | None
    speeds: tuple[Speed, ...]
    stages: tuple[StageTime, ...]

    def to_dict(self) -> dict[str, Any]:
        """Seconds, and products a second; ``share`` is of the peak."""
        stages = [
            {**asdict(stage), "macs_per_second": rate, "share": None if self.peak is None else rate / self.peak}
            for stage in self.stages
            for rate in (stage.macs_per_second,)
        ]
        return {**asdict(self), "stages": stages}


def bench(
    source: FrozenGraph | Run | str | Path, *, batch: Sequence[int] = (1, 32), threads: Sequence[int] = (1,)
) -> Bench:
    """Times a frozen network by the native backend, beside ONNX Runtime where that is installed and takes the network.

    >>> bitspike.bench("digits.bitspike", batch=[1]).speeds[0].images_per_second

    Args:
        source: a frozen network, its file, or a run, which is frozen.
        batch: images at once.
        threads: how many run it.

    Raises:
        UserError: no such file, a broken one, numbers below 1, or no C library for this machine.
    """
    from bitspike.backends.native import Native, processor, stage_times
    from bitspike.native import level
    from bitspike.native.peaks import dot_rate

    for option, values in {"--batch": batch, "--threads": threads}.items():
        if isinstance(values, str) or not values:
            raise UserError(option, values, "want whole numbers of at least 1")
        for value in values:
            whole_number(option, value)
    if (lacking := Native().lacks()) is not None:
        raise UserError("native", lacking, "want one to measure: install where there is a compiler")
    net = as_net(source)
    speeds: list[Speed] = []
    for count in threads:
        engines = _engines(net, count)
        for size in batch:
            speeds += _speeds(net, engines, size, count)
    stages: list[StageTime] = stage_times(Native(1).prepare(net), _images(net, max(batch)), ROUNDS)
    return Bench(processor(), level().name, dot_rate(level()) or None, tuple(speeds), tuple(stages))


def _engines(net: FrozenGraph, threads: int) -> dict[str, Callable[[Any], Any]]:
    from bitspike.backends import backend

    engines = {"native": backend("native", threads=threads).prepare(net)}
    with suppress(UserError):  # it is not installed, or its floats do not hold the integers of this network
        engines[BESIDE] = backend(BESIDE, threads=threads).prepare(net)
    return engines


def _images(net: FrozenGraph, count: int) -> Any:
    import numpy as np

    shape, codes = (count, *net.sample.array_shape), net.sample.hi - net.sample.lo + 1
    return np.random.default_rng(0).integers(0, codes, shape, dtype=np.uint8)


def _speeds(net: FrozenGraph, engines: dict[str, Callable[[Any], Any]], batch: int, threads: int) -> list[Speed]:
    import numpy as np

    images = _images(net, batch)
    rates: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS + 1):
        for name, run in engines.items():
            rates[name].append(_rate(run, images))
    found = []
    for name, seen in rates.items():
        lower, median, upper = np.percentile(seen[1:], [25, 50, 75]).tolist()  # the first turn warms up
        found.append(Speed(name, batch, threads, median, lower, upper))
    return found


def _rate(run: Callable[[Any], Any], images: Any) -> float:
    began, runs = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < LEAST_SECONDS or not runs:
        run(images)
        runs += 1
    return runs * len(images) / passed
