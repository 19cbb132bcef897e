"""The files of a pipeline: a stage for each layer, all of them at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.verilog.plan import Plan
from bitspike.backends.verilog.streaming.choice import Chooser, Width, Widths, check_reachable, with_elements, within
from bitspike.backends.verilog.streaming.stage import Source, Stage, stages_of
from bitspike.backends.verilog.streaming.text import StageText, joined
from bitspike.backends.verilog.streaming.timing import Reader, cycles, depths
from bitspike.backends.verilog.text import checked_name, comment, resource
from bitspike.backends.verilog.weights import image
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

__all__ = ["MOST_PES", "Pipeline", "to_pipeline"]

ELEMENTS = ("parallel", "serial")
MOST_PES = 256
TRIES = 12
"""Of cycles aimed at, before those that are wanted are given up."""
SAMPLES = (6, 12, 24)
"""One behind the other, until three come out equally far apart."""


def to_pipeline(
    net: FrozenGraph,
    name: str = "network",
    element: str = "parallel",
    pes: int | None = None,
    cycles: int | None = None,
    luts: int | None = None,
) -> Pipeline:
    """The network as SystemVerilog, with a stage for each layer.

    Args:
        net: the network.
        name: of its module, and what every file of its own begins with.
        element: ``parallel`` or ``serial``.
        pes: elements of a stage at most, 8 where nothing is given; all stages are as fast as the slowest then.
        cycles: from one sample to the next at most, in as little hardware as an estimate finds.
        luts: by that estimate at most, as fast as they allow.

    Raises:
        UserError: a name or an element that will not do, more than one of the three, one that cannot be reached, an op
            without a stage, or a value that is too wide.
    """
    checked_name(name)
    if element == "event":
        raise UserError("element", element, "want parallel or serial: few stages have blocks enough to gain by lists")
    if element not in ELEMENTS:
        raise UserError("element", element, f"want {', '.join(ELEMENTS)}")
    given = {name: value for name, value in {"pes": pes, "cycles": cycles, "luts": luts}.items() if value is not None}
    for option, value in given.items():
        if value < 1 or (option == "pes" and value > MOST_PES):
            raise UserError(option, value, f"want 1 to {MOST_PES} elements" if option == "pes" else "want 1 or more")
    if len(given) > 1:
        raise UserError(next(iter(given)), " and ".join(given), "want one of pes, cycles and luts")
    plan = Plan(net)
    entry, stages = stages_of(plan)
    serial = element == "serial"
    if cycles is not None:
        return _paced(plan, entry, stages, name, serial, cycles)
    if luts is not None:
        widths = within(Chooser(stages, serial), luts)
    else:
        widths = with_elements(Chooser(stages, serial, pes or 8))
    return Pipeline(plan, entry, stages, name, serial, widths)


def _paced(plan: Plan, entry: Source, stages: Sequence[Stage], name: str, serial: bool, wanted: int) -> Pipeline:
    """The narrowest stages that take so many cycles together: each alone may have to be faster."""
    chooser = Chooser(stages, serial)
    check_reachable(chooser, entry.places * entry.channels, wanted)
    aim, best = wanted, 0
    for _ in range(TRIES):
        widths = chooser.widths(aim)
        if widths is None:
            break
        made = Pipeline(plan, entry, stages, name, serial, widths)
        if made.interval <= wanted:
            return made
        best = min(best or made.interval, made.interval)
        aim = min(aim - 1, aim * wanted // made.interval)
    best = best or Pipeline(plan, entry, stages, name, serial, chooser.reached(aim)).interval
    raise UserError("cycles", wanted, f"want {best} at least: as many take all stages together")


@dataclass(frozen=True)
class Pipeline:
    """A network in SystemVerilog, a stage for each layer.

    Attributes:
        plan: what was decided. entry: the stream of the input. stages: in order. widths: of each.
        name: of the network's module. serial: whether elements take a bit of a level a cycle.
    """

    plan: Plan
    entry: Source
    stages: Sequence[Stage]
    name: str
    serial: bool
    widths: Widths

    @property
    def answer(self) -> tuple[int, ...]:
        """Shape of what is said of one sample."""
        return self.plan.parts[self.plan.last].edge.shape

    @cached_property
    def depths(self) -> dict[Reader, int]:
        """Places of each buffer: what none may lack, and about a row more, so that stages wait for each other less."""
        found = depths(self.stages)
        for reader, least in found.items():
            stage = self.stages[reader.stage]
            windows = stage.windows
            if reader.beside or windows is None:
                found[reader] = least + stage.out.columns
            elif stage.out.places == 1:  # a whole sample: the next comes in as it is read
                found[reader] = least + windows.source.places
            else:
                found[reader] = least + windows.stride[0] * windows.source.columns
        return found

    def schedule(self, samples: int) -> list[tuple[int, int]]:
        """Cycles of the first beat in and the last beat out of samples that come without a pause."""
        paces = [width.pace(stage, self.serial) for stage, width in zip(self.stages, self.widths, strict=True)]
        return cycles(self.stages, paces, self.depths, self.entry.channels, samples)

    @cached_property
    def latency(self) -> int:
        """Cycles from a sample's first beat in to its last beat out, where no other is on its way."""
        ((began, ended),) = self.schedule(1)
        return ended - began + 1

    @cached_property
    def interval(self) -> int:
        """Cycles from a sample to the next, when many come one behind the other."""
        apart: list[int] = []
        for samples in SAMPLES:
            ends = [ended for _, ended in self.schedule(samples)]
            apart = [after - before for before, after in pairwise(ends)][-3:]
            if len(set(apart)) == 1:
                break
        return max(apart)

    @property
    def cycles(self) -> dict[str, int]:
        """Cycles of each stage alone, and of the beats in (named ``input``)."""
        paces = (
            (stage.name, width.pace(stage, self.serial).busy(stage))
            for stage, width in zip(self.stages, self.widths, strict=True)
        )
        return {"input": self.entry.places * self.entry.channels, **dict(paces)}

    @property
    def luts(self) -> float:
        """LUTs by the estimate."""
        return Chooser(self.stages, self.serial).luts(self.widths)

    def told(self) -> list[dict[str, str | int]]:
        """Each stage: its name, elements, levels that each takes at once, units, and cycles of an image by itself."""
        alone = self.cycles
        return [
            {
                "name": stage.name,
                "elements": width.pes if stage.windows else 0,
                "levels": width.fan if stage.windows else 0,
                "units": width.units,
                "cycles": alone[stage.name],
            }
            for stage, width in zip(self.stages, self.widths, strict=True)
        ]

    @cached_property
    def texts(self) -> list[StageText]:
        beats = {-1: 1, **{number: width.units for number, width in enumerate(self.widths)}}
        last = len(self.stages) - 1
        return [
            StageText(stage, width, beats, self.depths, self.name, self.serial, stage.number == last)
            for stage, width in zip(self.stages, self.widths, strict=True)
        ]

    @property
    def memory_bits(self) -> dict[str, int]:
        """Bits of all memories, by what they hold."""
        found: dict[str, int] = {}
        for text in self.texts:
            for name, bits in text.memory_bits.items():
                found[name] = found.get(name, 0) + bits
        return found

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Text by file name."""
        last = self.plan.parts[self.plan.last]
        filled = {
            "COMMENT": f'The network "{comment(self.plan.net.graph.name)}".',
            "NAME": self.name,
            "SAMPLE": str(self.entry.places * self.entry.channels),
            "CLASSES": str(last.edge.size),
            "LOGITS": str(last.edge.size),
            "REST": str(self.interval),
            "LOGIT": str(last.range.signed_bits),
            "BITS": str(self.entry.bits),
            "LO": str(self.entry_lo % (1 << self.entry.bits)),
            "STAGES": "\n".join(self._stages()),
            "LAST": f"s{len(self.stages) - 1}",
        }
        made = {f"{self.name}.sv": _filled(resource("pipeline.sv"), filled)}
        for part in ("arithmetic.sv", "element.sv", "memory.sv", "buffer.sv", "window.sv", "unit.sv"):
            made[f"bitspike_{part}"] = resource(part)
        made[f"{self.name}_tb.sv"] = _filled(resource("testbench.sv"), filled)
        for text in self.texts:
            if text.stage.windows is not None and text.stage.windows.weights:
                made[text.weights_file] = self._weights(text.stage, text.width)
            if text.offsets:
                made[text.constants_file] = self._constants(text)
        return made

    @property
    def entry_lo(self) -> int:
        (node,) = self.plan.net.graph.inputs()
        return node.edge.lo or 0

    def _stages(self) -> list[str]:
        """All stages, and what each stream waits for."""
        ready = [pair for text in self.texts for pair in text.ready]
        lines = [line for text in self.texts for line in text.lines]
        head = [f"  logic {name};" for _, name in ready] + [f"  assign in_ready = {joined(ready, -1)};"]
        tail = [f"  assign s{stage.number}_ready = {joined(ready, stage.number)};" for stage in self.stages[:-1]]
        return [*head, *lines, "", *tail, *self._trace()]

    def _trace(self) -> list[str]:
        lines = ["`ifdef BITSPIKE_TRACE", "  always_ff @(posedge clk) begin"]
        for stage, width in zip(self.stages[:-1], self.widths, strict=False):
            bits = stage.out.bits
            for unit in range(width.units):
                value = f"s{stage.number}_data[{unit * bits}+:{bits}]"
                value = f"$signed({value})" if stage.out.signed else value
                lines.append(f'    if (s{stage.number}_valid) $display("edge {stage.number} %0d", {value});')
        return [*lines, "  end", "`endif"]

    def _weights(self, stage: Stage, width: Width) -> str:
        """A word for each tap in the order in which a window is read: of all elements, and the levels of each."""
        windows = stage.windows
        assert windows is not None
        codes = self.plan.net.integers(f"{windows.weights}.weight")
        bits = windows.bits
        codes = (codes < 0).astype(np.int64) if bits == 1 else codes & ((1 << bits) - 1)
        words = words_of(codes, windows.groups, windows.channels, windows.kernel, width, windows.lanewise)
        return image(words, [bits] * words.shape[1])

    def _constants(self, text: StageText) -> str:
        channels = text.stage.out.channels
        numbers = [self.plan.constants[at : at + channels].reshape(-1, text.width.units) for at in text.offsets]
        return image(np.concatenate(numbers), [text.constant_bits] * text.width.units)

    # What a simulation takes and says

    def order(self, samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Codes in the order in which they are sent: place by place."""
        return np.moveaxis(samples, 1, -1)

    def limit(self, samples: int) -> int:
        """Cycles in which so many samples end, with gaps and pauses."""
        return 1000 + 8 * (samples * self.interval + self.latency)

    def edges(self, told: Sequence[Sequence[int]], samples: int) -> dict[str, NDArray[np.int64]]:
        """What a traced run has told of the edges, ``[T, N, *shape]`` by name."""
        by_stage: dict[int, list[int]] = {}
        for number, value in told:
            by_stage.setdefault(number, []).append(value)
        found = {}
        for number, values in by_stage.items():
            out = self.stages[number].out
            shape = self.plan.parts[out.name].edge.shape
            seen = np.array(values[: samples * out.places * out.steps * out.channels], np.int64)
            seen = seen.reshape(samples, out.rows, out.columns, out.steps, out.channels)
            found[out.name] = seen.transpose(3, 0, 4, 1, 2).reshape(out.steps, samples, *shape)
        return {name: values for name, values in found.items() if name in self.plan.net.graph.edges}


def words_of(
    codes: NDArray[np.int64], groups: int, channels: int, kernel: tuple[int, int], width: Width, lanewise: bool
) -> NDArray[np.int64]:
    """Weights ``[groups * made, channels * kernel]`` as words ``[words, elements * levels]``."""
    if lanewise:
        by_place = codes.reshape(-1, width.pes, *kernel)  # word, element, rows, columns
        return by_place.transpose(0, 2, 3, 1).reshape(-1, width.pes)
    parts = codes.reshape(groups, -1, width.pes, channels // width.fan, width.fan, *kernel)
    ordered = parts.transpose(0, 1, 5, 6, 3, 2, 4)  # group, block, row, column, word, element, level
    return ordered.reshape(-1, width.pes * width.fan)


def _filled(text: str, filled: Mapping[str, str]) -> str:
    return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], text)
