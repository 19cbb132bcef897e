"""A network as a plan: which edges are stored and where, and the instructions of every stage."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike import native
from bitspike.backends.native import structs
from bitspike.backends.native.choose import ONE, Chooser
from bitspike.backends.native.code import AFTER, BEFORE, EACH, Code
from bitspike.backends.native.edges import MOST_BATCH, Life, Prepared, Stored, place
from bitspike.backends.native.kernels import Packed
from bitspike.backends.native.stages import Group, groups
from bitspike.backends.native.structs import Kind, Type
from bitspike.backends.native.table import ROWS
from bitspike.backends.native.turns import NEAR, in_turns, turns_of
from bitspike.backends.protocol import writer_of
from bitspike.ir import FrozenGraph, MatMul, Range, Readout, Synapse

__all__ = ["Plan", "plan"]

MOST_ARENA = 32 << 20
"""Bytes of edges at once: what a processor's last cache holds beside the weights."""
FACTORS = ("row", "lane")
REGISTERS, LEAST_BLOCK = 24 << 10, 32
"""Bytes of a block's registers, which stay in the first cache; positions that a pass over the weights is worth."""
TILED_BLOCK = 64
"""Positions at once where tiles sum: they are told their shapes in every call."""
MACS = dict(zip(native.Level, (1, 4, 16, 32, 4), strict=True))
"""Products in about the time in which an element goes through an op, by instruction set."""
LEAST_WORK = 1 << 14
"""Elements through ops that take a thread a few microseconds: as long as it takes to wake another."""
MOST_AHEAD = 8
"""Steps whose sums are made at once by tiles, which are filled by sixteen positions each and are slow to begin."""


@dataclass(frozen=True)
class Plan:
    """A plan as the library reads it.

    Attributes:
        struct: for `bs_run`. stored: the edges in the arena, in order. codes: the stages as they were written.
        kept: what the structures point to.
    """

    net: FrozenGraph
    struct: structs.Plan
    stored: tuple[Stored, ...]
    codes: tuple[Code, ...]
    kept: tuple[Any, ...]

    @property
    def batch(self) -> int:
        """Images at once."""
        return int(self.struct.batch)


def plan(net: FrozenGraph, level: native.Level, everything: bool = False, threads: int = 1, images: int = ONE) -> Plan:
    """The plan of a network.

    Args:
        net: the network.
        level: the instruction set.
        everything: whether every edge is stored, to be shown, and keeps its place.
        threads: how many run it.
        images: at once, for which kernels are chosen: `ONE`, or `MANY`.

    Raises:
        UserError: an op that no row of the table is for.
    """
    rows = {node.name: writer_of(ROWS, "native", node) for node in net.graph.nodes}
    made, where = groups(net, rows, everything)
    stored = _stored(net, rows, made, where, everything)
    chooser = Chooser(level, images)
    codes = tuple(Code(net, rows, stored, group, chooser) for group in made)
    for code in codes:
        code.write()
    chooser.remember()
    return _Packer(net, level, stored, where, codes, everything).plan(threads * NEAR)


def _stored(
    net: FrozenGraph, rows: Mapping[str, Any], made: list[Group], where: Mapping[str, int], everything: bool
) -> dict[str, Stored]:
    """Edges that are read in another stage than their own, or all of them, and the answers."""
    border: dict[str, tuple[int, int]] = {}
    wanted = {readout.name for readout in net.readouts}
    for node in net.graph.nodes:
        if node.name not in where:
            continue
        for name in rows[node.name].reads(net.graph, node):
            if everything or where[name] != where[node.name]:
                wanted.add(name)
            rest, more = border.get(name, (0, 0)), rows[node.name].border(net.graph, node)
            border[name] = (max(rest[0], more[0]), max(rest[1], more[1]))
    found: dict[str, Stored] = {}
    for group in made:
        for node in group.nodes:
            if node.name in wanted or everything:
                edge, name = net.graph.edges[node.name], node.name
                held = net.ranges[name]
                if isinstance(node, Readout):  # an answer is 64 bits wide
                    held = Range(-(2**62), 2**62)
                shape = edge.shape
                found[name] = Stored(name, len(found), edge.T, shape, held, border.get(name, (0, 0)))
    return found


class _Packer:
    """Makes structures of codes, and keeps what they point to."""

    def __init__(
        self,
        net: FrozenGraph,
        level: native.Level,
        stored: Mapping[str, Stored],
        where: Mapping[str, int],
        codes: tuple[Code, ...],
        everything: bool,
    ) -> None:
        self.net, self.level, self.stored, self.codes = net, level, stored, codes
        self.where, self.everything = where, everything
        self.places: dict[str, int] = {}
        self.room: dict[str, int] = {}
        self.kept: list[Any] = []

    def plan(self, near: int) -> Plan:
        """Of stages that take turns of images whose edges have so many bytes, or of one."""
        prepared = [life for number, code in enumerate(self.codes) for life in self._prepared(number, code)]
        lives = [*(self._life(edge) for edge in self.stored.values()), *prepared]
        turns = turns_of(lives, [self._weights(code) for code in self.codes], near)
        lives = [in_turns(life, turns) for life in lives]
        batch = 1
        while batch < MOST_BATCH and place(lives, 2 * batch)[1] <= MOST_ARENA:
            batch *= 2
        self.places, arena = place(lives, batch)
        self.room = {life.edge.name: min(batch, life.images) for life in lives}
        edges = (structs.Edge * len(self.stored))(
            *(edge.struct(self.room[name], self.places[name]) for name, edge in self.stored.items())
        )
        stages = [self._stage(code) for code in self.codes]
        made = (structs.Stage * len(stages))(*stages)
        self.kept += [edges, made]
        answers = [self.stored[readout.name].index for readout in self.net.readouts]
        taken = (structs.Turns * len(turns))(*(structs.Turns(end, images) for end, images in turns))
        struct = structs.Plan(
            level=self.level,
            batch=batch,
            stages=len(stages),
            answers=len(answers),
            arena=arena,
            scratch=max(_scratch(stage) for stage in stages),
            image=self.net.sample.size,
            answer=self._array(np.array(answers, dtype=np.int32)),
            edge=edges,
            stage=made,
            edges=len(edges),
            turns=len(turns),
            turn=self._keep(taken),
        )
        return Plan(self.net, struct, tuple(self.stored.values()), self.codes, tuple(self.kept))

    def _weights(self, code: Code) -> int:
        """Bytes of what its kernel reads beside edges."""
        return sum(made.data[0].bytes for made in code.made if made.kind == Kind.SUMS)

    def _prepared(self, number: int, code: Code) -> Iterator[Life]:
        """What is prepared before a stage: a kernel's cells, or the factors of products."""
        for made in code.made:
            if made.kind == Kind.MATMUL:
                for part in FACTORS:
                    factor = getattr(made.data[0], part)
                    steps = 1 if factor.held else code.group.steps
                    yield Life(Prepared(_prepared(code, part), steps * factor.packed), number, number)
            if made.kind == Kind.SUMS and (packed := made.data[0]).prepared:
                edge = self.stored[made.edge]
                cells = edge.steps * edge.image // packed.layer.cell
                yield Life(Prepared(_prepared(code), cells * packed.prepared), number, number)

    def _life(self, edge: Stored) -> Life:
        """An edge, the stage that makes it, and the last one that reads it."""
        makes, end = self.where[edge.name], len(self.codes)
        if self.everything or any(edge.name == readout.name for readout in self.net.readouts):
            return Life(edge, makes, end)
        readers = [
            self.where[node.name]
            for code in self.codes
            for node in code.group.nodes
            if edge.name in code.rows[node.name].reads(self.net.graph, node)
        ]
        return Life(edge, makes, max(readers, default=makes))

    def _stage(self, code: Code) -> structs.Stage:
        shape = self.net.graph.edges[code.group.nodes[0].name].shape
        channels, positions = shape[0], prod(shape[1:])
        sums = any(made.kind == Kind.SUMS for made in code.made)
        width = -(-channels // 16) * 16 if sums else channels
        block = REGISTERS // (code.type.bytes * code.registers * width)
        block = max(block // 16 * 16 if block > 16 else block, LEAST_BLOCK if sums else 1)
        if (ahead := self._ahead(code)) is not None:  # rows that are whole are read in place
            block, row = max(TILED_BLOCK // ahead, LEAST_BLOCK), shape[-1] if len(shape) > 1 else 1
            block = max(block // row * row, min(block, row))
        prepares = -1
        for i, made in enumerate(code.made):
            if made.kind == Kind.MATMUL:
                prepares, row = i, positions // made.data[0].rows
                block = max(block // row * row, min(block, row))  # rows that are whole go together
            elif made.kind == Kind.SUMS and made.data[0].prepared:
                prepares = i
        ops = [self._op(code, made, width) for made in code.made]
        writes = [self.stored[n.name].index for n in code.group.nodes if self._bordered(n.name)]
        phases = [sum(made.phase == phase for made in code.made) for phase in (BEFORE, EACH, AFTER)]
        return structs.Stage(
            type=code.type,
            steps=code.group.steps,
            positions=positions,
            channels=channels,
            width=width,
            block=block,
            registers=code.registers,
            before=phases[0],
            each=phases[1],
            after=phases[2],
            op=self._keep((structs.Op * len(ops))(*ops)),
            writes=self._array(np.array(writes, dtype=np.int32)),
            written=len(writes),
            prepares=prepares,
            ahead=ahead or 1,
            alone=min(LEAST_WORK // max(self._work(code), 1), MOST_BATCH),
        )

    def _work(self, code: Code) -> int:
        """What an image takes of a stage, in elements that an op goes through."""
        edges = self.net.graph.edges
        ops = sum(code.group.steps if made.phase == EACH else 1 for made in code.made)
        sums = [node for node in code.group.nodes if isinstance(node, Synapse | MatMul)]
        macs = sum(node.macs(*(edges[name] for name in node.inputs)) * edges[node.name].T for node in sums)
        return ops * prod(edges[code.group.nodes[0].name].shape) + macs // MACS[self.level]

    def _ahead(self, code: Code) -> int | None:
        """Steps whose sums tiles make at once; ``None`` where no tiles do."""
        sums = [made for made in code.made if made.kind == Kind.SUMS and made.data[0].level == native.Level.amx]
        steps = [self.stored[made.edge].steps for made in sums if made.phase == EACH]
        return min(max(steps, default=1), MOST_AHEAD) if sums else None

    def _bordered(self, name: str) -> bool:
        return name in self.stored and any(self.stored[name].border)

    def _op(self, code: Code, made: Any, width: int) -> structs.Op:
        edge = self.stored[made.edge].index if made.edge else -1
        data = None if made.data is None else self._data(code, made.data, width)
        return structs.Op(made.kind, made.to, made.a, made.b, made.c, edge, made.x, made.y, made.n, data)

    def _data(self, code: Code, data: Any, width: int) -> int:
        """The address of what an instruction reads beside registers."""
        if isinstance(data, np.ndarray):
            return self._array(data)
        struct, arrays = data
        if isinstance(struct, Packed):
            return self._sums(code, struct, arrays)
        own = type(struct).from_buffer_copy(struct)
        if isinstance(own, structs.MatMul):
            for part in FACTORS:
                name, factor = _prepared(code, part), getattr(own, part)
                factor.place, factor.images = self.places[name], self.room[name]
        for name, values in arrays.items():
            if isinstance(values, tuple):  # a structure of its own
                setattr(own, name, self._data(code, values, width))
                continue
            if not isinstance(
                own, structs.Wide | structs.Runs
            ):  # of each channel, as far as a register has room for channels
                narrow = code.type == Type.I32 or isinstance(own, structs.Thresholds)
                kind = values.dtype if values.dtype == np.float32 else np.int32 if narrow else np.int64
                wide = np.zeros((*values.shape[:-1], width), dtype=kind)
                wide[..., : values.shape[-1]] = values
                values = wide
            setattr(own, name, self._array(values))
        return ctypes.addressof(self._keep(own))

    def _sums(self, code: Code, packed: Packed, bases: NDArray[np.int32]) -> int:
        own = packed.sums(self._keep(np.ascontiguousarray(bases)))
        if packed.prepared:
            name = _prepared(code)
            own.prepared, own.images = self.places[name], self.room[name]
        self._keep(packed)
        return ctypes.addressof(self._keep(own))

    def _array(self, values: NDArray[Any]) -> int:
        own = np.ascontiguousarray(values)
        return int(self._keep(own).ctypes.data)

    def _keep(self, part: Any) -> Any:
        self.kept.append(part)
        return part


def _prepared(code: Code, part: str = "cells") -> str:
    """The name among the edges of what is prepared for a stage."""
    return f"{code.group.nodes[0].name}, {part} prepared"


def _scratch(stage: structs.Stage) -> int:
    """Bytes of one thread for a stage, as `share` in csrc/plan.c divides them."""
    sums = -(-stage.ahead * stage.block * (stage.width + 1) * 4 // 128) * 128
    return int(sums + stage.registers * stage.block * stage.width * Type(stage.type).bytes)
