"""C that computes its sums in as many bytes as it is given: the oracle's integers, and what RAM it takes then."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from random_graphs import differences, family, images, random_graph

import bitspike
from bitspike.backends import backend, c, oracle
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

SCRATCH = (0, 97, 600, 5000, 1 << 20)

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")


def apart(net: FrozenGraph, scratch: int, seed: int = 0) -> dict[str, int]:
    shown = images(net, seed)
    return differences(net, oracle.run(net, shown), *c.traced(net, shown, ["gcc"], "-O2", scratch=scratch))


@pytest.mark.parametrize("scratch", SCRATCH)
@pytest.mark.parametrize("bits", ["1/1/2", "4/4/1", "8/8/2"])
def test_integers_do_not_depend_on_it(bits: str, scratch: int) -> None:
    assert not apart(family("convnet", bits, image=(3, 12, 12)), scratch)


@pytest.mark.parametrize("scratch", SCRATCH)
def test_nor_do_those_of_random_networks(scratch: int) -> None:
    for seed in range(4):
        assert not apart(random_graph(seed), scratch, seed), f"random_graph({seed})"


def test_ram_grows_by_what_is_given_at_most() -> None:
    net = family("convnet", "4/4/1", image=(3, 24, 24))
    takes = {scratch: c.to_c(net, scratch=scratch).ram_bytes for scratch in (0, *range(500, 20_000, 500))}
    assert all(less <= more for less, more in pairwise(takes.values()))
    room = {scratch: ram - takes[0] for scratch, ram in takes.items()}
    assert all(room[scratch] <= scratch for scratch in room)
    assert room[19_500] > 2_000  # it is used


def test_what_is_no_number_of_bytes_is_refused(tmp_path: Path) -> None:
    for wrong in (-1, 1 << 40, True, "4096", 0.5):
        with pytest.raises(UserError, match=r"scratch: got .*; want 0 to 1,073,741,824 bytes"):
            backend("c", scratch=wrong)
    net = family("convnet", "4/4/1")
    with pytest.raises(UserError, match="--scratch: got 4096; it is for --to c"):
        bitspike.export(net, "onnx", tmp_path / "made", scratch=4096)
    assert not (tmp_path / "made").exists()
    facts = [bitspike.export(net, "c", tmp_path, scratch=size).facts["ram_bytes_of_data"] for size in (0, 1 << 16)]
    assert facts[0] < facts[1]
