"""Writes results/README.md: of every file there what it holds, how it is made, what it records of that, who quotes it.

Run it after a new result; a test runs the check.

    python tools/results_index.py            rewrites the table
    python tools/results_index.py --check    exits 1 if the page is not current
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from written import ROOT, main, table

RESULTS = ROOT / "results"
BY = "tools/results_index.py"
PAGE = RESULTS / "README.md"

KINDS = (  # files, what they hold, the command that writes such a file
    ("quickstart.json", "both networks of the quickstart: accuracy and cost", "make quickstart ARGS=--json"),
    (
        "fashion-convnet-*.json",
        "accuracy and cost of a trained network, Fashion-MNIST",
        "bitspike train fashion-convnet --set bits=BITS --json",
    ),
    (
        "freeze/fashion-tiny-train.json",
        "accuracy and cost of the tiny network",
        "bitspike train fashion-convnet-tiny --json",
    ),
    (
        "freeze/fashion-tiny-freeze.json",
        "it in integers, beside its floats",
        "bitspike freeze RUN --json",
    ),
    (
        "freeze/fashion-tiny-oracle.json",
        "its test accuracy by the oracle",
        "bitspike evaluate examples/fashion-tiny.bitspike --json",
    ),
    (
        "freeze/fashion-tiny-c.json",
        "its test accuracy by its C",
        "bitspike evaluate examples/fashion-tiny.bitspike --engine c --json",
    ),
    (
        "freeze/fashion-tiny-cortex-m4.json",
        "its bytes on a Cortex-M4",
        'bitspike export examples/fashion-tiny.bitspike --to c -o DIR --cc "arm-none-eabi-gcc -mcpu=cortex-m4" --json',
    ),
    (
        "hardware/placed.jsonl",
        "networks exported, simulated and placed on FPGAs: cells, clock, cycles, estimated energy",
        "python benchmarks/placed_hardware.py",
    ),
    (
        "hardware/equal-budget.json",
        "paper 000's Table 4 in cycles of the exported engine",
        "python benchmarks/equal_budget.py",
    ),
    (
        "hardware/*-simulated.jsonl",
        "its Verilog, simulated, beside the oracle; cycles an image",
        "python benchmarks/simulated_hardware.py NET",
    ),
    (
        "freeze/families.jsonl",
        "a network of every family: floats, integers, C",
        "python benchmarks/frozen_families.py",
    ),
    (
        "freeze/fashion-tiny-predictions.json",
        "classes of all test images, by the oracle and as C",
        "python benchmarks/tiny_predictions.py",
    ),
    (
        "conversion/yolov3-416.json",
        "YOLOv3 at its published size: cost from shapes alone; converted with random weights, its integers",
        "python benchmarks/yolov3_proof.py proof",
    ),
    (
        "conversion/*.json",
        "a converted network beside its quantized one, image by image and step by step",
        "bitspike convert RUN --stop-when-settled --json",
    ),
    (
        "cost/*-paper-001.json",
        "cost of a network as paper 001 counts",
        "bitspike cost NAME --counting paper-001",
    ),
    ("cost/*-seed0.json", "cost of a trained network, with its spikes and shortcuts", "bitspike cost RUN --json"),
    ("reproduce/*.json", "a paper's table beside ours", "bitspike reproduce TABLE --json"),
    ("claims/small.jsonl", "the runs behind docs/claims.md, a line each", "make claims"),
    ("claims/real*.jsonl", "the same on all images, for longer", "python -m claims --scale real"),
    ("claims/full.jsonl", "each system in full precision and with few bits, a run a line", "python -m claims.strength"),
    ("claims/frozen.jsonl", "its low-bit networks as integers, by every backend", "python -m claims.strength"),
    (
        "claims/allocate-001.jsonl",
        "allocated networks beside uniform ones",
        "python -m claims.allocate_001",
    ),
    (
        "claims/learned-bits-001.json",
        "bits of every layer that was left to learn them",
        "python -m claims.figures_001 RUNS_DIR",
    ),
    (
        "claims/gradients-004.json",
        "gradient norms by block",
        "python -m claims.gradients_004",
    ),
    (
        "peers/*.json",
        "a model of another framework's tutorial: spikes there and here, few bits, its C",
        "python benchmarks/peer_models.py NAME",
    ),
    ("benchmarks/train_step.json", "time of a training step beside SpikingJelly's and the ANN's", "make bench"),
    (
        "benchmarks/train_step_amx.json",
        "time of a training step on a processor with AMX",
        "python benchmarks/train_step.py --rounds 7 --cores 0 --out results/benchmarks/train_step_amx.json",
    ),
    (
        "benchmarks/train_memory.json",
        "memory of a training step beside SpikingJelly's and the ANN's",
        "python benchmarks/train_memory.py",
    ),
    (
        "benchmarks/train_memory_amx.json",
        "the same on a processor with AMX",
        "python benchmarks/train_memory.py --out results/benchmarks/train_memory_amx.json",
    ),
    (
        "benchmarks/neurons.json",
        "time of a layer of neurons, forward and backward, beside a loop by hand and SpikingJelly's",
        "python benchmarks/neurons.py",
    ),
    (
        "benchmarks/neurons_amx.json",
        "the same on a processor with AMX",
        "python benchmarks/neurons.py --rounds 31 --out results/benchmarks/neurons_amx.json",
    ),
    (
        "benchmarks/threads.json",
        "time of a training by how its waiting threads wait, beside other work",
        "python benchmarks/threads.py",
    ),
    (
        "benchmarks/kernels.json",
        "speed of the native kernels on layers, beside ONNX Runtime's int8 and torch's",
        "python benchmarks/kernels.py",
    ),
    (
        "benchmarks/native_nets.json",
        "speed of whole networks by the native backend, beside ONNX Runtime's int8 and oneDNN's",
        "python benchmarks/native_nets.py",
    ),
    (
        "benchmarks/kernels_avx512.json",
        "the same kernels on a processor with AMX whose tiles were held back",
        "BITSPIKE_CPU=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI python benchmarks/kernels.py"
        " --out results/benchmarks/kernels_avx512.json",
    ),
    (
        "benchmarks/native_nets_avx512.json",
        "speed of whole networks there",
        "BITSPIKE_CPU=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI python benchmarks/native_nets.py"
        " --out results/benchmarks/native_nets_avx512.json",
    ),
    (
        "benchmarks/kernels_amx.json",
        "the same kernels and tiles on a processor with AMX",
        "python benchmarks/kernels.py --out results/benchmarks/kernels_amx.json",
    ),
    (
        "benchmarks/native_nets_amx.json",
        "speed of whole networks on a processor with AMX",
        "python benchmarks/native_nets.py --out results/benchmarks/native_nets_amx.json",
    ),
    (
        "benchmarks/fast_onnx_amx.json",
        "speed of exported ONNX models on a processor with AMX",
        "python benchmarks/fast_onnx.py --out results/benchmarks/fast_onnx_amx.json",
    ),
    (
        "benchmarks/fast_onnx.json",
        "speed of exported ONNX models by ONNX Runtime, the usual one beside that of --fast",
        "python benchmarks/fast_onnx.py",
    ),
    (
        "benchmarks/attention.json",
        "time of the products of attention by the native backend, beside NumPy's integers and ONNX Runtime's floats",
        "python benchmarks/attention.py",
    ),
    (
        "benchmarks/attention_amx.json",
        "the same on a processor with AMX",
        "python benchmarks/attention.py --rounds 9 --out results/benchmarks/attention_amx.json",
    ),
    (
        "scale/ray.json",
        "a sweep on a Ray cluster with a worker killed, beside the same in one process",
        "python benchmarks/ray_trials.py",
    ),
    (
        "scale/plan.json",
        "what the ImageNet recipes would take on GPUs: an estimate, with its arithmetic",
        "python benchmarks/scale_plan.py",
    ),
    (
        "benchmarks/train_pace.json",
        "images a second of training by two commits, and where the time goes",
        "python benchmarks/train_pace.py --before SRC --data-dir DATA",
    ),
    (
        "benchmarks/train_pace_amx.json",
        "the same of learned bits, on a processor with AMX",
        "python benchmarks/train_pace.py --before SRC --data-dir DATA --only adaptive --rounds 5",
    ),
    (
        "benchmarks/train_pace_amx_cifar10.json",
        "the same of ResNet18 in full width, on a processor with AMX, as it came",
        "python benchmarks/train_pace.py --before SRC --data-dir DATA --only 'cifar10-resnet18 2/2/1' --rounds 3",
    ),
    (
        "benchmarks/step_pace.json",
        "time of a training step of every family by two commits, and whether they compute the same",
        "python benchmarks/step_pace.py --before SRC",
    ),
    (
        "benchmarks/startup.json",
        "time of commands from the shell's side, imports included, by two commits",
        "python benchmarks/startup.py --before SRC",
    ),
    (
        "benchmarks/event_readers.json",
        "events a second of every reader of event files, beside other libraries",
        "python benchmarks/event_readers.py RECORDINGS",
    ),
    (
        "benchmarks/cortex_m.json",
        "instructions of the exported C on an emulated Cortex-M4, layer by layer, and its stack",
        "python benchmarks/cortex_m.py",
    ),
    (
        "benchmarks/which_bits.json",
        "time, LUTs, cycles and bytes of the claims' networks in all their widths",
        "python benchmarks/which_bits.py",
    ),
    (
        "hardware/architectures.jsonl",
        "its Verilog as one engine and as pipelines, synthesized: LUTs of each stage",
        "python benchmarks/hardware/architectures.py NET WAY",
    ),
    (
        "hardware/integration-unit.json",
        "the integration unit of paper 000 at every width: LUTs, cycles, activity",
        "python benchmarks/hardware/integration_unit.py",
    ),
    (
        "benchmarks/exported_c.json",
        "time of an image by the exported C, before and after, beside ONNX Runtime's int8",
        "python benchmarks/exported_c.py --before SRC",
    ),
    (
        "benchmarks/exported_c_amx.json",
        "the same, without one before, on a processor with AMX",
        "python benchmarks/exported_c.py --rounds 3 --out results/benchmarks/exported_c_amx.json",
    ),
)
RECORDS = ("command", "seed", "machine", "commit", "versions")
ALSO = {"seeds": "seed", "bitspike": "versions", "version": "versions"}
"""Other keys under which a file records the same."""


def kind_of(name: str) -> tuple[str, str]:
    """What a file holds, and the command of its kind."""
    for pattern, holds, command in KINDS:
        if PurePath(name).match(pattern):
            return holds, command
    sys.exit(f"results/{name}: KINDS of {BY} does not say what it holds")


def records(value: Any) -> Iterator[tuple[str, str]]:
    """What a file says of its own making, wherever in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if (name := ALSO.get(key, key)) in RECORDS and not (key == "bitspike" and not isinstance(inner, str)):
                yield name, json.dumps(inner) if not isinstance(inner, str) else inner
            yield from records(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from records(inner)


def recorded(path: Path) -> str:
    """Seeds, machine, commit of a file, as it records them; how many where there are several."""
    text = path.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    found: dict[str, set[str]] = {}
    for name, value in records(lines):
        found.setdefault(name, set()).add(value)
    said = []
    for name in RECORDS:
        values = sorted(found.get(name, ()))
        if name in ("command", "versions"):
            said += [name] if values else []
        elif len(values) > 3:
            said.append(f"{len(values)} {name}s")
        elif values:
            said.append(f"{name} {', '.join(values)}")
    return "; ".join(said) or "nothing"


def pages() -> list[Path]:
    """The pages that may quote a result, but this one."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
    return sorted(page for page in found if page != PAGE)


def quoted(name: str) -> str:
    """The pages that name the file, or are written from it."""
    written = {"claims/small.jsonl": ROOT / "docs" / "claims.md"}
    found = [
        page for page in pages() if f"results/{name}" in page.read_text(encoding="utf-8") or written.get(name) == page
    ]
    return ", ".join(f"[{page.name}](../{page.relative_to(ROOT).as_posix()})" for page in found) or "nobody"


def index() -> str:
    """A row for each file under results/."""
    files = sorted(path for path in RESULTS.rglob("*.json*") if path.is_file())
    rows = []
    for path in files:
        name = path.relative_to(RESULTS).as_posix()
        holds, command = kind_of(name)
        rows.append((f"[{name}]({name})", holds, f"`{command}`", recorded(path), quoted(name)))
    return table(("file", "what it holds", "written by", "records of its making", "quoted in"), rows)


PARTS = {"index": index}

if __name__ == "__main__":
    main((PAGE,), PARTS, BY, __doc__)
