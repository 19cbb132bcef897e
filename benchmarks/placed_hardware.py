"""What whole networks take on FPGAs: exported, simulated, synthesized, placed and routed; a JSON line for each.

Of each network: accuracy in integers on all test images; simulated logits against the oracle's on ``--images`` of them
(Verilator); LUTs, flip-flops, cells, memories, DSP blocks and clock of the smallest device that holds it, or of the one
that is named; energy of an image, estimated from what changes in a netlist of iCE40 cells on a few of them, times the
constants of ``hardware.json``: no power is measured anywhere. Beside them what ``cost --hardware`` estimates. Lines of
``results/hardware/placed.jsonl`` that are there are not made again; tools and networks are named in each.

    python benchmarks/placed_hardware.py mnist-tiny --device up5k --pes 4
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

sys.path.insert(0, str(Path(__file__).parent / "hardware"))

from activity import activity, energy_nj
from machine import commit
from networks import NETWORKS, SWEPT, frozen

from bitspike import __version__
from bitspike.backends import BACKENDS, oracle
from bitspike.backends.verilog import DEVICES, Pipeline, Program, placed, simulated, simulator, to_pipeline, to_verilog
from bitspike.costs import cost
from bitspike.costs.hardware import HardwareSettings, hardware
from bitspike.datasets import load_split
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

RESULTS = Path(__file__).parent.parent / "results" / "hardware" / "placed.jsonl"
SMALL_FIRST = ("up5k", "hx8k", "ecp5-25k", "ecp5-45k", "ecp5-85k")
CHANGING = 4
"""Images whose activity is counted."""


def fitted(program: Program | Pipeline, devices: tuple[str, ...], seeds: list[int], folder: Path) -> dict[str, Any]:
    """The network on the first device that holds it, and why not on those before."""
    refused: dict[str, str] = {}
    for name in devices:
        try:
            return {**asdict(placed(program, name, seeds, folder)), "too_small": refused}
        except UserError as wrong:
            if "too small" not in wrong.would_do:
                raise
            refused[name] = str(wrong.seen)
    raise UserError("device", ", ".join(refused), f"all are too small: {refused}")


def estimated(net: FrozenGraph, device: str, pes: int) -> Mapping[str, Any]:
    """What ``cost --hardware`` says, of elements that multiply whole levels."""
    found = hardware(net.graph, HardwareSettings(device=DEVICES[device].family, elements=pes))
    engine = next(one for one in found.engines if one.element == "parallel")
    return {"luts": engine.luts, "cycles": engine.cycles, "mhz": engine.mhz}


def measured(
    name: str,
    devices: tuple[str, ...],
    pes: int,
    element: str,
    images: int,
    seeds: list[int],
    runs: Path,
    architecture: str,
) -> dict[str, Any]:
    net = frozen(name, runs)
    streaming = architecture == "streaming"
    program = to_pipeline(net, "network", element, pes) if streaming else to_verilog(net, "network", pes, element)
    pixels, labels = load_split(net.dataset, "test", None)
    shown = pixels[:images]
    classes = BACKENDS["native"]().run(net, pixels).argmax(-1)
    if (classes == classes[0]).all():
        raise UserError(
            name, f"class {classes[0]} for every image", "want a trained network: equality says nothing here"
        )
    line: dict[str, Any] = {
        "network": name,
        "about": NETWORKS[name].about,
        "command": NETWORKS[name].command,
        "dataset": net.dataset,
        "test_images": len(labels),
        "accuracy": round(100 * float((classes == labels).mean()), 3),
        "weights": sum(net.tensors[f"{node.name}.weight"].size for node in net.graph.synapses()),
        "s_ace": cost(net.graph).total.s_ace,
        "macs": cost(net.graph).total.macs,
        "architecture": architecture,
        "element": element,
        "pes": pes,
        "memory_bits": dict(program.memory_bits),
    }
    if isinstance(program, Pipeline):
        line |= {"cycles_at_most": program.latency, "interval": program.interval}
    else:
        shown_widths = ("WORD", "SUM", "LEVEL", "WEIGHT", "FACTOR_A", "FACTOR_B")
        line |= {
            "widths": {key: program.widths[key] for key in shown_widths},
            "cycles_at_most": sum(program.cycles.values()),
            "layer_cycles": dict(program.cycles),
        }
    folder = runs / "placed" / f"{name}-{architecture}-{pes}-{element}-{devices[0]}"
    folder.mkdir(parents=True, exist_ok=True)
    line |= fitted(program, devices, seeds, folder)
    if images:
        tool = simulator()
        seen = simulated(program, shown, tool)
        wanted = oracle.logits(net, shown)
        line |= {
            "simulator": tool,
            "simulated": len(shown),
            "logits_that_differ": int((seen.logits != wanted).sum()),
            "cycles": float(seen.cycles.mean()),
        }
    as_placed = folder if line["device"].startswith("hx") else None  # others have DSP blocks, or other cells
    changed = activity(net, program, pixels[:CHANGING], as_placed)
    line["cycles"] = line.get("cycles", changed.cycles / changed.images)
    line["energy_nj"] = {key: round(value, 3) for key, value in energy_nj(changed).items()}
    line["changed"] = {key: value for key, value in asdict(changed).items() if key != "logits"}
    line["images_per_second"] = 1e6 * line["mhz"] / line.get("interval", line["cycles"])
    line["estimate"] = estimated(net, line["device"], pes)
    return line | {"seeds": seeds, "version": __version__, "commit": commit(Path(__file__).parent)}


def key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(part, "shared") for part in ("network", "asked", "pes", "element", "architecture"))


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Networks; all by default.")] = None,
    device: Annotated[str | None, typer.Option(help="One device; the smallest that holds it by default.")] = None,
    pes: Annotated[int, typer.Option(help="Processing elements.")] = 4,
    element: Annotated[str, typer.Option(help="Their kind.")] = "parallel",
    architecture: Annotated[str, typer.Option(help="shared or streaming.")] = "shared",
    images: Annotated[int, typer.Option(help="Test images that are simulated, the first ones.")] = 1000,
    seeds: Annotated[int, typer.Option(help="Placements, of whose clocks the median counts.")] = 1,
    runs: Annotated[Path, typer.Option(help="Where trained networks are kept.")] = Path("runs/hardware"),
) -> None:
    """Make the lines that are missing."""
    there = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    done = {key(line) for line in there}
    for name in names or NETWORKS:
        asked = device or "smallest"
        if (name, asked, pes, element, architecture) in done:
            continue
        shown = 0 if name in SWEPT and device else images
        devices = (device,) if device else SMALL_FIRST
        line = {"asked": asked} | measured(
            name, devices, pes, element, shown, [*range(1, seeds + 1)], runs, architecture
        )
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(name, line["device"], line["cells"], line["mhz"], line["cycles"], line["energy_nj"], flush=True)
        if line.get("logits_that_differ"):
            raise SystemExit(f"{name}: {line['logits_that_differ']} logits differ from the oracle's")


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"placed_hardware: {wrong}")
