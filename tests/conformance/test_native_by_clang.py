"""The C library by clang: warning-free, and the oracle at every level; neurons are torch's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from library import ROOT, built

from bitspike.native import Level, detected

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
LEVELS = [one.name for one in Level if one == Level.scalar or one <= detected() < Level.neon]
PROGRAM = """
import sys
from pathlib import Path

from bitspike import native

native.FILE = Path(sys.argv[1])

import numpy as np
import torch
from random_graphs import differences, images, random_graph
from test_fused_learned import NODES, differences as of_neurons, random

from bitspike.backends import oracle
from bitspike.backends.native import Native

assert native.library() is not None
planted = len(sys.argv) > 2
for seed in range(60):
    net, shown = random_graph(seed), images(random_graph(seed), seed)
    wanted = oracle.run(net, shown)
    if planted:
        wanted[net.graph.nodes[-1].name] = wanted[net.graph.nodes[-1].name] + 1
    found = differences(net, wanted, *Native(2).trace(net, shown))
    assert not found, f"random_graph({seed}): {found}"
for name, make in NODES.items():
    assert of_neurons(make(4), random(4, 300), random(4, 300, seed=1)) == [], name
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("clang"), "clang")


def ran(library: Path, level: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that has that library in place of the package's."""
    paths = [str(HERE), str(ROOT / "tests" / "unit" / "neurons"), *sys.path]
    own = {"BITSPIKE_CPU": level, "PYTHONPATH": os.pathsep.join(paths), "XDG_CACHE_HOME": str(library.parent)}
    command = [sys.executable, "-c", PROGRAM, str(library), *more]
    return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("level", LEVELS)
def test_networks_are_the_oracle_and_neurons_are_torch(library: Path, level: str) -> None:
    done = ran(library, level)
    assert done.returncode == 0, done.stderr


def test_a_wrong_logit_is_found(library: Path) -> None:
    done = ran(library, "scalar", "planted")
    assert "AssertionError: random_graph(0)" in done.stderr
