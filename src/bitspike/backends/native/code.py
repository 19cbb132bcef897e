"""The instructions of one stage as rows write them, and the registers that they go through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from bitspike.backends.native import structs
from bitspike.backends.native.choose import Chooser
from bitspike.backends.native.edges import Stored
from bitspike.backends.native.row import Row
from bitspike.backends.native.stages import Group
from bitspike.backends.native.structs import Kind, Type
from bitspike.backends.native.thresholds import Steps
from bitspike.ir import Add, Affine, Fire, FrozenGraph, Node

__all__ = ["AFTER", "BEFORE", "EACH", "Code", "Made"]

BEFORE, EACH, AFTER = range(3)
READS = {
    **dict.fromkeys((Kind.LOAD, Kind.PIXELS, Kind.SUMS, Kind.WIDE, Kind.SUM_POOL, Kind.MAX_POOL), ""),
    **dict.fromkeys((Kind.GATHER, Kind.RUNS, Kind.MAX_CODES, Kind.MATMUL), ""),
    **dict.fromkeys((Kind.ADD, Kind.SUB, Kind.MUL, Kind.FIRE, Kind.FIRE_CODES), "ab"),
    **{Kind.FILL: "", Kind.SELECT: "abc", Kind.PICK_X: "ac", Kind.PICK_Y: "ab"},
}
"""The operands of each kind that are registers; of the others it is the first."""


@dataclass(frozen=True)
class Made:
    """An instruction with registers of any number; ``to`` is -1 where it stores."""

    kind: Kind
    phase: int
    to: int = -1
    a: int = -1
    b: int = -1
    c: int = -1
    edge: str = ""
    x: int = 0
    y: int = 0
    n: int = 0
    data: Any = None

    @property
    def registers(self) -> tuple[int, int, int, int]:
        return self.to, self.a, self.b, self.c

    def with_registers(self, to: int, a: int, b: int, c: int) -> Made:
        return replace(self, to=to, a=a, b=b, c=c)

    @property
    def read(self) -> list[int]:
        return [getattr(self, part) for part in READS.get(self.kind, "a")]


@dataclass
class Code:
    """One stage as it is written.

    Attributes:
        net: the network. rows: of each op. stored: the edges in the arena. group: the ops of the stage.
        chooser: of kernels.
        type: what a register holds. values: the register of each op's output, and of each edge that was loaded.
        steps: neurons of one step whose levels are found by thresholds.
        states: registers that are carried from step to step, or filled before the first.
    """

    net: FrozenGraph
    rows: Mapping[str, Row[Any]]
    stored: Mapping[str, Stored]
    group: Group
    chooser: Chooser
    made: list[Made] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    states: set[int] = field(default_factory=set)
    registers: int = 0
    phase: int = EACH

    def __post_init__(self) -> None:
        fires = (node for node in self.group.nodes if isinstance(node, Fire) and node.T == 1)
        self.steps = {node.name: by for node in fires if (by := self._steps(node))}
        inside = {name for by in self.steps.values() for name in by.names}
        nodes = [node for node in self.group.nodes if node.name not in inside]
        narrow = all(self.rows[node.name].narrow(self, node) for node in nodes)
        read = [self.net.ranges[name] for node in nodes for name in node.inputs]
        self.type = Type.I32 if narrow and all(found.signed_bits <= 32 for found in read) else Type.I64

    def write(self) -> None:
        """All instructions of the stage, with as few registers as are needed at once."""
        inside = {name for by in self.steps.values() for name in by.names[:-1]}
        for node in self.group.nodes:
            if node.name in inside:
                continue
            row = self.rows[node.name]
            self.phase = BEFORE if row.steps(self.net.graph, node) == 1 < self.group.steps else EACH
            if self._stored_at_once(node) and self._store(node):
                continue
            if node.name in self.steps:
                by = self._thresholds(node)
                self.values[node.name] = self.emit(by.kind, a=by.a, data=by.data)
            else:
                self.values[node.name] = row.write(self, node)
            if node.name in self.stored:
                phase = AFTER if row.ends(self.net.graph, node) and self.phase == EACH else self.phase
                self.made.append(Made(Kind.STORE, phase, a=self.values[node.name], edge=node.name))
        self._add_at_once()
        self._fire_at_once()
        self.made.sort(key=lambda made: made.phase)  # stable: in order within each phase
        self._carry_in_place()
        self._allocate()

    def _steps(self, node: Fire) -> Steps | None:
        """How the levels of neurons of one step are found by thresholds, if they are."""
        read, behind = self._before(node.inputs[0])
        added = self._alone(read)
        if isinstance(added, Add):
            paths = sorted((self._before(name) for name in added.inputs), key=lambda path: path[0] in self.stored)
            (sums, own), (beside, before) = paths
            as_bytes = beside in self.stored and self.stored[beside].type == Type.U8
            if (
                as_bytes
                and beside != sums
                and (by := Steps.of(self.net, [*own, *before, added, *behind, node], sums, beside))
            ):
                return by
        return Steps.of(self.net, [*behind, node], read)

    def _before(self, name: str) -> tuple[str, list[Node]]:
        """The affines of this stage that an edge is made of and nothing else reads, and the edge before them."""
        path: list[Node] = []
        while isinstance(made := self._alone(name), Affine):
            path.insert(0, made)
            (name,) = made.inputs
        return name, path

    def _alone(self, name: str) -> Node | None:
        """The op of this stage that makes an edge which only one other reads."""
        made = next((one for one in self.group.nodes if one.name == name), None)
        readers = sum(one.inputs.count(name) for one in self.net.graph.nodes)
        return made if name not in self.stored and readers == 1 else None

    def _thresholds(self, node: Node) -> Made:
        by = self.steps[node.name]
        arrays: dict[str, NDArray[Any]] = {"turned": by.turned, "threshold": by.thresholds}
        if by.line is not None:
            arrays |= {"slope": by.line[0], "offset": by.line[1]}
        struct, x = structs.Thresholds(count=len(by.thresholds), lo=by.lo), self.value(by.read)
        if by.beside:
            name, slope, offset = by.beside
            moved = (structs.Affine(steps=1), {"multiplier": slope, "offset": offset})
            x = self.emit(Kind.BESIDE, a=x, edge=name, data=moved)
        return Made(Kind.THRESHOLDS, self.phase, a=x, data=(struct, arrays))

    def _store(self, node: Node) -> bool:
        if node.name not in self.steps:
            return self.rows[node.name].store(self, node)
        self.made.append(replace(self._thresholds(node), kind=Kind.CODES, edge=node.name))
        return True

    def _stored_at_once(self, node: Node) -> bool:
        """Whether levels need no register: they are stored as bytes, and nothing of this stage reads them."""
        read = any(node.name in one.inputs for one in self.group.nodes)
        return node.name in self.stored and self.stored[node.name].type == Type.U8 and not read

    # What rows write with

    def value(self, name: str) -> int:
        """The register that holds an edge, at the step that is computed."""
        if name not in self.values:
            held = self.net.graph.edges[name].T == 1 < self.group.steps
            self.values[name] = self.emit(Kind.LOAD, phase=BEFORE if held else EACH, edge=name)
        return self.values[name]

    def emit(self, kind: Kind, *, phase: int | None = None, to: int | None = None, **operands: Any) -> int:
        """An instruction; the register of its result."""
        to = self.register() if to is None else to
        self.made.append(Made(kind, self.phase if phase is None else phase, to, **operands))
        return to

    def register(self) -> int:
        """One more."""
        self.registers += 1
        return self.registers - 1

    def state(self, start: int) -> int:
        """A register that lives from step to step."""
        register = self.emit(Kind.FILL, phase=BEFORE, x=start)
        self.states.add(register)
        return register

    # Fewer passes over registers

    def _add_at_once(self) -> None:
        """An edge of bytes that is loaded, multiplied and added, and not used otherwise, goes through no register."""
        for added in [made for made in self.made if made.kind == Kind.ADD and made.a != made.b]:
            for own, other in ((added.a, added.b), (added.b, added.a)):
                affine = self._only(Kind.AFFINE, other, added.phase)
                loaded = affine and self._only(Kind.LOAD, affine.a, added.phase)
                if affine and loaded and self.stored[loaded.edge].type == Type.U8:
                    beside = replace(added, kind=Kind.BESIDE, a=own, b=-1, edge=loaded.edge, data=affine.data)
                    without = [made for made in self.made if made is not affine and made is not loaded]
                    self.made = [beside if made is added else made for made in without]
                    break

    def _fire_at_once(self) -> None:
        """A step of neurons between sums and bytes is one pass: through the affine, and to codes."""
        if self.type == Type.I64 or all(made.kind != Kind.SUMS for made in self.made):
            return
        for stored in [made for made in self.made if made.kind == Kind.STORE]:
            fire = self._only(Kind.FIRE, stored.a, stored.phase)
            if fire is None or self.stored[stored.edge].type != Type.U8:
                continue
            affine = self._only(Kind.AFFINE, fire.a, fire.phase)
            a, current = (affine.a, {"current": affine.data}) if affine else (fire.a, {})
            codes = replace(fire, kind=Kind.FIRE_CODES, to=-1, a=a, edge=stored.edge, data=(fire.data[0], current))
            without = [made for made in self.made if made is not affine and made is not stored]
            self.made = [codes if made is fire else made for made in without]

    def _only(self, kind: Kind, register: int, phase: int) -> Made | None:
        """The instruction of this kind that alone makes a register which is read once."""
        makers = [made for made in self.made if made.to == register]
        reads = sum(made.read.count(register) for made in self.made)
        right = len(makers) == 1 and reads == 1 and (makers[0].kind, makers[0].phase) == (kind, phase)
        return makers[0] if right else None

    # Registers

    def _carry_in_place(self) -> None:
        """What becomes the state of the next step is made in its register, where the old one is read no more."""
        for copy in [made for made in self.made if made.kind == Kind.COPY and made.to in self.states]:
            makers = [i for i, made in enumerate(self.made) if made.to == copy.a]
            end = self.made.index(copy)
            if len(makers) != 1 or copy.a in self.states or self.made[makers[0]].phase != EACH:
                continue
            between = self.made[makers[0] + 1 : end]
            if any(copy.to in made.read or copy.to == made.to for made in between):
                continue
            renamed = [_renamed(made, copy.a, copy.to) for made in self.made if made is not copy]
            self.made = renamed

    def _allocate(self) -> None:
        """Registers that are not needed at once become one."""
        loop = [i for i, made in enumerate(self.made) if made.phase == EACH]
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for i, made in enumerate(self.made):
            for register in (*made.read, made.to):
                if register >= 0:
                    first.setdefault(register, i)
                    last[register] = i
        for register, i in first.items():  # what is there before the loop is there in every turn of it
            if loop and i < loop[0] and last[register] >= loop[0]:
                last[register] = max(last[register], loop[-1] + 1)
        place: dict[int, int] = {}
        free: list[int] = []
        live: dict[int, int] = {}
        for i, made in enumerate(self.made):
            for register in [r for r in live if last[r] <= i and r != made.to]:
                if last[register] < i or _in_place(made):
                    free.append(live.pop(register))
            if made.to >= 0 and made.to not in place:
                place[made.to] = free.pop() if free else len(set(place.values()))
                live[made.to] = place[made.to]
        self.registers = max(place.values(), default=0) + 1
        self.made = [made.with_registers(*(place.get(one, 0) for one in made.registers)) for made in self.made]


def _in_place(made: Made) -> bool:
    """Whether its result may lie where an operand did: a turn reads no element that another wrote."""
    return made.kind != Kind.THRESHOLDS


def _renamed(made: Made, old: int, new: int) -> Made:
    return made.with_registers(*(new if one == old else one for one in made.registers))
