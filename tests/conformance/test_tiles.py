"""The level `amx` on a model of the tile unit (tiles/model.h): its kernels, networks, faults, and what refuses it.

The library is built with the model in place of the unit, and runs in processes of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from library import ROOT, built, sanitizes
from random_graphs import family

from bitspike.ir import save
from bitspike.native import Level, detected

pytestmark = pytest.mark.skipif(
    not Level.avx512 <= detected() <= Level.amx, reason="no AVX-512, which the level includes"
)
HERE = Path(__file__).parent
MODEL = HERE / "tiles" / "model.h"
ERRORS = range(1, 6)
"""Those that the model can have."""
REPLACED = """
import sys
from pathlib import Path

from bitspike import native

native.FILE = Path(sys.argv[1])
"""
NETWORKS = """
import numpy as np
from random_graphs import differences, family, images, random_graph

from bitspike.backends import oracle
from bitspike.backends.native import Native, choose, plan

assert native.detected() == native.Level.amx
used, draw = set(), np.random.default_rng(0)


def on_tiles(candidates, *_):
    name = str(draw.choice([name for name in candidates if "_amx:" in name]))
    used.add(name.split(":")[0])
    return name


choose.fastest, choose.tiles_are_whole = on_tiles, lambda: True
nets = {f"random_graph({seed})": random_graph(seed) for seed in range(int(sys.argv[2]), int(sys.argv[3]))}
nets |= {name: family(name, "2/2/2", seed=1) for name in sys.argv[4:]}
for turn, (name, net) in enumerate(nets.items()):
    plan.MOST_AHEAD = (8, 3)[turn % 2]  # steps at once: all, and some of them
    shown = images(net)
    found = differences(net, oracle.run(net, shown), *Native(2).trace(net, shown))
    assert not found, f"{name}: {found}"
    assert np.array_equal(Native(1).run(net, shown[:1]), oracle.logits(net, shown[:1])), f"{name}: an image alone"
assert used == {"dot_amx", "joined_amx", "dot4_amx"}, used
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("tiles"), "cc", flags=("-O1", f'-DBS_TILES="{MODEL}"'))


def ran(library: Path, program: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that has that library in place of the package's."""
    own = {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "XDG_CACHE_HOME": str(library.parent), **variables}
    command = [sys.executable, "-c", REPLACED + program, str(library), *words]
    return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def test_kernels_give_the_sums(library: Path) -> None:
    tests = ROOT / "tests" / "unit" / "native" / "test_kernels.py"
    words = ["-qx", "-p", "no:cacheprovider", "-k", "_amx or level or peak", str(tests)]
    done = ran(library, "import pytest; sys.exit(pytest.main(sys.argv[2:]))", *words)
    assert done.returncode == 0, done.stdout
    assert "26 passed" in done.stdout


def test_networks_are_the_oracle(library: Path) -> None:
    done = ran(library, NETWORKS, "0", "30", "convnet")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 300, 50))
def test_all_networks_are_the_oracle(library: Path, first: int) -> None:
    done = ran(library, NETWORKS, str(first), str(first + 50), "convnet", "resnet8-thin", "sew-resnet18")
    assert done.returncode == 0, done.stderr


# What is refused


@pytest.fixture(scope="module")
def command(library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words of `evaluate` of a small network."""
    net = replace(family("convnet", "1/1/1", image=(1, 8, 8), num_classes=10), dataset="digits")
    file = tmp_path_factory.mktemp("net") / "net.bitspike"
    save(net, file)
    return ["evaluate", str(file), "--engine", "native"]


COMMAND = "from bitspike.cli import main; del sys.argv[1]; main()"


def test_tiles_that_are_right_need_no_words(library: Path, command: list[str]) -> None:
    done = ran(library, COMMAND, *command, BITSPIKE_CPU="amx")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("error", ERRORS)
def test_a_unit_that_is_wrong_is_not_used(library: Path, error: int) -> None:
    done = ran(library, "print(native.detected().name, native.detected().name)", TILE_MODEL=str(error))
    assert done.stdout == "avx512 avx512\n"
    assert done.stderr.count("UserWarning: amx is not used, sums by tiles are not those of plain C: avx512") == 1


@pytest.mark.parametrize(("said", "why"), [("1", "sums by tiles are not those of plain C"),
                                           ("denies", "the system does not give tiles to this process")])  # fmt: skip
def test_a_command_says_so_in_one_line(library: Path, command: list[str], said: str, why: str) -> None:
    right, done = ran(library, COMMAND, *command), ran(library, COMMAND, *command, TILE_MODEL=said)
    assert done.stderr == f"bitspike: amx is not used, {why}: avx512 runs instead, as exact\n"
    assert (done.returncode, done.stdout) == (0, right.stdout)
    forced = ran(library, COMMAND, *command, TILE_MODEL=said, BITSPIKE_CPU="amx")
    assert forced.returncode == 2
    assert forced.stderr.splitlines()[1:] == [
        "bitspike: BITSPIKE_CPU: got 'amx'; want one of scalar, avx2, avx512, which this processor has"
    ]


def test_the_model_faults_where_the_unit_does(tmp_path: Path) -> None:
    flags = ["-fsanitize=address,undefined"] if sanitizes("cc") else []
    command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *flags, f"-I{ROOT / 'csrc'}", f'-DBS_TILES="{MODEL}"']
    subprocess.run([*command, HERE / "tiles" / "faults.c", "-o", tmp_path / "faults"], check=True)
    done = subprocess.run([tmp_path / "faults"], capture_output=True, text=True, check=True)
    *refused, last = done.stdout.splitlines()
    assert len(refused) == 19
    assert "nothing was refused" not in refused
    assert last == "nothing was refused"  # of tiles of fewer rows, which are right


@pytest.mark.slow
def test_the_kernels_read_and_write_nothing_else(tmp_path: Path) -> None:
    """By the harness of ARM's kernels, sanitized."""
    if not sanitizes("cc"):
        pytest.skip("no sanitizers")
    flags = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f'-DBS_TILES="{MODEL}"')
    library = built(tmp_path, "cc", flags=flags)
    source, main = HERE / "neon" / "kernels.c", tmp_path / "kernels"
    command = ["cc", "-std=gnu11", *flags, f"-I{ROOT / 'csrc'}", source, library, f"-Wl,-rpath,{tmp_path}", "-o", main]
    subprocess.run(command, check=True)
    done = subprocess.run([main], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"joined_amx", "dot4_amx"} <= set(done.stdout.split())
