"""Synthesizes a network as one engine and as a pipeline, for an iCE40, and fits the estimate of a stage's LUTs.

Writes what Yosys counts of each architecture, and of each stage; and with ``--fit`` the constants of
`bitspike.backends.verilog.streaming.luts`, by least squares of relative errors over all stages.

    python benchmarks/hardware/architectures.py NET --fit > results/hardware/architectures.json
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
from bitspike.backends.verilog.streaming.luts import TERMS, elements, stage_luts, terms
from bitspike.ir import load

WAYS: dict[str, dict[str, Any]] = {
    "8 elements a stage": {},
    "1 element a stage": {"pes": 1},
    "8,000 cycles": {"cycles": 8000},
    "serial, 4 elements a stage": {"pes": 4, "element": "serial"},
}
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
        estimate = round(stage_luts(stage, width, serial))
        found.append({"stage": stage.name, **shape, "lut": lut, "estimated": estimate, "terms": known})
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
        "written_by": "python benchmarks/hardware/architectures.py --fit",
        "fit": {
            "stages": len(found),
            "median_error_percent": round(float(np.median(off)), 2),
            "largest_error_percent": round(float(off.max()), 2),
        },
    }


def run(
    files: Annotated[list[Path], typer.Argument(help="Frozen networks.")],
    fit: Annotated[bool, typer.Option("--fit", help="Write the constants of the estimate.")] = False,
) -> None:
    points, whole = [], []
    for file in files:
        net = load(file)
        engine = to_verilog(net)
        cells = synthesized(engine)
        whole.append(
            {
                "file": str(file),
                "architecture": "shared",
                "way": "8 elements",
                "cycles": sum(engine.cycles.values()),
                **counted(sum(cells.values(), Counter())),
                "memory_bits": sum(engine.memory_bits.values()),
            }
        )
        for way, options in WAYS.items():
            made = to_pipeline(net, **options)
            cells = synthesized(made)
            found = stages(made, cells, options.get("element") == "serial")
            points += found
            whole.append(
                {
                    "file": str(file),
                    "architecture": "streaming",
                    "way": way,
                    "cycles": made.interval,
                    "latency": made.latency,
                    **counted(sum(cells.values(), Counter())),
                    "memory_bits": sum(made.memory_bits.values()),
                    "stages": found,
                }
            )
    yosys = subprocess.run(["yosys", "-V"], check=True, capture_output=True, text=True).stdout.strip()
    constants = fitted(points)
    if fit:
        CONSTANTS.write_text(json.dumps(constants, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({"yosys": yosys, "version": __version__, "fit": constants, "networks": whole}, indent=2))


if __name__ == "__main__":
    typer.run(run)
