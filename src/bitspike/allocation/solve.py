"""The bits of every layer at once: a multiple-choice knapsack, solved exactly by HiGHS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bitspike.bits import Bits
from bitspike.errors import UserError, require

__all__ = ["Option", "smallest", "solve"]


@dataclass(frozen=True)
class Option:
    """Widths that one layer could have: what the loss would rise by, and what they cost (by name of the limit)."""

    bits: Bits
    loss: float
    costs: Mapping[str, float]


Layers = Mapping[str, Sequence[Option]]


def smallest(layers: Layers, limit: str) -> float:
    """The smallest cost of that name which any choice has."""
    return sum(min(option.costs[limit] for option in options) for options in layers.values())


def solve(layers: Layers, limits: Mapping[str, float]) -> dict[str, Option]:
    """One option for each layer with the smallest sum of losses, and no sum of costs above its limit.

    Args:
        layers: the options of each layer.
        limits: the largest cost of each name.

    Raises:
        UserError: no choice keeps the limits; says the smallest possible.
    """
    for name, limit in limits.items():
        if (least := smallest(layers, name)) > limit:
            raise UserError(f"budget {name}", f"{limit:,.10g}", f"the smallest possible is {least:,.10g}")
    refused: list[set[int]] = []  # choices that the solver took for small enough: it keeps limits to 1e-6 of themselves
    while True:
        chosen, taken = _milp(layers, limits, refused)
        if all(sum(option.costs[name] for option in chosen.values()) <= limit for name, limit in limits.items()):
            return chosen
        refused.append(taken)


def _milp(
    layers: Layers, limits: Mapping[str, float], refused: Sequence[set[int]]
) -> tuple[dict[str, Option], set[int]]:
    """``min loss x``, one option a layer (``sum x = 1``), ``costs x <= limit``, none of ``refused``, ``x`` 0 or 1.

    Returns the options, and where they are in the order of all options.
    """
    optimize = require("scipy.optimize", "tune")
    options = [(name, option) for name, some in layers.items() for option in some]
    layer_of = np.array([[float(name == layer) for name, _ in options] for layer in layers])
    # In shares of the limit, so that the solver's tolerances mean the same for bytes and for bit operations.
    costs = np.array([[option.costs[name] / limit for _, option in options] for name, limit in limits.items()])
    constraints = [optimize.LinearConstraint(layer_of, 1, 1)]
    if limits:
        constraints.append(optimize.LinearConstraint(costs, -np.inf, 1))
    for choice in refused:
        together = [float(index in choice) for index in range(len(options))]
        constraints.append(optimize.LinearConstraint(np.array([together]), -np.inf, len(choice) - 1))
    losses = np.array([option.loss for _, option in options])
    found = optimize.milp(
        losses / (np.abs(losses).max() or 1),  # its tolerances mean losses of about 1
        constraints=constraints,
        integrality=np.ones(len(options)),
        bounds=optimize.Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    if found.x is None:
        said = ", ".join(
            f"{name} {limit:,.10g} (alone {smallest(layers, name):,.10g})" for name, limit in limits.items()
        )
        raise UserError("budgets", said, "each can be kept, but not all at once")
    taken = {index for index, x in enumerate(found.x) if x > 0.5}
    return dict(options[index] for index in sorted(taken)), taken
