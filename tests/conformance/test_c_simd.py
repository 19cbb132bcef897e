"""The SIMD header beside an exported network: the oracle's integers by each instruction set.

NEON runs in an emulator, where there is one.
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from library import EMULATOR
from numpy.typing import NDArray
from random_graphs import FAMILIES, differences, family, images, random_graph

from bitspike.backends import c, oracle
from bitspike.backends.c import build
from bitspike.ir import Dynamics, Edge, Fire, FrozenGraph, Graph, Input, Linear, Readout, Reshape

AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_vpopcntdq")
SETS = {
    "avx2": (("avx2",), ("gcc", "-O2", "-mavx2")),
    "avx2 sanitized": (
        ("avx2",),
        ("gcc", "-O1", "-mavx2", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    ),
    "avx_vnni": (("avx_vnni",), ("gcc", "-O2", "-mavx2", "-mavxvnni")),
    "avx512": (AVX512, ("gcc", "-O2", "-mavx2", *(f"-m{name.replace('_', '')}" for name in AVX512))),
    "portable": (("avx2",), ("gcc", "-O3", "-mavx2", "-DNETWORK_PORTABLE")),
    "neon": ((), ("aarch64-linux-gnu-gcc", "-O2", "-static")),
}
LONG = {  # levels, bits of a weight, weights: a black image sends the lowest levels, a white one the highest
    "long": ((0, 1), 1, np.full((16, 1280), -1)),  # of a black image every bit is counted
    "long 4/4": ((0, 15), 4, np.random.default_rng(0).integers(-7, 8, (16, 16384))),
    "long 6/6": ((0, 63), 6, np.full((16, 16384), -31)),  # sums of two products fit into 16 bits 8 times,
    "long 8/7": ((0, 127), 8, np.full((16, 16384), 127)),  # once,
    "long 8/8": ((0, 255), 8, np.full((16, 16384), -127)),  # not at all
    "long signed": ((-128, 127), 8, np.random.default_rng(0).integers(-127, 128, (16, 16384))),
}
BITS = (*LONG, "1/1/2", "2/2/1", "2/4/2", "3/2/1", "4/4/1", "4/4/1 large", "8/8/1")
"""Of large images, many windows are multiplied at a time."""
WIDE = (20, 32, 48)
"""Channels: whole blocks of 16, and one that is left over."""


def command(name: str) -> tuple[list[str], list[str]]:
    """The compiler with its flags, and what runs its programs here."""
    wanted, cc = SETS[name]
    info = Path("/proc/cpuinfo")
    has = set(info.read_text().split()) if info.exists() else set()
    if not shutil.which(cc[0]) or not has.issuperset(wanted):
        pytest.skip(f"no {cc[0]} or no {name}")
    if name != "neon" or platform.machine() == "aarch64":
        return list(cc), []
    if not shutil.which(EMULATOR):
        pytest.skip(f"no {EMULATOR}")
    return list(cc), [EMULATOR]


@cache
def wide(bits: str) -> FrozenGraph:
    if bits in LONG:
        return long(*LONG[bits])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, "convnet", WIDE)
        bits, _, size = bits.partition(" ")
        return family("convnet", bits, image=(3, 24, 24) if size else (3, 8, 8))


def long(levels: tuple[int, int], weight_bits: int, weights: NDArray[np.int64]) -> FrozenGraph:
    """A sum of more spikes than narrow networks have at once."""
    (lo, hi), inputs = levels, weights.shape[1]
    pixels = {"lo": -128, "hi": 127} if lo else {"lo": 0, "hi": 255}
    dynamics = Dynamics(fraction_bits=0, leak_multiplier=1, leak_shift=0, v_reset=None)
    nodes = (
        Input(name="image", inputs=(), edge=Edge(shape=(1, 32, inputs // 32), T=1, **pixels, scale=1.0)),
        Reshape(name="flat", inputs=("image",), shape=(inputs,)),
        Fire(name="spikes", inputs=("flat",), T=1, lo=lo, hi=hi, dynamics=dynamics),
        Linear(name="sum", inputs=("spikes",), out_channels=16, weight_bits=weight_bits),
        Readout(name="logits", inputs=("sum",)),
    )
    return FrozenGraph(Graph("long", nodes), {"sum.weight": weights})


def found(net: FrozenGraph, name: str, seed: int = 0) -> dict[str, int]:
    (cc, *flags), emulator = command(name)
    shown = images(net, seed)
    return differences(net, oracle.run(net, shown), *c.traced(net, shown, [cc], *flags, emulator=emulator))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", SETS)
def test_wide_networks_are_equal(name: str, bits: str) -> None:
    assert not found(wide(bits), name)


@pytest.mark.parametrize("name", SETS)
def test_random_networks_are_equal(name: str) -> None:
    for seed in range(12):
        assert not found(random_graph(seed), name, seed), f"random_graph({seed})"


MUTANTS = [
    ("avx2", "1/1/2", "_mm256_slli_epi16(codes, 7 - b)", "_mm256_slli_epi16(codes, 6 - b)"),
    ("avx2", "long", "words - k < 31 ? words : k + 31", "words"),
    ("avx2", "2/2/1", "_mm256_and_si256(x, network_32_bytes(weights + 8))", "network_32_bytes(weights + 8)"),
    ("avx2", "long 4/4", "_mm256_add_epi16(twos[w][r]", "_mm256_add_epi16(twos[w][0]"),
    ("avx2", "long 6/6", "(count - i) / 32 < FIT", "(count - i) / 32 < 2 * FIT"),
    ("avx2", "4/4/1", "_mm_mullo_epi32(row,", "_mm_mullo_epi32(_mm_abs_epi32(row),"),
    ("avx2", "4/4/1 large", "windows -= 2, x += 2 * apart", "windows -= 2, x += apart"),
    ("avx2", "8/8/1", "network_add_8(sum[w][r]", "network_add_8(sum[w][0]"),
    ("avx512", "2/2/1", "_mm512_xor_si512(there, below)", "there"),
    ("avx512", "long 4/4", "DPBUSD(SUMS[w][r]", "DPBUSD(SUMS[w][0]"),
    ("avx512", "long signed", "_mm512_sub_epi32(wide[w][r], raised[r])", "wide[w][r]"),
    ("avx_vnni", "long 4/4", "DPBUSD(SUMS[w][r]", "DPBUSD(SUMS[w][0]"),
    ("avx_vnni", "long signed", "_mm256_sub_epi32(sum[w][r], raised[r])", "sum[w][r]"),
    ("neon", "1/1/2", "vcntq_u8(vreinterpretq_u8_u32(m))", "vreinterpretq_u8_u32(m)"),
    ("neon", "4/4/1", "vget_high_s16(levels[w])", "vget_low_s16(levels[w])"),
]


@pytest.mark.parametrize(("name", "bits", "text", "wrong"), MUTANTS, ids=[text for _, _, text, _ in MUTANTS])
def test_an_error_in_the_header_is_found(
    name: str, bits: str, text: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mutated(net: FrozenGraph, **_: object) -> c.Program:
        program = c.to_c(net)
        header = program.files["network_simd.h"]
        assert text in header
        return replace(program, files={**program.files, "network_simd.h": header.replace(text, wrong)})

    monkeypatch.setattr(build, "to_c", mutated)
    monkeypatch.setitem(SETS, name, (SETS[name][0], (*SETS[name][1], "-Wno-error")))
    assert found(wide(bits), name)
