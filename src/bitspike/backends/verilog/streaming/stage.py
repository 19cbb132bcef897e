"""The layers of the plan as stages: streams that come in, windows over them, and the stream that goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd, prod
from typing import NamedTuple

from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.micro import Micro
from bitspike.backends.verilog.plan import Plan
from bitspike.backends.verilog.row import Pair, Part, sides
from bitspike.backends.verilog.widths import arithmetic_widths, width_of
from bitspike.errors import UserError
from bitspike.ir import Input, Readout
from bitspike.ir.ranges import Range

__all__ = ["Source", "Stage", "Windows", "stages_of", "unit_limits"]

MODES = {"synapse": 1, "added": 2, "largest": 3}
"""What `bitspike_window` makes of a window, by the sweep's name for it."""
WITHOUT_STAGE = {
    "MatMul": "products of two edges",
    "Permute": "edges whose axes are exchanged",
    "Delay": "loops",
    "Accumulate": "running sums",
    "Difference": "differences of steps",
}
ELSEWHERE = "export with --architecture shared"


class Source(NamedTuple):
    """A stream: beats place by place; of a place step by step; of a step in the order of channels.

    Attributes:
        name: of the edge. channels, rows, columns: of a step. steps: of a place.
        bits, signed: of a level. made_by: the number of its stage; -1 is the input.
    """

    name: str
    channels: int
    rows: int
    columns: int
    steps: int
    bits: int
    signed: bool
    made_by: int

    @property
    def places(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class Windows:
    """What a stage sums.

    Attributes:
        source: the stream it keeps a part of. mode: a key of `MODES`.
        groups, channels, made: as in `Sweep`. lanewise: channels see only themselves, so several are summed at once,
            each by an element of its own.
        kernel, stride, padding, dilation: rows and columns.
        weights: the op whose weights they are; "" of a pool. bits: of a weight. sum_bits: of a sum, with its sign.
    """

    source: Source
    mode: str
    groups: int
    channels: int
    made: int
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    weights: str
    bits: int
    sum_bits: int

    @property
    def lanewise(self) -> bool:
        return not self.weights or (self.groups > 1 and self.channels == self.made == 1)

    @property
    def reach(self) -> Pair:
        """How far the last row and column of a window are from its first."""
        down, across = (apart * (side - 1) for apart, side in zip(self.dilation, self.kernel, strict=True))
        return down, across

    def need(self, row: int, column: int) -> int:
        """Places of the source that are there before the window at this place is read, as `bitspike_window` has it."""
        bottom = row * self.stride[0] - self.padding[0] + self.reach[0]
        right = column * self.stride[1] - self.padding[1] + self.reach[1]
        if bottom >= self.source.rows:
            return self.source.places
        return bottom * self.source.columns + min(right + 1, self.source.columns)

    def freed(self, row: int, column: int) -> int:
        """Places of the source that are not read from this window on."""
        top, left = row * self.stride[0] - self.padding[0], column * self.stride[1] - self.padding[1]
        most = min(self.stride[0] * self.source.columns - self.padding[1], self.source.columns)
        if top >= self.source.rows:
            return self.source.places
        return 0 if top < 0 else max(0, top * self.source.columns + min(left, most))


@dataclass(frozen=True)
class Stage:
    """One layer of the plan.

    Attributes:
        number: its place in the order. layer: of the plan. micros: its program.
        windows: that it sums, or none. held: they are summed at the first step alone.
        beside: streams that its program reads beside the sums, by their place in memory.
        out: the stream it makes.
    """

    number: int
    layer: Layer
    micros: Sequence[Micro]
    windows: Windows | None
    beside: dict[tuple[int, int], Source]
    out: Source

    @property
    def steps(self) -> int:
        return self.layer.steps

    @cached_property
    def bits(self) -> dict[str, int]:
        """What its units compute with."""
        return arithmetic_widths([self.layer])

    @property
    def name(self) -> str:
        return self.layer.root.node.name

    def window(self, place: int) -> tuple[int, int]:
        """What the window at a place needs, and what it frees."""
        if self.windows is None:
            return 0, 0
        if self.out.places == 1:
            return self.windows.source.places, 0
        row, column = divmod(place, self.out.columns)
        return self.windows.need(row, column), self.windows.freed(row, column)


def stages_of(plan: Plan) -> tuple[Source, list[Stage]]:
    """The stream of the input, and the stages.

    Raises:
        UserError: an op, or an edge that is read in another order than it is made in, that has no streaming form.
    """
    for part in plan.parts.values():
        kind = type(part.node).__name__
        if kind in WITHOUT_STAGE:
            raise part.node.refuse(kind, f"the streaming architecture has no {WITHOUT_STAGE[kind]}; {ELSEWHERE}")
        if isinstance(part.node, Input) and part.edge.T > 1:
            raise part.node.refuse(str(plan.net.sample), f"the streaming architecture has no trains; {ELSEWHERE}")
        if isinstance(part.node, Readout) and part.node.over != "sum":
            raise part.node.refuse(part.node.over, f"the streaming architecture adds all steps up; {ELSEWHERE}")
        if len(part.edge.shape) > 3:
            raise part.node.refuse(part.edge.shape, f"the streaming architecture has edges of 1 to 3 axes; {ELSEWHERE}")
    first = next(iter(plan.parts.values()))
    entry = _source(first, -1)
    made = {first.node.name: entry}
    stages = []
    for number, layer in enumerate(plan.layers):
        out = _source(layer.root, number)
        reads = {name: made[_root(plan, name)] for name in plan.reads(layer.root)}
        stages.append(_stage(plan, number, layer, reads, out))
        made[out.name] = out
    return entry, stages


def _source(part: Part, number: int) -> Source:
    found = part.range
    bits = max(1, found.signed_bits - (found.lo >= 0))
    return Source(part.node.name, *sides(part.edge.shape), part.edge.T, bits, found.lo < 0, number)


def _root(plan: Plan, name: str) -> str:
    """The edge as which a reshaped one is made."""
    while not plan.parts[name].row.computed and plan.parts[name].node.inputs:
        name = plan.parts[name].node.inputs[0]
    return name


def _stage(plan: Plan, number: int, layer: Layer, reads: dict[str, Source], out: Source) -> Stage:
    beside: dict[tuple[int, int], Source] = {}
    micros = layer.code.finished()
    wanted = {made.b.place[:2] for made in micros if made.b.kind == "edge"}
    for name, source in reads.items():
        place = plan.places[name]
        if (place.memory, place.address) in wanted:
            shape = sides(plan.parts[name].edge.shape)
            if shape != (source.channels, source.rows, source.columns) or shape != sides(layer.root.edge.shape):
                raise _reordered(plan.parts[name])
            beside[place.memory, place.address] = source
    windows = None
    if layer.sweep is not None:
        windows = _windows(plan, layer, reads[layer.sweep.source])
    return Stage(number, layer, micros, windows, beside, out)


def _reordered(part: Part) -> UserError:
    return part.node.refuse(
        part.edge.shape, f"the streaming architecture flattens in front of linear layers alone; {ELSEWHERE}"
    )


def _windows(plan: Plan, layer: Layer, source: Source) -> Windows:
    """A linear layer has one window, as large as what it reads is before it is flat."""
    sweep = layer.sweep
    assert sweep is not None
    if sweep.mode not in MODES:
        raise layer.root.node.refuse(sweep.mode, f"the streaming architecture has no such windows; {ELSEWHERE}")
    seen = plan.parts[sweep.source]
    kernel, channels = sweep.kernel, sweep.channels
    if sides(seen.edge.shape) != (source.channels, source.rows, source.columns):
        if len(seen.edge.shape) != 1 or sweep.channels != source.channels * source.places or prod(kernel) != 1:
            raise _reordered(seen)
        kernel, channels = (source.rows, source.columns), source.channels
    found = next((value.range for value in layer.code.values() if value.kind == "sum"), Range(0, 1))
    bits = 0
    if sweep.weights:
        bits = int(plan.parts[sweep.weights].node.weight_bits)  # type: ignore[attr-defined]
    return Windows(
        source,
        sweep.mode,
        sweep.groups,
        channels,
        sweep.made,
        kernel,
        sweep.stride,
        sweep.padding,
        sweep.dilation,
        sweep.weights,
        bits,
        max(2, width_of(found), width_of(plan.parts[sweep.weights].range) if sweep.weights else 0),
    )


def unit_limits(stages: Sequence[Stage]) -> list[int]:
    """What the channels of a beat must divide, for each stage.

    Windows over groups of channels have whole beats, a stream that is added to another has no longer ones, and logits
    go out one by one.
    """
    found = [stage.out.channels for stage in stages]
    found[-1] = 1
    for stage in reversed(stages):
        windows = stage.windows
        if windows is not None and windows.groups > 1 and not windows.lanewise:
            found[stage.number] = gcd(found[stage.number], windows.made)
            if windows.source.made_by >= 0:
                found[windows.source.made_by] = gcd(found[windows.source.made_by], windows.channels)
        for source in stage.beside.values():
            if source.made_by >= 0:
                found[source.made_by] = gcd(found[source.made_by], found[stage.number])
    return found
