"""Every op of the oracle is the equation of docs/ir-spec.md, on random small instances, in plain Python integers.

The references below are written from the page, one number at a time, and share nothing with the oracle. An op of
`bitspike.ir.OPS` without a case here fails. Values come as ``[T][flat]`` for one image: steps, then row-major elements.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.backends import oracle
from bitspike.bits import signed_range
from bitspike.intmath import half
from bitspike.ir import (
    OPS,
    Accumulate,
    Add,
    Affine,
    Concat,
    Conv,
    Delay,
    Difference,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Permute,
    Pool,
    Readout,
    Release,
    Relu,
    Reshape,
    Slice,
    SpikingMaxPool,
    Store,
    SumPool,
    SumTime,
    Upsample,
)
from bitspike.ir.ops import neurons as layer_of_neurons
from bitspike.ir.ops import program
from bitspike.ir.ops.program import Term
from bitspike.ir.ranges import Bounds, Range

ROOT = Path(__file__).parents[2]
Draw = Callable[[st.SearchStrategy[Any]], Any]
Steps = list[list[int]]


@dataclass
class Case:
    """A frozen graph around one op, and what flows into it (``[T, N, *shape]``)."""

    node: Node
    net: FrozenGraph
    images: np.ndarray
    x: list[np.ndarray]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [self.net.graph.edges[name].shape for name in read(self.node)]

    def tensor(self, part: str) -> list[int]:
        return [int(value) for value in self.net.tensors[f"{self.node.name}.{part}"].flatten()]

    def found(self) -> np.ndarray:
        return oracle.step(self.net, self.node, self.images, *self.x)

    def wide(self) -> np.ndarray:
        """The op's step where every number on the way is an int64, as no proof of a range decides."""
        tensors = self.net.graph.tensors_of(self.node, self.net.tensors)
        wide = {part: values.astype(np.int64) for part, values in tensors.items()}
        x = [edge.astype(np.int64) for edge in self.x] if self.x else [self.images]
        return self.node.step(wide, self.net.ranges[self.node.name], *x)

    def expected(self) -> list[list[list[int]]]:
        """``[T][N][flat]``, by the reference."""
        reference = REFERENCES[type(self.node)]
        each_image = []
        for n in range(len(self.images)):
            inputs = [[[int(value) for value in step[n].flatten()] for step in x] for x in self.x]
            if isinstance(self.node, Input):
                rows = self.images[n].reshape(self.net.sample.T, -1)  # of a train, step after step
                inputs = [[[int(value) for value in row] for row in rows]]
            each_image.append(reference(self, *inputs))
        return [list(step) for step in zip(*each_image, strict=True)]


def read(node: Node) -> tuple[str, ...]:
    """The edges whose values decide its output."""
    return (node.of,) if isinstance(node, Delay) else node.inputs


def differences(case: Case) -> int:
    """Elements in which the oracle is not the equation; the shapes must be those of the edge."""
    found, expected = case.found(), case.expected()
    edge = case.net.graph.edges[case.node.name]
    assert found.dtype == case.net.ranges[case.node.name].dtype
    assert found.shape == (edge.T, len(case.images), *edge.shape)
    flat = found.reshape(*found.shape[:2], -1).tolist()
    assert [[len(image) for image in step] for step in flat] == [[len(image) for image in step] for step in expected]
    pairs = zip((v for s in flat for i in s for v in i), (v for s in expected for i in s for v in i), strict=True)
    return sum(a != b for a, b in pairs)


# The equations.


def at(image: list[int], shape: tuple[int, ...], c: int, i: int, j: int) -> int | None:
    """The element, or None outside the image."""
    _, height, width = shape
    return image[(c * height + i) * width + j] if 0 <= i < height and 0 <= j < width else None


def places(side: int, reach: int, stride: int, padding: int) -> range:
    return range((side + 2 * padding - reach) // stride + 1)


def input_(case: Case, pixels: Steps) -> Steps:
    return [[pixel + case.node.edge.lo for pixel in step] for step in pixels]


def conv(case: Case, x: Steps) -> Steps:
    node, w, shape = case.node, case.tensor("weight"), case.shapes[0]
    (rows, columns), (down, right), (top, left), (d0, d1) = node.kernel_size, node.stride, node.padding, node.dilation
    channels = shape[0] // node.groups
    per_step = []
    for image in x:
        y = []
        for o in range(node.out_channels):
            g = o // (node.out_channels // node.groups)
            for i in places(shape[1], d0 * (rows - 1) + 1, down, top):
                for j in places(shape[2], d1 * (columns - 1) + 1, right, left):
                    total = 0
                    for c, a, b in product(range(channels), range(rows), range(columns)):
                        seen = at(image, shape, g * channels + c, down * i + d0 * a - top, right * j + d1 * b - left)
                        total += w[((o * channels + c) * rows + a) * columns + b] * (seen or 0)
                    y.append(total)
        per_step.append(y)
    return per_step


def linear(case: Case, x: Steps) -> Steps:
    w, (inputs, *sides) = case.tensor("weight"), case.shapes[0]
    places, outputs = prod(sides), range(case.node.out_channels)
    return [
        [sum(w[o * inputs + i] * step[i * places + p] for i in range(inputs)) for o in outputs for p in range(places)]
        for step in x
    ]


def affine(case: Case, x: Steps) -> Steps:
    m, b, per_channel = case.tensor("multiplier"), case.tensor("offset"), prod(case.shapes[0][1:])
    shift, half = case.node.shift, 2 ** (case.node.shift - 1) if case.node.shift else 0
    steps = len(x) if case.node.steps is None else case.node.steps
    return [
        [
            (m[k // per_channel] * value + half) // 2**shift + (b[k // per_channel] if t < steps else 0)
            for k, value in enumerate(step)
        ]
        for t, step in enumerate(x)
    ]


def release(case: Case, x: Steps) -> Steps:
    return [x[0] if t < case.node.steps else [0] * len(x[0]) for t in range(case.node.T)]


def stored(v: int, store: Store, bits: int) -> tuple[int, int]:
    """The code of a potential, and the potential that it stands for."""
    Q = 2 ** (bits - 1) - 1
    half, step_half = (2 ** (n - 1) if n > 0 else 0 for n in (store.shift, store.step_shift))
    code = (v * store.multiplier + half) // 2**store.shift
    code = -Q if code < -Q else Q if code > Q else code
    return code, (code * store.step + step_half) // 2**store.step_shift


def neuron(
    d: Dynamics, lo: int, hi: int, currents: Iterable[int], bits: int | None = None
) -> tuple[list[int], list[int]]:
    """Levels that one neuron sends, and all its potentials, ``u`` and ``v``, that before it is stored and after."""
    half = 2 ** (d.fraction_bits - 1) if d.rounds and d.fraction_bits > 0 else 0
    v, sent = d.v_init, 0
    levels, potentials = [], [v]
    for x in currents:
        u = v * d.leak_multiplier // 2**d.leak_shift + x
        level = (u + half) // 2**d.fraction_bits
        level = hi if level > hi else lo if level < lo else level
        if d.tracer is not None:
            after = 0 if sent + level < 0 else d.tracer if sent + level > d.tracer else sent + level
            level, sent = after - sent, after
        soft, hard = u - level * 2**d.fraction_bits, u if level == 0 else d.v_reset
        v = soft if d.v_reset is None else hard
        levels.append(level)
        potentials += [u, v]
        if d.store is not None:
            v = stored(v, d.store, bits)[1]
            potentials.append(v)
    return levels, potentials


def neurons(case: Case, x: Steps) -> list[tuple[list[int], list[int]]]:
    node = case.node
    held = [x[t if len(x) > 1 else 0] for t in range(node.T)]
    d, bits = node.dynamics, node.membrane_bits
    return [neuron(d, node.lo, node.hi, currents, bits) for currents in zip(*held, strict=True)]


def fire(case: Case, x: Steps) -> Steps:
    return [list(step) for step in zip(*(levels for levels, _ in neurons(case, x)), strict=True)]


def add(case: Case, x: Steps, y: Steps) -> Steps:
    steps = range(max(len(x), len(y)))
    held = [(x[t if len(x) > 1 else 0], y[t if len(y) > 1 else 0]) for t in steps]
    return [[a + b for a, b in zip(left, right, strict=True)] for left, right in held]


def pool(case: Case, x: Steps, join: Callable[[list[int | None]], int]) -> Steps:
    node, shape = case.node, case.shapes[0]
    (rows, columns), (down, right), (top, left) = node.kernel_size, node.stride, node.padding
    return [
        [
            join(
                [
                    at(image, shape, c, down * i + a - top, right * j + b - left)
                    for a in range(rows)
                    for b in range(columns)
                ]
            )
            for c in range(shape[0])
            for i in places(shape[1], rows, down, top)
            for j in places(shape[2], columns, right, left)
        ]
        for image in x
    ]


def sum_pool(case: Case, x: Steps) -> Steps:
    return pool(case, x, lambda window: sum(value for value in window if value is not None))


def max_pool(case: Case, x: Steps) -> Steps:
    return pool(case, x, lambda window: max(value for value in window if value is not None))


def spiking_max_pool(case: Case, x: Steps) -> Steps:
    so_far = [[sum(values) for values in zip(*x[: t + 1], strict=True)] for t in range(len(x))]
    largest = max_pool(case, [[0] * len(x[0]), *so_far])
    return [[b - a for a, b in zip(*pair, strict=True)] for pair in pairwise(largest)]


def relu(case: Case, x: Steps) -> Steps:
    return [[0 if value < 0 else value for value in step] for step in x]


def reshape(case: Case, x: Steps) -> Steps:
    return x


def permute(case: Case, x: Steps) -> Steps:
    shape, axes = case.shapes[0], case.node.axes
    made = []
    for step in x:
        y = []
        for p in product(*(range(shape[axis]) for axis in axes)):
            q = [0] * len(shape)
            for k, axis in enumerate(axes):
                q[axis] = p[k]
            place = 0
            for index, side in zip(q, shape, strict=True):
                place = place * side + index
            y.append(step[place])
        made.append(y)
    return made


def concat(case: Case, *x: Steps) -> Steps:
    steps = range(max(len(edge) for edge in x))
    return [[value for edge in x for value in edge[t if len(edge) > 1 else 0]] for t in steps]


def cut(case: Case, x: Steps) -> Steps:
    node, each = case.node, prod(case.shapes[0][1:])
    return [
        [step[(node.start + c) * each + p] for c in range(node.stop - node.start) for p in range(each)] for step in x
    ]


def upsample(case: Case, x: Steps) -> Steps:
    channels, *sides = case.shapes[0]
    (down, across), (rows, columns) = case.node.factor, sides if len(sides) == 2 else (1, *sides)
    shape = (channels, rows, columns)
    return [
        [
            at(step, shape, c, i // down, j // across)
            for c in range(channels)
            for i in range(rows * down)
            for j in range(columns * across)
        ]
        for step in x
    ]


def matmul(case: Case, x: Steps, y: Steps) -> Steps:
    (*head, M, K), (*_, N) = case.shapes
    made = []
    for t in range(max(len(x), len(y))):
        a, b = x[t if len(x) > 1 else 0], y[t if len(y) > 1 else 0]
        made.append(
            [
                sum(a[(h * M + m) * K + k] * b[(h * K + k) * N + n] for k in range(K))
                for h in range(prod(head))
                for m in range(M)
                for n in range(N)
            ]
        )
    return made


def accumulate(case: Case, x: Steps) -> Steps:
    return [[sum(values) for values in zip(*x[: t + 1], strict=True)] for t in range(len(x))]


def difference(case: Case, x: Steps) -> Steps:
    return [[b - a for a, b in zip(*pair, strict=True)] for pair in pairwise([[0] * len(x[0]), *x])]


def sum_over_steps(case: Case, x: Steps) -> Steps:
    return [[sum(values) for values in zip(*x, strict=True)]]


def readout(case: Case, x: Steps) -> Steps:
    return {"sum": sum_over_steps(case, x), "last": [x[len(x) - 1]], "each": x}[case.node.over]


def delay(case: Case, x: Steps) -> Steps:
    return [[0 for _ in x[0]], *x[:-1]]


REFERENCES: dict[type[Node], Callable[..., Steps]] = {
    Input: input_,
    Delay: delay,
    Release: release,
    Conv: conv,
    Linear: linear,
    Affine: affine,
    Relu: relu,
    Fire: fire,
    Add: add,
    SumPool: sum_pool,
    SumTime: sum_over_steps,
    MaxPool: max_pool,
    SpikingMaxPool: spiking_max_pool,
    Reshape: reshape,
    Permute: permute,
    Concat: concat,
    Slice: cut,
    Upsample: upsample,
    MatMul: matmul,
    Accumulate: accumulate,
    Difference: difference,
    Readout: readout,
}


# Random instances. The op reads `source`s: neurons of any levels and steps, at times widened by a large factor.


@dataclass
class Source:
    """Ops that bring integers of a chosen range, steps and shape to the op under test."""

    name: str
    T: int
    lo: int
    hi: int
    gain: int = 1
    flat: bool = False
    to: tuple[int, ...] | None = None

    def nodes(self, shape: tuple[int, int, int]) -> list[Node]:
        plain = Dynamics(fraction_bits=0, leak_multiplier=1, leak_shift=0, v_reset=0)
        made: list[Node] = [
            Fire(name=f"{self.name}.fire", inputs=("image",), T=self.T, lo=self.lo, hi=self.hi, dynamics=plain),
            Affine(name=f"{self.name}.wide", inputs=(f"{self.name}.fire",), fraction_bits=0),
        ]
        to = self.to or ((prod(shape),) if self.flat else shape)
        return [*made, Reshape(name=self.name, inputs=(f"{self.name}.wide",), shape=to)]

    def tensors(self, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
        gain = np.full(shape[0], self.gain, dtype=np.int64)
        return {f"{self.name}.wide.multiplier": gain, f"{self.name}.wide.offset": 0 * gain}


@dataclass
class Around:
    """The graph around an op: image, sources, op, logits."""

    shape: tuple[int, int, int]
    sources: list[Source]
    node: Node
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    image_lo: int = -128

    def net(self) -> FrozenGraph:
        edge = Edge(shape=self.shape, T=1, lo=self.image_lo, hi=self.image_lo + 255)
        nodes: list[Node] = [] if isinstance(self.node, Input) else [Input(name="image", inputs=(), edge=edge)]
        for source in self.sources:
            nodes += source.nodes(self.shape)
        nodes.append(self.node)
        if isinstance(self.node, Delay):  # before what it delays
            nodes.insert(1, nodes.pop())
        if not isinstance(self.node, Readout):
            size = Graph("part", tuple(nodes)).edges[self.node.name].size
            nodes.append(Reshape(name="flat", inputs=(self.node.name,), shape=(size,)))
            nodes.append(Readout(name="readout", inputs=("flat",)))
        tensors = dict(self.tensors)
        for source in self.sources:
            tensors |= source.tensors(self.shape)
        return FrozenGraph(Graph("net", tuple(nodes)), tensors)

    def case(self, seed: int, of: int = 2, near: int = 1) -> Case:
        """Values within the range of each input: anywhere, at its ends, or a multiple of ``near`` (ties)."""
        rng, net = random.Random(seed), self.net()

        def value(lo: int, hi: int) -> int:
            anywhere = rng.randint(lo, hi)
            tie = min(max(anywhere // near * near, lo), hi)
            return rng.choice([anywhere, anywhere, tie, max(tie - 1, lo), lo, hi])

        x = []
        for name in read(self.node):
            edge, (lo, hi) = net.graph.edges[name], net.ranges[name]
            values = [value(lo, hi) for _ in range(edge.T * of * edge.size)]
            x.append(np.array(values, dtype=np.int64).reshape(edge.T, of, *edge.shape))
        sample, most = net.sample, net.sample.hi - net.sample.lo
        codes = [rng.choice([0, most, rng.randint(0, most)]) for _ in range(of * sample.size)]
        return Case(self.node, net, np.array(codes, dtype=np.uint8).reshape(of, *sample.array_shape), x)


few, pair = st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))
shapes = st.tuples(few, st.integers(1, 6), st.integers(1, 6))
steps = st.integers(1, 4)
seeds = st.integers(0, 2**32)
gains = st.sampled_from([1, 1, -3, 2**20, 2**28 + 1])
ends = st.one_of(
    st.integers(1, 8).map(lambda bits: (0, 2**bits - 1)),
    st.integers(1, 8).map(signed_range),
    st.tuples(st.integers(-300, 300), st.integers(-300, 300)).map(lambda two: (min(two), max(two))),
    st.just((-(2**16), 2**16)),
)


def source(draw: Draw, name: str = "x", T: int | None = None, flat: bool = False) -> Source:
    return Source(name, draw(steps) if T is None else T, *draw(ends), draw(gains), flat)


def codes(draw: Draw, bits: int, shape: tuple[int, ...]) -> np.ndarray:
    top, rng = signed_range(bits)[1], random.Random(draw(seeds))
    chosen = [rng.choice([-top, top, rng.randint(-top, top)]) for _ in range(prod(shape))]
    return np.array([code or (bits == 1) * top for code in chosen], dtype=np.int64).reshape(shape)


def make_input(draw: Draw) -> Around:
    shape, lo = draw(shapes), draw(st.sampled_from([-128, 0, -1, -255, 7, -(2**40)]))
    edge = Edge(shape=shape[: draw(few)], T=draw(steps), lo=lo, hi=lo + draw(st.sampled_from([1, 2, 15, 255])))
    return Around(shape, [], Input(name="op", inputs=(), edge=edge))


def make_conv(draw: Draw) -> Around:
    groups, kernel, dilation, bits = draw(few), draw(pair), draw(pair), draw(st.integers(1, 8))
    channels, out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(dilation, kernel, padding, strict=True)]
    shape = (channels, *(side + draw(st.integers(0, 3)) for side in least))
    options = {"stride": draw(pair), "padding": padding, "dilation": dilation, "groups": groups}
    node = Conv(name="op", inputs=("x",), out_channels=out, weight_bits=bits, kernel_size=kernel, **options)
    return Around(shape, [source(draw)], node, {"op.weight": codes(draw, bits, (out, channels // groups, *kernel))})


def make_linear(draw: Draw) -> Around:
    shape, out, bits = draw(shapes), draw(st.integers(1, 4)), draw(st.integers(1, 8))
    node, read = Linear(name="op", inputs=("x",), out_channels=out, weight_bits=bits), source(draw)
    read.to = draw(st.sampled_from([(prod(shape),), (prod(shape),), shape, (shape[0], prod(shape[1:]))]))
    return Around(shape, [read], node, {"op.weight": codes(draw, bits, (out, read.to[0]))})


def make_affine(draw: Draw) -> Around:
    shape, read = draw(shapes), source(draw, flat=draw(st.booleans()))
    channels, rng = prod(shape) if read.flat else shape[0], random.Random(draw(seeds))
    m, b = ([rng.choice([0, -1, rng.randint(-(2**w), 2**w)]) for _ in range(channels)] for w in (16, 40))
    point, shift, until = draw(st.integers(0, 20)), draw(st.integers(0, 12)), draw(st.none() | st.integers(1, read.T))
    node = Affine(name="op", inputs=("x",), fraction_bits=point, shift=shift, steps=until)
    return Around(shape, [read], node, {"op.multiplier": np.array(m), "op.offset": np.array(b)})


def make_release(draw: Draw) -> Around:
    T = draw(steps)
    node = Release(name="op", inputs=("x",), T=T, steps=draw(st.integers(1, T)), parts=draw(few))
    return Around(draw(shapes), [source(draw, T=1, flat=draw(st.booleans()))], node)


def make_store(draw: Draw, one: int) -> Store:
    """Any, or one whose levels are about as fine as potentials of a few thresholds, which are ``one``."""
    shifts = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    if draw(st.booleans()):
        level = draw(st.integers(1, 4 * one))
        multiplier, step = max((1 << shifts[0]) // level, 1), (level << shifts[1]) + draw(st.integers(0, 1))
    else:
        multiplier, step = draw(st.integers(1, 2**20)), draw(st.integers(0, 2**20))
    return Store(multiplier=multiplier, shift=shifts[0], step=step, step_shift=shifts[1])


def make_fire(draw: Draw) -> Around:
    T, fraction, shift = draw(steps), draw(st.integers(0, 7)), draw(st.integers(0, 4))
    one = 1 << fraction
    potentials = st.integers(-3 * one, 3 * one)
    dynamics = Dynamics(
        fraction_bits=fraction,
        leak_multiplier=draw(st.integers(0, 1 << shift)),
        leak_shift=shift,
        v_reset=draw(st.none() | potentials),
        v_init=draw(potentials),
        rounds=draw(st.booleans()),
        tracer=draw(st.none() | st.integers(1, 4)),
        store=make_store(draw, one) if draw(st.booleans()) else None,
    )
    if dynamics.tracer and draw(st.booleans()):  # a perfect integrator, whose range has a proof of its own
        dynamics = replace(dynamics, leak_multiplier=1 << shift, v_reset=None, store=None)
    bits = draw(st.integers(2, 16)) if dynamics.store else None
    with_zero = [(0, 1), (0, 3), (-1, 1), (-3, 3), (0, 0), (-2, 0), (-7, 12)]
    lo, hi = draw(st.sampled_from(with_zero if dynamics.tracer else [*with_zero, (-4, -1), (2, 5)]))
    read = Source("x", draw(st.sampled_from([1, T])), -4 * one, 6 * one, draw(st.sampled_from([1, 1, 1, 2**30])))
    read.flat = draw(st.booleans())
    node = Fire(name="op", inputs=("x",), T=T, lo=lo, hi=hi, membrane_bits=bits, dynamics=dynamics)
    return Around(draw(shapes), [read], node)


def make_add(draw: Draw) -> Around:
    T, flat = draw(steps), draw(st.booleans())
    sources = [source(draw, name, draw(st.sampled_from([1, T])), flat) for name in ("x", "y")]
    return Around(draw(shapes), sources, Add(name="op", inputs=draw(st.sampled_from([("x", "y"), ("y", "y")]))))


def make_pool(kind: type[Pool]) -> Callable[[Draw], Around]:
    def make(draw: Draw) -> Around:
        kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
        least = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
        shape = (draw(few), *(side + draw(st.integers(0, 4)) for side in least))
        node = kind(name="op", inputs=("x",), kernel_size=kernel, stride=draw(pair), padding=padding)
        return Around(shape, [source(draw)], node)

    return make


def make_reshape(draw: Draw) -> Around:
    c, h, w = shape = draw(shapes)
    to = draw(st.sampled_from([(c * h * w,), (w, h, c), (h, c * w), (1, c * h, w)]))
    return Around(shape, [source(draw, flat=draw(st.booleans()))], Reshape(name="op", inputs=("x",), shape=to))


def make_permute(draw: Draw) -> Around:
    c, h, w = shape = draw(shapes)
    read = source(draw)
    read.to = draw(st.sampled_from([shape, (c, h * w), (c * h * w,)]))
    axes = tuple(draw(st.permutations(range(len(read.to)))))
    return Around(shape, [read], Permute(name="op", inputs=("x",), axes=axes))


def make_concat(draw: Draw) -> Around:
    c, h, w = shape = draw(shapes)
    T, axes = draw(steps), draw(few)
    sources = [source(draw, name, draw(st.sampled_from([1, T]))) for name in ("x", "y", "z")]
    for read in sources:
        read.to = [(c * h * w,), (c, h * w), shape][axes - 1]
    inputs = draw(st.sampled_from([("x", "y"), ("y", "y"), ("z", "x", "y"), ("x", "y", "x", "z")]))
    return Around(shape, sources, Concat(name="op", inputs=inputs))


def make_slice(draw: Draw) -> Around:
    c, h, w = shape = draw(shapes)
    read = source(draw)
    read.to = draw(st.sampled_from([(c * h * w,), (c * h, w), shape]))
    start = draw(st.integers(0, read.to[0] - 1))
    stop = draw(st.integers(start + 1, read.to[0]))
    return Around(shape, [read], Slice(name="op", inputs=("x",), start=start, stop=stop))


def make_upsample(draw: Draw) -> Around:
    c, h, w = shape = draw(shapes)
    read, (down, across) = source(draw), draw(pair)
    read.to = draw(st.sampled_from([(c * h, w), shape]))
    factor = (down if len(read.to) == 3 else 1, across)
    return Around(shape, [read], Upsample(name="op", inputs=("x",), factor=factor))


def make_matmul(draw: Draw) -> Around:
    heads, rows, inner = shape = draw(shapes)
    T, two = draw(steps), draw(st.booleans())
    sources = [source(draw, name, draw(st.sampled_from([1, T]))) for name in ("x", "y")]
    for read in sources:
        read.gain = draw(st.sampled_from([1, 1, -3, 2**12]))
    sources[0].to = (heads * rows, inner) if two else shape
    sources[1].to = (inner, heads * rows) if two else (heads, inner, rows)
    return Around(shape, sources, MatMul(name="op", inputs=("x", "y"), inner=inner))


def make_over_time(kind: type[Node]) -> Callable[[Draw], Around]:
    def make(draw: Draw) -> Around:
        return Around(draw(shapes), [source(draw, flat=draw(st.booleans()))], kind(name="op", inputs=("x",)))

    return make


def make_relu(draw: Draw) -> Around:
    return Around(draw(shapes), [source(draw, flat=draw(st.booleans()))], Relu(name="op", inputs=("x",)))


def make_sum_time(draw: Draw) -> Around:
    return Around(draw(shapes), [source(draw, flat=draw(st.booleans()))], SumTime(name="op", inputs=("x",)))


def make_readout(draw: Draw) -> Around:
    over = draw(st.sampled_from(["sum", "last", "each"]))
    return Around(draw(shapes), [source(draw, flat=draw(st.booleans()))], Readout(name="op", inputs=("x",), over=over))


def make_delay(draw: Draw) -> Around:
    shape, before = draw(shapes), source(draw, T=draw(st.integers(2, 4)))
    ends = [before.gain * end for end in (before.lo, before.hi)]
    edge = Edge(shape=shape, T=before.T, lo=min(0, *ends), hi=max(0, *ends))
    return Around(shape, [before], Delay(name="op", inputs=(), of="x", edge=edge))


CASES: dict[str, Callable[[Draw], Around]] = {
    "input": make_input,
    "delay": make_delay,
    "release": make_release,
    "conv": make_conv,
    "linear": make_linear,
    "affine": make_affine,
    "relu": make_relu,
    "fire": make_fire,
    "add": make_add,
    "sum_pool": make_pool(SumPool),
    "sum_time": make_sum_time,
    "max_pool": make_pool(MaxPool),
    "spiking_max_pool": make_pool(SpikingMaxPool),
    "reshape": make_reshape,
    "permute": make_permute,
    "concat": make_concat,
    "slice": make_slice,
    "upsample": make_upsample,
    "matmul": make_matmul,
    "accumulate": make_over_time(Accumulate),
    "difference": make_over_time(Difference),
    "readout": make_readout,
}


@pytest.mark.parametrize("op", OPS)
def test_every_op_has_a_case(op: str) -> None:
    assert op in CASES, f"{op}: write how to make one, and its equation, in this file"
    assert OPS[op] in REFERENCES


@pytest.mark.parametrize("op", OPS)
@settings(max_examples=250)
@given(data=st.data())
def test_the_oracle_is_the_equation_and_stays_in_range(op: str, data: st.DataObject) -> None:
    around = CASES[op](data.draw)
    assert isinstance(around.node, OPS[op])
    half_a_level = 1 << around.node.dynamics.fraction_bits >> 1 if isinstance(around.node, Fire) else 1
    case = around.case(data.draw(seeds), data.draw(st.integers(1, 2)), near=max(half_a_level, 1))
    assert differences(case) == 0
    wide, (lo, hi) = case.wide(), case.net.ranges["op"]
    assert np.array_equal(wide, case.found())
    assert lo <= wide.min()
    assert wide.max() <= hi
    if isinstance(around.node, Fire):
        lo, hi = case.net.membranes["op"]
        for n in range(len(case.images)):
            x = [[int(value) for value in step[n].flatten()] for step in case.x[0]]
            for _, potentials in neurons(case, x):
                assert lo <= min(potentials)
                assert max(potentials) <= hi


def one_by_one(case: Case) -> np.ndarray:
    """All steps of the op by its ``advance``; of one that answers after the last, its last answer."""
    net, node, made, state = case.net, case.node, [], None
    tensors, proven, word = net.graph.tensors_of(node, net.tensors), net.ranges["op"], net.words["op"]
    edges = [net.graph.edges[name] for name in ("op", *node.inputs)]
    for t in range(max(edge.T for edge in edges)):
        x = [edge.astype(word)[min(t, len(edge) - 1)][None] for edge in case.x]
        codes = case.images[:, t] if isinstance(node, Input) else case.images
        y, state = node.advance(tensors, proven, t, state, *(x if node.inputs else [codes]))
        state = x[0] if isinstance(node, Delay) else state
        made.append(y)
    return np.concatenate(made[-1:] if edges[0].T == 1 else made)


@pytest.mark.parametrize("op", OPS)
@settings(max_examples=100)
@given(data=st.data())
def test_one_step_after_another_is_all_steps(op: str, data: st.DataObject) -> None:
    """An op that looks along time, and has no ``advance`` that says so, fails here."""
    case = CASES[op](data.draw).case(data.draw(seeds))
    T = max(case.net.graph.edges[name].T for name in ("op", *case.node.inputs))
    waits = case.node.adds_steps and not isinstance(case.node, Readout)
    if T > 1 and not waits:
        assert np.array_equal(one_by_one(case), case.found())


@pytest.mark.parametrize("kind", [Fire, SpikingMaxPool, Affine, Release, Delay])
def test_an_op_that_forgets_its_steps_is_found(kind: type[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = kind.advance, []
    monkeypatch.setattr(kind, "advance", lambda self, a, b, t, state, *x: right(self, a, b, 0, None, *x))

    @settings(max_examples=200, database=None, derandomize=True)
    @given(data=st.data())
    def look(data: st.DataObject) -> None:
        case = CASES[kind.op](data.draw).case(data.draw(seeds))
        if case.net.graph.edges["op"].T > 1:
            wrong.append(not np.array_equal(one_by_one(case), case.found()))

    look()
    assert any(wrong)


@pytest.mark.parametrize("width", range(48, 63))
def test_a_product_is_exact_on_either_side_of_what_a_float_holds(width: int) -> None:
    weight = np.array([[1, 1, -1], [1, -1, 0]])
    node = Linear(name="op", inputs=("x",), out_channels=2, weight_bits=2)
    wide = Source("x", 1, -(2**16), 2**16, gain=2 ** (width - 19), flat=True)
    case = Around((3, 1, 1), [wide], node, {"op.weight": weight}).case(seed=width, of=300)
    assert case.net.ranges["op"].signed_bits == width
    assert differences(case) == 0


def test_no_case_is_left_of_an_op_that_is_gone() -> None:
    assert CASES.keys() == OPS.keys()
    assert REFERENCES.keys() == set(OPS.values())


def _tops(x: np.ndarray) -> np.ndarray:
    """The largest of each row, which is one window of the spiking max pool below."""
    return x.max(-1, keepdims=True)


def _grown(x: np.ndarray, before: np.ndarray | int) -> np.ndarray:
    return np.diff(_tops(x.cumsum(0)), axis=0, prepend=before)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        pytest.param(Relu, lambda x: np.abs(x), id="relu: the magnitude"),
        pytest.param(Relu, lambda x: np.maximum(x, 1), id="relu: at least one"),
        pytest.param(SumTime, lambda x: x[:-1].sum(0, keepdims=True), id="sum_time: a step forgotten"),
        pytest.param(SumTime, lambda x: x[:1] * len(x), id="sum_time: the first step held"),
        pytest.param(SumTime, lambda x: x.max(0, keepdims=True), id="sum_time: the largest"),
        pytest.param(Accumulate, lambda x: x, id="accumulate: the step alone"),
        pytest.param(Accumulate, lambda x: x.cumsum(0) - x, id="accumulate: without the step itself"),
        pytest.param(Difference, lambda x: np.diff(x, axis=0, prepend=x[:1]), id="difference: no first step"),
        pytest.param(Difference, lambda x: -np.diff(x, axis=0, prepend=0), id="difference: the other way round"),
        pytest.param(SpikingMaxPool, lambda x: _tops(x), id="spiking_max_pool: the largest of each step"),
        pytest.param(SpikingMaxPool, lambda x: _tops(x.cumsum(0)), id="spiking_max_pool: the largest sum itself"),
        pytest.param(
            SpikingMaxPool, lambda x: _grown(x, _tops(x[:1])), id="spiking_max_pool: the first step forgotten"
        ),
        pytest.param(SpikingMaxPool, lambda x: _grown(x, 0).clip(0), id="spiking_max_pool: none taken back"),
    ],
)
def test_a_planted_error_of_an_op_without_options_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: type[Node], wrong: Callable[..., np.ndarray]
) -> None:
    options = {"kernel_size": (1, 3), "stride": (1, 3)} if kind is SpikingMaxPool else {}
    case = Around((2, 3, 3), [Source("x", 3, -6, 6)], kind(name="op", inputs=("x",), **options)).case(0)
    assert differences(case) == 0
    monkeypatch.setattr(kind, "step", lambda node, tensors, proven, x: wrong(x))
    assert differences(case) > 0


@pytest.mark.parametrize(
    ("node", "wrong"),
    [
        (
            MatMul(name="op", inputs=("x", "y"), inner=3),
            lambda x, y: np.swapaxes(x @ y, -1, -2),
        ),
        (MatMul(name="op", inputs=("x", "y"), inner=3), lambda x, y: np.flip(x, 2) @ y),
        (MatMul(name="op", inputs=("x", "y"), inner=3), lambda x, y: x[..., :-1] @ y[..., :-1, :]),
        (
            Permute(name="op", inputs=("x",), axes=(2, 0, 1)),
            lambda x: x.transpose(0, 1, 3, 4, 2).reshape(3, 2, 3, 2, 2),
        ),
        (Concat(name="op", inputs=("x", "y")), lambda x, y: np.concatenate([y, x], axis=2)),
        (Concat(name="op", inputs=("x", "y")), lambda x, y: np.stack([x, y], axis=3).reshape(3, 2, 4, 3, 2)),
        (Slice(name="op", inputs=("x",), start=1, stop=2), lambda x: x[:, :, :1]),
        (Upsample(name="op", inputs=("x",), factor=(2, 1)), lambda x: np.tile(x, (1, 1, 1, 2, 1))),
        (
            Upsample(name="op", inputs=("x",), factor=(1, 2)),
            lambda x: np.repeat(x, 2, axis=3).reshape(3, 2, 2, 2, 6),
        ),
    ],
)
def test_a_planted_error_of_a_product_or_an_order_is_found(
    monkeypatch: pytest.MonkeyPatch, node: Node, wrong: Callable[..., np.ndarray]
) -> None:
    turned = (2, 3, 2)
    sources = [Source("x", 3, -6, 6, to=turned if isinstance(node, Concat) else None), Source("y", 3, -6, 6, to=turned)]
    case = Around((2, 2, 3), sources[: len(node.inputs)], node).case(0)
    assert differences(case) == 0
    monkeypatch.setattr(type(node), "step", lambda node, tensors, proven, *x: wrong(*x))
    assert differences(case) > 0


@settings(max_examples=100)
@given(data=st.data())
def test_the_range_of_a_product_is_attained(data: st.DataObject) -> None:
    """Where 0 is a level of one of both. Where it is of none, the range is that of the sum, which starts at 0."""
    around = make_matmul(data.draw)
    net = around.net()
    (lo, hi), inner, ends = net.ranges["op"], around.node.inner, [net.ranges[name] for name in ("x", "y")]
    products = {a * b: (a, b) for a in ends[0] for b in ends[1]}
    assert (lo, hi) == (inner * min(*products, 0), inner * max(*products, 0))
    for end, extreme in ((lo, min(products)), (hi, max(products))):
        if extreme * inner == end:
            shapes = [net.graph.edges[name].shape for name in ("x", "y")]
            x = [np.full((1, 1, *shape), value) for shape, value in zip(shapes, products[extreme], strict=True)]
            assert (oracle.step(net, around.node, np.zeros(0, dtype=np.uint8), *x) == end).all()


@pytest.mark.parametrize(("over", "wrong"), [("sum", -1), ("last", 0), ("each", slice(None, None, -1))])
def test_a_readout_of_other_steps_is_found(monkeypatch: pytest.MonkeyPatch, over: str, wrong: int | slice) -> None:
    node = Readout(name="op", inputs=("x",), over=over)
    case = Around((2, 1, 1), [Source("x", 3, -6, 6, flat=True)], node).case(0)
    assert differences(case) == 0
    monkeypatch.setattr(Readout, "step", lambda node, tensors, proven, x: np.atleast_3d(x[wrong]).reshape(-1, 2, 2))
    assert differences(case) > 0


def test_a_train_of_steps_in_another_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = Edge(shape=(2, 3), T=4, lo=-1, hi=1)
    case = Around((2, 3, 1), [], Input(name="op", inputs=(), edge=edge)).case(0)
    assert differences(case) == 0
    right = Input.step
    monkeypatch.setattr(Input, "step", lambda node, tensors, proven, x: right(node, tensors, proven, x)[::-1])
    assert differences(case) > 0


# A neuron of half a level per unit, that leaks a half: ties above and below zero, and halves that the shift must floor.
HALVES = Dynamics(fraction_bits=1, leak_multiplier=1, leak_shift=1, v_reset=None)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda x, n: np.sign(x) * (np.abs(x) >> n), id="the shift truncates toward zero"),
        pytest.param(lambda x, n: (np.asarray(x) + ((1 << n) >> 1)) >> n, id="the shift rounds"),
        pytest.param(lambda x, n: -(-np.asarray(x) >> n) - 1 if n == 1 else x, id="fires at u > threshold"),
    ],
)
def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch, wrong: Callable[..., np.ndarray]) -> None:
    node = Fire(name="op", inputs=("x",), T=3, lo=-2, hi=3, dynamics=HALVES)
    case = Around((2, 3, 3), [Source("x", 3, -6, 6)], node).case(0)
    assert differences(case) == 0
    monkeypatch.setattr(program, "PRIMITIVES", {**program.PRIMITIVES, "shift": wrong})
    assert differences(case) > 0


# Levels of three units: -1.5 and 1.5 of a level are ties, and the membrane saturates at +-1.
THIRDS = Store(multiplier=1, shift=1, step=3, step_shift=1)


STORED = Dynamics.program


@pytest.mark.parametrize(
    ("kind", "name", "wrong"),
    [
        pytest.param(Term, "rounded", lambda x, n: x >> n, id="a code is floored"),
        pytest.param(Term, "rounded", lambda x, n: x + (half(n) - 1) >> n, id="a tie goes down"),
        pytest.param(Term, "clip", lambda x, lo, hi: x.step.make("clip", x, lo, max(hi, 2)), id="a code too many"),
        pytest.param(Dynamics, "program", lambda d, *ends: STORED(replace(d, store=None), *ends), id="not stored"),
    ],
)
def test_a_planted_error_of_the_store_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, wrong: Callable[..., object]
) -> None:
    d = Dynamics(fraction_bits=1, leak_multiplier=1, leak_shift=0, v_reset=None, store=THIRDS)
    node = Fire(name="op", inputs=("x",), T=3, lo=-1, hi=1, membrane_bits=2, dynamics=d)
    case = Around((2, 3, 3), [Source("x", 3, -6, 6)], node).case(0)
    assert differences(case) == 0
    monkeypatch.setattr(kind, name, wrong)
    monkeypatch.setattr(layer_of_neurons, "_program", layer_of_neurons._program.__wrapped__)  # no program of before
    assert differences(case) > 0


# Ranges.


@settings(max_examples=250)
@given(data=st.data())
def test_the_range_of_a_synapse_is_attained(data: st.DataObject) -> None:
    """Where 0 is a level. Where it is not, the range is that of the accumulator, which starts at 0."""
    around = make_linear(data.draw)
    net = around.net()
    weight, (lo, hi), x = net.tensors["op.weight"], net.ranges["op"], net.ranges["x"].including(0)
    largest = [sum(int(w) * (x.hi if w > 0 else x.lo) for w in row) for row in weight]
    smallest = [sum(int(w) * (x.lo if w > 0 else x.hi) for w in row) for row in weight]
    assert (lo, hi) == (min(smallest), max(largest))
    if x == net.ranges["x"]:
        up, down = weight[largest.index(hi)], weight[smallest.index(lo)]
        shown = np.array([np.where(up > 0, x.hi, x.lo), np.where(down > 0, x.lo, x.hi)])[None]
        made = oracle.step(net, around.node, np.zeros(0, dtype=np.uint8), shown)
        assert (made.min(), made.max()) == (lo, hi)


def carried(u: int, d: Dynamics, lo: int, hi: int) -> int:
    """The ``v`` that one neuron carries on from ``u``, where it is not stored."""
    at_u = Dynamics(**{**vars(d), "v_init": u, "leak_multiplier": 1, "leak_shift": 0, "store": None})
    return neuron(at_u, lo, hi, [0])[1][-1]


def dynamics(fraction_bits: int, v_reset: int | None, rounds: bool, **leak: int) -> Dynamics:
    leak = leak or {"leak_multiplier": 1, "leak_shift": 0}
    return Dynamics(fraction_bits=fraction_bits, v_reset=v_reset, rounds=rounds, **leak)


def extremes(u: Range, d: Dynamics, lo: int, hi: int) -> Range:
    """Smallest and largest carried potential, by trying every ``u``."""
    values = [carried(value, d, lo, hi) for value in range(u.lo, u.hi + 1)]
    return Range(min(values), max(values))


@pytest.mark.parametrize("rounds", [False, True])
@pytest.mark.parametrize("v_reset", [None, 0, -20, 5])
@pytest.mark.parametrize("fraction_bits", [0, 1, 2])
def test_every_small_interval_after_reset(fraction_bits: int, v_reset: int | None, rounds: bool) -> None:
    d = dynamics(fraction_bits, v_reset, rounds)
    for lo, hi in [(0, 1), (0, 3), (-1, 1), (-2, 2), (-2, 0), (1, 3), (-3, -1), (2, 2), (0, 0), (-1, -1)]:
        values = {u: carried(u, d, lo, hi) for u in range(-14, 15)}
        for first in values:
            least = most = values[first]
            for last in range(first, 15):
                least, most = min(least, values[last]), max(most, values[last])
                assert after_reset(Range(first, last), d, lo, hi) == (least, most), (d, lo, hi, first, last)


def after_reset(u: Range, d: Dynamics, lo: int, hi: int) -> Range:
    """What is proven of the carried potential, for any ``u`` of the range."""
    node = Fire(name="op", inputs=("x",), T=1, lo=lo, hi=hi, dynamics=d)
    return node.values(Bounds.of_any_steps(1, u))["reset"]


def membrane_range(node: Fire, current: Range) -> Range:
    return node.program.membrane(node.values(Bounds.of_any_steps(node.T, current)))


spans = st.tuples(st.integers(-200, 200), st.integers(0, 200)).map(lambda pair: Range(pair[0], sum(pair)))
alphabets = st.tuples(st.integers(-8, 8), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair)))


@settings(max_examples=400)
@given(
    u=spans,
    alphabet=alphabets,
    fraction=st.integers(0, 4),
    v_reset=st.none() | st.integers(-40, 40),
    rounds=st.booleans(),
)
def test_any_interval_after_reset(
    u: Range, alphabet: tuple[int, int], fraction: int, v_reset: int | None, rounds: bool
) -> None:
    d = dynamics(fraction, v_reset, rounds)
    assert after_reset(u, d, *alphabet) == extremes(u, d, *alphabet)


@settings(max_examples=250)
@given(
    T=st.integers(1, 12),
    current=st.tuples(st.integers(-25, 25), st.integers(0, 25)).map(lambda pair: Range(pair[0], sum(pair))),
    alphabet=alphabets,
    fraction=st.integers(0, 4),
    v_reset=st.none() | st.integers(-40, 40),
    v_init=st.integers(-40, 40),
    rounds=st.booleans(),
    shift=st.integers(0, 3),
    data=st.data(),
)
def test_a_membrane_range_is_that_of_all_its_steps(
    T: int,
    current: Range,
    alphabet: tuple[int, int],
    fraction: int,
    v_reset: int | None,
    v_init: int,
    rounds: bool,
    shift: int,
    data: st.DataObject,
) -> None:
    """Step by step over every potential, and never stopping early."""
    leak = {"leak_multiplier": data.draw(st.integers(0, 1 << shift)), "leak_shift": shift, "v_init": v_init}
    d = dynamics(fraction, v_reset, rounds, **leak)
    v = seen = Range(v_init, v_init)
    for _ in range(T):
        u = Range(*(end * d.leak_multiplier // 2**d.leak_shift for end in v)) + current
        v = extremes(u, d, *alphabet)
        seen = seen.including(*u, *v)
    lo, hi = alphabet
    assert membrane_range(Fire(name="op", inputs=("x",), T=T, lo=lo, hi=hi, dynamics=d), current) == seen


small_stores = st.builds(
    lambda multiplier, shift, step, step_shift: Store(
        multiplier=multiplier, shift=shift, step=step, step_shift=step_shift
    ),
    st.integers(1, 40),
    st.integers(0, 6),
    st.integers(0, 90),
    st.integers(0, 4),
)


@settings(max_examples=250)
@given(store=small_stores, bits=st.integers(2, 8), span=spans)
def test_the_ends_of_a_range_are_the_ends_of_what_is_stored(store: Store, bits: int, span: Range) -> None:
    """By trying every potential; and however many there are, they become the ``2^bits - 1`` codes at most."""
    kept = [stored(v, store, bits)[1] for v in range(span.lo, span.hi + 1)]
    d = replace(dynamics(0, None, False), store=store)
    node = Fire(name="op", inputs=("x",), T=1, lo=0, hi=0, membrane_bits=bits, dynamics=d)
    assert node.values(Bounds.of_any_steps(1, span))["store"] == (min(kept), max(kept))
    assert kept == sorted(kept)
    assert len(set(kept)) <= 2**bits - 1


@settings(max_examples=150)
@given(
    T=st.integers(1, 8),
    current=st.tuples(st.integers(-25, 25), st.integers(0, 25)).map(lambda pair: Range(pair[0], sum(pair))),
    alphabet=alphabets,
    fraction=st.integers(0, 4),
    v_reset=st.none() | st.integers(-40, 40),
    v_init=st.integers(-40, 40),
    store=small_stores,
    bits=st.integers(2, 8),
    shift=st.integers(0, 2),
    data=st.data(),
)
def test_a_stored_membrane_range_is_that_of_all_its_steps(
    T: int,
    current: Range,
    alphabet: tuple[int, int],
    fraction: int,
    v_reset: int | None,
    v_init: int,
    store: Store,
    bits: int,
    shift: int,
    data: st.DataObject,
) -> None:
    leak = data.draw(st.integers(0, 1 << shift))
    d = dynamics(fraction, v_reset, False, leak_multiplier=leak, leak_shift=shift, v_init=v_init)
    d = replace(d, store=store)
    v = seen = Range(v_init, v_init)
    for _ in range(T):
        u = Range(*(end * leak // 2**shift for end in v)) + current
        before = extremes(u, d, *alphabet)
        kept = [stored(value, store, bits)[1] for value in range(before.lo, before.hi + 1)]
        v = Range(min(kept), max(kept))
        seen = seen.including(*u, *before, *v)
    lo, hi = alphabet
    node = Fire(name="op", inputs=("x",), T=T, lo=lo, hi=hi, membrane_bits=bits, dynamics=d)
    assert membrane_range(node, current) == seen


@settings(max_examples=150)
@given(data=st.data(), bits=st.integers(2, 8), v_reset=st.none() | st.integers(-9, 9))
def test_between_two_steps_a_stored_membrane_is_one_of_its_codes(
    data: st.DataObject, bits: int, v_reset: int | None
) -> None:
    """The oracle's ``v`` takes ``2^bits - 1`` values at most, and each is that of a code."""
    store = data.draw(small_stores)
    d = Dynamics(fraction_bits=3, leak_multiplier=1, leak_shift=1, v_reset=v_reset, store=store)
    node = Fire(name="op", inputs=("x",), T=5, lo=-2, hi=3, membrane_bits=bits, dynamics=d)
    currents = np.random.default_rng(data.draw(seeds)).integers(-3000, 3000, (5, 4000))
    seen: set[int] = set()
    state = {"v": np.int64(0)}
    for current in currents:
        state = {"v": node.program.step(current, state)[str(node.program.carried["v"])]}
        seen |= set(np.unique(state["v"]).tolist())
    Q = 2 ** (bits - 1) - 1
    assert seen <= {
        (code * store.step + (2**store.step_shift) // 2) // 2**store.step_shift for code in range(-Q, Q + 1)
    }
    assert len(seen) <= 2**bits - 1


# The page.


def spec(*arguments: object) -> subprocess.CompletedProcess[str]:
    tool = [sys.executable, str(ROOT / "tools" / "ir_spec.py"), *map(str, arguments)]
    return subprocess.run(tool, capture_output=True, text=True, check=False)


def test_the_page_is_what_the_code_says() -> None:
    assert (done := spec("--check")).returncode == 0, done.stderr


def test_a_page_that_drifted_is_found_and_mended(tmp_path: Path) -> None:
    page = Path(shutil.copy(ROOT / "docs" / "ir-spec.md", tmp_path))
    right = page.read_text(encoding="utf-8")
    wrong = right.replace("`y[t] = code[t] + lo`", "`y[t] = code[t] - lo`")
    assert wrong != right
    page.write_text(wrong, encoding="utf-8")
    done = spec(page, "--check")
    assert done.returncode == 1
    assert "is not current" in done.stderr
    assert spec(page).returncode == 0
    assert page.read_text(encoding="utf-8") == right


def test_no_images_give_no_logits():
    net = FrozenGraph(
        Graph(
            "none",
            (
                Input(name="images", inputs=(), edge=Edge(shape=(1, 4, 4), T=1, lo=0, hi=255, scale=1.0)),
                Conv(name="conv", inputs=("images",), out_channels=2, weight_bits=2, kernel_size=(4, 4)),
                Reshape(name="flat", inputs=("conv",), shape=(2,)),
                Readout(name="logits", inputs=("flat",)),
            ),
        ),
        {"conv.weight": np.ones((2, 1, 4, 4), dtype=np.int64)},
    )
    assert oracle.logits(net, np.zeros((0, 1, 4, 4), dtype=np.uint8)).shape == (0, 2)
