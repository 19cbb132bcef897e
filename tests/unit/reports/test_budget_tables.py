"""A budget beside what was spent; the points of a sweep, and its picture."""

from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from bitspike.reports import budget_table, pareto_table, save_pareto


def rows(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def headers(table: Table) -> list[str]:
    return [str(column.header) for column in table.columns]


def text(table: Table) -> str:
    console = Console(width=120)
    with console.capture() as said:
        console.print(table)
    return said.get()


SPENT = {"size": 20_000.0, "s_ace": 29_876_543.0, "bit_budget": 3.5, "energy": 1234.5}


def test_every_limit_has_a_row_with_its_share():
    limits = {"size": 40_000.0, "s_ace": 30_000_000.0, "bit_budget": 3.5, "energy": 1500.0}
    table = budget_table(limits, SPENT)
    assert headers(table) == ["budget", "limit", "spent", "share"]
    assert rows(table) == [
        ["bytes", "40,000", "20,000", "50.00 %"],
        ["S-ACE", "30,000,000", "29,876,543", "99.59 %"],
        ["mean Bit Budget", "3.5", "3.5", "100.00 %"],
        ["nJ", "1,500", "1,234.5", "82.30 %"],
    ]


def test_what_is_not_limited_has_no_row():
    assert rows(budget_table({"energy": 1500.0}, SPENT)) == [["nJ", "1,500", "1,234.5", "82.30 %"]]


def point(folder: str, size: float, s_ace: float, accuracy: float, best: bool) -> dict:
    return {
        "folder": folder,
        "budget": {"size": 2e4, "s_ace": 5e5},
        "costs": {"size": size, "s_ace": s_ace, "bit_budget": 1.0, "energy": 1.0},
        "validation_accuracy": accuracy,
        "test_accuracy": accuracy - 0.5,
        "best": best,
    }


POINTS = [point("small", 9_000, 100_000, 88.125, True), point("large", 19_000, 400_000, 87, False)]


def test_a_star_marks_the_front():
    table = pareto_table(POINTS)
    assert headers(table) == ["", "network", "bytes", "S-ACE", "validation", "test"]
    assert rows(table) == [
        ["*", "small", "9,000", "100,000", "88.12 %", "87.62 %"],
        ["", "large", "19,000", "400,000", "87.00 %", "86.50 %"],
    ]
    assert "Pareto table" in text(table)


def test_large_costs_are_told_in_digits_that_can_be_read():
    assert "e+" not in text(pareto_table([point("wide", 9_000, 29_876_543, 88, True)]))


def test_a_sweep_without_points_is_an_empty_table():
    assert rows(pareto_table([])) == []


@pytest.mark.parametrize("points", [POINTS, POINTS[:1], []])
def test_the_picture_is_written_whole(points: list[dict], tmp_path: Path):
    pytest.importorskip("matplotlib")
    save_pareto(points, tmp_path / "pareto.png")
    content = (tmp_path / "pareto.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    assert [file.name for file in tmp_path.iterdir()] == ["pareto.png"]


def test_the_picture_shows_the_points(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    figures = pytest.importorskip("matplotlib.figure")
    drawn, saves = [], figures.Figure.savefig
    monkeypatch.setattr(figures.Figure, "savefig", lambda self, *a, **k: (drawn.append(self), saves(self, *a, **k)))
    save_pareto([*POINTS, point("best", 12_000, 50_000, 90, True)], tmp_path / "pareto.png")
    left, right = drawn[0].axes
    assert [axes.get_xlabel() for axes in (left, right)] == ["bytes", "S-ACE"]
    beaten, front = (list(zip(*line.get_data(), strict=True)) for line in left.lines)
    assert (beaten, front) == ([(19_000, 87)], [(9_000, 88.125), (12_000, 90)])
    beaten, front = (list(zip(*line.get_data(), strict=True)) for line in right.lines)
    assert (beaten, front) == ([(400_000, 87)], [(50_000, 90), (100_000, 88.125)])
