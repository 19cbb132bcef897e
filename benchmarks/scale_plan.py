"""Plans the ImageNet recipes past this machine: what a step costs on 8 and 64 GPUs. An estimate, with its arithmetic.

Of each recipe the network's graph says multiply-accumulates and elements; what was measured here is how much slower a
spiking step is than an ANN's (results/benchmarks/train_step.json), what one core trains (the same file) and how fast it
reads pictures (timed anew). What nobody measured is in ASSUMED, each with its source. Then, for ``W`` GPUs:

    batch        b = batch of the recipe / W, of a GPU
    multiply     6 MACs b / (peak * efficiency)     a forward pass, and twice that backward; MACs of all T steps
    move         passes * 2 bytes * elements * b / memory bandwidth     what norms, neurons and additions touch
    compute      (multiply + move) * slower than an ANN, but no less than the kernels of all ops take to be launched
    read         b / (threads * pictures a second of a core)     before each step; nothing is read ahead
    gradients    2 (W - 1)/W * 4 bytes * parameters / link     a ring; hidden behind the backward pass, 2/3 of compute
    norms        3 * latency * batch norms     their statistics are of the whole batch
    step         compute + read + max(0, gradients - 2/3 compute) + norms

Writes what docs/scale.md quotes.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import command, processor

from bitspike import BitPlan, Bits
from bitspike.datasets.pictures import read_picture
from bitspike.files import read_json, write_json
from bitspike.ir import Graph
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.recipes import recipe
from bitspike.training.setup import graph_of, make_model

RESULTS = Path(__file__).parent.parent / "results"
RECIPES = ("sew-resnet34-imagenet", "adaptive-sew-resnet34-imagenet", "spikformer-8-512-imagenet")
TRAINING_PICTURES = 1_281_167
"""Of ImageNet-1k (ILSVRC 2012)."""
GPUS: dict[str, dict[str, Any]] = {
    "A100 SXM 80 GB": {
        "peak_flops": 312e12,
        "memory_bytes_a_second": 2.039e12,
        "link_in_a_node": 300e9,
        "link_between_nodes": 25e9,
        "source": "NVIDIA A100 datasheet: bf16 dense, HBM2e, NVLink 600 GB/s both ways; HDR InfiniBand 200 Gb/s a GPU",
    },
    "H100 SXM": {
        "peak_flops": 989e12,
        "memory_bytes_a_second": 3.35e12,
        "link_in_a_node": 450e9,
        "link_between_nodes": 50e9,
        "source": "NVIDIA H100 datasheet: bf16 dense, HBM3, NVLink 900 GB/s both ways; NDR InfiniBand 400 Gb/s a GPU",
    },
}
ASSUMED: dict[str, tuple[float, str]] = {
    "efficiency": (0.35, "share of the peak that convolutions reach; ours to assume, not measured on a GPU"),
    "link_efficiency": (0.7, "share of a link that a ring reaches; ours to assume"),
    "passes": (12, "times an element of an edge is read or written, forward and backward, where no kernel is fused;"
                   " counted by hand: norm 2 + 4, neuron 2 + 3, its step size 1; ours to assume"),
    "latency": (20e-6, "seconds of a small all-reduce; ours to assume"),
    "kernels": (10, "of an op, forward and backward, where none is fused; ours to assume"),
    "launch": (10e-6, "seconds of Python and the driver for a kernel; ours to assume"),
    "threads": (4, "pictures that a process reads at once: THREADS of bitspike.datasets.pictures"),
    "gpus_in_a_node": (8, "DGX and HGX machines"),
}  # fmt: skip
SIZES = (1, 8, 64)
PICTURE = (375, 500)
"""Height and width of the picture that is timed, ImageNet's usual size."""
NOISE = 14
"""Standard deviation of the noise in it, which makes its file about as large as those are."""


def work_of(graph: Graph) -> dict[str, float]:
    """What one image costs: MACs of all steps, and elements of all edges."""
    edges = graph.edges
    macs = sum(node.macs(graph.input_edge(node)) * graph.input_edge(node).T for node in graph.synapses())
    elements = sum(edge.T * int(np.prod(edge.shape)) for edge in edges.values())
    norms = sum(node.op == "affine" for node in graph.nodes)
    return {"macs": macs, "elements": elements, "norms": norms, "ops": len(graph.nodes)}


def slower_than_ann() -> float:
    """How many times as long as an ANN's the steps of a spiking network take, each: the median of what was measured."""
    cases = read_json(RESULTS / "benchmarks" / "train_step.json")["cases"]
    return statistics.median(case["ratio_to_ann_x_T"]["bitspike"]["median"] for case in cases)


def flops_here() -> dict[str, float]:
    """FLOP/s of one core in training, on the machine of train_step.json, by network, steps and precision."""
    found, measured = {}, read_json(RESULTS / "benchmarks" / "train_step.json")
    for case in measured["cases"]:
        plan = BitPlan(Bits(16, 1, case["T"]))
        sample = tuple(measured["image"])
        with torch.device("meta"):
            model = build_model(case["net"], plan, sample=sample, num_classes=10)
        macs = work_of(lower(model, sample, case["net"]))["macs"]
        seconds = case["milliseconds"]["bitspike"] / 1e3
        name = f"{case['net']} T={case['T']} {case['precision']}"
        found[name] = round(6 * macs * measured["batch"] / seconds)
    return found


def pictures_here(count: int = 64) -> dict[str, float]:
    """Pictures that one core reads in a second, decoded, scaled to 256, cut to 224, and the bytes of each."""
    from PIL import Image

    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(PICTURE[::-1], Image.Resampling.BICUBIC), np.float64)
    noisy = (smooth + random.normal(0, NOISE, smooth.shape)).clip(0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=90)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "picture.jpg")
        file.write_bytes(stream.getvalue())
        read_picture(file, (224, 224), 256)
        seconds = []
        for _ in range(count):
            start = time.process_time()  # of this process alone: others may share the core
            read_picture(file, (224, 224), 256)
            seconds.append(time.process_time() - start)
    return {"pictures_a_second": round(1 / statistics.median(seconds), 1), "picture_bytes": len(stream.getvalue())}


def planned(work: dict[str, float], gpu: dict[str, Any], gpus: int, given: dict[str, float]) -> dict[str, float]:
    """Seconds of a step on so many GPUs, part by part; see above."""
    assumed = {name: value for name, (value, _) in ASSUMED.items()}
    b = work["batch"] / gpus
    multiply = 6 * work["macs"] * b / (gpu["peak_flops"] * assumed["efficiency"])
    move = assumed["passes"] * 2 * work["elements"] * b / gpu["memory_bytes_a_second"]
    launched = assumed["kernels"] * assumed["launch"] * work["ops"]
    compute = max((multiply + move) * given["slower_than_ann"], launched)
    read = b / (assumed["threads"] * given["pictures_a_second"])
    link = gpu["link_in_a_node"] if gpus <= assumed["gpus_in_a_node"] else gpu["link_between_nodes"]
    bytes_a_step = 2 * (gpus - 1) / gpus * 4 * work["parameters"]
    gradients = bytes_a_step / (link * assumed["link_efficiency"])
    norms = 3 * assumed["latency"] * work["norms"] if gpus > 1 else 0.0
    step = compute + read + max(0.0, gradients - compute * 2 / 3) + norms
    steps = work["pictures"] // work["batch"] * work["epochs"]
    return {
        "images_a_gpu": b,
        "multiply": multiply,
        "move": move,
        "launched": launched,
        "compute": compute,
        "read": read,
        "bytes_a_step": bytes_a_step,
        "gradients": gradients,
        "norms": norms,
        "step": step,
        "images_a_second": work["batch"] / step,
        "days": steps * step / 86400,
        "days_without_reading": steps * (step - read) / 86400,
    }


def main(to: Annotated[Path, typer.Option(help="Where the result goes.")] = RESULTS / "scale" / "plan.json") -> None:
    here = flops_here()
    given = {"slower_than_ann": slower_than_ann(), **pictures_here()}
    fastest = max(here.values())
    plans = {}
    for name in RECIPES:
        config = recipe(name)
        with torch.device("meta"):
            model = make_model(config)
        work = work_of(graph_of(config, model))
        work["parameters"] = sum(p.numel() for p in model.parameters())
        work |= {"batch": config.batch_size, "epochs": config.epochs}
        work["pictures"] = TRAINING_PICTURES - config.validation_size
        images = work["pictures"] // work["batch"] * work["batch"] * work["epochs"]
        alone = {"days_of_one_core_here": images * 6 * work["macs"] / fastest / 86400}
        on = {gpu: {str(n): planned(work, GPUS[gpu], n, given) for n in SIZES} for gpu in GPUS}
        plans[name] = {"bits": str(config.bits), **work, **alone, "gpus": on}
    found = {
        "command": command(__file__, TO=to),
        "estimate": "nothing here was run on a GPU: see assumed",
        "machine": processor(),
        "measured": {**given, "flops_a_second_of_one_core": here},
        "assumed": {name: {"value": value, "source": source} for name, (value, source) in ASSUMED.items()},
        "gpus": GPUS,
        "recipes": plans,
    }
    write_json(to, found)
    for name, plan in plans.items():
        print(name, f"{plan['days_of_one_core_here']:,.0f} days of a core here")
        gpus: Any = plan["gpus"]
        for gpu, sizes in gpus.items():
            for n, one in sizes.items():
                print(f"  {n:>2} x {gpu}: {1e3 * one['step']:.1f} ms, {one['days']:.1f} days")


if __name__ == "__main__":
    typer.run(main)
