"""Which kernel a layer uses: the one that was fastest here, as it was measured or as the cache remembers it."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native.kernels import Layer, Packed, kernels, version
from bitspike.errors import UserError
from bitspike.files import write_json
from bitspike.native import Level
from bitspike.native.kernels import SLACK, aligned
from bitspike.native.peaks import tiles_are_whole
from bitspike.places import cache_folder

__all__ = ["Chooser", "Chosen", "cache_file", "fastest", "processor"]

Chosen = tuple[int, Packed]
"""Which of a layer's forms, and that form as a kernel reads it."""
ONE, MANY = 1, 32
"""Images that kernels are chosen for: one alone fills few rows of a product, many read weights less often."""
MOST_POSITIONS = 256
RUNS, HOPELESS = 3, 4
"""Of each candidate, but of one that took so many times as long as the fastest: it is run once."""
SHARED_SECONDS = 0.02
"""Turns go on for so long where a candidate uses tiles: what else a processor does has half of their unit at times."""
SHARED = "shared"
"""Stands behind a choice that was made at such a time."""


class Chooser:
    """Chooses kernels at an instruction set, and remembers what it measured.

    A cache that is damaged or cannot be written is as none: everything is measured again. So is what was measured while
    another had a part of the tile unit, once nobody has.
    """

    def __init__(self, level: Level, images: int = ONE) -> None:
        self.level, self.images = level, images
        self.known = _read()
        self.news: dict[str, str] = {}

    def choose(self, forms: Sequence[Layer], windows: Sequence[NDArray[np.int32]]) -> Chosen | None:
        """The fastest form and kernel of a layer; ``None`` where none takes it.

        Args:
            forms: the same sums over other cells.
            windows: of each form the cells where the windows of one image begin.
        """
        candidates = {f"{kernel.contents.name.decode()}:{i}": (i, kernel) for i, form in enumerate(forms)
                      for kernel in kernels(form, self.level)}  # fmt: skip
        if not candidates:
            return None
        shapes = " or ".join(form.key for form in forms)
        places = _places(windows[0], self.images)
        key = f"{processor()} | {self.level.name} | {version()} | {shapes} @ {places}"
        name, _, when = self.known.get(key, "").partition(" ")
        if name not in candidates or (when == SHARED and tiles_are_whole()):
            name, whole = self._fastest(candidates, forms, windows)
            self.news[key] = name if whole else f"{name} {SHARED}"
        form, kernel = candidates[name]
        return form, Packed.of(kernel, forms[form])

    def _fastest(
        self, candidates: Mapping[str, tuple[int, Any]], forms: Sequence[Layer], windows: Sequence[Any]
    ) -> tuple[str, bool]:
        """The fastest candidate, and whether nobody else had a part of the tile unit: neither before nor after."""
        if len(candidates) == 1:
            return next(iter(candidates)), True
        of_tiles = _of_tiles(candidates)
        before = of_tiles and tiles_are_whole()
        name = fastest(candidates, forms, windows, self.images)
        return name, not of_tiles or (before and tiles_are_whole())

    def remember(self) -> None:
        """Writes what was measured into the cache, beside what others wrote meanwhile."""
        if self.news:
            self.known = {**_read(), **self.news}
            self.news = {}
            with suppress(UserError):
                write_json(cache_file(), dict(sorted(self.known.items())))


def _places(windows: NDArray[np.int32], images: int) -> str:
    """How many, of how many images where these have few, and how far one lies from the one before."""
    apart = np.unique(np.diff(windows))
    several = f"{images} x " if images > 1 and len(windows) < MOST_POSITIONS else ""
    return f"{several}{len(windows)} by {' or '.join(map(str, apart[:2]))}"


def fastest(
    candidates: Mapping[str, tuple[int, Any]], forms: Sequence[Layer], windows: Sequence[Any], images: int
) -> str:
    """The candidate of least time for the positions of so many images, its preparation included. All take turns."""
    inputs = [_Input(form, bases, images) for form, bases in zip(forms, windows, strict=True)]
    runs = {name: _run(kernel, inputs[form]) for name, (form, kernel) in candidates.items()}
    least = {name: _seconds(run) for name, run in runs.items()}
    of_tiles = _of_tiles(candidates)
    began, turns = time.thread_time(), 1
    while turns < RUNS or (of_tiles and time.thread_time() - began < SHARED_SECONDS):
        best = min(least.values())
        for name in (name for name in runs if least[name] < HOPELESS * best):
            least[name] = min(least[name], _seconds(runs[name]))
        turns += 1
    return min(least, key=least.__getitem__)


def _of_tiles(candidates: Mapping[str, tuple[int, Any]]) -> bool:
    return any(kernel.contents.level == Level.amx for _, kernel in candidates.values())


class _Input:
    """Random codes for a form of a layer: half of them 0, as of neurons that are often silent."""

    def __init__(self, layer: Layer, windows: NDArray[np.int32], images: int) -> None:
        image = int(windows.max() + layer.offsets.max()) + 1
        self.layer = layer
        self.bases = (image * np.arange(images, dtype=np.int32)[:, None] + windows).ravel()[:MOST_POSITIONS]
        self.count, self.cells = len(self.bases), int(self.bases.max() + layer.offsets.max()) + 1
        draw = np.random.default_rng(0)
        codes = draw.integers(0, layer.code_hi + 1, self.cells * layer.cell + layer.weight.shape[2])
        codes[draw.random(len(codes)) < 0.5] = 0
        self.codes = aligned(len(codes) + SLACK)
        self.codes[: len(codes)] = codes
        self.sums = aligned(4 * self.count * (-(-len(layer.weight) // 16) * 16))


def _run(kernel: Any, given: _Input) -> Callable[[], None]:
    """All that a kernel does of them."""
    packed, codes = Packed.of(kernel, given.layer), given.codes
    prepared = aligned(packed.prepared * given.cells + SLACK) if packed.prepared else codes
    prepare = (packed.layer, codes.ctypes.data, given.cells, prepared.ctypes.data)
    sums = (packed.layer, packed.address, prepared.ctypes.data, given.bases.ctypes.data, given.count)

    def run(keep: Any = (packed, codes, prepared)) -> None:
        if packed.prepared:
            kernel.contents.prepare(*prepare)
        kernel.contents.positions(*sums, given.sums.ctypes.data)

    return run


def _seconds(run: Callable[[], None]) -> float:
    """In processor time, which other work does not lengthen."""
    began = time.thread_time()
    run()
    return time.thread_time() - began


def cache_file() -> Path:
    """Where choices are remembered."""
    return cache_folder() / "kernels.json"


@cache
def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    family = next((line.partition(":")[2].strip() for line in lines if line.startswith("model\t")), "")
    return f"{next(named, platform.processor() or platform.machine())} {family}".strip()


def _read() -> dict[str, str]:
    try:
        found = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: name for key, name in found.items() if isinstance(name, str)}
