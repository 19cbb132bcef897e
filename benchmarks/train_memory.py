"""How much memory a training step takes: bitspike's, SpikingJelly's and that of the same-shaped ANN.

The contenders are those of `benchmarks/train_step.py`, a process each. Megabytes are what the process held at most
during three steps beyond what it held before the first, when network, optimizer and images were there.
"""

from __future__ import annotations

import gc
import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from machine import command, commit, processor
from train_step import contenders

from bitspike import __version__
from bitspike.files import write_json

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "train_memory.json"
NAMES = ("bitspike", "bitspike_repeated", "spikingjelly", "ann")


def held(what: str) -> float:
    """Megabytes that Linux says the process holds (``VmRSS``), or held at most since that was forgotten (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def measured(net: str, T: int, precision: str, batch: int, name: str) -> float:
    """Megabytes, in the memory order that `bitspike train` would use."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    order = "channels last" if precision == "bf16" else "channels first"
    contender = contenders(net, T, precision == "bf16", batch, "cpu", order)[name]
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the most so far
    before = held("VmRSS")
    for _ in range(3):
        contender.step()
    return held("VmHWM") - before


def case(net: str, T: int, precision: str, batch: int) -> dict[str, Any]:
    """All contenders, each in a process of its own."""
    words = [sys.executable, __file__, "--net", net, "--steps", str(T), "--batch", str(batch), "--only"]
    megabytes = {}
    for name in NAMES:
        done = subprocess.run([*words, f"{precision}/{name}"], check=True, capture_output=True, text=True)
        megabytes[name] = round(json.loads(done.stdout), 1)
    of = {name: round(megabytes[name] / megabytes["spikingjelly"], 3) for name in NAMES if "bitspike" in name}
    return {"net": net, "T": T, "precision": precision, "megabytes": megabytes, "of_spikingjelly": of}


def main(
    net: Annotated[list[str] | None, typer.Option(help="Networks, by registry name.")] = None,
    steps: Annotated[int, typer.Option(help="Time steps T.")] = 4,
    batch: Annotated[int, typer.Option(help="Images in a batch.")] = 64,
    only: Annotated[str | None, typer.Option(help="PRECISION/NAME: measure it in this process, and print.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Measures every contender in both precisions."""
    nets = net or ["resnet8-thin", "vgg9", "resnet18"]
    if only:
        precision, _, name = only.partition("/")
        print(json.dumps(measured(nets[0], steps, precision, batch, name)))
        return
    cases = [case(each, steps, precision, batch) for each in nets for precision in ("float32", "bf16")]
    record = {
        "command": command(__file__),
        "machine": processor(),
        "commit": commit(HERE),
        "versions": {
            "bitspike": __version__,
            "spikingjelly": metadata.version("spikingjelly"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "batch": batch,
        "cases": cases,
    }
    write_json(out, record)
    print(json.dumps(cases, indent=2))


if __name__ == "__main__":
    typer.run(main)
