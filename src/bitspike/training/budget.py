"""What a network may cost."""

from __future__ import annotations

from pydantic import PositiveFloat

from bitspike.training.sections import Section

__all__ = ["BudgetConfig"]


class BudgetConfig(Section):
    """What a network may cost at most, as `bitspike cost` counts exactly; ``None`` is no limit.

    Attributes:
        max_size: bytes. max_s_ace: bit operations of an image. max_bit_budget: mean over the MACs.
        max_energy: nJ of an image, Lemaire's model, with the spikes of the trained network.
    """

    max_size: PositiveFloat | None = None
    max_s_ace: PositiveFloat | None = None
    max_bit_budget: PositiveFloat | None = None
    max_energy: PositiveFloat | None = None

    def limits(self) -> dict[str, float]:
        """Those that are given, by what they limit."""
        given = {name.removeprefix("max_"): limit for name, limit in self}
        return {name: limit for name, limit in given.items() if limit is not None}
