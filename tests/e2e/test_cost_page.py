"""docs/cost.md: its commands print what it shows, and its sums are right."""

import doctest
import re
import sys
from pathlib import Path

import pytest

from bitspike.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def shown(block):
    """A console block as the command's words and the lines that it prints."""
    command, *lines = block.splitlines()
    return command.removeprefix("$ bitspike ").split(), lines


def printed(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["bitspike", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_commands_print_what_the_page_shows(monkeypatch, capsys):
    assert len(BLOCKS) == 2
    for words, lines in map(shown, BLOCKS):
        assert printed(words, monkeypatch, capsys) == lines


def test_sums_are_right():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert tried > 10
    assert failed == 0
