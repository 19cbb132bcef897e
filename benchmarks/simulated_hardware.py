"""Simulates exported hardware on a network's test images, and compares every logit with the oracle's.

For each kind of processing element one JSON line on stdout: images, logits that differ, the classes that are right, and
the cycles an image takes, least, mean and most. Fails if a logit differs.

    python benchmarks/simulated_hardware.py NET > results/hardware/NAME-simulated.jsonl
    python benchmarks/simulated_hardware.py NET --architecture streaming > results/hardware/NAME-2-simulated.jsonl
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bitspike import __version__
from bitspike.backends import oracle
from bitspike.backends.verilog import ELEMENTS, Pipeline, Program, simulated, simulator, to_pipeline, to_verilog
from bitspike.datasets import load_split
from bitspike.ir import FrozenGraph, load


def measured(
    net: FrozenGraph, images: Any, labels: Any, element: str, pes: int, tool: str, architecture: str
) -> dict[str, Any]:
    program: Program | Pipeline
    if architecture == "streaming":
        program = to_pipeline(net, "network", element, pes)
        counted = {"interval": program.interval, "latency": program.latency}
    else:
        program = to_verilog(net, "network", pes, element)
        counted = {"cycles_at_most": sum(program.cycles.values())}
    seen = simulated(program, images, tool)
    wanted = oracle.logits(net, images)
    return {
        "architecture": architecture,
        "element": element,
        "pes": pes,
        "simulator": tool,
        "images": len(images),
        "logits_that_differ": int((seen.logits != wanted).sum()),
        "correct": int((seen.logits.argmax(1) == labels).sum()),
        "cycles_least": int(seen.cycles.min()),
        "cycles_mean": float(seen.cycles.mean()),
        "cycles_most": int(seen.cycles.max()),
        "cycles_from_image_to_image": int(np.diff(seen.ends[-3:]).max()),
        **counted,
        "memory_bits": dict(program.memory_bits),
        "version": __version__,
    }


def run(
    file: Annotated[Path, typer.Argument(help="A frozen network.")],
    images: Annotated[int, typer.Option(help="Test images, the first ones.")] = 1000,
    pes: Annotated[int, typer.Option(help="Processing elements.")] = 8,
    element: Annotated[str | None, typer.Option(help="One kind of them; every kind by default.")] = None,
    architecture: Annotated[str, typer.Option(help="shared, or streaming: elements of each stage at most.")] = "shared",
) -> None:
    net, tool = load(file), simulator()
    pixels, labels = load_split(net.dataset, "test", None)
    kinds = [kind for kind in ELEMENTS if architecture == "shared" or kind != "event"]
    for kind in [element] if element else kinds:
        found = measured(net, pixels[:images], labels[:images], kind, pes, tool, architecture)
        print(json.dumps({"file": str(file), "dataset": net.dataset, **found}), flush=True)
        if found["logits_that_differ"]:
            raise SystemExit(f"{kind}: {found['logits_that_differ']} logits differ from the oracle's")


if __name__ == "__main__":
    typer.run(run)
