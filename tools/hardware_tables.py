"""Numbers of docs/hardware.md, from results/hardware/: networks on FPGAs, peers, one network at several bits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from math import log2
from pathlib import Path
from statistics import median
from typing import Any

from written import ROOT, table

RESULTS = ROOT / "results" / "hardware"
LUTS = ROOT / "src" / "bitspike" / "backends" / "verilog" / "streaming" / "luts.json"
"""The constants of the estimate of a stage, and what they are fitted on."""
PEERS = (  # name, device, accuracy, cells, memories, latency, power; as their abstracts have them
    ("Flexi-NeurA (arXiv:2602.18140v1)", "not in its abstract", "97.23 %", "1,623", "7 BRAMs", "1.1 ms", "111 mW"),
    ("Spiker+ (arXiv:2401.01141)", "not in its abstract", "–", "7,612", "18 BRAMs", "0.78 ms", "180 mW"),
)  # fmt: skip
BY_FAMILY = ("fashion-tiny", "mnist-tiny", "digits-2-2-1", "adaptive", "qsnn", "converted", "multilevel")
NAMES = {"digits-2-2-1": "000, convnet 2/2/1", "fashion-tiny": "packaged tiny network", "mnist-tiny": "`mnist-tiny`"}
MEMORY = {"up5k": 4, "hx8k": 4, "hx1k": 4}
"""Kilobits of a block memory; of ECP5, 18."""


def lines(name: str = "placed.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RESULTS / name).read_text(encoding="utf-8").splitlines()]


def power_mw(line: dict[str, Any], mhz: float) -> tuple[float, float]:
    """What changes, and what idles, at a clock; estimates."""
    nj, seconds = line["energy_nj"], line.get("interval", line["cycles"]) / mhz / 1e6
    changing = sum(nj[part] for part in ("logic", "registers", "memories"))
    return changing * 1e-6 / seconds, nj["idle_at_12_mhz"] * 1e-6 / (line["cycles"] / 12e6)


def microjoules(line: dict[str, Any]) -> str:
    return f"{sum(line['energy_nj'][part] for part in ('logic', 'registers', 'memories')) / 1e3:.2f}"


def streams(line: dict[str, Any]) -> bool:
    return line.get("architecture") == "streaming"


def placed() -> str:
    """Whole networks, each on the smallest device that holds it."""
    rows = []
    found = [line for line in lines() if line["asked"] == "smallest" or streams(line)]
    for name in BY_FAMILY:
        for line in (one for one in found if one["network"] == name):
            equal = "–"
            if "simulated" in line:
                same = line["simulated"] if not line["logits_that_differ"] else 0
                equal = f"{same:,} of {line['simulated']:,}"
            rows.append(
                (
                    NAMES.get(name, line["about"]),
                    line["dataset"],
                    f"{line['accuracy']:.2f} %",
                    line["device"],
                    f"{line['pes']} {line['element']}{', streaming' if streams(line) else ''}",
                    f"{line['cells']:,}",
                    line["memories"],
                    line["dsps"],
                    f"{line['mhz']:.1f}",
                    f"{line['cycles']:,.0f}",
                    f"{line['images_per_second']:,.0f}",
                    microjoules(line),
                    equal,
                )
            )
    head = ("network", "data", "accuracy", "device", "elements", "cells", "memories", "DSP blocks", "MHz", "cycles")
    return table((*head, "images a second", "estimated uJ an image", "images as the oracle has them"), rows)


def placed_with() -> str:
    """Commits and tools of the lines."""
    found = lines()
    commits = " and ".join(f"`{one}`" for one in sorted({line["commit"] for line in found}))
    tools = sorted({f"{name} {number(said)}" for line in found for name, said in line["tools"].items()})
    return f"The lines are of commits {commits}, with {', '.join(tools)}."


def number(said: str) -> str:
    """The version in what a tool says of itself."""
    return next(iter(re.findall(r"\d+\.\d[\w.+-]*", said)), said)


def hardware_peers() -> str:
    """MNIST beside what others publish."""
    rows = []
    for line in (one for one in lines() if one["network"] == "mnist-tiny"):
        changing, idle = power_mw(line, 12)
        alone = line["cycles_at_most"] if streams(line) else line["cycles"]  # others wait for each other in a pipeline
        kilobits = MEMORY.get(line["device"], 18)
        rows.append(
            (
                f"bitspike, `mnist-tiny`, {line['pes']} element{'s' * (line['pes'] > 1)}{' a stage' * streams(line)}",
                line["device"],
                f"{line['accuracy']:.2f} %",
                f"{line['cells']:,}",
                f"{line['memories']} of {kilobits} kbit, {line['dsps']} DSP blocks",
                f"{alone / line['mhz'] / 1e3:.1f} ms at {line['mhz']:.1f} MHz",
                f"{changing + idle:.1f} mW at 12 MHz, estimated ({idle:.1f} of it idle)"
                if line["device"] == "up5k"  # whose idle current is known
                else f"{changing:.1f} mW at 12 MHz, estimated, beside what idles",
            )
        )
    return table(("", "device", "accuracy", "cells", "memories", "latency", "power"), [*rows, *PEERS])


def swept_lines(device: str) -> list[dict[str, Any]]:
    return [line for line in lines() if line["network"].startswith("digits-") and line["asked"] == device]


def swept() -> str:
    """One network at several bits."""
    rows = []
    for line in (line for device in ("hx8k", "ecp5-25k") for line in swept_lines(device)):
        rows.append(
            (
                line["about"],
                line["device"],
                f"{line['accuracy']:.2f} %",
                f"{line['s_ace'] / 1e3:,.0f} k",
                f"{line['luts']:,}",
                line["dsps"],
                f"{line['cycles']:,.0f}",
                f"{line['luts'] * line['cycles'] / 1e6:.1f} M",
                microjoules(line),
                f"{line['mhz']:.1f}",
            )
        )
    head = ("bits w/s/T", "device", "accuracy", "S-ACE", "LUTs", "DSP blocks", "cycles", "LUTs x cycles")
    return table((*head, "estimated uJ an image", "MHz"), rows)


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's; its square is the R^2 of the least-squares line."""
    mx, my = sum(x) / len(x), sum(y) / len(y)
    xx, yy = sum((a - mx) ** 2 for a in x), sum((b - my) ** 2 for b in y)
    return float(sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / (xx * yy) ** 0.5)


def ranks(values: Sequence[float]) -> list[float]:
    """Of each value, among all; equal ones share theirs."""
    return [sum(v < one for v in values) + (sum(v == one for v in values) - 1) / 2 for one in values]


def swept_fit() -> str:
    """How far bits tell what hardware takes."""
    found = swept_lines("hx8k")
    s_ace = [line["s_ace"] for line in found]
    costs = {
        "LUTs": [line["luts"] for line in found],
        "cycles": [line["cycles"] for line in found],
        "LUTs x cycles": [line["luts"] * line["cycles"] for line in found],
        "estimated energy": [float(microjoules(line)) for line in found],
    }
    rows = [
        (name, f"{correlation(s_ace, cost) ** 2:.2f}", f"{correlation(ranks(s_ace), ranks(cost)):.2f}")
        for name, cost in costs.items()
    ]
    return table((f"of {len(found)} points on HX8K, over S-ACE", "R^2", "correlation of ranks"), rows)


def estimates() -> str:
    """How far ``cost --hardware`` is from what was placed."""
    ratios: dict[str, list[float]] = {"LUTs": [], "cycles": [], "clock": []}
    for line in (one for one in lines() if not streams(one)):
        said = line["estimate"]
        ratios["LUTs"].append(said["luts"] / line["luts"])
        ratios["cycles"].append(said["cycles"] / line["cycles"])
        ratios["clock"].append(said["mhz"] / line["mhz"])
    rows = [
        (name, len(found), *(f"{value:.2f}" for value in (min(found), sorted(found)[len(found) // 2], max(found))))
        for name, found in ratios.items()
    ]
    return table(("estimate over what was placed", "placements", "least", "median", "most"), rows)


def simulated() -> str:
    """The packaged network, cycle by cycle, beside the oracle."""
    rows = []
    for line in lines("fashion-tiny-simulated.jsonl"):
        cycles = (f"{line[f'cycles_{part}']:,.0f}" for part in ("least", "mean", "most"))
        between = line.get("cycles_from_image_to_image")
        ways = (line.get("architecture", "shared"), f"{line['pes']} `{line['element']}`")
        right = f"{100 * line['correct'] / line['images']:.2f} %"
        whole = f"{between:,}" if between else "–"
        rows.append((*ways, f"{line['images']:,}", right, line["logits_that_differ"], *cycles, whole))
    head = ("architecture", "elements", "images", "right", "logits that differ", "cycles, least", "mean", "most")
    return table((*head, "from image to image"), rows)


def architectures() -> str:
    """A network as one engine and as pipelines: what Yosys counts, and cycles from image to image."""
    rows = []
    for one in sorted(lines("architectures.jsonl"), key=lambda one: Path(one["file"]).stem):
        counts = (f"{one['cycles']:,}", f"{one['lut']:,}", f"{one['ff']:,}", one["ram"], f"{one['memory_bits']:,}")
        rows.append((Path(one["file"]).stem, f"{one['architecture']}: {one['way']}", *counts))
    head = ("cycles an image", "LUTs", "flip-flops", "RAM blocks", "memory, bits")
    return table(("network", "hardware", *head), rows)


def stage_estimate() -> str:
    """How far the estimate of ``--luts`` is from what Yosys counts: of each stage, and of all together."""
    constants = json.loads(LUTS.read_text(encoding="utf-8"))
    fitted = (constants["fit"]["file"], constants["fit"]["way"])
    rows = []
    for one in (line for line in lines("architectures.jsonl") if "stages" in line):
        counted = [stage["lut"] for stage in one["stages"]]
        said = [estimated_luts(constants["values"], stage["terms"]) for stage in one["stages"]]
        off = [100 * abs(a - b) / b for a, b in zip(said, counted, strict=True)]
        seen = "fitted on" if (one["file"], one["way"]) == fitted else "not seen"
        whole = f"{sum(said):,.0f} for {sum(counted):,} ({100 * (sum(said) / sum(counted) - 1):+.1f} %)"
        stages = (len(off), f"{median(off):.1f} %", f"{max(off):.1f} %")
        rows.append((Path(one["file"]).stem, one["way"], seen, whole, *stages))
    head = ("by the fit", "LUTs of all stages, estimated for counted", "stages", "off, median", "most")
    return table(("network", "hardware", *head), rows)


def estimated_luts(constants: dict[str, float], terms: dict[str, float]) -> float:
    """Of a stage: its elements, and what the constants say of the rest."""
    return terms["elements"] + sum(each * terms[name] for name, each in constants.items())


def equal_budget() -> str:
    """Cycles at one Bit Budget."""
    found = json.loads((RESULTS / "equal-budget.json").read_text(encoding="utf-8"))

    def cells(row: dict[str, Any]) -> Iterator[str]:
        for element in ("parallel", "serial"):
            for part in ("cycles", "cycles_of_layers_that_read_spikes"):
                yield f"{row[element][part] / 1e3:,.0f} k"

    rows = [(row["budget"], row["bits"], *cells(row)) for row in found["rows"]]
    heads = [f"`{element}`: {part}" for element in ("parallel", "serial") for part in ("cycles", "of spikes alone")]
    return table(("Bit Budget", "w/s/T", *heads), rows)


def equal_budget_spread() -> str:
    """The largest ratio of cycles at one budget."""
    rows = json.loads((RESULTS / "equal-budget.json").read_text(encoding="utf-8"))["rows"]
    said = []
    for element in ("parallel", "serial"):
        for part in ("cycles", "cycles_of_layers_that_read_spikes"):
            worst = 1.0
            for budget in {row["budget"] for row in rows}:
                some = [row[element][part] for row in rows if row["budget"] == budget]
                worst = max(worst, max(some) / min(some))
            said.append((f"`{element}`", part.replace("_", " "), f"{worst:.3f}", f"{log2(worst):.2f}"))
    return table(("elements", "of", "most over least at one budget", "in powers of 2"), said)


HARDWARE = (
    placed,
    placed_with,
    hardware_peers,
    swept,
    swept_fit,
    estimates,
    simulated,
    architectures,
    stage_estimate,
    equal_budget,
    equal_budget_spread,
)
