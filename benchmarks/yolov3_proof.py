"""YOLOv3 at its published size: what it costs, from shapes alone; and, converted, whether its integers are equal.

Nobody's weights are needed. Those of the proof are random; batch norms take mean and variance of the images, so that
spikes are sent in every layer. The spiking network and its quantized one run side by side, op by op, through the
oracle: of every neuron the spikes of all steps must add up to the quantized level, and every integer of the three maps
must be the same. Only edges that are still read stay in memory. Images that are in the file already are not run again.
"""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import command, commit, processor
from numpy.typing import NDArray
from torch import nn

from bitspike.backends import oracle
from bitspike.bits import BitPlan, Bits
from bitspike.conversion import Converted, convert
from bitspike.conversion.equilibrium import quantized, release_of
from bitspike.costs import cost
from bitspike.files import write_json
from bitspike.ir import Fire, FrozenGraph, Readout
from bitspike.models import build_model, morph
from bitspike.neurons import QReLUSettings
from bitspike.recipes import recipe
from bitspike.training.setup import graph_of, make_model

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "conversion" / "yolov3-416.json"
RECIPE = "spikezip-yolov3-coco"

app = typer.Typer(add_completion=False)
Out = Annotated[Path, typer.Option(help="File to write; what it has of the other command stays.")]


@app.command()
def costs(out: Out = RESULTS) -> None:
    """Lowers and costs paper 003's network of ReLUs for COCO from the meta device, three times; the slowest counts."""
    config, seconds = recipe(f"{RECIPE}-ann"), []
    for _ in range(3):
        start = time.perf_counter()
        with torch.device("meta"):
            model = make_model(config)
            graph = graph_of(config, model)
        total = cost(graph, "exact").total
        seconds.append(round(time.perf_counter() - start, 3))
    found = {
        "recipe": config.recipe,
        "seconds": max(seconds),
        "parameters": total.params,
        "macs": total.macs,
        "outputs": [list(edge.shape) for edge in graph.outputs],
    }
    _add(out, "costs", found)


@app.command()
def proof(
    images: Annotated[int, typer.Option(min=1, help="How many.")] = 4,
    levels: Annotated[int, typer.Option(min=1, help="Of every neuron.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="That are run; the last must be silent.")] = 24,
    size: Annotated[int, typer.Option(min=32, help="Pixels of a side.")] = 416,
    out: Out = RESULTS,
) -> None:
    """Converts it with random weights, and compares it with the quantized network, integer for integer."""
    start = time.perf_counter()
    made = converted(size, levels, steps)
    about = {"size": size, "levels": levels, "T": steps, "bound": made.bound, **described(made)}
    typer.echo(f"converted in {time.perf_counter() - start:.0f} s")
    before = json.loads(out.read_text()).get("proof", {}) if out.exists() else {}
    rows = before["images"] if all(before.get(key) == value for key, value in about.items()) else []
    whole = quantized(made.net, made.levels)
    for index in range(len(rows), images):
        rows.append(compared(made.net, whole, noise(size, index)))
        gibibytes = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
        verdict = {key: all(row[key] for row in rows) for key in ("equal", "settled")}
        _add(out, "proof", {**about, **verdict, "gibibytes": gibibytes, "images": rows})


def converted(size: int, levels: int, steps: int, channels: tuple[int, ...] | None = None) -> Converted:
    """The network with random weights, which has seen two images, for that many steps."""
    torch.manual_seed(0)
    plan, neuron = BitPlan(Bits(8, levels.bit_length(), 1)), QReLUSettings(levels=levels)
    shape = (3, size, size)
    model = morph(build_model("yolov3", plan, sample=shape, num_classes=80, neuron=neuron, channels=channels))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what it has seen, so that spikes are sent in every layer
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.normal_(module.bias, 0.3)
    with torch.no_grad():
        model(torch.from_numpy(np.concatenate([noise(size, 0), noise(size, 1)])))
    return convert(model, shape, T=steps, name="yolov3")


def noise(size: int, seed: int) -> NDArray[np.uint8]:
    """An image ``[1, 3, size, size]`` of fine and coarse grain."""
    draws = torch.Generator().manual_seed(seed)
    grains = [torch.rand(1, 3, size // side, size // side, generator=draws) for side in (1, 8, 32)]
    mixed = torch.stack([nn.functional.interpolate(grain, size=(size, size)) for grain in grains]).mean(0)
    return (255 * mixed).to(torch.uint8).numpy()


def described(made: Converted) -> dict[str, Any]:
    """Its size, and what tells it from another network."""
    named = made.qann.named_parameters()
    parameters = sum(values.numel() for name, values in named if not name.endswith(("step_size", ".step")))
    content = hashlib.sha256()
    for name in sorted(made.net.tensors):
        content.update(made.net.tensors[name].tobytes())
    return {"parameters": parameters, "neurons": _neurons(made.net), "sha256": content.hexdigest()}


def compared(net: FrozenGraph, whole: FrozenGraph, image: NDArray[np.uint8]) -> dict[str, Any]:
    """The spiking network beside its quantized one on an image ``[1, 3, H, W]``: integers that are not the same."""
    start = time.perf_counter()
    last_read = {name: node.name for node in net.graph.nodes for name in node.inputs}
    edges: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    found = dict.fromkeys(("levels", "levels_unequal", "integers", "integers_unequal", "spikes", "settled_at"), 0)
    for node, other in zip(net.graph.nodes, whole.graph.nodes, strict=True):
        given = [edges[name] for name in node.inputs]
        ours = oracle.step(net, node, image, *(pair[0] for pair in given))
        theirs = oracle.step(whole, other, image, *(pair[1] for pair in given))
        edges[node.name] = ours, theirs
        if isinstance(node, Fire | Readout):
            kind = "levels" if isinstance(node, Fire) else "integers"
            unequal = ours.sum(0, dtype=np.int64) != theirs.sum(0, dtype=np.int64)
            found[kind] += unequal.size
            found[f"{kind}_unequal"] += int(np.count_nonzero(unequal))
        if isinstance(node, Fire):
            active = ours.reshape(len(ours), -1).any(1)
            found["spikes"] += int(np.abs(ours).sum(dtype=np.int64))
            found["settled_at"] = max(found["settled_at"], int(np.flatnonzero(active).max(initial=-1)) + 1)
        for name in node.inputs:
            if last_read[name] == node.name:
                edges.pop(name, None)
    return {
        "equal": not found["levels_unequal"] and not found["integers_unequal"],
        "settled": found["settled_at"] < release_of(net).T,
        **found,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _neurons(net: FrozenGraph) -> int:
    return sum(net.graph.edges[node.name].size for node in net.graph.neurons())


def _add(out: Path, part: str, found: Mapping[str, Any]) -> None:
    """Writes a part of the file, and says it."""
    content = json.loads(out.read_text()) if out.exists() else {}
    made = {"command": command(__file__), "commit": commit(HERE), "processor": processor()["model"]}
    write_json(out, {**content, part: {**found, **made}})
    typer.echo(json.dumps(found))


if __name__ == "__main__":
    app()
