"""What is bought for what: gains along one axis, their prices and order, swaps, and that pages and pictures follow."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bitspike.errors import UserError
from claims.buying import Buy, buys, ranked, shown, start_of, swaps
from claims.claim import Run
from claims.figures_which_bits import against, crossed, text_box
from claims.which_bits import AXES, MEASURED, Network, front, key_of, networks, networks_of, uniform_settings

ROOT = Path(__file__).parents[3]
CONVNET, LEVELS = "fashion-convnet", "multilevel-vgg9-thin-fashion"


def results(
    accuracies: Mapping[str, float], recipe: str = CONVNET, seeds: int = 3, spread: float = 0.1
) -> dict[str, Any]:
    """Lines of runs, a set of seeds for each set of widths, ``spread`` apart; cost grows with all of them."""
    lines = {}
    for bits, accuracy in accuracies.items():
        edits = tuple(bits.split(" "))
        w, s, t = map(int, edits[0].removeprefix("bits=").split("/")[:3])
        for seed in range(seeds):
            lines[Run(recipe, edits, seed).key] = {
                "dataset": "fashion-mnist",
                "epochs": 3,
                "train_images": 20000,
                "size_bytes": 1000.0 * w,
                "s_ace": 1e6 * w * s * t,
                "ns_ace": 5e5 * w * s * t,
                "test_accuracy": accuracy + spread * (seed - 1),
            }
    return lines


def line(us: float, luts: int | None = 100, flash: int = 20000) -> dict[str, Any]:
    """A line of what was measured."""
    times = {"median": us, "q1": 0.99 * us, "q3": 1.01 * us, "rounds": 25}
    sizes = {"flash_bytes": flash, "ram_bytes": 8000}
    return {"us": times, "luts_counted": luts, "luts_estimated": 7, "cycles": 1000, "kernels": ["dot"], **sizes}


ACCURACIES = {"bits=1/2/1": 80.0, "bits=2/2/1": 84.0, "bits=1/4/1": 82.0, "bits=1/2/2": 80.05, "bits=1/1/4": 70.0}


def network(accuracies: Mapping[str, float] = ACCURACIES, measured: Mapping[str, Any] = {}, **of: Any) -> Network:
    (found,) = networks_of("small", results(accuracies, **of), measured)
    return found


def named(found: list[Buy]) -> dict[str, Buy]:
    return {buy.name: buy for buy in found}


def test_a_gain_is_of_one_axis_and_has_a_price() -> None:
    found = named(buys(network()))
    assert set(found) == {"weight bits 1 to 2", "spike bits 2 to 4", "steps 1 to 2"}
    weights = found["weight bits 1 to 2"]
    assert (weights.verdict, round(weights.gain, 6)) == ("gains", 4.0)
    assert weights.price("bytes") == pytest.approx(1.0)  # kB
    assert weights.rate("s_ace") == pytest.approx(4 / 2)
    assert found["spike bits 2 to 4"].rate("bytes") == math.inf
    assert found["steps 1 to 2"].verdict == "within the spread"


def test_one_seed_has_no_spread_and_buys_nothing() -> None:
    assert buys(network(seeds=1)) == []
    assert start_of(network(seeds=1)) is None


def test_levels_stand_in_place_of_spike_bits() -> None:
    three = {"bits=16/1/1 neuron.levels=1": 70, "bits=16/3/1 neuron.levels=4": 75, "bits=16/1/4 neuron.levels=1": 74}
    found = network(three, recipe=LEVELS)
    assert set(named(buys(found))) == {"levels 1 to 4", "steps 1 to 4"}
    assert [setting.label for setting in found.settings] == ["N = 1, T = 1", "N = 4", "T = 4"]
    (swap,) = swaps(found, "bytes")
    assert (swap.more, swap.less, swap.gain, swap.clear) == ("N", "T", 1.0, True)


def test_times_that_cannot_be_told_apart_cost_nothing() -> None:
    keys = {bits: key_of("small", CONVNET, (bits,)) for bits in ACCURACIES}
    times = dict(zip(keys, (20.0, 20.2, 30.0, 40.0, 60.0), strict=True))
    found = named(buys(network(measured={keys[bits]: line(us) for bits, us in times.items()})))
    assert found["weight bits 1 to 2"].price("us") == 0
    assert found["spike bits 2 to 4"].price("us") == pytest.approx(10)
    assert named(buys(network()))["weight bits 1 to 2"].price("us") is None


def test_the_order_is_by_points_for_a_unit_and_what_is_free_is_first() -> None:
    found = network()
    assert start_of(found) is found.settings[[s.label for s in found.settings].index("1/2/1")]
    assert [buy.axis for buy in ranked(found, "bytes")] == ["s", "w", "T"]
    assert [buy.axis for buy in ranked(found, "s_ace")] == ["w", "s", "T"]
    first, second, _ = ranked(found, "s_ace")
    assert first.beats(second, "s_ace")
    near = {**ACCURACIES, "bits=1/4/1": 83.9}
    first, second, _ = ranked(network(near), "s_ace")
    assert not first.beats(second, "s_ace")


def test_a_front_has_no_point_that_another_beats() -> None:
    assert [setting.label for setting in front(network().settings, "s_ace")] == ["1/2/1", "2/2/1"]
    assert front(network().settings, "us") == []


def test_swaps_are_of_nearly_one_cost() -> None:
    found = {(swap.more, swap.less): swap for swap in swaps(network(), "s_ace") if swap.new.label != "2/2/1"}
    assert found["s", "T"].gain > 0
    assert {swap.new.label for swap in swaps(network(), "bytes")} == {"1/4/1", "1/2/1", "1/2/2"}


def test_luts_are_counted_in_all_of_a_network_or_estimated_in_all() -> None:
    keys = [key_of("small", CONVNET, (bits,)) for bits in ACCURACIES]
    counted = network(measured={key: line(20) for key in keys})
    assert (counted.counted, {s.costs["lut_cycles"] for s in counted.settings}) == (True, {100_000})
    mixed = network(measured={key: line(20, None if key == keys[0] else 100) for key in keys})
    assert (mixed.counted, {s.costs["lut_cycles"] for s in mixed.settings}) == (False, {7_000})


def test_floats_are_measured_where_there_is_nothing_else() -> None:
    both = network({"bits=1/2/1": 80, "bits=16/2/1": 85})
    assert [setting.label for setting in both.measurable] == ["1/2/1"]
    floats = network({"bits=16/1/1 neuron.levels=1": 70, "bits=16/3/1 neuron.levels=4": 75}, recipe=LEVELS)
    assert len(floats.measurable) == 2


def test_the_longest_training_is_shown_once_it_tells_as_much() -> None:
    short = network()
    long = replace(short, scale="full", settings=tuple(longer(setting) for setting in short.settings))
    assert [one.scale for one in shown([short, long])] == ["full"]
    begun = replace(long, settings=long.settings[:2])
    assert [one.scale for one in shown([short, begun])] == ["small"]


def longer(setting: Any) -> Any:
    return replace(setting, runs=tuple({**run, "epochs": 30} for run in setting.runs))


def test_settings_are_those_of_the_claims() -> None:
    found = uniform_settings()
    assert {"000.1", "000.3"} == {c.name for bits in ("1/2/1", "4/1/1") for c in found[CONVNET, (f"bits={bits}",)]}
    assert not any(edit.startswith("quantizer") for _, edits in found for edit in edits)


def test_labels_stand_apart_and_in_the_order_of_their_points() -> None:
    close = {bits: 80 + 0.01 * place for place, bits in enumerate(ACCURACIES)}
    made = against([network(close)], "bytes")
    axes = made.axes[0]
    boxes = [text_box(text, made.canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) == len(close)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    upper, lower = type(boxes[0]).from_bounds(0, 10, 5, 5), type(boxes[0]).from_bounds(2, 0, 5, 5)
    assert crossed(upper, (0, 1), lower, (0, 2))
    assert not crossed(upper, (0, 2), lower, (0, 1))


def loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script as a module: two have one name."""
    monkeypatch.syspath_prepend(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"{file.parent.name}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return loaded(ROOT / "tools" / "which_bits.py", monkeypatch)


def test_new_lines_rewrite_the_sentences(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def order(accuracies: dict[str, float]) -> str:
        monkeypatch.setattr(page, "here", lambda: [network(accuracies)])
        return str(page.size_first())

    assert "spike bits 2 to 4 (+2.00 ± 0.08, free), **then** weight bits 1 to 2 (+4.00 ± 0.08, 4.0 a kB)" in order(
        ACCURACIES
    )
    assert "weight bits 1 to 2 (-4.00 ± 0.08, loses)" in order({**ACCURACIES, "bits=2/2/1": 76.0})
    assert "spike bits for steps: 4 better, 0 worse, 0 within" in order(ACCURACIES)
    assert "3 better, 1 worse, 0 within" in order({**ACCURACIES, "bits=1/4/1": 79.0})


def test_what_does_not_fit_is_not_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = loaded(ROOT / "tools" / "which_bits_sentences.py", monkeypatch)
    for best, label in ((65536, "2/2/1"), (65537, "1/2/1")):
        sizes = {"bits=1/2/1": 20000, "bits=2/2/1": best}
        measured = {key_of("small", CONVNET, (bits,)): line(20, flash=size) for bits, size in sizes.items()}
        few = network({bits: ACCURACIES[bits] for bits in sizes}, measured)
        assert f"on Fashion-MNIST {label} of {CONVNET}" in sentences.fits([few])


def test_scales_that_disagree_are_named(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    short = network()
    (other,) = networks_of("full", results({**ACCURACIES, "bits=2/2/1": 80.0}), {})
    monkeypatch.setattr(page, "everything", lambda: (short, other))
    assert "weight bits 1 to 2: small +4.00 ± 0.08, gains; full +0.00 ± 0.08, within the spread" in page.scales()
    monkeypatch.setattr(page, "everything", lambda: (short, replace(short, scale="full")))
    assert page.scales().endswith("Each has the same verdict at all of them.")


def test_an_estimate_that_misorders_is_named(page: ModuleType) -> None:
    def said(two_bits: int, four_levels: int) -> str:
        luts = {"bits=1/2/1": 100, "bits=2/2/1": two_bits, "bits=1/4/1": four_levels}
        lines = {key_of("small", CONVNET, (bits,)): line(20, count) for bits, count in luts.items()}
        for bits, estimate in {"bits=1/2/1": 10, "bits=2/2/1": 40, "bits=1/4/1": 11}.items():
            lines[key_of("small", CONVNET, (bits,))]["luts_estimated"] = estimate
        return str(page.misjudged(network({bits: ACCURACIES[bits] for bits in luts}, lines)))

    assert said(101, 140).endswith("would give another order (spike bits > weight bits).")
    assert said(400, 110).endswith("gives the same order.")


def test_the_leads_of_the_five_lines_are_true(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = loaded(ROOT / "tools" / "which_bits_sentences.py", monkeypatch)
    here, kilobyte = page.here(), 1024
    assert all(buy.price("bytes") > 1 for along in sentences.lines_along(here, "w") for buy in along.steps)
    assert all(line.measured for one in here for line in one.measurable), "run benchmarks/which_bits.py"
    assert max(sentences.most(here, axes, "flash_bytes") for axes in ("sN", "u", "T")) < kilobyte
    assert max(sentences.most(here, axes, "ram_bytes") for axes in ("sN", "u")) < kilobyte
    assert sentences.most(here, "T", "ram_bytes") > kilobyte
    assert not any(set(AXES) == {buy.axis for buy in buys(one)} for one in here)


def test_another_network_than_the_runs_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = loaded(ROOT / "benchmarks" / "which_bits.py", monkeypatch)
    with pytest.raises(UserError, match="want the network of its runs, of 1,000"):
        benchmark.frozen(network(), network().settings[0])


def test_the_file_is_of_networks_that_there_are() -> None:
    trained = networks()
    assert MEASURED.exists()
    measured = [setting for one in trained for setting in one.settings if setting.measured]
    assert len(measured) > 20
    assert all({"us", "lut_cycles"} <= setting.costs.keys() for setting in measured)
