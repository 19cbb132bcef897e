"""A published number beside ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

__all__ = ["Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of a paper's table.

    Attributes:
        row: what it is of.
        printed: the number as it is printed; how many digits it has says how exact it is.
        ours: the same, recomputed by the convention ``counting``; ``None`` where it cannot be.
        true: of the same network when all that runs is counted (``exact``); ``None`` where we have no such network.
        unit: of the three numbers.
        note: what the printed number stands for, and why ours is another one.
    """

    row: str
    printed: str
    ours: float | None
    unit: str
    counting: str
    note: str = ""
    true: float | None = None

    @property
    def published(self) -> float:
        return float(self.printed)

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return None if self.ours is None else self.ours / self.published

    @property
    def agrees(self) -> bool:
        """Whether ours, at one digit more than is printed, is within half a unit of the last digit in print.

        One digit more, because some papers have rounded twice: 126.00499 MB is printed as 126.01.
        """
        if self.ours is None:
            return False
        printed = Decimal(self.printed)
        return abs(Decimal(self.at_one_digit_more(self.ours)) - printed) <= self._unit / 2

    def at_one_digit_more(self, value: float) -> str:
        """``value`` with one digit more than is printed."""
        return str(Decimal(value).quantize(self._unit / 10, ROUND_HALF_UP))

    @property
    def _unit(self) -> Decimal:
        """Of the last digit in print."""
        return Decimal(1).scaleb(int(Decimal(self.printed).as_tuple().exponent))

    def to_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        del fields["printed"]
        return {"row": self.row, "published": self.published, "ours": self.ours, "ratio": self.ratio} | fields
