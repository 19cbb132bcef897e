"""A published number beside ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from bitspike.reproduce.trained import Result, best_for, on_its_data

__all__ = ["MISPRINT", "Row", "waiting"]

MISPRINT = "misprint"
"""How the note of a row begins whose printed number is wrong; what follows says why."""
ACCURACY = "% right"
ACCURACIES = (ACCURACY, "% of mAP")


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
        trains: the command that trains the network which the number is measured on, where it takes one.
        bound: ``below`` or ``above`` where the paper says that of the number, and not that it is it.
    """

    row: str
    printed: str
    ours: float | None
    unit: str
    counting: str
    note: str = ""
    true: float | None = None
    trains: str = ""
    bound: Literal["", "below", "above"] = ""

    @property
    def published(self) -> float:
        return float(self.printed)

    @property
    def difference(self) -> float | None:
        """Ours less theirs."""
        return None if self.ours is None else self.ours - self.published

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return None if self.ours is None or not self.published else self.ours / self.published

    @property
    def agrees(self) -> bool:
        """Whether ours, at one digit more than is printed, is within half a unit of the last digit in print.

        One digit more, because some papers have rounded twice: 126.00499 MB is printed as 126.01. Of a bound, whether
        it holds.
        """
        if self.ours is None:
            return False
        if self.bound:
            return self.ours < self.published if self.bound == "below" else self.ours > self.published
        printed = Decimal(self.printed)
        return abs(Decimal(self.at_one_digit_more(self.ours)) - printed) <= self._unit / 2

    @property
    def status(self) -> str:
        """``equal`` as printed, ``holds`` of a bound, ``misprint``, how far ours is off, or why there is none."""
        if self.note.startswith(MISPRINT):
            return MISPRINT
        if self.agrees:
            return "holds" if self.bound else "equal"
        if self.ours is None:
            return "needs training" if self.trains else "another's"
        if self.bound or self.ratio is None or not 0.8 <= self.ratio <= 1.25:
            return "differs"
        return f"within {_up_to_two_digits(100 * abs(self.ratio - 1))} %"

    @property
    def best(self) -> Result | None:
        """The best result that we have of such a network, where an accuracy needs training."""
        return best_for(self.trains) if self.trains and self.unit in ACCURACIES else None

    @property
    def why(self) -> str:
        """The note, and of what needs training the command and our best result so far."""
        if not self.trains:
            return self.note
        return "; ".join(part for part in (f"`{self.trains}`", self.so_far, self.note) if part)

    @property
    def so_far(self) -> str:
        """Our best result beside an accuracy that needs training, and whether it is on the same data."""
        if not self.trains or self.unit not in ACCURACIES:
            return ""
        if self.best is None:
            return "nothing of the kind is trained yet"
        same = on_its_data(self.trains, self.best)
        return f"best so far: {self.best}" if same else f"nothing on this data yet; nearest: {self.best}"

    def at_one_digit_more(self, value: float) -> str:
        """``value`` with one digit more than is printed."""
        return str(Decimal(value).quantize(self._unit / 10, ROUND_HALF_UP) + 0)  # no -0

    @property
    def _unit(self) -> Decimal:
        """Of the last digit in print."""
        return Decimal(1).scaleb(int(Decimal(self.printed).as_tuple().exponent))

    def to_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        del fields["printed"]
        compared = {"published": self.published, "ours": self.ours, "difference": self.difference, "ratio": self.ratio}
        return {"row": self.row} | compared | {"status": self.status} | fields | {"so_far": self.so_far}


def waiting(
    row: str, printed: str, trains: str, note: str = "", unit: str = ACCURACY, counting: str = "test set"
) -> Row:
    """A number that no command computes without training first."""
    return Row(row=row, printed=printed, ours=None, unit=unit, counting=counting, note=note, trains=trains)


def _up_to_two_digits(percent: float) -> str:
    """Rounded up, so that what it says is so."""
    exact = Decimal(f"{percent:.9g}")  # less than that is the noise of floats
    return f"{exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), 'ROUND_UP').normalize():f}"
