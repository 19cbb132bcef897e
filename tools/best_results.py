"""Writes src/bitspike/reproduce/best.json: of every recipe, data and bits the best network under results/.

`bitspike reproduce` names it beside the published numbers that need training. Run it after a new result; a test runs
the check.

    python tools/best_results.py            rewrites the file
    python tools/best_results.py --check    exits 1 if it is not current
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from written import ROOT

from bitspike.reproduce.trained import BEST, widths

RESULTS = ROOT / "results"
MEASURES = {"test_accuracy": "right", "test_map50": "mAP@0.5"}


def runs(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever in a file is the result of a training."""
    if isinstance(value, list):
        for inner in value:
            yield from runs(inner)
    elif isinstance(value, dict):
        training = value.get("training", {})
        if any(measure in value for measure in MEASURES):
            yield value
        elif "test_accuracy" in training:  # of a frozen family
            yield {"recipe": value["model"], **value, **training}
        yield from runs(value.get("results", []))


def read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def found() -> list[dict[str, Any]]:
    """The best by recipe, data and bits, in that order; ``--method`` is a baseline of another paper."""
    best: dict[tuple[str, ...], dict[str, Any]] = {}
    for path in sorted(RESULTS.rglob("*.json*")):
        if path.parent.name == "reproduce":
            continue
        for run in runs(read(path)):
            words = run.get("run", "")
            measure = next(name for name in MEASURES if name in run)
            if "recipe" not in run or "dataset" not in run or run[measure] is None or "--method=" in words:
                continue
            result = {
                "recipe": run["recipe"],
                "bits": widths(words) or run["bits"],
                "dataset": run["dataset"],
                "measure": MEASURES[measure],
                "value": run[measure],
                "epochs": run["epochs"],
                "seed": run["seed"],
                "file": f"results/{path.relative_to(RESULTS).as_posix()}",
            }
            key = (result["recipe"], result["dataset"], result["bits"])
            if key not in best or result["value"] > best[key]["value"]:
                best[key] = result
    return [best[key] for key in sorted(best)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not current")
    current = "[\n" + ",\n".join(json.dumps(result) for result in found()) + "\n]\n"
    if not parser.parse_args().check:
        BEST.write_text(current, encoding="utf-8")
    elif BEST.read_text(encoding="utf-8") != current:
        sys.exit(f"{BEST.relative_to(ROOT)} is not current: run python tools/best_results.py")


if __name__ == "__main__":
    main()
