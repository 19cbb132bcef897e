"""Times a layer of neurons over T steps, forward and forward with backward, in turns.

- ``native``: bitspike's, in one call of the C library (docs/adr/0018-fused-neurons.md);
- ``native_loops``: what that call runs, without torch around it, into memory that is there already;
- ``torch``: the same neuron step by step in torch, as it runs where there is no library;
- ``plain_c``: the loop of plain_lif.c, compiled here, into memory that is there already: what is measured against;
- ``spikingjelly``: its multi-step neuron, where it is installed.

On a GPU ``triton``, our one kernel (docs/adr/0026-neurons-on-a-gpu.md), stands for ``native``, and the loops in C are
left out. Each call is waited for, and time is the clock's.

The neuron is the binary LIF with hard reset, detached, and the ATan surrogate. Contenders take turns within every
round, in an order that rotates, and a ratio is the median over the rounds of each round's ratio. With one thread ratios
are of the time that the processor gave the process, which other work on the machine moves less; both are written.
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from bitspike import __version__, native
from bitspike.errors import UserError
from bitspike.files import write_json
from bitspike.neurons import ATan, LIFNode, fused, fused_native
from bitspike.neurons.node import BaseNode
from bitspike.training.result import machine_class

TAU = 2.0
PLAIN = Path(__file__).with_name("plain_lif.c")
FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-fno-trapping-math", "-shared", "-fPIC")
RESULTS = Path(__file__).parent.parent / "results" / "benchmarks" / "neurons.json"
Contender = dict[str, Callable[[], Any]]


def learning(run: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> Contender:
    """What a neuron of torch does in inference and in training."""
    learns = x.clone().requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            run(x)

    def both() -> None:
        learns.grad = None
        run(learns).backward(grad)

    return {"forward": forward, "forward_backward": both}


def native_loops(node: LIFNode, x: Tensor, grad: Tensor) -> Contender:
    described = fused.described(node)
    if described is None:
        raise UserError("C library", "none", "build it: python hatch_build.py")
    spikes, grad_x = torch.zeros_like(x), torch.zeros_like(x)

    def forward() -> None:
        fused_native.forward(x, *described, spikes)

    def both() -> None:
        forward()
        fused_native.backward(x, *described, grad, grad_x)

    return {"forward": forward, "forward_backward": both}


def plain_c(x: Tensor, grad: Tensor) -> Contender:
    """The loop by hand, on the same memory every time."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "plain.so")
        subprocess.run(["cc", *FLAGS, str(PLAIN), "-o", str(made)], check=True)
        library = ctypes.CDLL(str(made))
    spikes, grad_x, T, count = torch.zeros_like(x), torch.zeros_like(x), len(x), ctypes.c_int64(x[0].numel())

    def at(one: Tensor) -> ctypes.c_void_p:
        return ctypes.c_void_p(one.data_ptr())

    def forward() -> None:
        library.forward(at(x), at(spikes), T, count)

    def both() -> None:
        forward()
        library.backward(at(x), at(grad), at(grad_x), T, count)

    return {"forward": forward, "forward_backward": both}


def spikingjelly(x: Tensor, grad: Tensor) -> Contender:
    from spikingjelly.activation_based import functional, neuron, surrogate

    node = neuron.LIFNode(TAU, surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m")

    def run(current: Tensor) -> Tensor:
        functional.reset_net(node)
        spikes: Tensor = node(current)
        return spikes

    return learning(run, x, grad)


def contenders(T: int, neurons: int, device: str) -> dict[str, Contender]:
    """Ours is the first."""
    torch.manual_seed(0)
    x, grad = torch.randn(T, neurons).to(device), torch.randn(T, neurons).to(device)
    node = LIFNode(T, TAU, surrogate_function=ATan(), detach_reset=True)
    if fused.described(node, x.device) is None:
        raise UserError("--device", device, "its neurons run step by step: want the C library, or triton on a GPU")
    made = {
        "native" if device == "cpu" else "triton": learning(node, x, grad),
        "torch": learning(lambda current: BaseNode.forward(node, current), x, grad),
    }
    if device == "cpu":
        made |= {"native_loops": native_loops(node, x, grad), "plain_c": plain_c(x, grad)}
    if importlib.util.find_spec("spikingjelly"):
        made["spikingjelly"] = spikingjelly(x, grad)
    return made


def spread(values: Iterable[float]) -> dict[str, float]:
    values = list(values)
    q1, median, q3 = (round(q, 4) for q in statistics.quantiles(values, n=4, method="inclusive"))
    return {"median": median, "q1": q1, "q3": q3, "least": round(min(values), 4)}


def measure(T: int, neurons: int, rounds: int, what: str, device: str) -> dict[str, Any]:
    made = contenders(T, neurons, device)
    names = list(made)
    ours = names[0]
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-3, rounds):  # three to warm up
        for index in range(len(names)):
            name = names[(index + turn) % len(names)]
            start, began = time.perf_counter(), time.process_time()
            made[name][what]()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn >= 0:
                wall[name].append((time.perf_counter() - start) * 1e3)
                cpu[name].append((time.process_time() - began) * 1e3)
    of = cpu if torch.get_num_threads() == 1 and device == "cpu" else wall
    result = {
        "what": what,
        "milliseconds": {name: spread(wall[name]) for name in names},
        "processor_milliseconds": {name: spread(cpu[name]) for name in names},
        f"times_{ours}": {name: ratio(of[name], of[ours]) for name in names if name != ours},
    }
    if device == "cpu":
        result["native_loops_times_plain_c"] = ratio(of["native_loops"], of["plain_c"])
    return result


def ratio(of: list[float], to: list[float]) -> dict[str, float]:
    """Round by round."""
    return spread(a / b for a, b in zip(of, to, strict=True))


def versions() -> dict[str, str]:
    peer = {"spikingjelly": metadata.version("spikingjelly")} if importlib.util.find_spec("spikingjelly") else {}
    return {"bitspike": __version__, **peer, "torch": torch.__version__, "python": platform.python_version()}


def processor() -> dict[str, str]:
    """The model that Linux names, and what torch and the library compute with on it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "model": (models or [platform.processor()])[0],
        "torch": torch.backends.cpu.get_cpu_capability(),
        "native": native.level().name,
    }


def main(
    steps: Annotated[int, typer.Option(help="Time steps T, 64 at most.", min=1, max=64)] = 16,
    neurons: Annotated[int, typer.Option(help="Neurons of the layer.", min=1)] = 262_144,
    rounds: Annotated[int, typer.Option(help="Rounds in which every contender takes one turn.", min=2)] = 25,
    threads: Annotated[int, typer.Option(help="Of torch and the library; the plain loop has one.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times the neurons in turns and writes the result."""
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UserError("--device", device, "want cpu, or cuda where there is a GPU")
    torch.set_num_threads(threads)
    cases = [measure(steps, neurons, rounds, what, device) for what in ("forward", "forward_backward")]
    write_json(
        out,
        {
            "command": shlex.join(["python", "benchmarks/neurons.py", *sys.argv[1:]]),
            "machine": machine_class(),
            "processor": processor(),
            "versions": versions(),
            "threads": threads,
            "T": steps,
            "neurons": neurons,
            "rounds": rounds,
            "neuron": f"LIF, tau {TAU}, hard reset, detach_reset, ATan",
            "cases": cases,
        },
    )
    ours = "native" if device == "cpu" else "triton"
    for case in cases:
        for name, taken in case["milliseconds"].items():
            of = case[f"times_{ours}"].get(name, {"median": 1.0, "q1": 1.0, "q3": 1.0})
            own = case["processor_milliseconds"][name]
            times = f"{of['median']:.2f} ({of['q1']:.2f} to {of['q3']:.2f}) x {ours}"
            print(f"{case['what']:16} {name:13} {taken['median']:7.2f} ms, processor {own['median']:7.2f}, {times}")
        if loops := case.get("native_loops_times_plain_c"):
            print("{:16} loops {median:.2f} ({q1:.2f} to {q3:.2f}) x plain C".format(case["what"], **loops))


if __name__ == "__main__":
    typer.run(main)
