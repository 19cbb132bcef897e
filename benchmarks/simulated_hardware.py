"""Simulates exported hardware on a network's test images, and compares every logit with the oracle's.

For each kind of processing element one JSON line on stdout: images, logits that differ, the classes that are right, and
the cycles an image takes, least, mean and most. Fails if a logit differs.

    python benchmarks/simulated_hardware.py NET > results/hardware/NAME-simulated.jsonl
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bitspike import __version__
from bitspike.backends import oracle
from bitspike.backends.verilog import ELEMENTS, simulated, simulator, to_verilog
from bitspike.datasets import load_split
from bitspike.ir import FrozenGraph, load


def measured(net: FrozenGraph, images: Any, labels: Any, element: str, pes: int, tool: str) -> dict[str, Any]:
    program = to_verilog(net, "network", pes, element)
    seen = simulated(program, images, tool)
    wanted = oracle.logits(net, images)
    return {
        "element": element,
        "pes": pes,
        "simulator": tool,
        "images": len(images),
        "logits_that_differ": int((seen.logits != wanted).sum()),
        "correct": int((seen.logits.argmax(1) == labels).sum()),
        "cycles_least": int(seen.cycles.min()),
        "cycles_mean": float(seen.cycles.mean()),
        "cycles_most": int(seen.cycles.max()),
        "cycles_at_most": sum(program.cycles.values()),
        "memory_bits": dict(program.memory_bits),
        "version": __version__,
    }


def run(
    file: Annotated[Path, typer.Argument(help="A frozen network.")],
    images: Annotated[int, typer.Option(help="Test images, the first ones.")] = 1000,
    pes: Annotated[int, typer.Option(help="Processing elements.")] = 8,
    element: Annotated[str | None, typer.Option(help="One kind of them; every kind by default.")] = None,
) -> None:
    net, tool = load(file), simulator()
    pixels, labels = load_split(net.dataset, "test", None)
    for kind in [element] if element else ELEMENTS:
        found = measured(net, pixels[:images], labels[:images], kind, pes, tool)
        print(json.dumps({"file": str(file), "dataset": net.dataset, **found}), flush=True)
        if found["logits_that_differ"]:
            raise SystemExit(f"{kind}: {found['logits_that_differ']} logits differ from the oracle's")


if __name__ == "__main__":
    typer.run(run)
