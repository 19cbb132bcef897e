"""Times one training step of bitspike beside SpikingJelly's and beside the same-shaped ANN, all in one run.

Every contender has the same convolutions, batch norms and pooling over merged time, the same weights to start from,
the same images, and the same optimizer. They differ in the neurons, and in what runs around them:

- ``bitspike``: the image is static, so the stem runs once and its neuron holds the current over all steps;
- ``bitspike_repeated``: the image is repeated ``T`` times first, as SpikingJelly's users do;
- ``spikingjelly``: its multi-step neuron and its `SeqToANNContainer`, layer by layer, `reset_net` after each step;
- ``ann``: ReLU for neurons, one pass; its time counts ``T`` times.

The neuron is the binary LIF with hard reset, detached, and the ATan surrogate. Each contender lies in memory as it is
fastest in, channels last or first, which is timed before. They take turns within every round, in an order that rotates,
and a ratio is the median over the rounds of each round's ratio.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from bitspike import __version__
from bitspike.errors import UserError, closest, require
from bitspike.files import write_json
from bitspike.layers import OverTime, mean_over_time
from bitspike.models import MODELS
from bitspike.neurons import ATan, LIFNode
from bitspike.sample import as_sample
from bitspike.training.result import machine_class

IMAGE, CLASSES = (3, 32, 32), 10
TAU = 2.0
ORDERS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
LEAST_ROUNDS, MOST_SECONDS = 5, 60.0
"""A case ends before all rounds are done once it has these and has taken that long."""
SPIKING = {"spikingjelly": "SpikingJelly", "bitspike": "bitspike", "bitspike_repeated": "bitspike, repeated"}


class Repeat(nn.Module):
    """One static step ``[1, N, ...]`` to ``[T, N, ...]``."""

    def __init__(self, T: int) -> None:
        super().__init__()
        self.T = T

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(self.T, *[1] * (x.ndim - 1))


@dataclass
class Contender:
    """A network that learns one batch again and again."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    bf16: bool
    order: str
    afterwards: Callable[[nn.Module], None] = lambda model: None

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)

    def logits(self) -> Tensor:
        with torch.autocast(self.images.device.type, torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.model(self.images)
        return logits.float()

    def step(self) -> tuple[float, float]:
        """One training step: milliseconds of forward, loss and backward, and of the optimizer."""
        start = self.clock()
        self.optimizer.zero_grad()
        F.cross_entropy(mean_over_time(self.logits()), self.labels).backward()
        self.afterwards(self.model)
        learned = self.clock()
        self.optimizer.step()
        return learned - start, self.clock() - learned

    def clock(self) -> float:
        if self.images.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() * 1e3


def contenders(
    net: str, T: int, bf16: bool, batch: int, device: str, order: str = "channels first"
) -> dict[str, Contender]:
    """The same network with the same weights, four times."""
    layer, functional, neuron, surrogate = (
        require(f"spikingjelly.activation_based.{part}", "peers")
        for part in ("layer", "functional", "neuron", "surrogate")
    )

    def build(node: Callable[[], nn.Module]) -> nn.Module:
        return MODELS[net].make(as_sample(IMAGE), CLASSES, node, MODELS[net].channels)

    def repeated(model: nn.Module) -> nn.Module:
        model.set_submodule("encoder", nn.Sequential(model.get_submodule("encoder"), Repeat(T)))
        return model

    ours = partial(LIFNode, T, TAU, surrogate_function=ATan(), detach_reset=True)
    theirs = partial(neuron.LIFNode, TAU, surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m")
    models = {
        "bitspike": build(ours),
        "bitspike_repeated": repeated(build(ours)),
        "spikingjelly": repeated(build(theirs)),
        "ann": build(nn.ReLU),
    }
    peer = models["spikingjelly"]
    for name, module in list(peer.named_modules()):
        if isinstance(module, OverTime):
            peer.set_submodule(name, layer.SeqToANNContainer(*module))
    images = torch.randint(0, 256, (batch, *IMAGE), dtype=torch.uint8).to(device, memory_format=ORDERS[order])
    labels = torch.randint(0, CLASSES, (batch,)).to(device)
    start = models["bitspike"].state_dict()
    for model in models.values():
        model.load_state_dict(start)
        model.to(device, memory_format=ORDERS[order])
    made = {name: Contender(model, images, labels, bf16, order) for name, model in models.items()}
    made["spikingjelly"].afterwards = functional.reset_net
    return made


def fastest(net: str, T: int, bf16: bool, batch: int, device: str) -> dict[str, Contender]:
    """Each contender in the memory order that it is fastest in, by the quickest of three steps."""
    made = [contenders(net, T, bf16, batch, device, order) for order in ORDERS]
    taken = [{name: min(sum(one.step()) for _ in range(3)) for name, one in each.items()} for each in made]
    return {name: made[0][name] if taken[0][name] <= taken[1][name] else made[1][name] for name in made[0]}


def equal_logits(one: Contender, other: Contender) -> bool:
    """Whether both give the same logits, to the last bit, in training mode."""
    with torch.no_grad():
        same = torch.equal(one.logits(), other.logits())
    for contender in (one, other):
        contender.afterwards(contender.model)
    return same


def spread(values: Iterable[float]) -> dict[str, float]:
    q1, median, q3 = (round(q, 4) for q in statistics.quantiles(values, n=4, method="inclusive"))
    return {"median": median, "q1": q1, "q3": q3}


def measure(net: str, T: int, precision: str, batch: int, rounds: int, device: str) -> dict[str, Any]:
    """One case: medians of the milliseconds, and the ratios round by round."""
    torch.manual_seed(0)
    bf16 = precision == "bf16"
    same = contenders(net, T, bf16, batch, device)
    equal = equal_logits(same["bitspike_repeated"], same["spikingjelly"])
    del same
    made = fastest(net, T, bf16, batch, device)
    began = time.perf_counter()
    names = list(made)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(-2, rounds):  # two to warm up
        gc.collect()
        for index in range(len(names)):
            name = names[(index + turn) % len(names)]
            taken = made[name].step()
            if turn >= 0:
                times[name].append(taken)
        if turn + 1 >= LEAST_ROUNDS and time.perf_counter() - began > MOST_SECONDS:
            break
    total = {name: [sum(pair) for pair in pairs] for name, pairs in times.items()}
    without = {name: [compute for compute, _ in pairs] for name, pairs in times.items()}

    def ratio(times: dict[str, list[float]], name: str, to: str, steps: int = 1) -> dict[str, float]:
        return spread(a / (steps * b) for a, b in zip(times[name], times[to], strict=True))

    return {
        "net": net,
        "T": T,
        "precision": precision,
        "logits_equal_spikingjelly": equal,
        "rounds": len(times[names[0]]),
        "orders": {name: made[name].order for name in names},
        "milliseconds": {name: round(statistics.median(total[name]), 3) for name in names},
        "ratio_to_ann_x_T": {name: ratio(total, name, "ann", T) for name in SPIKING},
        "ratio_to_ann_x_T_without_optimizer": {name: ratio(without, name, "ann", T) for name in SPIKING},
        "ratio_to_spikingjelly": {name: ratio(total, name, "spikingjelly") for name in made if "bitspike" in name},
    }


def pin(cores: str) -> int:
    """Keeps this process and torch to the cores named; returns how many they are."""
    try:
        chosen = {int(core) for core in cores.split(",")}
        os.sched_setaffinity(0, chosen)
    except (ValueError, OSError, AttributeError):
        raise UserError("--cores", cores, "want cores of this machine (Linux), for example 0 or 0,1") from None
    torch.set_num_threads(len(chosen))
    return len(chosen)


def run(
    net: Annotated[list[str] | None, typer.Option(help="Networks, by registry name.")] = None,
    steps: Annotated[list[int] | None, typer.Option(help="Time steps T.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="float32, bf16 (autocast).")] = None,
    batch: Annotated[int, typer.Option(min=2, help="Images in a batch.")] = 32,
    rounds: Annotated[int, typer.Option(min=2, help="At most; in each every contender takes one turn.")] = 15,
    cores: Annotated[str, typer.Option(help="Cores to stay on, for example 0 or 0,1.")] = "0",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Times a training step of bitspike, SpikingJelly and the same-shaped ANN, alternating."""
    net, precision = net or ["convnet", "resnet8-thin", "vgg9", "resnet18"], precision or ["float32", "bf16"]
    for name in net:
        if name not in MODELS:
            raise UserError("--net", name, closest(name, MODELS))
    for name in precision:
        if name not in ("float32", "bf16"):
            raise UserError("--precision", name, "known: bf16, float32")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UserError("--device", device, "want cpu, or cuda where there is a GPU")
    require("spikingjelly.activation_based", "peers")
    threads = pin(cores)
    result: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/train_step.py", *sys.argv[1:]]),
        "machine": machine_class(),
        "versions": {
            "bitspike": __version__,
            "spikingjelly": metadata.version("spikingjelly"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "threads": threads,
        "batch": batch,
        "image": IMAGE,
        "rounds": rounds,
        "neuron": f"LIF, tau {TAU}, hard reset, detach_reset, ATan",
        "cases": [],
    }
    table = Table("net", "T", "precision", "ANN ms", *SPIKING.values())
    table.title = f"Time of a training step over T x ANN's: median (quartiles) of up to {rounds} rounds"
    for case_net in net:
        for case_precision in precision:
            for T in steps or [1, 2, 4]:
                case = measure(case_net, T, case_precision, batch, rounds, device)
                result["cases"].append(case)
                ratios = [case["ratio_to_ann_x_T"][name] for name in SPIKING]
                cells = ["{median:.2f}\n{q1:.2f}-{q3:.2f}".format(**ratio) for ratio in ratios]
                table.add_row(case_net, str(T), case_precision, f"{case['milliseconds']['ann']:.1f}", *cells)
    where = out or Path(f"results/benchmarks/train_step{'' if device == 'cpu' else '_' + device}.json")
    write_json(where, result)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        Console().print(table)


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(run)
    try:
        command()
    except UserError as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(2)
