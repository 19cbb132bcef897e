"""Times the kernels of convolution and linear layers beside ONNX Runtime's and torch's int8, on one thread, in turns.

A kernel's time is that of its sums, what it prepares of its codes included; the int8 of others turns sums into levels
too. Shares are of the machine's own peak, whose loops take their turns like all others. Where there are tiles, layers
are timed alone at them too (`tile_unit`). Writes what it measures:

- `layers`: 3x3 layers, batch 1 and 32, at the widths of weights and spikes (w/s);
- `density`: event-driven sums against the dense kernels, and where they cross;
- `budget`: time against the Bit Budget, w*s*t, and how well a line through the points explains it.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from int8_peers import peers
from machine import command, processor
from tile_unit import SAID, Timed, Times, both_ways

from bitspike import __version__
from bitspike.files import write_json
from bitspike.native import Level
from bitspike.native import level as level_in_use
from bitspike.native.kernels import SLACK, Kernel, Layer, aligned, kernels
from bitspike.native.peaks import PEAKS, peak

RESULTS = Path(__file__).parent.parent / "results" / "benchmarks" / "kernels.json"
LAYERS = {"64@28": (64, 28), "128@14": (128, 14), "128@28": (128, 28), "256@14": (256, 14)}
WEIGHTS = {1: (-1, 1), 2: (-1, 1), 3: (-3, 3), 4: (-7, 7), 8: (-127, 127)}
"""By width: as LSQ learns them, two values at one bit, then symmetric."""
GOALS = {(1, 1): 4.0, (2, 1): 2.0, (2, 2): 1.2, (1, 4): 1.0, (1, 8): 1.0, (4, 4): 1.0, (8, 8): 1.0}
"""By width of weights and spikes: times as fast as ONNX Runtime, where no AMX is."""
AMX_GOAL, AMX_GOALS = 3.5, {1: 1.4, 32: 1.0}
"""Where AMX is, at every width: times as fast as ONNX Runtime's usual way; and by batch, as the fastest other."""
DENSITIES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
POINTS = list(itertools.product((1, 2, 4), (1, 2), (1, 4)))
"""(w, s, t)."""
MOST = 12
"""Products of planes that a product of a layer may take."""
Run = Callable[[], Any]


@dataclass
class Work:
    """A layer with weights, and the codes of a batch of images."""

    layer: Layer
    weights: npt.NDArray[np.int8]
    codes: npt.NDArray[np.uint8]
    cells: int
    """Of one image."""
    bases: npt.NDArray[np.int32]
    """Of one image."""
    images: int

    @property
    def macs(self) -> int:
        return self.images * len(self.bases) * self.weights.size

    def by(self, kernel: Kernel) -> Run:
        """All its sums, of as many images at once as leave what is made in the cache of second level."""
        packed = kernel.pack(self.layer, self.weights)
        prepared = packed.room(self.codes, self.cells)
        image = max(4 * len(self.bases) * self.layer.padded, 0 if prepared is self.codes else len(prepared))
        at_once = min(max(2**19 // image, 1), self.images)
        acc = aligned(4 * at_once * len(self.bases) * self.layer.padded).view(np.int32)
        bases = (np.arange(at_once)[:, None] * self.cells + self.bases).astype(np.int32).reshape(-1)
        prepared = packed.room(self.codes, at_once * self.cells)
        calls = []
        for start in range(0, self.images, at_once):
            images = min(at_once, self.images - start)
            codes = self.codes[start * self.cells * self.layer.cell :]
            x = codes if prepared is self.codes else prepared
            if x is prepared:
                calls.append(packed.preparing(codes, images * self.cells, prepared))
            calls.append(packed.summing(x, bases[: images * len(self.bases)], acc))

        def run(keep: Any = (self, packed, prepared, bases, acc)) -> None:
            for call in calls:
                call()

        return run


def work(
    shape: tuple[int, int, int], offsets: Sequence[int], bases: npt.NDArray[np.int32], w: int, s: int, density: float
) -> Work:
    """``shape`` is images, cells of one, channels, as many out; ``density`` is the share of codes that are not 0."""
    images, cells, channels = shape
    rng = np.random.default_rng(0)
    lo, hi = WEIGHTS[w]
    weights = rng.integers(lo, hi, (channels, len(offsets), channels), np.int8, endpoint=True)
    if w == 1:
        weights[weights == 0] = 1
    size = images * cells * channels
    codes = aligned(size + SLACK)
    shown = rng.integers(1, 2**s - 1, size, np.uint8, endpoint=True)
    codes[:size] = np.where(rng.random(size) < density, shown, 0)
    layer = Layer(channels, channels, tuple(offsets), channels, (lo, hi), 2**s - 1, two_values=w == 1)
    return Work(layer, weights, codes, cells, bases, images)


def convolution(channels: int, size: int, batch: int, w: int, s: int, density: float = 0.5) -> Work:
    """3x3, with a border."""
    wide = size + 2
    bases = (np.arange(size)[:, None] * wide + np.arange(size)).astype(np.int32).reshape(-1)
    offsets = [r * wide + c for r in range(3) for c in range(3)]
    return work((batch, wide * wide, channels), offsets, bases, w, s, density)


def linear(features: int, w: int, s: int, density: float) -> Work:
    """One image."""
    return work((1, 1, features), [0], np.zeros(1, np.int32), w, s, density)


def milliseconds(run: Run) -> float:
    """Of the thread's own, right after a run that is not timed, which brings what it reads into the caches."""
    run()
    start = time.thread_time()
    run()
    return (time.thread_time() - start) * 1e3


def in_turns(runs: dict[str, Run], rounds: int, taken: Callable[[Timed], float] = lambda timed: timed()) -> Times:
    """Milliseconds of each run in each round."""
    times: Times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(taken(partial(milliseconds, run)))
    return times


def peak_runs(levels: set[Level]) -> dict[str, tuple[int, Run]]:
    """Each peak's loop, with the products that it makes; none where a level has no such instructions."""
    loops = 50_000
    every = {(at, what): peak(at, what, loops) for at, what in itertools.product(sorted(levels), PEAKS)}
    return {f"{what} {at.name}": (made, partial(peak, at, what, loops)) for (at, what), made in every.items() if made}


def spread(times: list[float], macs: int) -> dict[str, float]:
    """Milliseconds, and products a nanosecond at the median and at best."""
    q1, median, q3 = statistics.quantiles(times, n=4, method="inclusive")
    found = {"median_ms": median, "q1_ms": q1, "q3_ms": q3, "least_ms": min(times)}
    return {name: round(ms, 4) for name, ms in found.items()} | {
        "gmacs": round(macs / median * 1e-6, 1),
        "gmacs_best": round(macs / min(times) * 1e-6, 1),
    }


def ratio(one: list[float], other: list[float]) -> float:
    """How many times as long ``one`` takes: the median over the rounds."""
    return round(statistics.median(a / b for a, b in zip(one, other, strict=True)), 2)


def products(kernel: Kernel, w: int, s: int) -> tuple[str, int]:
    """The peak that a kernel can reach, and how many of its products a product of the layer takes."""
    if kernel.name.startswith("table"):
        return "table", 1 if s <= 4 else 2
    if not kernel.name.startswith("bits"):
        return "dot", 1
    return ("signs", s) if w == 1 else ("digits", (w - 1) * s)


def one_layer(name: str, batch: int, rounds: int, able: list[Kernel], level: Level) -> dict[str, Any]:
    """All widths of one layer, everybody in the same rounds."""
    channels, size = LAYERS[name]
    runs: dict[str, Run] = dict(peers(channels, size, batch))
    others = list(runs)
    used: dict[str, tuple[Kernel, int, int]] = {}
    for w, s in GOALS:
        one = convolution(channels, size, batch, w, s)
        for kernel in able:
            if kernel.can(one.layer) and products(kernel, w, s)[1] <= MOST:
                runs[f"{w}/{s} {kernel.name}"] = one.by(kernel)
                used[f"{w}/{s} {kernel.name}"] = (kernel, w, s)
    tops = peak_runs({kernel.level for kernel in able})
    macs = convolution(channels, size, batch, 1, 1).macs

    def told(times: Times) -> dict[str, Any]:
        peaks = {name: spread(times[name], made) for name, (made, _) in tops.items()}
        shown: dict[str, Any] = {}
        for run, (kernel, w, s) in used.items():
            what, times_over = products(kernel, w, s)
            shown[run] = spread(times[run], macs)
            top = peaks[f"{what} {kernel.level.name}"]["gmacs"]
            shown[run]["of_peak"] = round(shown[run]["gmacs"] * times_over / top, 3)
        best_other = min(others, key=lambda other: statistics.median(times[other]))
        widths = {}
        for w, s in GOALS:
            mine = (run for run in used if run.startswith(f"{w}/{s} "))
            best = min(mine, key=lambda run: statistics.median(times[run]))
            widths[f"{w}/{s}"] = {
                "kernel": best.split()[1],
                "times_as_fast_as_onnxruntime": ratio(times["onnxruntime"], times[best]),
                "both_at_best": round(min(times["onnxruntime"]) / min(times[best]), 2),
                "goal": GOALS[w, s] if level != Level.amx else AMX_GOAL,
                "best_other": best_other,
                "times_as_fast_as_best_other": ratio(times[best_other], times[best]),
                "both_at_best_as_best_other": round(min(times[best_other]) / min(times[best]), 2),
            } | ({"goal_of_best_other": AMX_GOALS[batch]} if level == Level.amx else {})
        return {
            "widths": widths,
            "kernels": shown,
            "others": {other: spread(times[other], macs) for other in others},
            "peaks": peaks,
        }

    every = runs | {name: run for name, (_, run) in tops.items()}
    return {"rounds": rounds, **both_ways(partial(in_turns, every, rounds), told)}


def densities(rounds: int, able: list[Kernel]) -> dict[str, Any]:
    """Event-driven against dense; the crossing is the highest density at which it still wins."""
    found: dict[str, Any] = {}
    for w, s in ((2, 1), (4, 4)):
        for title, make in (
            ("128@14", lambda d, w=w, s=s: convolution(128, 14, 1, w, s, d)),
            ("linear 1024", lambda d, w=w, s=s: linear(1024, w, s, d)),
        ):
            rows, wins = {}, 0.0
            for density in DENSITIES:
                one = make(density)
                mine = {kernel.name: one.by(kernel) for kernel in able if kernel.can(one.layer)}
                times = in_turns(mine, rounds)
                events = min(statistics.median(times[name]) for name in times if name.startswith("events"))
                dense = min(statistics.median(times[name]) for name in times if not name.startswith("events"))
                wins = density if events < dense else wins
                rows[str(density)] = {name: spread(ms, one.macs) for name, ms in times.items()}
            found[f"{title} {w}/{s}"] = {"wins_up_to": wins, "density": rows}
    return found


def explained(budgets: list[int], times: list[float]) -> float:
    """The share of the times' variance that a line over the budgets explains."""
    return round(float(np.corrcoef(budgets, times)[0, 1] ** 2), 4)


def budget(rounds: int, able: list[Kernel]) -> dict[str, Any]:
    """Medians of each kernel at each point, and the share of their variance that a line over w*s*t explains."""
    runs: dict[str, Run] = {}
    for w, s, t in POINTS:
        one = convolution(128, 14, t, w, s)
        runs |= {f"{kernel.name} {w}/{s}/{t}": one.by(kernel) for kernel in able if kernel.can(one.layer)}
    times = in_turns(runs, rounds)
    found: dict[str, Any] = {}
    for kernel in able:
        points = {
            (w, s, t): statistics.median(times[f"{kernel.name} {w}/{s}/{t}"])
            for w, s, t in POINTS
            if f"{kernel.name} {w}/{s}/{t}" in times
        }
        if not points:  # a kernel for layers of few channels
            continue
        found[kernel.name] = {
            "r2": explained([w * s * t for w, s, t in points], list(points.values())),
            "r2_of_each_w": {
                str(w): explained([s * t for v, s, t in points if v == w], [points[p] for p in points if p[0] == w])
                for w in sorted({w for w, _, _ in points})
            },
            "median_ms": {"/".join(map(str, point)): round(ms, 4) for point, ms in points.items()},
        }
    return found


def main(
    rounds: Annotated[int, typer.Option(min=3, help="Rounds of batch 32; batch 1 has ten times as many.")] = 9,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times everything in turns and writes it."""
    level = level_in_use()
    listed = [kernel for kernel in kernels(level) if kernel.level != Level.scalar]
    dense = [kernel for kernel in listed if not kernel.name.startswith("events")]
    layers = {
        f"{name} batch {batch}": one_layer(name, batch, rounds * (10 if batch == 1 else 1), dense, level)
        for name in LAYERS
        for batch in (1, 32)
    }
    record = {
        "command": command(__file__),
        "processor": processor() | {"level": level.name},
        "versions": {"bitspike": __version__}
        | {name: metadata.version(name) for name in ("torch", "onnxruntime", "numpy")},
        "threads": 1,
        "milliseconds": "of the thread, which others of the machine do not count into",
        "tiles": f"of layers: {SAID}",
        "layers": layers,
        "density": densities(5 * rounds, listed),
        "budget": budget(5 * rounds, dense),
    }
    write_json(out, record)
    report(record)


def report(record: dict[str, Any]) -> None:
    print(
        "| layer | "
        + " | ".join(f"{w}/{s}" for w, s in GOALS)
        + " |  (times as fast as ONNX Runtime and as the best other; share of peak)"
    )
    for name, one in record["layers"].items():
        cells = []
        for width, row in one["widths"].items():
            mine = one["kernels"][f"{width} {row['kernel']}"]
            other, at_best = row["times_as_fast_as_best_other"], row["both_at_best_as_best_other"]
            times = f"{row['times_as_fast_as_onnxruntime']}x, {other}x (at best {at_best}x)"
            cells.append(f"{times} {mine['gmacs']:.0f} {mine['of_peak']:.0%}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name, one in record["density"].items():
        print(f"events win {name} up to {one['wins_up_to']:.1%}")
    for name, one in record["budget"].items():
        print(f"{name}: R^2 {one['r2']} of w*s*t; of s*t at each w {one['r2_of_each_w']}")


if __name__ == "__main__":
    typer.run(main)
