"""The pictures of the pages, drawn from the recorded results: what they show can be seen and is named."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from seen import faults, texts

from bitspike.files import read_json
from bitspike.reports import conversion_figure, save_pareto
from claims import figures_001, figures_003, figures_004, gradients_004
from claims.figures_004 import ROOT
from claims.runner import read_results

SMALL = read_results(ROOT / "results" / "claims", "small")
DATASETS = {"fashion": "fashion-mnist", "cifar10": "cifar10"}


def converted() -> dict[str, Any]:
    found: dict[str, Any] = read_json(ROOT / "results" / "conversion" / "spikezip-resnet8-thin-fashion-seed0.json")
    return found


def hidden(axes: Any) -> list[tuple[str, str]]:
    """Lines that another as wide covers at a quarter of the points or more."""
    found = []
    for one, other in combinations(axes.get_lines(), 2):  # the later one is drawn over the earlier
        near = [abs(y - at) < 0.5 for y, at in zip(one.get_ydata(), other.get_ydata(), strict=True)]
        if 4 * sum(near) >= len(near) and one.get_linewidth() < 1.1 * other.get_linewidth():
            found.append((one.get_label(), other.get_label()))
    return found


def test_no_line_hides_another() -> None:
    drawn = figures_003.curves(SMALL, "fashion")
    assert [hidden(axes) for axes in drawn.axes] == [[], []]
    for line in drawn.axes[0].get_lines():
        line.set_linewidth(2)
    assert ("SpikeZIP-N: neither PET nor RCR", "Fast-SNN, another way of converting") in hidden(drawn.axes[0])


def test_the_variants_are_explained() -> None:
    drawn = figures_003.curves(SMALL, "fashion")
    assert faults(drawn) == []
    assert drawn.get_suptitle().startswith("fashion-mnist, ")
    for name in texts(drawn)[: len(figures_003.ABOUT) + len(figures_003.BASELINES)]:
        assert ": " in name or ", " in name, f"{name} explains nothing"
    assert "highest level" in drawn.axes[1].get_title()


def test_what_no_longer_moves_is_cut_off() -> None:
    found = converted()
    drawn = conversion_figure(found)
    assert (found["T_eq"], len(found["accuracy"])) == (12, 64)
    assert faults(drawn) == []
    for axes in drawn.axes:
        assert axes.get_xlim() == (0.5, 14.5)
        assert axes.get_xlabel() == "step (of 64; the last spike is at 12)"
        assert all(
            line.get_ydata()[-1] == line.get_ydata()[13] for line in axes.get_lines() if len(line.get_ydata()) > 2
        )
    assert drawn.get_suptitle() == "fashion-mnist, resnet8-thin, spikezip, 10,000 test images"
    for last in (63, 64):  # as of the conversions that never settle
        whole = conversion_figure({**found, "T_eq": last})
        assert whole.axes[0].get_xlim() == (0.5, 64.5)
        assert whole.axes[0].get_xlabel() == "step"


@pytest.mark.parametrize("data", DATASETS)
def test_every_seed_is_drawn(data: str) -> None:
    drawn = figures_004.levels_and_steps(SMALL, data)
    assert faults(drawn) == []
    assert drawn.get_suptitle().startswith(f"{DATASETS[data]}, ")
    claim = next(claim for claim in figures_004.CLAIMS if claim.name == f"004.6-{data}")
    for axes, metric in zip(drawn.axes, figures_004.METRICS, strict=True):
        seeds = {float(y) for line in axes.get_lines() if line.get_linestyle() == "None" for y in line.get_ydata()}
        wanted = {
            score
            for settings in (figures_004.LEVELS, figures_004.STEPS)
            for edits in settings.values()
            for score in figures_004.scores_of(claim, SMALL, metric).get(" ".join(edits), ())
        }
        assert seeds == wanted


@pytest.mark.parametrize("data", DATASETS)
def test_shortcuts_and_bits_and_gradients_say_what_they_are_of(data: str) -> None:
    costs = ROOT / "results" / "cost"
    networks = [read_json(costs / f"{name}-resnet18-thin-{data}-n4-seed0.json") for name in ("sew", "sparse")]
    shortcuts = figures_004.avalanche(networks)
    assert {axes.get_ylabel() for axes in shortcuts.axes} == {"events per image"}
    assert [bar.get_height() for bar in shortcuts.axes[1].containers[0]] == [
        join["residual"] for join in networks[0]["paths"]["joins"]
    ]
    learned = figures_001.picture(data, read_json(figures_001.RESULTS)[data])
    gradients = gradients_004.picture(read_json(gradients_004.RESULTS)[data])
    for drawn in (shortcuts, learned, gradients):
        assert DATASETS[data] in drawn.get_suptitle()
    assert (faults(shortcuts), faults(learned)) == ([], [])
    assert faults(gradients) == ["axis 1 has no label"], "it shares that of axis 0"


def test_networks_on_other_images_are_not_drawn_beside_each_other() -> None:
    costs = ROOT / "results" / "cost"
    networks = [read_json(costs / f"sew-resnet18-thin-{data}-n4-seed0.json") for data in DATASETS]
    with pytest.raises(ValueError, match="too many values"):
        figures_004.avalanche(networks)


@pytest.mark.parametrize("data", DATASETS)
def test_bits_are_those_that_were_recorded(data: str) -> None:
    plans = read_json(figures_001.RESULTS)[data]
    weights, spikes, steps = figures_001.picture(data, plans).axes
    for index, (_, (first, *_)) in enumerate(plans.items()):
        for axes, key in ((weights, "w"), (spikes, "s"), (steps, "t")):
            heights = [bar.get_height() for bar in axes.containers[index]]
            assert heights == [widths[key] for widths in first.values() if key in widths]


def test_the_legend_of_a_sweep_lies_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("bitspike.reports.pareto.save_picture", lambda made, path: drawn.append(made))
    point = {"budget": {"size": 9, "s_ace": 9}, "costs": {"size": 5, "s_ace": 5}, "validation_accuracy": 50.0}
    save_pareto([{**point, "best": True}, {**point, "best": False}], tmp_path / "x.png")
    assert faults(drawn[0]) == []
    assert texts(drawn[0]) == ["beaten", "front"]
