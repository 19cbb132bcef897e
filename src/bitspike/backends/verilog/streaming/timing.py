"""When everything happens in a pipeline: what its buffers must hold, and its cycles, exactly.

Between stages there are only streams that wait for each other, so that what is computed does not depend on when. If one
order of the work comes to its end with buffers of some sizes, then every order does: `depths` goes through the order in
which each place is made when it is asked for, and takes the sizes that this order needs. Nothing can block for ever in
buffers as large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from bitspike.backends.verilog.streaming.stage import Stage

__all__ = ["Pace", "Reader", "cycles", "depths"]

INPUT = -1


@dataclass(frozen=True)
class Pace:
    """How a stage of some width works.

    Attributes:
        blocks: windows of a place and step. taps: cycles in which a window is read; 0 without windows.
        passes: of the program for each block. instructions: of a pass. stores: which of them sends, from 0.
    """

    blocks: int
    taps: int
    passes: int
    instructions: int
    stores: int

    def busy(self, stage: Stage) -> int:
        """Cycles of a sample where nothing is waited for."""
        held = stage.windows is not None and stage.steps > stage.windows.source.steps
        program = self.passes * self.instructions
        summed = max(self.taps + 1 if self.taps else 1, program)
        later = program if held else summed
        return stage.out.places * self.blocks * (summed + (stage.steps - 1) * later)


@dataclass(frozen=True)
class Reader:
    """A buffer: whose stream it keeps, which stage reads it, and whether beside the sums."""

    source: int
    stage: int
    beside: bool


def readers(stages: Sequence[Stage]) -> list[Reader]:
    """All buffers, in the order of the stages."""
    found = []
    for stage in stages:
        if stage.windows is not None:
            found.append(Reader(stage.windows.source.made_by, stage.number, False))
        found += [Reader(source.made_by, stage.number, True) for source in stage.beside.values()]
    return found


def depths(stages: Sequence[Stage]) -> dict[Reader, int]:
    """Places that each buffer must hold, so that no stage waits for another for ever."""
    written = dict.fromkeys([INPUT, *range(len(stages))], 0)
    freed = dict.fromkeys(readers(stages), 0)
    found = dict.fromkeys(freed, 1)
    by_source = {number: [one for one in freed if one.source == number] for number in written}
    places = {reader: _places(stages[reader.stage], reader) for reader in freed}

    def make(number: int, wanted: int) -> None:
        """Until so many places of a stream are made."""
        while written[number] < wanted:
            place = written[number]
            if number != INPUT:
                for reader, need, _ in _wants(stages[number], place):
                    make(reader.source, need)
            for reader in by_source[number]:
                found[reader] = max(found[reader], place - freed[reader] + 1)
            written[number] += 1
            if number != INPUT:
                for reader, _, frees in _wants(stages[number], place):
                    freed[reader] = frees

    last = stages[-1]
    make(last.number, 2 * last.out.places)
    return {reader: min(depth, 2 * places[reader]) for reader, depth in found.items()}


def _places(stage: Stage, reader: Reader) -> int:
    windows = stage.windows
    return stage.out.places if reader.beside or windows is None else windows.source.places


def _wants(stage: Stage, place: int) -> Iterator[tuple[Reader, int, int]]:
    """Places that each buffer needs for a place of a stage, counted over all samples, and those free behind it."""
    sample, here = divmod(place, stage.out.places)
    if stage.windows is not None:
        of = stage.windows.source.places
        need, _ = stage.window(here)
        last = here + 1 == stage.out.places
        frees = of if last else stage.window(here + 1)[1]
        yield Reader(stage.windows.source.made_by, stage.number, False), sample * of + max(need, 0), sample * of + frees
    for source in stage.beside.values():
        yield Reader(source.made_by, stage.number, True), place + 1, place + 1


def cycles(
    stages: Sequence[Stage], paces: Sequence[Pace], deep: Mapping[Reader, int], codes: int, samples: int
) -> list[tuple[int, int]]:
    """The cycles of each sample's first beat in and last beat out, one sample behind the other without a pause.

    Args:
        stages: in order. paces: of each.
        deep: places of each buffer.
        codes: beats of a place of the input.
        samples: how many.

    Raises:
        RuntimeError: a stage waits for itself, which buffers as large as `depths` exclude.
    """
    return _Clock(stages, paces, deep, codes, samples).run()


class _Clock:
    """Steps of all stages in the order in which what they wait for is known."""

    def __init__(
        self, stages: Sequence[Stage], paces: Sequence[Pace], deep: Mapping[Reader, int], codes: int, samples: int
    ) -> None:
        self.stages, self.paces, self.deep, self.codes, self.samples = stages, paces, deep, codes, samples
        self.written: dict[int, list[int]] = {number: [] for number in range(INPUT, len(stages))}
        self.freed: dict[Reader, list[tuple[int, int]]] = {reader: [(0, 0)] for reader in deep}
        self.by_source = {number: [one for one in deep if one.source == number] for number in self.written}
        self.at = dict.fromkeys(deep, 0)
        self.starts: list[list[int]] = [[] for _ in stages]
        self.ends: list[list[int]] = [[] for _ in stages]
        self.began: list[int] = []

    def run(self) -> list[tuple[int, int]]:
        agents = [self._input(), *(self._walk(stage) for stage in self.stages), *(self._unit(s) for s in self.stages)]
        waiting = dict(enumerate(agents))
        moved = True
        while waiting and moved:
            moved = False
            for number, agent in list(waiting.items()):
                for progress in agent:
                    if not progress:
                        break
                    moved = True
                else:
                    moved = True
                    del waiting[number]
        last = self.stages[-1]
        done = self.written[last.number][last.out.places - 1 :: last.out.places]
        if len(done) < self.samples:
            raise RuntimeError("the pipeline waits for itself")
        return list(zip(self.began, done, strict=True))

    def _space(self, number: int, place: int) -> int | None:
        """When there is room for a place of a stream in all of its buffers; None while that is not known."""
        found = 0
        for reader in self.by_source[number]:
            freed, wanted = self.freed[reader], place - self.deep[reader] + 1
            index = self.at[reader]
            while freed[index][0] < wanted:
                index += 1
                if index == len(freed):
                    return None
            self.at[reader] = index
            found = max(found, freed[index][1])
        return found

    def _input(self) -> Iterator[bool]:
        (stage_places,) = {
            s.windows.source.places for s in self.stages if s.windows and s.windows.source.made_by < 0
        } | {source.places for s in self.stages for source in s.beside.values() if source.made_by < 0}
        now = 1  # windows that see padding alone are ahead of the first beat
        for place in range(stage_places * self.samples):
            while (space := self._space(INPUT, place)) is None:
                yield False
            first = max(now, space)
            if place % stage_places == 0:
                self.began.append(first)
            now = first + self.codes
            self.written[INPUT].append(now)
            yield True

    def _walk(self, stage: Stage) -> Iterator[bool]:
        """The windows: when each begins. Known once the program of the one before the one before has ended."""
        windows = stage.windows
        if windows is None:
            return
        pace, starts, ends = self.paces[stage.number], self.starts[stage.number], self.ends[stage.number]
        reader = Reader(windows.source.made_by, stage.number, False)
        source, freed = self.written[reader.source], self.freed[reader]
        held = stage.steps > windows.source.steps
        before, quick_before = -pace.taps - 2, False
        number = 0
        for place in range(stage.out.places * self.samples):
            ((_, need, frees),) = [one for one in _wants(stage, place) if not one[0].beside]
            while len(source) < need:
                yield False
            here = source[need - 1] if need else 0
            for step in range(stage.steps):
                for _ in range(pace.blocks):
                    while len(ends) < number - 1:
                        yield False
                    quick = held and step > 0
                    begin = before + (1 if quick_before else pace.taps + 1)
                    if quick:  # when the sums before are taken
                        begin = max(begin, self._taken(stage, number - 1))
                    else:
                        begin = max(begin, here, ends[number - 2] if number > 1 else 0)
                    starts.append(begin)
                    before, quick_before = begin, quick
                    number += 1
                    yield True
            freed.append((frees, before + (1 if quick_before else pace.taps + 1)))

    def _taken(self, stage: Stage, number: int) -> int:
        """When the arithmetic unit takes the sums of a window."""
        starts, ends, pace = self.starts[stage.number], self.ends[stage.number], self.paces[stage.number]
        held = stage.windows is not None and stage.steps > stage.windows.source.steps
        quick = held and number // pace.blocks % stage.steps > 0
        summed = starts[number] + (1 if quick else pace.taps + 2)
        return max(summed, ends[number - 1] if number else 0)

    def _unit(self, stage: Stage) -> Iterator[bool]:
        """The program: when it ends for each window, and when what it sends is written."""
        pace, starts, ends = self.paces[stage.number], self.starts[stage.number], self.ends[stage.number]
        beside = [Reader(source.made_by, stage.number, True) for source in stage.beside.values()]
        written = self.written[stage.number]
        numbers = count()
        end = 0
        for place in range(stage.out.places * self.samples):
            for reader in beside:
                while len(self.written[reader.source]) <= place:
                    yield False
            here = max((self.written[reader.source][place] + 1 for reader in beside), default=0)
            space: int | None = None
            for step in range(stage.steps):
                sends = not stage.layer.at_last or step == stage.steps - 1
                if sends and space is None:
                    while (space := self._space(stage.number, place)) is None:
                        yield False
                for _ in range(pace.blocks):
                    number = next(numbers)
                    if stage.windows is not None:
                        while len(starts) <= number:
                            yield False
                        end = self._taken(stage, number)
                    for _ in range(pace.passes):
                        begin = max(end + 1, here, space if sends and space is not None else 0)
                        end = begin + pace.instructions - 1
                    ends.append(end)
                    yield True
            written.append(begin + pace.stores + 1)
            for reader in beside:
                self.freed[reader].append((place + 1, end + 1))
