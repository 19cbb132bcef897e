"""Times whole networks by the native backend beside the same layers as int8, by ONNX Runtime and oneDNN, in turns.

The networks have random weights and biases that leave 10 to 60 % of the levels which a layer reads. Before anything is
timed, the logits of a few images are the oracle's. All take their turns within a round: one run that is not timed, then
as many as fill a few milliseconds. A network of T steps is compared with T runs of the int8 one, which has one step: T
times the time of a run in the same round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from int8_nets import by_onednn, by_onnxruntime
from machine import command, processor
from random_nets import densities, images_of, macs, sparse_net
from tile_unit import SAID, Timed, Times, both_ways, chosen_alone

import bitspike
from bitspike.backends import oracle
from bitspike.backends.native import stage_times
from bitspike.files import write_json
from bitspike.ir import FrozenGraph
from bitspike.native import Level, level

RESULTS = Path(__file__).parent.parent / "results" / "benchmarks" / "native_nets.json"
NETS = {  # model, image, channels
    "resnet18": ("resnet18", (3, 32, 32), None),
    "vgg9": ("vgg9", (3, 32, 32), None),
    "vgg16": ("vgg16", (3, 32, 32), None),
    "fashion-convnet": ("convnet", (1, 28, 28), (32, 64, 128)),
    "digits-convnet": ("convnet", (1, 8, 8), None),
}
GOALS = {"1/1/1": 4.0, "2/2/1": 2.0, "4/4/1": 1.0, "1/1/4": 1.0}
"""By bits: times as fast as ONNX Runtime's int8, where no AMX is."""
AMX_GOALS = {1: 1.5, 32: 1.0}
"""By batch: times as fast as the fastest other, where AMX is."""
BATCHES, THREADS = (1, 32), (1, 2)
ORT, SHIFTED, ONEDNN = "onnxruntime", "onnxruntime, weight zero 1", "onednn"
LEAST_SECONDS, REST = 0.004, 0.003
"""Of a turn; and between turns, until the threads of the last sleep."""
SECONDS = {1: 0.8, 32: 2.5}
"""Of all rounds of a network, by batch; but at least ``ROUNDS``, and at most ten times as many."""
ROUNDS = 5
Run = Callable[[], Any]


def milliseconds(run: Run, threads: int) -> float:
    """Of one run: processor time of the thread where there is one, which others of the machine do not lengthen."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    time.sleep(REST)
    run()
    runs, began, least = 0, clock(), LEAST_SECONDS
    while not runs or clock() - began < least:
        run()
        runs += 1
    return (clock() - began) / runs * 1e3


def in_turns(
    runs: dict[str, Run], threads: int, budget: float, taken: Callable[[Timed], float] = lambda timed: timed()
) -> Times:
    """Milliseconds of each in each round."""
    times: Times = {name: [] for name in runs}
    began, rounds = time.perf_counter(), 0
    while rounds < ROUNDS or (time.perf_counter() - began < budget and rounds < 10 * ROUNDS):
        for name, run in runs.items():
            times[name].append(taken(partial(milliseconds, run, threads)))
        rounds += 1
    return times


def quartiles(values: list[float]) -> dict[str, float]:
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {name: float(f"{value:.4g}") for name, value in (("median", median), ("q1", q1), ("q3", q3))}


def spread(times: list[float], batch: int) -> dict[str, Any]:
    """Milliseconds of a batch, and images a second at the median."""
    found = {f"{name}_ms": value for name, value in quartiles(times).items()}
    least = float(f"{min(times):.4g}")
    return {**found, "least_ms": least, "images_per_second": round(1e3 * batch / statistics.median(times), 1)}


def compared(mine: list[float], peers: Times, steps: int) -> dict[str, dict[str, float]]:
    """How many times as long each other takes for as many steps, round by round."""
    return {
        name: quartiles([steps * other / own for other, own in zip(theirs, mine, strict=True)])
        | {"both_at_best": round(steps * min(theirs) / min(mine), 2)}
        for name, theirs in peers.items()
    }


def checked(net: FrozenGraph) -> None:
    """The native logits are the oracle's."""
    images = images_of(net, 3)
    for threads in THREADS:
        if not np.array_equal(bitspike.compile(net, threads=threads)(images), oracle.logits(net, images)):
            raise AssertionError(f"{net.graph.name}: other logits than the oracle")


def one(nets: dict[str, FrozenGraph], batch: int, threads: int) -> dict[str, Any]:
    """All bits of a network and the int8 of others, in the same rounds."""
    first = next(iter(nets.values()))
    images = images_of(first, batch)
    peers: dict[str, Run] = {
        ORT: by_onnxruntime(first, images, threads),
        SHIFTED: by_onnxruntime(first, images, threads, weight_zero=1),
    }
    if threads == 1 and (other := by_onednn(first, images)) is not None:
        peers[ONEDNN] = other
    mine: dict[str, Run] = {}
    for bits, net in nets.items():
        run = chosen_alone(net, threads, batch)
        mine[bits] = lambda run=run: run(images)  # type: ignore[misc]

    def told(times: Times) -> dict[str, Any]:
        theirs = {name: times[name] for name in peers}
        rows = {}
        for bits in nets:
            steps = int(bits.rpartition("/")[2])
            ratios = compared(times[bits], theirs, steps)
            best = min(theirs, key=lambda name: statistics.median(theirs[name]))
            amx = level() == Level.amx
            goal, reached = (AMX_GOALS[batch], ratios[best]["median"]) if amx else (GOALS[bits], ratios[ORT]["median"])
            rows[bits] = {
                "native": spread(times[bits], batch),
                "times_as_fast_as": ratios,
                "best_other": best,
                "goal": goal,
                "met": reached >= goal,
            }
        return {
            "rounds": len(times[ORT]),
            "bits": rows,
            "others_one_step": {name: spread(found, batch) for name, found in theirs.items()},
        }

    return both_ways(partial(in_turns, peers | mine, threads, SECONDS[batch]), told)


def slowest_stages(net: FrozenGraph, batch: int) -> list[dict[str, Any]]:
    """The stages of a network on one thread that take most of its time."""
    found = stage_times(chosen_alone(net, 1, batch), images_of(net, batch), 5)
    total = sum(stage.seconds for stage in found)
    return [
        {
            "first_op": stage.ops[0],
            "kernel": stage.kernel,
            "share": round(stage.seconds / total, 3),
            "gmacs": round(stage.macs_per_second / 1e9, 1),
        }
        for stage in sorted(found, key=lambda stage: -stage.seconds)[:4]
    ]


def main(
    only: Annotated[str, typer.Option(help="Networks, with commas.")] = ",".join(NETS),
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times everything in turns, prints a line each, and writes it."""
    torch.set_num_threads(1)
    networks: dict[str, Any] = {}
    names = only.split(",")
    if unknown := [name for name in names if name not in NETS]:
        raise typer.BadParameter(f"{unknown[0]}: want one of {', '.join(NETS)}", param_hint="--only")
    for name in names:
        nets = {bits: sparse_net(*NETS[name][:2], bits, NETS[name][2]) for bits in GOALS}
        facts = {}
        for bits, net in nets.items():
            checked(net)
            shares = densities(net)
            facts[bits] = {
                "macs": macs(net),
                "density": {"least": round(min(shares), 3), "most": round(max(shares), 3)},
                "slowest_stages": {f"batch {batch}": slowest_stages(net, batch) for batch in BATCHES},
            }
        networks[name] = {"nets": facts}
        for batch in BATCHES:
            for threads in THREADS:
                key = f"batch {batch}, threads {threads}"
                networks[name][key] = found = one(nets, batch, threads)
                report(name, key, found)
    record = {
        "command": command(__file__),
        "processor": processor() | {"level": level().name},
        "versions": {"bitspike": bitspike.__version__}
        | {name: metadata.version(name) for name in ("torch", "onnxruntime", "numpy")},
        "milliseconds": "of a batch: processor time on one thread, wall time on two; calls from Python included",
        "tiles": SAID,
        "density": "of levels that are not 0, in what layers with weights read; of neither pixels nor sum pools",
        "steps": "the int8 of others has one step: a network of T steps is compared with T of its runs",
        "onednn": "on one thread: several spin as they wait, which other work makes arbitrarily long",
        "goal": "times as fast as the best other where AMX is, elsewhere as onnxruntime; medians of the rounds",
        "equal_to_oracle": "logits of 3 images of each network, by 1 and 2 threads, before anything was timed",
        "networks": networks,
    }
    write_json(out, record)


def report(name: str, key: str, found: dict[str, Any]) -> None:
    cells = []
    for bits, row in found["bits"].items():
        ratio = row["times_as_fast_as"]
        best = ratio[row["best_other"]]["median"]
        cells.append(
            f"{bits} {row['native']['images_per_second']:.0f}/s {ratio[ORT]['median']:.2f}x "
            f"(best {best:.2f}x){'' if row['met'] else ' MISSED'}"
        )
    others = " ".join(f"{other} {row['images_per_second']:.0f}/s" for other, row in found["others_one_step"].items())
    print(f"{name}, {key} | {' | '.join(cells)} | {others} | {found['rounds']} rounds", flush=True)


if __name__ == "__main__":
    typer.run(main)
