"""``python -m claims.strength``: each system at full strength, its network in full precision beside the low-bit one.

The recipes of `bitspike.recipes.two_cores`, as they are, go to ``results/claims/full.jsonl``, a line for each run; runs
that have one are not repeated. Then each low-bit network that lies in ``--runs-dir`` is frozen and run on all test
images by the oracle, as C and natively; ``results/claims/frozen.jsonl`` says how many classes are equal, and how far
the integers' accuracy is from the floats'. docs/results.md has the table (`tools/results_page.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import bitspike
from bitspike.backends import BACKENDS
from bitspike.errors import UserError, closest
from bitspike.ir import FrozenGraph
from bitspike.training.result import machine_class
from claims.claim import Run
from claims.runner import append, folder_name, read_results, run_all

__all__ = ["SYSTEMS", "runs_of"]

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "claims"
SCALE, FROZEN = "full", "frozen"
DATA = ("cifar10", "fashion")

_FULL = ("bits=16/4/1",)
SYSTEMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "000 multi-bit": ("{data}-vgg9-narrow", _FULL),
    "001 learned bits": ("adaptive-resnet8-wide-{data}", (*_FULL, "methods.learned-bits=null")),
    "002 Q-SNN": ("qsnn-vgg9-narrow-{data}", ("bits=16/1/2", "layers={}", "methods.spike-regulation.weight=0")),
    "003 SpikeZIP": ("spikezip-vgg9-narrow-{data}", _FULL),
    "004 multi-level": ("multilevel-vgg9-narrow-{data}", ("bits=16/3/1",)),
}
"""By system the name of its recipe, which is its low-bit network, and what makes that one of full precision."""

ENGINES: Mapping[str, dict[str, Any]] = {"oracle": {}, "c": {"cc": "cc -march=native"}, "native": {}}
"""How integers are run. C has the vectors of this machine: a converted network runs seventy steps of 10,000 images."""
AT_ONCE = 500


def runs_of(system: str, data: str, seed: int) -> tuple[Run, Run]:
    """In full precision, and with few bits."""
    recipe, full = SYSTEMS[system]
    name = recipe.format(data=data)
    return Run(name, full, seed), Run(name, (), seed)


def integers_of(run: bitspike.Run, folder: Path) -> FrozenGraph:
    """A converted network is there already; whatever else is frozen."""
    converted = folder / "snn.bitspike"
    return bitspike.ir.load(converted) if converted.exists() else bitspike.freeze(run).net


def frozen(folder: Path, data_dir: Path | None) -> dict[str, Any]:
    """How a run's integers do on all test images, and on how many of them every backend names the oracle's class."""
    run = bitspike.load_run(folder, data_dir=data_dir)
    net, test = integers_of(run, folder), run.images("test")
    engines = {name: BACKENDS[name](**options).compile(net) for name, options in ENGINES.items()}
    codes, labels = test.images.numpy(), test.labels.numpy()
    said = {
        name: np.concatenate([run_net(codes[at : at + AT_ONCE]) for at in range(0, len(codes), AT_ONCE)])
        for name, run_net in engines.items()
    }
    classes = said["oracle"].argmax(-1)
    floats, integers = run.result["test_accuracy"], 100 * float((classes == labels).mean())
    return {
        "images": len(codes),
        "float_accuracy": floats,
        "integer_accuracy": round(integers, 4),
        "points": round(integers - floats, 4),
        **{f"classes_equal_{name}": int((classes == logits.argmax(-1)).sum()) for name, logits in said.items()},
        **{f"logits_equal_{name}": int((said["oracle"] == logits).all(-1).sum()) for name, logits in said.items()},
        "machine": machine_class(),
        "version": bitspike.__version__,
    }


def main(
    only: Annotated[list[str] | None, typer.Option(help="Systems, by the first word: 000 to 004.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="cifar10, fashion; default both.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to this less one.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; the cores are shared between them.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie; default $BITSPIKE_DATA.")] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where run folders go.")] = ROOT / "runs" / "claims",
) -> None:
    """Train what has no result yet, then freeze what is there."""
    systems = {name.split()[0]: name for name in SYSTEMS}
    for thing, given, known in (("--only", only, systems), ("--data", data, dict.fromkeys(DATA))):
        for name in given or ():
            if name not in known:
                raise UserError(thing, name, closest(name, known))
    chosen = [
        runs_of(systems[number], part, seed)
        for seed in range(seeds)
        for number in only or systems
        for part in data or DATA
    ]
    run_all([run for pair in chosen for run in pair], RESULTS, SCALE, jobs, runs_dir, data_dir)
    done = read_results(RESULTS, FROZEN)
    for _, low in chosen:
        folder = runs_dir / folder_name(low, SCALE)
        if low.key not in done and folder.exists():
            line = frozen(folder, data_dir)
            append(RESULTS / f"{FROZEN}.jsonl", {"run": low.key, "scale": SCALE, **line})
            print(f"{low.key}: {line['integer_accuracy']:.2f} % in integers", file=sys.stderr)


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"strength: {wrong}")
