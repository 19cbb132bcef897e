"""Every kernel gives the sums that NumPy's 64-bit integers give, at each of its edges."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.native import Level, detected, library, peaks
from bitspike.native.kernels import SLACK, Kernel, Layer, aligned, kernels, runs_at
from bitspike.native.peaks import PEAKS, peak, tiles_are_whole

pytestmark = pytest.mark.skipif(library() is None, reason="no C library")
WEIGHTS = [(-1, 1), (0, 1), (-2, 1), (-3, 3), (-7, 7), (-8, 7), (0, 0), (-64, 63), (-127, 127), (-128, 127), (0, 127)]
CODES = [0, 1, 2, 3, 7, 8, 15, 63, 127, 200, 255]
EVERY = kernels(detected())


@dataclass
class Case:
    """A layer and all that its sums are made of."""

    layer: Layer
    codes: npt.NDArray[np.uint8]
    cells: int
    bases: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int8]
    initial: npt.NDArray[np.int32]

    def sums(self) -> npt.NDArray[np.int32]:
        """By definition, modulo 2^32."""
        layer = self.layer
        at = (self.bases[:, None].astype(np.int64) + np.array(layer.offsets)) * layer.cell
        read = self.codes[at[..., None] + np.arange(layer.channels)].astype(np.int64)
        wide = np.einsum("pec,oec->po", read, self.weights.astype(np.int64)) + self.initial
        return wide.astype(np.uint64).astype(np.uint32).view(np.int32)

    def by(self, kernel: Kernel) -> npt.NDArray[np.int32]:
        return kernel.pack(self.layer, self.weights, self.initial).sums(self.codes, self.cells, self.bases)


def case(
    rng: np.random.Generator,
    layer: Layer,
    count: int,
    how: str = "any",
    bases: npt.NDArray[np.int32] | None = None,
) -> Case:
    """Random codes and weights of a layer, or those of the largest size or of size 1; what no sum may read is noise.

    Positions lie anyhow, if they are not given.
    """
    if bases is None:
        bases = rng.integers(0, 2 * count, count, np.int32)
    cells = max(layer.offsets) + int(bases.max(initial=0)) + 1
    size = (cells - 1) * layer.cell + max(layer.cell, layer.channels)
    lo, hi = layer.weights
    weights = rng.integers(lo, hi, (layer.out_channels, len(layer.offsets), layer.channels), np.int8, endpoint=True)
    codes = aligned(size + SLACK)
    codes[:] = rng.integers(0, 255, len(codes), np.uint8, endpoint=True)
    shown = rng.integers(0, layer.code_hi, size, np.uint8, endpoint=True)
    if how == "sparse":
        shown[rng.random(size) < 0.9] = 0
    if how == "largest":
        shown[:] = layer.code_hi
        weights[:] = lo if -lo >= hi else hi
    if how == "signs" and lo < 0 < hi:
        weights[:] = np.where(weights > 0, 1, -1)
    if layer.two_values:
        weights[:] = np.where(weights > (lo + hi) / 2, hi, lo)
    for cell in range(cells):
        here = slice(cell * layer.cell, cell * layer.cell + layer.channels)
        codes[here] = shown[here]
    initial = rng.integers(-(2**31), 2**31 - 1, layer.out_channels, np.int32, endpoint=True)
    return Case(layer, codes, cells, bases, weights, initial)


def in_rows(count: int, across: int, padding: int, stride: int) -> npt.NDArray[np.int32]:
    """Positions row by row over an image of so many of them across, which has padding between its rows."""
    row, column = np.divmod(np.arange(count), across)
    return (stride * (row * (stride * across + padding) + column)).astype(np.int32)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    channels, window = draw(st.integers(1, 130)), draw(st.integers(1, 9))
    folded = draw(st.booleans()) and channels % 3 == 0
    layer = Layer(
        channels=channels,
        out_channels=draw(st.integers(1, 70)),
        offsets=tuple(draw(st.lists(st.integers(0, 40), min_size=window, max_size=window))),
        cell=channels // 3 if folded else channels + draw(st.sampled_from([0, 0, 1, 3, 64])),
        weights=draw(st.sampled_from(WEIGHTS)),
        code_hi=draw(st.sampled_from(CODES)),
        two_values=draw(st.booleans()),
    )
    count, across = draw(st.integers(1, 70)), draw(st.sampled_from([0, 1, 2, 4, 7, 14, 15, 28, 70]))
    rows = in_rows(count, across, draw(st.integers(0, 6)), draw(st.integers(1, 2))) if across else None
    return case(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        layer,
        count,
        how=draw(st.sampled_from(["any", "sparse", "largest", "signs"])),
        bases=rows,
    )


@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
@settings(max_examples=120)
@given(one=cases())
def test_a_kernel_gives_the_sums(kernel: Kernel, one: Case) -> None:
    if kernel.can(one.layer):
        np.testing.assert_array_equal(one.by(kernel), one.sums())


@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
def test_the_largest_sums_of_a_long_layer(kernel: Kernel) -> None:
    for weights, code_hi, two in itertools.product(WEIGHTS, CODES, (False, True)):
        layer = Layer(5200, 17, (0, 4), 5200, weights, code_hi, two)
        if kernel.can(layer):
            one = case(np.random.default_rng(0), layer, 7, "largest")
            np.testing.assert_array_equal(one.by(kernel), one.sums())


@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize(("channels", "out"), [(512, 480), (700, 40), (700, 400)])
def test_many_weights_by_positions_that_fill_no_tile(kernel: Kernel, channels: int, out: int) -> None:
    """More than a near cache holds, more than are copied at once, and both."""
    layer = Layer(channels, out, tuple(range(9)), channels, (-1, 1), 1)
    for count in (17, 40, 50) if kernel.can(layer) else ():
        one = case(np.random.default_rng(0), layer, count)
        np.testing.assert_array_equal(one.by(kernel), one.sums())


@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
def test_weights_of_size_1_in_a_wider_range(kernel: Kernel) -> None:
    for weights, code_hi in itertools.product(WEIGHTS, CODES):
        layer = Layer(70, 20, (0, 1, 4), 70, weights, code_hi)
        if kernel.can(layer):
            one = case(np.random.default_rng(0), layer, 7, "signs")
            np.testing.assert_array_equal(one.by(kernel), one.sums())


@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
def test_one_wrong_weight_shows(kernel: Kernel) -> None:
    one = case(np.random.default_rng(0), Layer(70, 33, (0, 3), 70, (-1, 1), 1, two_values=True), 9, "largest")
    wrong = replace(one, weights=one.weights.copy())
    wrong.weights[32, 1, 69] = 1
    assert kernel.can(one.layer)
    different = wrong.by(kernel) != one.sums()
    assert different[:, 32].all()
    assert not different[:, :32].any()


@pytest.mark.parametrize("kernel", EVERY, ids=lambda kernel: kernel.name)
def test_no_position_writes_nothing(kernel: Kernel) -> None:
    one = case(np.random.default_rng(0), Layer(8, 3, (0,), 8, (-1, 1), 1, two_values=True), 2)
    assert one.by(kernel).shape == (2, 3)
    assert replace(one, bases=one.bases[:0]).by(kernel).shape == (0, 3)


def test_each_level_has_its_kernels_and_those_below() -> None:
    names = {level: {kernel.name for kernel in kernels(level)} for level in Level if level <= detected()}
    assert names[Level.scalar] == {"plain", "bits_scalar", "events_scalar"}
    for level, found in names.items():
        assert f"{'dot' if level == Level.amx else 'bits'}_{level.name}" in found
        assert found >= names[Level.scalar]


def test_eight_bits_have_a_kernel_that_multiplies() -> None:
    layer = Layer(64, 64, (0,), 64, (-128, 127), 255)
    able = {kernel.name for kernel in EVERY if kernel.can(layer)}
    assert "plain" in able
    assert not any(name.startswith(("bits", "events")) for name in able)


def test_a_loop_of_a_fresh_process_runs_or_makes_nothing() -> None:
    """In a fresh process, where nobody asked before; of a level that this processor lacks there is none."""
    for at in Level:
        words = f"from bitspike.native.peaks import Level, peak; print(peak(Level.{at.name}, 'dot', 1))"
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
        assert int(done.stdout) > 0 or not (Level.scalar < at <= Level.amx and runs_at(at, detected()))
        assert int(done.stdout) == 0 or runs_at(at, detected())


def test_a_peak_says_how_many_products_it_made() -> None:
    for level in (level for level in Level if level <= detected()):
        for name in PEAKS:
            assert peak(level, name, 6) == 3 * peak(level, name, 2)
            assert bool(peak(level, name, 1)) == (level >= (Level.avx512 if name == "table" else Level.avx2))


@pytest.mark.parametrize(("share", "whole"), [(1.0, True), (0.9, True), (0.5, False), (0.0, False)])
def test_tiles_are_whole_where_they_do_what_they_are_made_for(
    share: float, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {Level.avx512: 3e11, Level.amx: share * 8 * 3e11}
    monkeypatch.setattr(peaks, "dot_rate", lambda level, *_: rates[level])
    assert tiles_are_whole() == whole


def test_tiles_that_are_none_are_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "detected", lambda: Level.avx2)
    assert peaks.dot_rate(Level.amx, 1) == 0
    assert not tiles_are_whole()
