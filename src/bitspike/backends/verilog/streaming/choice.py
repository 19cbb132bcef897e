"""How wide each stage is: elements, levels an element takes at once, arithmetic units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bitspike.backends.verilog.streaming.luts import stage_luts
from bitspike.backends.verilog.streaming.stage import Source, Stage, unit_limits
from bitspike.backends.verilog.streaming.timing import Pace
from bitspike.errors import UserError

__all__ = ["Width", "fastest", "narrowest", "with_elements", "within"]


@dataclass(frozen=True)
class Width:
    """How wide one stage is.

    Attributes:
        pes: elements that sum at once, each for a channel. fan: levels that each takes at once. lanes: levels of a word
            of its buffer. units: channels that the program runs for at once, and of a beat out.
    """

    pes: int
    fan: int
    lanes: int
    units: int

    def pace(self, stage: Stage, serial: bool) -> Pace:
        """How it works with this width."""
        stores = next(index for index, made in enumerate(stage.micros) if made.store)
        windows = stage.windows
        if windows is None:
            return Pace(1, 0, stage.out.channels // self.units, len(stage.micros), stores)
        taps = windows.kernel[0] * windows.kernel[1]
        if not windows.lanewise:
            taps *= windows.channels // self.fan
        bits = windows.source.bits if serial and windows.weights else 1
        return Pace(stage.out.channels // self.pes, taps * bits, self.pes // self.units, len(stage.micros), stores)

    def multipliers(self, stage: Stage) -> int:
        """Levels that are multiplied, or pooled, in a cycle."""
        return self.pes * self.fan if stage.windows else 0


Widths = tuple[Width, ...]


def _divisors(number: int) -> list[int]:
    return [one for one in range(1, number + 1) if number % one == 0]


class Chooser:
    """Finds the cheapest widths for a number of cycles.

    Args:
        stages: in order.
        serial: whether elements take a bit of a level a cycle.
        pes: elements of a stage at most; then each takes a level at once. None for as many as there is use for.
    """

    def __init__(self, stages: Sequence[Stage], serial: bool, pes: int | None = None) -> None:
        self.stages, self.serial, self.pes = stages, serial, pes
        self.limits = unit_limits(stages)
        self.joined = {source.made_by for stage in stages for source in stage.beside.values()}
        self.joined |= {stage.number for stage in stages if stage.beside}

    def widths(self, most: int) -> Widths | None:
        """The cheapest of which no stage is busy for more cycles; None where there are none."""
        made: list[Width] = []
        for stage in self.stages:
            found = [one for one in self._possible(stage, made) if one.pace(stage, self.serial).busy(stage) <= most]
            if not found:
                return None
            made.append(min(found, key=lambda one: (stage_luts(stage, one, self.serial), one.multipliers(stage))))
        return tuple(made)

    def bounds(self) -> list[int]:
        """The cycles of each stage at its fastest."""
        made: list[Width] = []
        found = []
        for stage in self.stages:
            possible = list(self._possible(stage, made))
            if not possible:
                raise UserError("pes", self.pes, f"want more: {stage.name} reads several channels at once")
            best = min(one.pace(stage, self.serial).busy(stage) for one in possible)
            found.append(best)
            made.append(
                min(
                    (one for one in possible if one.pace(stage, self.serial).busy(stage) == best),
                    key=lambda one: one.units,
                )
            )
        return found

    def _possible(self, stage: Stage, made: Sequence[Width]) -> Iterator[Width]:
        """All that fit the beats of what it reads. Streams that are added have beats of powers of two."""
        beside = max((self._beat(source, made) for source in stage.beside.values()), default=1)
        powers = stage.number in self.joined
        for units in _divisors(self.limits[stage.number]):
            if units % beside == 0 and not (powers and units & (units - 1)):
                yield from self._of_units(stage, units, made)

    def _of_units(self, stage: Stage, units: int, made: Sequence[Width]) -> Iterator[Width]:
        windows = stage.windows
        if windows is None:
            yield Width(units, 1, 1, units)
            return
        beat = self._beat(windows.source, made)
        words = _divisors(windows.source.channels if windows.lanewise else windows.channels)
        for word in (one for one in words if one % beat == 0):
            if windows.lanewise:
                if word % units == 0 and self._few(word):
                    yield Width(word, 1, word, units)
                continue
            for pes in (one for one in _divisors(windows.made) if one % units == 0 and self._few(one)):
                if word == beat:
                    yield Width(pes, 1, word, units)
                if word > 1 and self.pes is None:
                    yield Width(pes, word, word, units)

    def _few(self, pes: int) -> bool:
        return self.pes is None or pes <= self.pes

    def _beat(self, source: Source, made: Sequence[Width]) -> int:
        return 1 if source.made_by < 0 else made[source.made_by].units


def with_elements(chooser: Chooser) -> Widths:
    """All stages as fast as the slowest of so many elements, and no wider than that takes."""
    found = chooser.widths(max(chooser.bounds()))
    assert found is not None
    return found


def narrowest(chooser: Chooser) -> Widths:
    """As little as there can be."""
    found = chooser.widths(1 << 62)
    assert found is not None
    return found


def fastest(chooser: Chooser, entry: int, cycles: int) -> None:
    """Refuses cycles that no width reaches.

    Raises:
        UserError: the input or a stage takes longer.
    """
    bounds = chooser.bounds()
    slowest = max(range(len(bounds)), key=bounds.__getitem__)
    least, what = max((entry, "the input"), (bounds[slowest], chooser.stages[slowest].name))
    if cycles < least:
        raise UserError("cycles", cycles, f"want {least} at least: {what} takes as many at its fastest")


def within(chooser: Chooser, luts: int, estimate: Mapping[str, float] | None = None) -> Widths:
    """As fast as an estimate of LUTs allows.

    Raises:
        UserError: the narrowest takes more.
    """
    least = round(_total(chooser, narrowest(chooser)))
    if luts < least:
        raise UserError("luts", luts, f"want {least} at least, by the estimate: as many take the narrowest stages")
    low, high = max(chooser.bounds()), 1
    found = narrowest(chooser)
    high = max(one.pace(stage, chooser.serial).busy(stage) for stage, one in zip(chooser.stages, found, strict=True))
    while low < high:
        middle = (low + high) // 2
        made = chooser.widths(middle)
        if made is not None and _total(chooser, made) <= luts:
            found = made
            high = max(
                one.pace(stage, chooser.serial).busy(stage) for stage, one in zip(chooser.stages, made, strict=True)
            )
        else:
            low = middle + 1
    return found


def _total(chooser: Chooser, widths: Widths) -> float:
    return sum(stage_luts(stage, one, chooser.serial) for stage, one in zip(chooser.stages, widths, strict=True))
