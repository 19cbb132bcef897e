"""The best networks that we have trained so far: `tools/best_results.py` reads them from ``results/``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bitspike.files import read_json

__all__ = ["BEST", "Result", "best_for", "on_its_data", "widths"]

BEST = Path(__file__).with_name("best.json")


@dataclass(frozen=True, kw_only=True)
class Result:
    """The best of its recipe, bits and data; ``value`` is in percent of ``measure``, ``file`` is where it stands."""

    recipe: str
    bits: str
    dataset: str
    measure: str
    value: float
    epochs: int
    seed: int
    file: str

    def __str__(self) -> str:
        how = f"{self.recipe} at {self.bits}, {self.dataset}, epochs {self.epochs}, seed {self.seed}"
        return f"{self.value:.2f} % {self.measure} ({how}; {self.file})"


def widths(words: str) -> str:
    """The bits that a command or a run names: its target, where bits are learned, else those of ``bits=``."""
    if target := re.search(r"target=([\d./]+)", words):
        return f"{target[1]} learned"
    bits = re.search(r"\bbits=([\d./]+)", words)
    return bits[1] if bits else ""


@cache
def best_for(command: str) -> Result | None:
    """The best result of the command's recipe; of its family (the first word of its name), if it has none.

    What was trained to be converted (``-ann``) is not of the family.

    Of a family those on the same data come first, then those whose names have most words in common, then those of the
    same bits, then the most accurate.
    """
    recipe, bits = command.split()[2], widths(command)
    words = recipe.split("-")

    def near(result: Result) -> tuple[bool, bool, int, bool, float]:
        shared = len(set(result.recipe.split("-")) & set(words))
        return result.recipe == recipe, on_its_data(command, result), shared, bits == result.bits, result.value

    boxes = "boxes" if any(word.startswith("yolo") for word in words) else "classes"
    family = (result for result in _all() if result.recipe.split("-")[0] == words[0] and _finds(result) == boxes)
    return max((result for result in family if not result.recipe.endswith("-ann")), key=near, default=None)


def on_its_data(command: str, result: Result) -> bool:
    """Whether the result is of the data set that the command trains on."""
    if named := re.search(r"\bdataset=(\S+)", command):
        return named[1] == result.dataset
    return command.split()[2].endswith(f"-{result.dataset}")


def _finds(result: Result) -> str:
    return "boxes" if result.measure.startswith("mAP") else "classes"


@cache
def _all() -> tuple[Result, ...]:
    return tuple(Result(**found) for found in read_json(BEST))
