"""`bitspike reproduce` as a stranger types it."""

import json
import sys
from pathlib import Path

import pytest

from bitspike.cli import main

STORED = Path(__file__).parents[2] / "results" / "reproduce"
NAMES = [
    "000/table1", "000/table2", "000/table3", "000/table4", "001/table1", "001/table2", "001/table3", "001/table4",
    "001/table5", "001/tableA1", "001/tableA2", "001/text", "001/rounding", "001/theorem1", "001/squeezing",
    "002/table1", "002/table2", "002/reductions", "002/size", "003/table3", "003/table4", "003/ann-energy",
    "003/table6", "003/text", "004/table1", "004/table2", "004/table3", "004/table4", "004/figure5", "004/relations",
]  # fmt: skip
FIELDS = [
    "row", "published", "ours", "difference", "ratio", "status", "unit", "counting", "note", "true", "trains", "bound",
    "so_far",
]  # fmt: skip


@pytest.fixture
def reproduce(monkeypatch, capsys):
    """Runs the command in this process: exit status, stdout, stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["bitspike", "reproduce", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


def result(outcome):
    status, out, err = outcome
    assert (status, err) == (0, "")
    return json.loads(out)


def test_the_tables_are_listed(reproduce):
    status, out, err = reproduce()
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == NAMES
    assert reproduce("--list")[1] == out
    listed = result(reproduce("--json"))
    assert [table["table"] for table in listed["tables"]] == NAMES
    assert listed["tables"][16]["title"] == "paper 002, Table 2: memory footprint of Q-SNNs"


@pytest.mark.parametrize("name", NAMES)
def test_a_table_as_json_is_what_is_stored(reproduce, name):
    table = result(reproduce(name, "--json"))
    assert table["table"] == name
    assert table["rows"]
    for row in table["rows"]:
        assert list(row) == FIELDS
    stored = json.loads((STORED / f"{name.replace('/', '-')}.json").read_text(encoding="utf-8"))
    for now, then in zip(table["rows"], stored["rows"], strict=True):
        del now["so_far"], then["so_far"]  # any new result may be better
        for number in ("ours", "ratio", "difference", "true"):  # sums of floats, which another machine adds otherwise
            here, there = now.pop(number), then.pop(number)
            assert (here is None) == (there is None)
            if here is not None:
                assert here == pytest.approx(there, rel=1e-9, abs=1e-12)
    assert table == stored


@pytest.mark.parametrize("columns", [80, 140])
def test_a_table_for_people(reproduce, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    status, out, err = reproduce("002/table2")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in out
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert sum(bool(row[1]) for row in cells) == 36
    if columns == 140:
        assert len(cells) == 36  # a line each
        assert cells[4] == ["ResNet19 batch 64 32w-32u", "83.83", "83.831", "0.001", "422.718", "equal [1]"]
    assert "36 of 36 as printed; ours: counted as paper-002; true: as exact" in out
    assert "[6] weights" in out


def test_what_cannot_be_reproduced_is_shown(reproduce, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = reproduce("001/table2")[1]
    assert "needs training [" in out
    flat = " ".join(out.split())
    assert "of the learned bits of each layer" in flat
    assert "misprint [" in out
    assert "G bit operations" in flat
    assert "MB" in out
    assert "…" not in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["002/tabel2"], ["table: got '002/tabel2'", "did you mean '002/table2'?"]),
        (["2"], ["table: got '2'", "known: 000/table1"]),
        ([""], ["table: got ''", "want a value"]),
        (["002/table2", "001/table1"], ["001/table1"]),
        (["002/table2", "--jsno"], ["--jsno"]),
    ],
)
def test_a_mistake_is_one_line(reproduce, words, named):
    status, out, err = reproduce(*words)
    assert (status, out) == (2, "")
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err
