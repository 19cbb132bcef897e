"""Synthesizes a network as one engine or as a pipeline, for an iCE40, and fits the estimate of a stage's LUTs.

One JSON line on stdout: what Yosys counts of the whole, and of each stage. With ``--fit`` it reads such lines and
writes the constants of `bitspike.backends.verilog.streaming.luts`, by least squares of relative errors over the stages
of `FITTED`; the other lines are those that the estimate has not seen.

    python benchmarks/hardware/architectures.py NET "8 elements a stage" >> results/hardware/architectures.jsonl
    python benchmarks/hardware/architectures.py --fit results/hardware/architectures.jsonl
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bitspike import __version__
from bitspike.backends.verilog import Pipeline, Program, to_pipeline, to_verilog
from bitspike.backends.verilog.streaming.luts import TERMS, elements, terms
from bitspike.ir import load

ENGINE = "8 elements"
WAYS: dict[str, dict[str, Any]] = {
    ENGINE: {"architecture": "shared"},
    "8 elements a stage": {},
    "1 element a stage": {"pes": 1},
    "8,000 cycles": {"cycles": 8000},
    "serial, 4 elements a stage": {"pes": 4, "element": "serial"},
}
FITTED = ("examples/fashion-tiny.bitspike", "8 elements a stage")
"""The file and the way that the constants are fitted on."""
CONSTANTS = Path(__file__).parents[2] / "src/bitspike/backends/verilog/streaming/luts.json"


def synthesized(made: Program | Pipeline) -> dict[str, Counter[str]]:
    """Cells by kind of each instance in the network's module, and, named "", of the rest of it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in made.files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        sources = " ".join(name for name in made.files if name.endswith(".sv") and not name.endswith("_tb.sv"))
        script = f"read_verilog -sv {sources}; synth_ice40 -top {made.name} -noflatten -json cells.json"
        subprocess.run(["yosys", "-q", "-p", script], cwd=folder, check=True, capture_output=True)
        modules = json.loads(Path(folder, "cells.json").read_text(encoding="utf-8"))["modules"]

    def cells(module: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for cell in modules[module]["cells"].values():
            kind = cell["type"]
            found += Counter([kind]) if kind.startswith("SB_") else cells(kind)
        return found

    found = {"": Counter[str]()}
    for name, cell in modules[made.name]["cells"].items():
        kind = cell["type"]
        if kind.startswith("SB_"):
            found[""][kind] += 1
        else:
            found[name] = cells(kind)
    return found


def counted(cells: Counter[str]) -> dict[str, int]:
    return {
        "lut": cells["SB_LUT4"],
        "ff": sum(many for kind, many in cells.items() if kind.startswith("SB_DFF")),
        "carry": cells["SB_CARRY"],
        "ram": sum(many for kind, many in cells.items() if kind.startswith("SB_RAM")),
        "dsp": cells["SB_MAC16"],
    }


def stages(made: Pipeline, cells: dict[str, Counter[str]], serial: bool) -> list[dict[str, Any]]:
    found = []
    for stage, width in zip(made.stages, made.widths, strict=True):
        own = [many for name, many in cells.items() if re.match(rf"s{stage.number}_", name)]
        lut = counted(sum(own, Counter()))["lut"]
        shape = {"pes": width.pes, "fan": width.fan, "units": width.units}
        known = {"elements": round(elements(stage, width, serial), 1), **terms(stage, width)}
        found.append({"stage": stage.name, **shape, "lut": lut, "terms": known})
    return found


def fitted(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Constants that are not negative, and how far the estimate is from the stages."""
    lut = np.array([one["lut"] for one in found], float)
    known = np.array([[one["terms"][name] for name in TERMS] for one in found])
    rest = lut - [one["terms"]["elements"] for one in found]
    chosen = list(range(len(TERMS)))
    while True:
        values = np.linalg.lstsq(known[:, chosen] / lut[:, None], rest / lut, rcond=None)[0]
        if (values >= 0).all():
            break
        del chosen[int(values.argmin())]
    each = dict(zip((TERMS[i] for i in chosen), values.tolist(), strict=True))
    off = abs(known[:, chosen] @ values - rest) / lut * 100
    return {
        "values": {name: round(each.get(name, 0.0), 4) for name in TERMS},
        "unit": "LUT4 of an iCE40",
        "written_by": "python benchmarks/hardware/architectures.py --fit results/hardware/architectures.jsonl",
        "fit": {
            "file": FITTED[0],
            "way": FITTED[1],
            "stages": len(found),
            "median_error_percent": round(float(np.median(off)), 2),
            "largest_error_percent": round(float(off.max()), 2),
        },
    }


def measured(file: Path, way: str) -> dict[str, Any]:
    """A network in one way."""
    net, options = load(file), dict(WAYS[way])
    made: Program | Pipeline
    shared = options.pop("architecture", None) == "shared"
    made = to_verilog(net) if shared else to_pipeline(net, **options)
    cells = synthesized(made)
    found = {
        "file": str(file),
        "architecture": "shared" if shared else "streaming",
        "way": way,
        **counted(sum(cells.values(), Counter())),
        "memory_bits": sum(made.memory_bits.values()),
        "yosys": subprocess.run(["yosys", "-V"], check=True, capture_output=True, text=True).stdout.strip(),
        "version": __version__,
    }
    if isinstance(made, Program):
        return {**found, "cycles": sum(made.cycles.values())}
    told = stages(made, cells, options.get("element") == "serial")
    return {**found, "cycles": made.interval, "latency": made.latency, "stages": told}


def run(
    file: Annotated[Path, typer.Argument(help="A frozen network; or, to fit, lines of this program.")],
    way: Annotated[str, typer.Argument(help="One of WAYS.")] = ENGINE,
    fit: Annotated[bool, typer.Option("--fit", help="Write the constants of the estimate.")] = False,
) -> None:
    if not fit:
        print(json.dumps(measured(file, way)), flush=True)
        return
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    constants = fitted([stage for line in lines if (line["file"], line["way"]) == FITTED for stage in line["stages"]])
    CONSTANTS.write_text(json.dumps(constants, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(constants["fit"]))


if __name__ == "__main__":
    typer.run(run)
