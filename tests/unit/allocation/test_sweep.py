"""Sweeps: the front against its definition, budgets that are drawn, and a sweep that goes on."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.allocation import Point, pareto, sweep
from bitspike.files import write_json
from bitspike.recipes import recipe
from bitspike.training import BudgetConfig, TrainConfig, override
from bitspike.workers import Work

pytest.importorskip("scipy")


def point(accuracy: float, size: float, s_ace: float, *limited: str) -> Point:
    return Point("net", dict.fromkeys(limited, 1e9), {"size": size, "s_ace": s_ace}, accuracy, accuracy - 1)


def beaten(one: Point, points: list[Point]) -> bool:
    """Another is at least as accurate and as cheap in all that is limited, and better in one of them."""

    def values(of: Point) -> list[float]:
        return [-of.validation_accuracy, *(of.costs[name] for name in one.budget)]

    mine = values(one)
    return any(
        all(a <= b for a, b in zip(values(other), mine, strict=True)) and values(other) != mine for other in points
    )


few = st.integers(0, 4)


@given(
    st.lists(st.tuples(few, few, few), max_size=12),
    st.sampled_from([("size",), ("s_ace",), ("size", "s_ace")]),
)
def test_the_front_is_what_no_other_point_beats(drawn: list[tuple[int, int, int]], limited: tuple[str, ...]) -> None:
    points = [point(*values, *limited) for values in drawn]
    found = pareto(points)
    assert sorted(map(repr, (replace(p, best=False) for p in found))) == sorted(map(repr, points))
    assert [p.costs["size"] for p in found] == sorted(p.costs["size"] for p in points) or "size" not in limited
    for one in found:
        assert one.best == (not beaten(one, points))


def test_the_comparison_of_fronts_can_fail() -> None:
    best, equal, worse = point(90, 5, 1, "size"), point(90, 5, 9, "size"), point(89, 5, 0, "size")
    assert [p.best for p in pareto([best, equal, worse])] == [True, True, False]
    assert [p.best for p in pareto([worse, point(89, 4, 9, "size")])] == [True, False]  # the smaller comes first
    assert [p.best for p in pareto([point(89, 4, 9, "s_ace"), point(89, 5, 1, "s_ace")])].count(True) == 1


def test_points_are_ordered_by_what_is_limited() -> None:
    points = [point(90, 1, 30, "s_ace"), point(91, 2, 20, "s_ace"), point(92, 3, 10, "s_ace")]
    assert [p.costs["s_ace"] for p in pareto(points)] == [10, 20, 30]


# A sweep of networks that are not trained


RESULT = {
    "recipe": "r", "dataset": "digits", "model": "m", "bits": "2/2/1", "seed": 0, "bit_budget": 4.0, "s_ace": 1.0,
    "size_bytes": 1.0, "ns_ace": 1.0, "sops": 1.0, "spikes": 1.0,
}  # fmt: skip


class Pretended:
    """In the place of `allocate`: remembers what is asked for, spends 0.9 of it, and may be killed."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, float], Path]] = []
        self.killed_at = -1

    def __call__(self, config: TrainConfig, budget: BudgetConfig, folder: Path, *more: Any, **how: Any) -> Any:
        self.asked.append((budget.limits(), folder))
        assert len(self.asked) < 60, "it never ends"
        if len(self.asked) == self.killed_at:
            raise KeyboardInterrupt
        costs = {"size": 1.0, "s_ace": 1.0, "bit_budget": 1.0, "energy": 1.0}
        costs |= {name: 0.9 * limit for name, limit in budget.limits().items()}
        accuracy = 100 - 1 / math.log(sum(budget.limits().values()))
        result = RESULT | {"validation_accuracy": accuracy, "test_accuracy": accuracy - 1}
        write_json(folder / "allocation.json", {"folder": str(folder), "costs": costs, "plan": {}})
        write_json(folder / "result.json", result)
        return {"costs": costs, "result": result}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    pytest.importorskip("optuna")
    fake = Pretended()
    monkeypatch.setitem(sweep.__globals__, "allocate", fake)
    return fake


def small() -> TrainConfig:
    edits = ("dataset=digits", "augment=", "channels=2,2,4", "train_size=64", "validation_size=50")
    return override(recipe("adaptive-resnet8-thin-fashion"), list(edits))


BOTH = BudgetConfig(max_size=20_000, max_s_ace=400_000)


def test_a_sweep_goes_on_and_trains_only_what_is_missing(tmp_path: Path, pretended: Pretended) -> None:
    first = sweep(small(), BOTH, tmp_path / "sweep", trials=2)
    assert (len(first), len(pretended.asked)) == (2, 2)
    assert sweep(small(), BOTH, tmp_path / "sweep", trials=2) == first
    assert len(pretended.asked) == 2
    more = sweep(small(), BOTH, tmp_path / "sweep", trials=3)
    assert (len(more), len(pretended.asked)) == (3, 3)
    assert {p.folder for p in first} < {p.folder for p in more}
    stored = json.loads((tmp_path / "sweep/sweep.json").read_text())
    assert [Point(**raw) for raw in stored] == more
    assert [p.costs["size"] for p in more] == sorted(p.costs["size"] for p in more)
    assert {tmp_path / "sweep" / p.folder for p in more} == {folder for _, folder in pretended.asked}
    assert {tuple(p.budget.items()) for p in more} == {tuple(limits.items()) for limits, _ in pretended.asked}
    assert any(p.best for p in more)


def test_a_trial_that_was_killed_is_run_again_with_its_budget(tmp_path: Path, pretended: Pretended) -> None:
    pretended.killed_at = 2
    with pytest.raises(KeyboardInterrupt):
        sweep(small(), BOTH, tmp_path, trials=3)
    points = sweep(small(), BOTH, tmp_path, trials=3)
    asked = [tuple(limits.items()) for limits, _ in pretended.asked]
    assert len(points) == 3
    assert asked[1] == asked[2], "the one that was killed comes first"
    assert points == sweep(small(), BOTH, tmp_path / "unhurt", trials=3)
    assert len(set(asked)) == 3


@pytest.mark.parametrize("share", [1.0, 1.0004, 1.5])
def test_no_budget_above_the_one_given_is_drawn(tmp_path: Path, pretended: Pretended, share: float) -> None:
    """Nor one below the smallest possible; a digit that is rounded away does not count."""
    with pytest.raises(UserError) as refused:
        sweep(small(), BudgetConfig(max_size=1), tmp_path / "impossible", trials=1)
    least = float(str(refused.value).split("smallest possible is ")[1].split(", with")[0].replace(",", ""))
    sweep(small(), BudgetConfig(max_size=least * share), tmp_path / "sweep", trials=4)
    for limits, _ in pretended.asked:
        assert least <= limits["size"] <= least * share


def test_a_sweep_of_other_limits_in_the_same_folder_is_refused_in_one_line(
    tmp_path: Path, pretended: Pretended
) -> None:
    sweep(small(), BOTH, tmp_path / "sweep", trials=1)
    with pytest.raises(UserError) as refused:
        sweep(small(), BudgetConfig(max_size=20_000), tmp_path / "sweep", trials=2)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({}, "want at least one limit"),
        ({"max_energy": 1e9}, "--max-energy: got 1000000000.0; a sweep cannot tell the smallest one"),
        ({"max_size": 1}, "the smallest possible is"),
    ],
)
def test_budgets_that_cannot_be_swept_are_one_line_and_leave_nothing(
    budget: dict[str, float], says: str, tmp_path: Path, pretended: Pretended
) -> None:
    with pytest.raises(UserError) as refused:
        sweep(small(), BudgetConfig(**budget), tmp_path / "sweep", trials=2)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "sweep").exists()
    assert pretended.asked == []


class AnyOrder:
    """Workers of which so many work at once, and that end in an order that is drawn."""

    def __init__(self, most: int, seed: int) -> None:
        self.most, self.random = most, random.Random(seed)
        self.running: dict[int, Work] = {}
        self.at_once = 0

    def __enter__(self) -> AnyOrder:
        return self

    def __exit__(self, *ended: object) -> None:
        assert not self.running or ended[0] is not None

    def start(self, key: int, name: str, work: Work) -> None:
        self.running[key] = work
        self.at_once = max(self.at_once, len(self.running))

    def ended(self) -> int:
        key = self.random.choice([*self.running])
        self.running.pop(key)()
        return key


@pytest.mark.parametrize(("most", "seed"), [(2, 0), (3, 1), (100, 2)])
def test_any_number_of_workers_makes_the_same_sweep(
    tmp_path: Path, pretended: Pretended, monkeypatch: pytest.MonkeyPatch, most: int, seed: int
) -> None:
    """Also where trials go beyond the sampler's random ones, and end in any order."""
    alone = sweep(small(), BOTH, tmp_path / "alone", trials=16, ahead=4)
    others = AnyOrder(most, seed)
    monkeypatch.setitem(sweep.__globals__, "workers", lambda *_: others)
    assert sweep(small(), BOTH, tmp_path / "many", trials=16, ahead=4) == alone
    assert others.at_once == min(most, 4)
    assert len(pretended.asked) == 32
    monkeypatch.setattr(sweep.__globals__["_Study"], "_known", lambda self, number: number)
    blind = sweep(small(), BOTH, tmp_path / "blind", trials=16, ahead=4)  # planted: whatever has ended is known
    assert blind != alone


def test_what_a_trial_may_know_is_part_of_the_sweep(tmp_path: Path, pretended: Pretended) -> None:
    one, other = (sweep(small(), BOTH, tmp_path / str(ahead), trials=14, ahead=ahead) for ahead in (2, 8))
    assert one != other
    with pytest.raises(UserError, match="it was started with"):
        sweep(small(), BOTH, tmp_path / "2", trials=14, ahead=8)
