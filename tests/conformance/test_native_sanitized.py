"""Networks by the C library with sanitizers in it: nothing is read or written but what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from library import ROOT, built, sanitizes

from bitspike.native import Level, detected

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
LEVELS = [one.name for one in Level if one == Level.scalar or one <= detected() < Level.neon]
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PROGRAM = """
import sys
from pathlib import Path

from bitspike import native

native.FILE = Path(sys.argv[1])

import numpy as np
from random_graphs import differences, family, images, random_graph

from bitspike.backends import oracle
from bitspike.backends.native import Native, choose, plan

assert native.library() is not None
draw, whole = np.random.default_rng(0), plan._Packer.plan
plan._Packer.plan = lambda self, near: whole(self, near // int(draw.choice([1, 500, near])))
plan.LEAST_WORK = 0
choose.fastest = lambda candidates, *_: str(draw.choice(list(candidates)))
if len(sys.argv) > 2:  # planted
    placed = plan.place
    plan.place = lambda lives, batch: (placed(lives, batch)[0], 0)
nets = [random_graph(seed) for seed in range(60)] + [family(name, "2/3/2") for name in ("convnet", "resnet8-thin")]
for number, net in enumerate(nets):
    shown = images(net, number)
    found = differences(net, oracle.run(net, shown), *Native(2).trace(net, shown))
    assert not found, f"network {number}: {found}"
    for count in (1, len(shown)):
        assert np.array_equal(Native(2).run(net, shown[:count]), oracle.logits(net, shown[:count])), number
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not sanitizes("cc"):
        pytest.skip("no sanitizers")
    return built(tmp_path_factory.mktemp("sanitized"), "cc", flags=FLAGS)


def _named(name: str) -> str:
    """Where the compiler has a library."""
    said = subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def ran(library: Path, level: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with that library in place of the package's; what the sanitizers need comes first."""
    first = " ".join(_named(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so.6"))
    paths = os.pathsep.join([str(HERE), str(ROOT / "src"), *sys.path])
    variables = {"BITSPIKE_CPU": level, "PYTHONPATH": paths, "XDG_CACHE_HOME": str(library.parent), "LD_PRELOAD": first}
    variables["ASAN_OPTIONS"] = "detect_leaks=0"  # Python keeps what it has until its end
    command = [sys.executable, "-c", PROGRAM, str(library), *more]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("level", LEVELS)
def test_networks_are_the_oracle(library: Path, level: str) -> None:
    done = ran(library, level)
    assert done.returncode == 0, done.stderr[-4000:]


def test_an_arena_without_room_is_found(library: Path) -> None:
    done = ran(library, "scalar", "planted")
    assert "ERROR: AddressSanitizer: heap-" in done.stderr
