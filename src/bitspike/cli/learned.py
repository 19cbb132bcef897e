"""What is told of learned bits after an epoch."""

from __future__ import annotations

from typing import Any

__all__ = ["learned"]


def learned(line: dict[str, Any]) -> str:
    """Mean W/S/T of networks that learn them, and how far they are from the target."""
    if "mean_bits" not in line:
        return ""
    means = line["mean_bits"]
    said = "/".join(f"{mean:.2f}" for mean in means.values())
    names = "/".join(means).upper()
    if "of_budget" in line:
        return f", {names} {said}, of the budget " + ", ".join(
            f"{n} {100 * v:.0f} %" for n, v in line["of_budget"].items()
        )
    if "target" not in line:
        return f", {names} {said}"
    wanted = dict(zip("wst", line["target"], strict=True))
    away = "/".join(f"{means[key] - wanted[key]:+.2f}" for key in means)
    return f", {names} {said} ({away} from the target)"
