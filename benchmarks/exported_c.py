"""Times the exported C, one image on one core, in turns with an earlier version of it and with ONNX Runtime's int8.

The networks have random weights, which take as long as trained ones. ONNX Runtime is given the same convolutions,
matrices and pools as int8 operators that round each sum to 8 bits, and nothing of what lies between (no neurons): no
network that it could run exactly is faster. Ways take turns within every round; a round is the median of a fifth of a
second. The earlier version is that of the sources ``--before``.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
import torch
import typer
from onnx import TensorProto, helper, numpy_helper

from bitspike import BitPlan, Bits, __version__
from bitspike.backends import backend, oracle
from bitspike.files import write_json
from bitspike.ir import Add, Conv, FrozenGraph, MaxPool, Reshape, SumPool, Synapse, save
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import neuron_settings

NETS = {  # model, image, channels
    "fashion-convnet": ("convnet", (1, 28, 28), (32, 64, 128)),
    "resnet18": ("sew-resnet18", (3, 32, 32), (64, 128, 256, 512)),
}
BITS = ("1/1/1", "2/2/1", "4/4/1")
PORTABLE = ("-O3",)
NATIVE = ("-O3", "-march=native")
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


def network(name: str, bits: str) -> FrozenGraph:
    """Frozen as it was initialised, with batch norm's statistics of random images."""
    model_name, image, channels = NETS[name]
    torch.manual_seed(0)
    plan = BitPlan(Bits.parse(bits))
    neuron = neuron_settings()
    model = build_model(model_name, plan, image_shape=image, num_classes=10, channels=channels, neuron=neuron)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, 0.0, 1.0)
    with torch.no_grad():
        model(torch.randint(0, 256, (8, *image), dtype=torch.uint8))
    return freeze(model.eval(), image, name)


def macs(net: FrozenGraph) -> int:
    """Products of one image."""
    nodes = (node for node in net.graph.nodes if isinstance(node, Synapse))
    return sum(
        net.tensors[f"{node.name}.weight"].size * int(np.prod(edge.shape[1:], dtype=int)) * edge.T
        for node in nodes
        for edge in (net.graph.edges[node.name],)
    )


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


def by_onnxruntime(net: FrozenGraph, image: np.ndarray) -> Callable[[], float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = int8(net).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def seconds() -> float:
        took, start = [], time.perf_counter()
        while len(took) < 3 or time.perf_counter() - start < SECONDS:
            before = time.perf_counter()
            session.run(None, {"images": image})
            took.append(time.perf_counter() - before)
        return float(np.median(took))

    return seconds


def int8(net: FrozenGraph) -> Any:
    """The same layers as operators of int8, one after the other."""
    nodes: list[Any] = []
    constants: dict[str, Any] = {}
    made: dict[str, str] = {}

    def constant(name: str, values: Any) -> str:
        constants[name] = numpy_helper.from_array(values, name)
        return name

    scale, zero = constant("scale", np.float32(0.01)), constant("zero", np.uint8(0))
    signed = constant("signed", np.int8(0))
    first = net.graph.nodes[0]
    for node in net.graph.nodes:
        read = [made[name] for name in node.inputs]
        made[node.name] = node.name
        window = {}
        if isinstance(node, Conv | MaxPool | SumPool):
            pads = (*node.padding, *node.padding)
            window = {"kernel_shape": node.kernel_size, "strides": node.stride, "pads": pads}
        if isinstance(node, Synapse):
            codes = net.tensors[f"{node.name}.weight"].astype(np.int8)
            codes = codes if codes.ndim == 4 else np.ascontiguousarray(codes.T)
            weight = constant(f"{node.name}.weight", codes)
            kind = "QLinearConv" if isinstance(node, Conv) else "QLinearMatMul"
            inputs = [read[0], scale, zero, weight, scale, signed, scale, zero]
            nodes.append(helper.make_node(kind, inputs, [node.name], **window))
        elif isinstance(node, MaxPool):
            nodes.append(helper.make_node("MaxPool", read, [node.name], **window))
        elif isinstance(node, SumPool):
            inputs = [read[0], scale, zero, scale, zero]
            kind = "QLinearGlobalAveragePool"
            nodes.append(helper.make_node(kind, inputs, [node.name], domain="com.microsoft", channels_last=0))
        elif isinstance(node, Add):
            inputs = [read[0], scale, zero, read[1], scale, zero, scale, zero]
            nodes.append(helper.make_node("QLinearAdd", inputs, [node.name], domain="com.microsoft"))
        elif isinstance(node, Reshape):
            nodes.append(helper.make_node("Flatten", read, [node.name]))
        else:
            made[node.name] = "images" if node is first else read[0]
    last = made[net.graph.nodes[-1].name]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [1, *net.graph.edges[first.name].shape])
    logits = helper.make_tensor_value_info(last, TensorProto.UINT8, None)
    graph = helper.make_graph(nodes, net.graph.name, [images], [logits], list(constants.values()))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def measured(net: FrozenGraph, before: Path | None, rounds: int, folder: Path) -> dict[str, Any]:
    """Milliseconds of each way."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, *net.graph.edges[net.graph.nodes[0].name].shape), dtype=np.uint8)
    wanted = oracle.logits(net, image)[0].tolist()
    now = folder / "now"
    now.mkdir()
    start = time.perf_counter()
    made = backend("c").export(net, "network")
    written = time.perf_counter() - start
    for name, content in made.files.items():
        (now / name).write_bytes(content)
    facts = {"seconds_to_export": round(written, 2), "text_bytes": sum(map(len, made.files.values())), **made.facts}
    ways: dict[str, Callable[[], float]] = {}
    if before is not None:
        save(net, folder / "net.bitspike")
        then = folder / "before"
        command = ["-m", "bitspike.cli", "export", str(folder / "net.bitspike"), "--to", "c", "-o", str(then)]
        environ = {**os.environ, "PYTHONPATH": str(before)}
        subprocess.run([sys.executable, *command], check=True, env=environ, capture_output=True)
        ways["before, -O3"] = by_program(program(then, PORTABLE), image.tobytes(), wanted)
        ways["before, -O3 -march=native"] = by_program(program(then, NATIVE), image.tobytes(), wanted)
    ways["portable, -O3"] = by_program(program(now, PORTABLE), image.tobytes(), wanted)
    alone = (*NATIVE, "-DNETWORK_PORTABLE")
    ways["portable, -O3 -march=native"] = by_program(program(now, alone), image.tobytes(), wanted)
    ways["SIMD, -O3 -mavx2"] = by_program(program(now, ("-O3", "-mavx2")), image.tobytes(), wanted)
    ways["SIMD, -O3 -march=native"] = by_program(program(now, NATIVE), image.tobytes(), wanted)
    ways["onnxruntime, int8"] = by_onnxruntime(net, image)
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


def processor() -> dict[str, Any]:
    """What Linux says of it: its model, and its instructions that count here."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    said = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in info if ":" in line}
    wanted = ("avx2", "avx512bw", "avx512_vnni", "avx512_vpopcntdq", "avx_vnni", "amx_int8")
    have = said.get("flags", "").split()
    return {"model": said.get("model name", platform.machine()), "has": [name for name in wanted if name in have]}


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of every network.")] = 7,
    before: Annotated[Path | None, typer.Option(help="Sources of an earlier version, as PYTHONPATH.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times every way in turns, prints a table, and writes the milliseconds."""
    record: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/exported_c.py", *sys.argv[1:]]).replace(str(before), "SRC"),
        "processor": processor(),
        "cc": subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0],
        "versions": {"bitspike": __version__, "onnxruntime": metadata.version("onnxruntime")},
        "rounds": rounds,
        "networks": {},
    }
    for name in NETS:
        for bits in BITS:
            with tempfile.TemporaryDirectory() as folder:
                found = measured(network(name, bits), before, rounds, Path(folder))
            record["networks"][f"{name} {bits}"] = found
            for way, row in found["milliseconds"].items():
                spread = f"({row['lower']} to {row['upper']})"
                print(f"{name} {bits} | {way} | {row['median']} ms {spread} | {row['of_ort']} of ORT", flush=True)
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
