"""Times the exported C, one image on one core, in turns with an earlier version of it and with ONNX Runtime's int8.

The networks have random weights, which take as long as trained ones. Ways take turns within every round; a round is the
median of a fifth of a second. The earlier version is that of the sources ``--before``. Each network is written a second
time with 16 KiB to compute sums in, where it takes a part of what its edges do by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from int8_nets import by_onnxruntime
from machine import command, processor
from random_nets import images_of, macs, random_net

from bitspike import __version__
from bitspike.backends import backend, oracle
from bitspike.backends.protocol import Export
from bitspike.files import write_json
from bitspike.ir import FrozenGraph, save

NETS = {  # model, image, channels
    "fashion-convnet": ("convnet", (1, 28, 28), (32, 64, 128)),
    "resnet18": ("sew-resnet18", (3, 32, 32), (64, 128, 256, 512)),
}
BITS = ("1/1/1", "2/2/1", "4/4/1")
PORTABLE = ("-O3",)
NATIVE = ("-O3", "-march=native")
FLAGS = {
    "portable, -O3": PORTABLE,
    "portable, -O3 -march=native": (*NATIVE, "-DNETWORK_PORTABLE"),
    "SIMD, -O3 -mavx2": ("-O3", "-mavx2"),
    "SIMD, -O3 -march=native": NATIVE,
}
ROOM = 16384
SECONDS = 0.2
RESULTS = Path(__file__).parent.parent / "results" / "benchmarks" / "exported_c.json"
MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "network.h"
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
static int by_size(const void *a, const void *b)
{ return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
int main(void)
{
    static uint8_t image[NETWORK_IMAGE_BYTES];
    static network_logit logits[NETWORK_CLASSES];
    static double took[100000];
    int n = 0;
    if (fread(image, 1, sizeof image, stdin) != sizeof image) return 1;
    network_run(image, logits);
    for (double start = now(), before = start; n < 3 || (before - start < SECONDS && n < 100000); n++) {
        network_run(image, logits);
        const double after = now();
        took[n] = after - before;
        before = after;
    }
    qsort(took, (size_t)n, sizeof *took, by_size);
    printf("%.9f", took[n / 2]);
    for (int k = 0; k < NETWORK_CLASSES; k++) printf(" %lld", (long long)logits[k]);
    return 0;
}
"""


def exported(net: FrozenGraph, folder: Path, **options: int) -> Export:
    """The network's C, written into a new folder."""
    made = backend("c", **options).export(net, "network")
    folder.mkdir()
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    return made


def program(folder: Path, flags: tuple[str, ...]) -> Path:
    """What gcc makes of the network in a folder, timed."""
    (folder / "timed.c").write_text(MAIN.replace("SECONDS", str(SECONDS)))
    made = folder / ("timed" + "".join(flags).replace("=", ""))
    sources = [str(folder / "timed.c"), str(folder / "network.c")]
    subprocess.run(["gcc", "-std=gnu99", *flags, *sources, "-o", str(made)], check=True)
    return made


def by_program(made: Path, image: bytes, wanted: list[int]) -> Callable[[], float]:
    def seconds() -> float:
        took, *logits = subprocess.run([str(made)], input=image, capture_output=True, check=True).stdout.split()
        if [int(logit) for logit in logits] != wanted:
            raise AssertionError(f"{made}: other logits than the oracle")
        return float(took)

    return seconds


def in_process(run: Callable[[], Any]) -> Callable[[], float]:
    def seconds() -> float:
        took: list[float] = []
        start = time.perf_counter()
        while len(took) < 3 or time.perf_counter() - start < SECONDS:
            before = time.perf_counter()
            run()
            took.append(time.perf_counter() - before)
        return float(np.median(took))

    return seconds


def measured(net: FrozenGraph, before: Path | None, rounds: int, folder: Path) -> dict[str, Any]:
    """Milliseconds of each way."""
    image = images_of(net, 1)
    wanted = oracle.logits(net, image)[0].tolist()
    start = time.perf_counter()
    made = exported(net, folder / "now")
    written = time.perf_counter() - start
    roomy = exported(net, folder / "roomy", scratch=ROOM)
    facts = {"seconds_to_export": round(written, 2), "text_bytes": sum(map(len, made.files.values())), **made.facts}
    facts["ram_bytes_of_data_with_scratch"] = roomy.facts["ram_bytes_of_data"]
    ways: dict[str, Callable[[], float]] = {}
    if before is not None:
        save(net, folder / "net.bitspike")
        then = folder / "before"
        command = ["-m", "bitspike.cli", "export", str(folder / "net.bitspike"), "--to", "c", "-o", str(then)]
        environ = {**os.environ, "PYTHONPATH": str(before)}
        subprocess.run([sys.executable, *command], check=True, env=environ, capture_output=True)
        ways["before, -O3"] = by_program(program(then, PORTABLE), image.tobytes(), wanted)
        ways["before, -O3 -march=native"] = by_program(program(then, NATIVE), image.tobytes(), wanted)
    for said, where in (("", "now"), (", 16 KiB", "roomy")):
        for way, flags in FLAGS.items():
            ways[way + said] = by_program(program(folder / where, flags), image.tobytes(), wanted)
    ways["onnxruntime, int8"] = in_process(by_onnxruntime(net, image))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, seconds in ways.items():
            times[name].append(1000 * seconds())
    ort = float(np.median(times["onnxruntime, int8"]))
    rows = {}
    for name, took in times.items():
        lower, median, upper = np.percentile(took, [25, 50, 75])
        numbers = {"least": min(took), "lower": lower, "median": median, "upper": upper, "of_ort": ort / median}
        rows[name] = {key: float(f"{value:.3g}") for key, value in numbers.items()}
    return {"macs": macs(net), "export": facts, "milliseconds": rows}


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of every network.")] = 7,
    before: Annotated[Path | None, typer.Option(help="Sources of an earlier version, as PYTHONPATH.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times every way in turns, prints a table, and writes the milliseconds."""
    record: dict[str, Any] = {
        "command": command(__file__, SRC=before),
        "processor": processor(),
        "cc": subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0],
        "versions": {"bitspike": __version__, "onnxruntime": metadata.version("onnxruntime")},
        "rounds": rounds,
        "networks": {},
    }
    for name in NETS:
        for bits in BITS:
            with tempfile.TemporaryDirectory() as folder:
                found = measured(random_net(*NETS[name][:2], bits, NETS[name][2]), before, rounds, Path(folder))
            record["networks"][f"{name} {bits}"] = found
            for way, row in found["milliseconds"].items():
                spread = f"({row['lower']} to {row['upper']})"
                print(f"{name} {bits} | {way} | {row['median']} ms {spread} | {row['of_ort']} of ORT", flush=True)
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
