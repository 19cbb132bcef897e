"""The counts of benchmarks/cortex_m.py: all of an image is in its layers, twice the work is twice the count."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from cortex_m import inside, measured, with_laps
from random_graphs import family, images

from bitspike.backends import c

pytestmark = pytest.mark.arm


def test_layers_make_up_the_image() -> None:
    if not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")):
        pytest.skip("no Cortex-M compiler and emulator")
    found = [measured("convnet", net, images(net)[0], "-O2") for net in (family("convnet", f"2/2/{T}") for T in (2, 4))]
    for row in found:
        assert sum(layer["instructions"] for layer in row["layers"]) == pytest.approx(row["instructions"], rel=0.02)
        assert sum(layer["macs"] for layer in row["layers"]) == row["macs"]
        assert 0 < max(layer["stack_bytes"] for layer in row["layers"]) <= row["stack_bytes"] < 2048
    few, many = found
    assert 1.3 < many["instructions"] / few["instructions"] < 2.1


def test_every_layer_is_noted_once() -> None:
    net = family("resnet8-thin", "2/2/1")
    text, named = with_laps(c.to_c(net).files["network.c"])
    assert text.count("    note();") == len(named) > 3
    ops = [op for number in named for op in inside(net, number, named)]
    assert ops == [node.name for node in net.graph.nodes]
