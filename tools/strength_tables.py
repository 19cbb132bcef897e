"""The tables of docs/results.md on networks at full strength, which `python -m claims.strength` trains and freezes."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

from written import RESULTS, link, read, table

from bitspike.recipes import two_cores

__all__ = ["STRENGTH"]

RUNS, FROZEN = "claims/full.jsonl", "claims/frozen.jsonl"
NAMES = {name.replace("_", "-") for name in two_cores.__all__}
DATA = {"cifar10": "CIFAR-10", "fashion-mnist": "Fashion-MNIST"}


def lines(name: str) -> list[dict[str, Any]]:
    """Of a file; none where it is not there."""
    found: list[dict[str, Any]] = read(name) if (RESULTS / name).exists() else []
    return found


def spread(values: list[float]) -> str:
    """Mean and, of several seeds, their standard deviation."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "") + " %"


def strength() -> str:
    """Accuracy and cost of each system in full precision and with few bits, means over the seeds."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in lines(RUNS):
        if run["recipe"] in NAMES:
            groups.setdefault((run["recipe"], run["bits"]), []).append(run)
    rows = []
    for (recipe, bits), runs in groups.items():
        of = {key: mean(run[key] for run in runs) for key in ("size_bytes", "s_ace", "ns_ace", "energy_nj", "seconds")}
        widths = {key: mean(run[key] for run in runs) for key in ("mean_w", "mean_s", "mean_t")}
        learned = "/".join(f"{width:.3g}" for width in widths.values())
        threads = runs[0]["threads"]
        machine = f"{of['seconds'] / 60:.0f}, {threads} thread{'s' * (threads > 1)} of a {runs[0]['machine']}"
        costs = (f"{of['size_bytes']:,.0f}", f"{of['s_ace'] / 1e6:,.0f} M", f"{of['ns_ace'] / 1e6:,.0f} M")
        rows.append(
            (
                f"`{recipe}`",
                DATA[runs[0]["dataset"]],
                bits if bits.startswith(learned) else f"{bits}, ends at {learned}",
                spread([run["test_accuracy"] for run in runs]),
                len(runs),
                *costs,
                f"{of['energy_nj'] / 1e3:,.1f} uJ",
                machine,
                link(RUNS),
            )
        )
    head = ("bits", "test accuracy", "seeds", "bytes", "S-ACE", "NS-ACE", "energy", "minutes of training", "file")
    return table(("recipe", "data", *head), rows)


def strength_in_integers() -> str:
    """The same networks frozen: on how many test images every backend names the oracle's class."""
    rows = []
    for run in lines(FROZEN):
        equal = (f"{run[f'classes_equal_{name}']:,} of {run['images']:,}" for name in ("oracle", "c", "native"))
        accuracies = (f"{run[name]:.2f} %" for name in ("float_accuracy", "integer_accuracy"))
        rows.append((f"`{run['run']}`", *accuracies, *equal, link(FROZEN)))
    return table(("network", "in floats", "in integers", "oracle", "C", "native", "file"), rows)


STRENGTH = (strength, strength_in_integers)
