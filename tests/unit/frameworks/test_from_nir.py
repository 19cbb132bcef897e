"""A plain NIR file as a network of the house: what its nodes compute, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bitspike
from bitspike import UserError
from bitspike.lowering import freeze
from bitspike.neurons import LeakyNode
from bitspike.quant import quantize_weights

nir = pytest.importorskip("nir")
DT = 1e-4


def neurons(shape: tuple[int, ...], tau: float | None, threshold: float = 0.5, **more: float) -> Any:
    full = np.ones(shape)
    how = {"v_threshold": full * threshold, "v_reset": full * more.get("v_reset", 0.0)}
    if tau is None:
        return nir.IF(r=full * more.get("r", 1 / DT), **how)
    return nir.LIF(tau=full * tau, r=full * more.get("r", tau / DT), v_leak=full * more.get("v_leak", 0.0), **how)


def written(path: Path, *nodes: Any) -> Path:
    whole = [nir.Input(np.array([1, 6, 6])), *nodes, nir.Output(np.array([3]))]
    names = [f"{type(node).__name__.lower()}.{index}" for index, node in enumerate(whole)]
    edges = [*pairwise(names)]
    nir.write(path, nir.NIRGraph(dict(zip(names, whole, strict=True)), edges, type_check=False))
    return path


def usual(first: Any, second: Any) -> list[Any]:
    draw = np.random.default_rng(0)
    conv = nir.Conv2d((6, 6), draw.normal(0.2, 0.5, (4, 1, 3, 3)), 1, (1, 1), 1, 1, draw.normal(0, 0.1, 4))
    pool = nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    return [conv, first, pool, nir.Flatten(np.array([4, 3, 3]), 0), nir.Linear(draw.normal(0.05, 0.3, (3, 36))), second]


def test_it_computes_what_the_nodes_say(tmp_path: Path) -> None:
    nodes = usual(neurons((4, 6, 6), 5e-4), neurons((3,), None, 0.75))
    net = bitspike.adopt(written(tmp_path / "net.nir", *nodes), T=4)
    pixels = torch.randint(0, 256, (20, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    v1, v2, sent = torch.zeros(20, 4, 6, 6), torch.zeros(20, 3), []
    conv, linear = nodes[0], nodes[4]
    weight, bias = (torch.tensor(part, dtype=torch.float32) for part in (conv.weight, conv.bias))
    for _ in range(4):
        v1 = 0.8 * v1 + nn.functional.conv2d(pixels / 255, weight, bias, padding=1)
        s1 = (v1 > 0.5).float()
        v1 = v1 * (1 - s1)
        x = nn.functional.avg_pool2d(s1, 2).flatten(1) @ torch.tensor(linear.weight, dtype=torch.float32).T
        v2 = v2 + x
        sent.append((v2 > 0.75).float())
        v2 = v2 * (1 - sent[-1])
    made = net(pixels)
    assert (made != torch.stack(sent)).float().mean() < 0.01
    assert 0.05 < made.mean() < 0.95
    assert freeze(quantize_weights(net, 4), (1, 6, 6)).readout is not None


def test_gains_go_into_the_threshold(tmp_path: Path) -> None:
    nodes = usual(neurons((4, 6, 6), 5e-4, r=1.0), neurons((3,), None, r=2 / DT))
    net = bitspike.adopt(written(tmp_path / "net.nir", *nodes), T=4)
    first, second = (part for part in net.modules() if isinstance(part, LeakyNode))
    assert first.staircase.v_threshold == pytest.approx(2.5)  # a step takes a fifth of the current
    assert second.staircase.v_threshold == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (lambda: neurons((3,), None, r=1.0), "want r = 1/0.0001"),
        (lambda: neurons((3,), 5e-4, v_reset=-0.5), "v_reset"),
        (lambda: neurons((3,), 5e-4, v_leak=0.25), "v_leak"),
        (lambda: neurons((3,), 5e-5), "tau"),
        (lambda: nir.LI(np.ones(3), np.ones(3), np.zeros(3)), "LI of NIR is not taken in"),
        (lambda: nir.IF(np.ones(3) / DT, np.arange(3) + 1.0), "3 numbers"),
    ],
)
def test_what_has_no_counterpart_is_refused(node: Any, says: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.nir", *usual(neurons((4, 6, 6), 5e-4), node()))
    with pytest.raises(UserError, match=says):
        bitspike.adopt(path, T=2)


def test_steps_and_files_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "net.nir", *usual(neurons((4, 6, 6), 5e-4), neurons((3,), None)))
    with pytest.raises(UserError, match="T="):
        bitspike.adopt(path)
    with pytest.raises(UserError, match="not a NIR file"):
        bitspike.adopt(tmp_path / "none.nir", T=2)
    graph = nir.read(path, type_check=False)
    graph.edges.append(("conv2d.1", "linear.5"))
    nir.write(path, graph)
    with pytest.raises(UserError, match="in a row"):
        bitspike.adopt(path, T=2)
