"""Frozen graphs to compare backends on: random ones, the four families, and what differs between two runs of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import log2, prod

import numpy as np
import torch
from numpy.typing import NDArray

from bitspike import BitPlan, Bits, UserError
from bitspike.bits import signed_range, unsigned_range
from bitspike.ir import (
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
    Over,
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
    Synapse,
    Upsample,
    tensor_shapes,
)  # fmt: skip
from bitspike.ir.ranges import Range, edge_ranges
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import NeuronSettings, SpikingNode, neuron_settings
from bitspike.quant import MembraneQuantizer

__all__ = [
    "FAMILIES",
    "FEATURES",
    "FEATURES_OF_ROUTES",
    "differences",
    "family",
    "features",
    "images",
    "random_graph",
    "sample",
]

FAMILIES = {"convnet": (4, 6, 8), "vgg9": (4, 6, 8), "resnet8-thin": (4, 6, 8), "sew-resnet18": (4, 4, 6, 8)}
"""Channels of each family, few."""
MOST_ELEMENTS, MOST_WEIGHTS = 1500, 3000
"""Of one edge over all steps, and of one layer: what keeps a graph small enough to run thousands of them."""
STAND_IN = Fire(name="later", inputs=(), T=1, lo=0, hi=0)
"""Stands for neurons that a delay reads and that are not drawn yet."""
LARGEST = 2**61
"""Bound of what a generated product may reach."""
TYPES = {
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
"""What each integer of C holds, in the order in which the export prefers them."""


def random_graph(seed: int, loops: bool = False, trains: bool = False, routes: bool = False) -> FrozenGraph:
    """A valid random network. The same for the same seed; samples that are refused are drawn again.

    With ``loops`` it has neurons that read what was sent a step before, and no sum over time but the readout. With
    ``trains`` its input mostly has steps, 1 to 3 axes and few levels, and its readout is any. With
    ``routes`` it has edges joined, cut and made larger, and one to four outputs of any shape.
    """
    for attempt in range(100):
        try:
            return sample(seed, attempt, loops, trains, routes)
        except UserError:
            continue
    raise AssertionError(f"seed {seed}: 100 samples in a row were refused")


def sample(seed: int, attempt: int = 0, loops: bool = False, trains: bool = False, routes: bool = False) -> FrozenGraph:
    """One draw.

    Raises:
        UserError: it is no valid network.
    """
    return _Sampler(np.random.default_rng([seed, attempt]), f"random {seed}", loops, trains, routes).sample()


def images(net: FrozenGraph, seed: int = 0, count: int = 3) -> NDArray[np.uint8]:
    """Random images for the network, then one all black and one all white; of trains, codes all lowest and highest."""
    shape, most = (count, *net.sample.array_shape), net.sample.hi - net.sample.lo
    drawn = np.random.default_rng([seed, 99]).integers(0, most + 1, shape, dtype=np.uint8)
    return np.concatenate([drawn, np.zeros_like(drawn[:1]), np.full_like(drawn[:1], most)])


def family(
    name: str,
    bits: str,
    seed: int = 0,
    image: tuple[int, int, int] = (3, 8, 8),
    neuron: NeuronSettings | None = None,
    membrane_bits: int | None = None,
    num_classes: int = 5,
) -> FrozenGraph:
    """A network of a family, frozen as it was initialised, with batch norm's statistics of random images.

    Batch norm's own weights are random, and lift the currents: few layers stay silent. Quantized membranes have the
    maxima of those images.
    """
    torch.manual_seed(seed)
    plan, neuron = BitPlan(Bits.parse(bits)), neuron or neuron_settings()
    model = build_model(name, plan, sample=image, num_classes=num_classes, channels=FAMILIES[name], neuron=neuron)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, 0.0, 1.0)
        if isinstance(module, SpikingNode) and membrane_bits is not None:
            module.store = MembraneQuantizer(membrane_bits)
    with torch.no_grad():
        model(torch.randint(0, 256, (64, *image), dtype=torch.uint8))
    return freeze(model.eval(), image, name)


def differences(
    net: FrozenGraph,
    wanted: Mapping[str, NDArray[np.int64]],
    outputs: NDArray[np.int64] | tuple[NDArray[np.int64], ...],
    edges: Mapping[str, NDArray[np.int64]],
) -> dict[str, int]:
    """Values that differ from the oracle's run ``wanted``, by edge, those that are 0 left out.

    The outputs, or the logits of the only one, go by the readouts' names. An edge of another shape, and one of neurons
    that is missing, differs in all of its values.
    """
    answers = outputs if isinstance(outputs, tuple) else (outputs,)
    seen = {**edges}
    for node, answer in zip(net.readouts, answers, strict=True):
        seen[node.name] = np.moveaxis(answer, 1, 0) if node.over == "each" else answer[None]
    found = {node.name: wanted[node.name].size for node in net.graph.neurons()}
    for name, values in seen.items():
        same_shape = values.shape == wanted[name].shape
        found[name] = int((values != wanted[name]).sum()) if same_shape else wanted[name].size
    return {name: count for name, count in found.items() if count}


class _Sampler:
    """Appends random ops until it is a network.

    ``typical`` is a guess of the magnitude that values of an edge have, so that thresholds fall among them.
    """

    def __init__(self, rng: np.random.Generator, name: str, loops: bool, trains: bool, routes: bool) -> None:
        self.rng, self.name, self.loops, self.trains, self.routes = rng, name, loops, trains, routes
        self.nodes: list[Node] = []
        self.tensors: dict[str, NDArray[np.int64]] = {}
        self.edges: dict[str, Edge] = {}
        self.ranges: dict[str, Range] = {}
        self.typical: dict[str, float] = {}
        self.T = self.choice([1, 2, 3, 4, 5, 6, 7, 8, 8])
        self.T = max(self.T, 2) if loops else self.T
        self.large = self.chance(0.15)

    def sample(self) -> FrozenGraph:
        shape = (self.integer(1, 4), self.integer(1, 9), self.integer(1, 9))
        lo = self.choice([0, -128, -128, self.integer(-300, 50)])
        edge = Edge(shape=shape, T=1, lo=lo, hi=lo + 255, scale=1.0)
        here = self.add(Input(name="image", inputs=(), edge=self.train(shape) if self.trains else edge))
        here = self.looped(here) if self.loops else here
        for _ in range(self.integer(int(len(self.edges[here].shape) == 3), 3)):
            here = self.block(here)
        if self.routes:
            self.outputs(here)
            return FrozenGraph(Graph(self.name, tuple(self.nodes)), self.tensors)
        over: Over = self.choice(["sum", "last", "each"]) if self.trains else "sum"
        self.add(Readout(name="logits", inputs=(self.head(here),), over=over))
        return FrozenGraph(Graph(self.name, tuple(self.nodes)), self.tensors)

    def outputs(self, x: str) -> None:
        """One to four: the end of the network and any edges before it, in any order; one edge may go out twice."""
        fit = [name for name, edge in self.edges.items() if len(edge.shape) <= 3]
        ends = [self.head(x) if self.chance(0.5) else self.choice(fit)]
        ends += [self.choice(fit) for _ in range(self.choice([0, 1, 1, 2]))]
        ends += [x] if x in fit and x not in ends else []
        for index in self.rng.permutation(len(ends)):
            over: Over = self.choice(["sum", "sum", "last", "each"])
            self.add(Readout(name=f"output {index}", inputs=(ends[index],), over=over))

    def train(self, shape: tuple[int, ...]) -> Edge:
        """Events, counts, signed levels or bytes, with the steps of the neurons or, rarely, none of its own."""
        shape = shape[: self.choice([1, 2, 3, 3])]
        lo, hi = self.choice([(0, 1), (-1, 1), (0, self.integer(2, 15)), (-self.integer(1, 99), self.integer(1, 99))])
        lo, hi = (lo, lo + 255) if self.chance(0.1) else (lo, hi)
        return Edge(shape=shape, T=1 if self.chance(0.1) else self.T, lo=lo, hi=hi, scale=1.0)

    # Parts of a network; each takes an edge and names another

    def block(self, x: str) -> str:
        if len(self.edges[x].shape) != 3 and not (self.is_signal(x) and self.chance(0.7)):
            x = self.reshape(x)
        kinds = {
            self.layer: 5,
            self.residual: 3,
            self.two_convs: 1,
            self.pooled: 2,
            self.squeezed: 2 * (not self.loops),
            self.rectified: 1,
            self.reshape: 1,
            self.spikes_added: 1,
            self.held: 1,
            self.skip: 1,
            self.relay: 0.5,
            self.settling: 1.5,
            self.other_rank: 0.5,
            self.attention: 1.2,
            self.tokens: 1,
            self.so_far: 0.6,
            self.dead_end: 0.5,
            self.looped: 3 * self.loops,
            self.joined: 14 * self.routes,
            self.cut: 6 * self.routes,
            self.enlarged: 7 * self.routes,
        }
        weights = np.array(list(kinds.values()))
        made = list(kinds)[int(self.rng.choice(len(kinds), p=weights / weights.sum()))](x)
        windows = len(self.edges[made].shape) == 3 or self.is_signal(made)
        return self.pool(made) if self.chance(0.15) and windows else made

    def is_signal(self, x: str) -> bool:
        """Whether windows are put over ``(C, L)`` here: in networks that read trains."""
        return self.trains and len(self.edges[x].shape) == 2

    def layer(self, x: str) -> str:
        current = self.conv(x)
        for _ in range(self.choice([0, 1, 1, 1, 2])):
            current = self.affine(current)
        return self.fire(current) if self.chance(0.85) else current

    def residual(self, x: str) -> str:
        """Two or three ways from ``x``, joined."""
        first = self.conv(x)
        second = x if self.edges[x].shape == self.edges[first].shape else self.conv_like(x, first)
        joined = self.join(self.affine(first), self.affine(second) if self.chance(0.8) else second)
        if self.edges[x].shape == self.edges[joined].shape and self.chance(0.5):
            joined = self.join(x, joined)
        return self.fire(joined)

    def two_convs(self, x: str) -> str:
        """A synapse that reads an accumulator."""
        return self.fire(self.affine(self.conv(self.conv(x))))

    def pooled(self, x: str) -> str:
        """A pool that reads a current."""
        current = self.pool(self.affine(self.conv(x)) if self.chance(0.5) else self.conv(x))
        return self.fire(current) if self.chance(0.8) else current

    def squeezed(self, x: str) -> str:
        """Spikes, or whatever ``x`` is, added up over time; what comes after may have other steps."""
        way = self.integer(1, 4)
        sent = self.fire(self.conv(x)) if way <= 2 else self.affine(x) if way == 3 else x
        total = self.add(SumTime(name=self.fresh("sum"), inputs=(sent,)))
        if self.chance(0.35):
            return self.join(total, sent)
        self.T = self.choice([1, 2, 3, 4, 5, 6, 7, 8, 8])
        return total

    def rectified(self, x: str) -> str:
        """Neurons between currents: a positive one is read by them, and by the sum behind them."""
        current = self.relu(x if self.chance(0.2) else self.affine(self.conv(x)))
        made = self.affine(self.pointwise(self.fire(current), self.edges[current].shape[0]))
        return self.relu(self.join(made, current)) if self.chance(0.7) else self.relu(made)

    def spikes_added(self, x: str) -> str:
        current = self.conv(x)
        return self.join(self.fire(current), self.fire(self.affine(self.conv_like(x, current))))

    def held(self, x: str) -> str:
        """An edge of one step, joined with one of T steps."""
        x = "image" if self.edges[x].T > 1 else x
        if self.edges[x].T > 1 or len(self.edges[x].shape) != 3:
            return self.relay(x)
        current = self.conv(x)
        ways = self.integer(1, 3)
        once = current if ways == 1 else self.fire(current, steps=1) if ways == 2 else self.conv_like(x, current)
        changing = self.fire(self.affine(current))
        if self.chance(0.5):
            changing = self.affine(self.pointwise(changing, self.edges[changing].shape[0]))
        joined = self.join(*((once, changing) if self.chance(0.5) else (changing, once)))
        return self.fire(joined) if self.chance(0.6) else joined

    def skip(self, x: str) -> str:
        """``x`` with any earlier edge of its shape."""
        fit = [
            n for n, e in self.edges.items() if e.shape == self.edges[x].shape and {e.T, self.edges[x].T} <= {1, self.T}
        ]
        return self.join(x, self.choice(fit))

    def settling(self, x: str) -> str:
        """As a converted network computes: images for some steps, offsets for some, neurons that take spikes back."""
        if self.edges["image"].T > 1 or len(self.edges["image"].shape) != 3:
            return self.layer(x)
        train = self.add(
            Release(name=self.fresh("release"), inputs=("image",), T=self.T, steps=self.integer(1, self.T), parts=3)
        )
        current = self.affine(self.conv(train), steps=self.integer(1, self.T))
        sent = self.fire(current, tracer=self.integer(2, 9))
        if self.chance(0.5):
            sent = self.fire(self.affine(self.conv(sent), steps=self.integer(1, self.T)), tracer=self.integer(2, 9))
        return sent

    def looped(self, x: str) -> str:
        """Neurons that read what they sent a step before; or what others send, which read them."""
        x = x if len(self.edges[x].shape) == 3 or self.is_signal(x) else self.reshape(x)
        current = self.affine(self.conv(x)) if self.chance(0.8) else x
        while 0 not in range((levels := self.alphabet())[0], levels[1] + 1):
            pass
        sent, (lo, hi) = f"looped.{len(self.nodes)}", levels
        edge = Edge(shape=self.edges[current].shape, T=self.T, lo=lo, hi=hi)
        before = self.add(Delay(name=self.fresh("delay"), inputs=(), of=sent, edge=edge))
        if self.chance(0.8):
            back = self.affine(self.pointwise(before, self.edges[current].shape[0]))
            back = self.fire(back) if self.chance(0.3) else back
        else:
            back = before
        joined = self.join(current, back)
        if self.chance(0.3):
            joined = self.affine(self.pointwise(self.fire(joined), self.edges[current].shape[0]))
        return self.fire(joined, levels=levels, name=sent)

    def joined(self, x: str) -> str:
        """``x`` with what else is of its sides, or is made of it, or is held."""
        sides, steps = self.edges[x].shape[1:], {1, self.edges[x].T}
        fit = [n for n, e in self.edges.items() if e.shape[1:] == sides and e.T in steps]
        ways = [x, self.choice(fit)]
        ways += [self.fire(self.affine(self.conv_of_one(x)))] if self.chance(0.5) else []
        ways += [self.choice([n for n in fit if self.edges[n].T == 1] or fit)] if self.chance(0.4) else []
        made = self.add(Concat(name=self.fresh("concat"), inputs=tuple(self.rng.permutation(ways).tolist())))
        return self.layer(made) if self.chance(0.5) else made

    def cut(self, x: str) -> str:
        """A range of channels; or two of one edge, added."""
        x = self.affine(x) if self.chance(0.25) else x
        start = self.integer(0, self.edges[x].shape[0] - 1)
        count = self.integer(1, self.edges[x].shape[0] - start)
        made = self.slice(x, start, count)
        if self.chance(0.3):
            made = self.join(made, self.slice(x, self.integer(0, self.edges[x].shape[0] - count), count))
        return self.fire(made) if self.chance(0.4) else made

    def slice(self, x: str, start: int, count: int) -> str:
        return self.add(Slice(name=self.fresh("slice"), inputs=(x,), start=start, stop=start + count))

    def enlarged(self, x: str) -> str:
        """As a detector goes up again: made larger, and joined with what has that size."""
        x = self.affine(x) if self.chance(0.25) else x
        factor = (self.integer(1, 3) if len(self.edges[x].shape) == 3 else 1, self.integer(1, 3))
        made = self.add(Upsample(name=self.fresh("upsample"), inputs=(x,), factor=factor))
        fit = [n for n, e in self.edges.items() if e.shape[1:] == self.edges[made].shape[1:] and e.T in (1, self.T)]
        if self.chance(0.6) and self.edges[made].T in (1, self.T):
            made = self.add(Concat(name=self.fresh("concat"), inputs=(made, self.choice(fit))))
        return self.layer(made) if self.chance(0.5) else made

    def relay(self, x: str) -> str:
        """Neurons that read spikes, or whatever ``x`` is."""
        return self.fire(x)

    def other_rank(self, x: str) -> str:
        """Neurons in a plane of two or four axes."""
        channels, rows, columns = self.edges[x].plane
        shape = self.choice([(columns, channels * rows), (1, columns, channels, rows)])
        return self.reshape(self.fire(self.affine(self.reshape(x, shape))))

    def attention(self, x: str) -> str:
        """Products of spikes, or of whatever ``x`` is, with themselves and with what is held."""
        x = x if len(self.edges[x].shape) == 3 else self.reshape(x)
        query = self.fire(x) if self.chance(0.7) else x
        key = self.fire(self.conv_of_one(x)) if self.chance(0.5) else query
        scores = self.matmul(query, self.permute(key, (0, 2, 1)))
        if self.chance(0.3):
            scores = self.fire(scores)
        value = query if self.chance(0.6) else self.fire(x, steps=1) if self.edges[x].T == 1 else key
        mixed = self.matmul(scores, value) if self.chance(0.8) else scores
        mixed = self.permute(mixed) if self.chance(0.4) else mixed
        return self.fire(self.affine(mixed)) if self.chance(0.8) else mixed

    def tokens(self, x: str) -> str:
        """A plane of two axes: layers at each token, products of matrices."""
        x = x if len(self.edges[x].shape) == 3 else self.reshape(x)
        channels, rows, columns = self.edges[x].shape
        flat = self.reshape(x, (channels, rows * columns))
        made = self.fire(self.affine(self.linear(flat, self.integer(3, 8))))
        if self.chance(0.6):
            made = self.matmul(made, self.permute(made, (1, 0)))
        if self.chance(0.6):
            made = self.linear(made, self.integer(3, 8))
        return self.reshape(self.fire(made) if self.chance(0.7) else made)

    def so_far(self, x: str) -> str:
        """Products of what trains have sent up to each step, as a converted network has them."""
        x = x if len(self.edges[x].shape) == 3 else self.reshape(x)
        x = self.settling(x) if self.chance(0.5) else x
        total = self.add(Accumulate(name=self.fresh("so_far"), inputs=(x,)))
        product = self.matmul(total, self.permute(total, (0, 2, 1))) if self.chance(0.7) else total
        change = self.add(Difference(name=self.fresh("change"), inputs=(product,)))
        return self.fire(self.affine(change) if self.chance(0.7) else change) if self.chance(0.8) else change

    def conv_of_one(self, x: str) -> str:
        """A conv that keeps the shape."""
        return self.pointwise(x, self.edges[x].shape[0])

    def dead_end(self, x: str) -> str:
        """Something that nobody reads."""
        self.layer(x)
        return x

    def head(self, x: str) -> str:
        flat = x if len(self.edges[x].shape) == 1 else self.reshape(x, (self.edges[x].size,))
        for _ in range(self.choice([0, 1, 1, 2])):
            size = self.integer(1, 6)
            ways = [self.linear(flat, size) for _ in range(2 if self.chance(0.2) else 1)]
            ways = [self.affine(way) if self.chance(0.6) else way for way in ways]
            flat = self.join(*ways) if len(ways) == 2 else ways[0]
            flat = self.fire(flat) if self.chance(0.3) else flat
        return flat

    # Ops

    def conv(self, x: str) -> str:
        channels, *_ = self.edges[x].shape
        rows, columns = self.both(x, lambda side: self.window(side, dilates=True))
        groups = self.choice([1, 1, 1, *(g for g in range(1, channels + 1) if channels % g == 0)])
        return self.add(
            Conv(
                name=self.fresh("conv"),
                inputs=(x,),
                out_channels=groups * self.integer(1, 3 if groups > 2 else 5 // groups),
                weight_bits=self.weight_bits(),
                kernel_size=(rows[0], columns[0]),
                stride=(rows[1], columns[1]),
                padding=(rows[2], columns[2]),
                dilation=(rows[3], columns[3]),
                groups=groups,
            )
        )

    def conv_like(self, x: str, other: str) -> str:
        """A conv of ``x`` to the shape of ``other``, a conv of ``x`` too: a 1x1 where that fits, else its like."""
        like = next(n for n in self.nodes if n.name == other)
        assert isinstance(like, Conv)
        _, rows, columns = self.edges[x].plane
        down, across = like.stride
        if self.edges[other].plane[1:] == ((rows - 1) // down + 1, (columns - 1) // across + 1):
            return self.pointwise(x, like.out_channels, like.stride)
        return self.add(replace(like, name=self.fresh("conv"), weight_bits=self.weight_bits()))

    def pointwise(self, x: str, channels: int, stride: tuple[int, int] = (1, 1)) -> str:
        return self.add(
            Conv(
                name=self.fresh("conv"),
                inputs=(x,),
                out_channels=channels,
                weight_bits=self.weight_bits(),
                kernel_size=(1, 1),
                stride=stride,
            )
        )

    def linear(self, x: str, size: int) -> str:
        return self.add(
            Linear(name=self.fresh("linear"), inputs=(x,), out_channels=size, weight_bits=self.weight_bits())
        )

    def matmul(self, a: str, b: str) -> str:
        return self.add(MatMul(name=self.fresh("matmul"), inputs=(a, b), inner=self.edges[a].shape[-1]))

    def permute(self, x: str, axes: tuple[int, ...] | None = None) -> str:
        order = self.rng.permutation(len(self.edges[x].shape)) if axes is None else axes
        return self.add(Permute(name=self.fresh("permute"), inputs=(x,), axes=tuple(int(axis) for axis in order)))

    def affine(self, x: str, steps: int | None = None) -> str:
        shift = self.integer(1, 12) if self.chance(0.3) else 0
        point = self.integer(0, 20)
        return self.add(Affine(name=self.fresh("affine"), inputs=(x,), fraction_bits=point, shift=shift, steps=steps))

    def relu(self, x: str) -> str:
        return self.add(Relu(name=self.fresh("relu"), inputs=(x,)))

    def join(self, a: str, b: str) -> str:
        return self.add(Add(name=self.fresh("add"), inputs=(a, b)))

    def pool(self, x: str) -> str:
        tiled = self.chance(0.5)
        rows, columns = self.both(x, self.tile if tiled else self.window)
        return self.add(
            self.choice([SumPool, MaxPool, SpikingMaxPool])(
                name=self.fresh("pool"),
                inputs=(x,),
                kernel_size=(rows[0], columns[0]),
                stride=(rows[1], columns[1]),
                padding=(rows[2], columns[2]),
            )
        )

    def both(self, x: str, draw: Callable[[int], tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Windows over the rows and the columns of an edge; a signal has one row."""
        sides = self.edges[x].shape[1:]
        return [(1, 1, 0, 1)] * (len(sides) == 1) + [draw(side) for side in sides]

    def window(self, side: int, dilates: bool = False) -> tuple[int, int, int, int]:
        """Kernel, stride, padding and dilation that fit an axis; padding of a pool is less than its kernel."""
        while True:
            kernel, stride = self.choice([1, 2, 3, 3, 4]), self.choice([1, 1, 1, 2, 3])
            padding = self.integer(0, 3 if dilates else kernel - 1)
            dilation = self.choice([1, 1, 1, 2, 3]) if dilates else 1
            if dilation * (kernel - 1) < side + 2 * padding:
                return kernel, stride, padding, dilation

    def tile(self, side: int) -> tuple[int, int, int]:
        """Kernel, stride and padding of a pool that takes every element of an axis once."""
        fit = [(k, k, pad) for k in range(1, 5) for pad in range(k) if (side + 2 * pad) % k == 0]
        return self.choice(fit)

    def reshape(self, x: str, shape: tuple[int, ...] | None = None) -> str:
        """To ``shape``, or to any three axes."""
        if shape is None:
            channels = self.choice([d for d in range(1, 9) if self.edges[x].size % d == 0])
            places = self.edges[x].size // channels
            rows = self.choice([d for d in range(1, places + 1) if places % d == 0])
            shape = (channels, rows, places // rows)
        return self.add(Reshape(name=self.fresh("reshape"), inputs=(x,), shape=shape))

    def fire(
        self,
        x: str,
        steps: int | None = None,
        tracer: int | None = None,
        levels: tuple[int, int] | None = None,
        name: str | None = None,
    ) -> str:
        steps = self.T if levels else steps
        if steps is None:
            steps = self.T if self.edges[x].T > 1 or self.chance(0.9) else 1
        lo, hi = levels or self.alphabet() if tracer is None else self.choice([(-1, 1), (-1, 1), (0, 1), (-3, 2)])
        top = max(abs(lo), abs(hi), 1)
        fraction = round(log2(self.typical[x] + 1) - log2(top) + self.rng.normal())
        fraction = min(max(fraction - 2 * (tracer is not None), 0), 30)  # a tracer's spikes are few
        threshold = 1 << fraction
        shift = self.choice([0, 0, 1, self.integer(1, 15)])
        dynamics = Dynamics(
            fraction_bits=fraction,
            leak_multiplier=self.choice([1 << shift, self.integer(0, 1 << shift), (1 << shift) - (shift > 0)]),
            leak_shift=shift,
            v_reset=self.choice([None, None, 0, self.integer(-threshold, threshold), -self.integer(0, 3 * threshold)]),
            v_init=self.choice([0, 0, self.integer(-threshold, threshold)]),
            rounds=self.chance(0.4),
            tracer=tracer,
        )
        if tracer is not None and self.chance(0.7):  # no leak, and half a threshold to begin with
            dynamics = replace(dynamics, leak_multiplier=1 << shift, v_reset=None, v_init=threshold >> 1, rounds=False)
        bits = None
        if steps > 1 and self.chance(0.35):
            bits = self.choice([2, 2, 3, 4, 8, self.integer(2, 16)])
            dynamics = replace(dynamics, store=self.store(threshold * 2.0 ** self.rng.normal(0, 2), bits))
        return self.add(
            Fire(
                name=name or self.fresh("fire"),
                inputs=(x,),
                T=steps,
                lo=lo,
                hi=hi,
                membrane_bits=bits,
                dynamics=dynamics,
            )
        )

    def store(self, peak: float, bits: int) -> Store:
        """Levels up to about ``peak``, as exact as the shifts allow."""
        level = peak / signed_range(bits)[1]
        shift, step_shift = self.integer(0, 30), self.integer(0, 16)
        return Store(
            multiplier=min(max(round((1 << shift) / level), 1), 1 << 30),
            shift=shift,
            step=round(level * (1 << step_shift)),
            step_shift=step_shift,
        )

    def alphabet(self) -> tuple[int, int]:
        bits = self.choice([1, 1, 1, 2, 2, 2, 3, 3, 4, 4, *self.rng.integers(5, 9, 4).tolist(), 16])
        if self.chance(0.1):  # without zero, or one level alone
            lo, hi = sorted((self.integer(1, 1 << bits), self.integer(1, 1 << bits)))
            return (lo, hi) if self.chance(0.5) else (-hi, -lo)
        signed = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        return self.choice([unsigned_range(bits), unsigned_range(bits), signed_range(bits), signed])

    def weight_bits(self) -> int:
        return (
            self.integer(12, 15)
            if self.large
            else self.choice([1, 1, 2, 3, 4, 8, self.integer(5, 15), self.integer(5, 15)])
        )

    def add(self, node: Node) -> str:
        """Appends an op, with random tensors."""
        ops = (*self.nodes, node)
        there = {op.name for op in ops}
        coming = [op for op in ops if isinstance(op, Delay) and op.of not in there]
        later = [replace(STAND_IN, name=d.of, inputs=(d.name,), T=self.T, lo=d.edge.lo, hi=d.edge.hi) for d in coming]
        graph = Graph(self.name, (*ops, *later))
        edge = graph.edges[node.name]
        shapes = tensor_shapes(graph, node)
        if edge.size * edge.T > MOST_ELEMENTS or sum(map(prod, shapes.values())) > MOST_WEIGHTS:
            raise UserError("sample", edge.shape, "want a smaller one")
        for name, shape in shapes.items():
            self.tensors[name] = self.tensor(node, name, shape)
        self.nodes.append(node)
        self.edges[node.name] = edge
        self.ranges = edge_ranges(graph, self.tensors)
        self.typical[node.name] = self.magnitude(node)
        return node.name

    def tensor(self, node: Node, name: str, shape: tuple[int, ...]) -> NDArray[np.int64]:
        x = self.ranges[node.inputs[0]]
        reach = max(abs(x.lo), abs(x.hi), 1)
        if isinstance(node, Synapse):
            lo, hi = signed_range(node.weight_bits)
            if prod(shape[1:]) * hi * reach > LARGEST:
                raise UserError("sample", reach, "want smaller numbers")
            codes = self.rng.choice([lo, hi], shape) if node.weight_bits == 1 else self.rng.integers(lo, hi + 1, shape)
            return codes.astype(np.int64)
        bits = self.integer(14, 45) if self.large else self.integer(0, 12)
        if name.endswith(".multiplier"):
            return self.rng.integers(-(1 << bits), (1 << bits) + 1, shape)
        largest = round(self.typical[node.inputs[0]] * np.abs(self.tensors[f"{node.name}.multiplier"]).mean()) + 1
        if largest > LARGEST:
            raise UserError("sample", largest, "want smaller numbers")
        return self.rng.integers(-largest, largest + 1, shape)

    def magnitude(self, node: Node) -> float:
        seen = [self.typical[name] for name in node.inputs]
        match node:
            case Input() | Fire() | Delay():
                return max(1.0, max(abs(end) for end in self.ranges[node.name]) / 2)
            case Conv() | Linear():
                weight = self.tensors[f"{node.name}.weight"]
                return seen[0] * float(np.sqrt((weight.astype(np.float64) ** 2).sum() / len(weight)))
            case Affine():
                return seen[0] * float(np.abs(self.tensors[f"{node.name}.multiplier"]).mean()) * 1.5 / 2**node.shift
            case SumPool(kernel_size=kernel):
                return seen[0] * prod(kernel)
            case MatMul(inner=inner):
                return max(1.0, seen[0] * seen[1] * inner / 4)
            case Concat():
                return max(seen)
            case SumTime() | Accumulate():
                return seen[0] * self.edges[node.inputs[0]].T
        return sum(seen)

    # Draws

    def fresh(self, kind: str) -> str:
        return f"{kind}.{len(self.nodes)}"

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def integer(self, lo: int, hi: int) -> int:
        """``lo .. hi``, both included."""
        return int(self.rng.integers(lo, hi + 1))

    def choice(self, options):  # type: ignore[no-untyped-def]
        return options[int(self.rng.integers(len(options)))]


def features(net: FrozenGraph) -> set[str]:
    """Which of `FEATURES` a network has."""
    return set(_features(net))


def _features(net: FrozenGraph) -> Iterator[str]:
    edges, ranges = net.graph.edges, net.ranges
    readers = {n.name: [m for m in net.graph.nodes if n.name in m.inputs] for n in net.graph.nodes}
    by_name = {node.name: node for node in net.graph.nodes}
    yield from _named(len({node.T for node in net.graph.neurons()} - {1}) > 1, "unequal steps")
    yield f"{len(net.readouts)} outputs"
    yield from _named(len({node.inputs for node in net.readouts}) < len(net.readouts), "an edge that goes out twice")
    yield from _named(len({node.over for node in net.readouts}) > 1, "unlike readouts")
    yield from _named(any(len(readers[node.inputs[0]]) > 1 for node in net.readouts), "an output that is read")
    yield from (f"output of {len(edge.shape)} axes" for edge in net.graph.outputs)
    for node in net.graph.nodes:
        yield type(node).__name__
        sources = [by_name[name] for name in node.inputs]
        current = any(not isinstance(n, Input | Fire | Reshape | Pool | SumTime) for n in sources)
        yield f"{_storage(ranges[node.name])} edge"
        if len(readers[node.name]) > 1:
            yield "several readers"
        if not readers[node.name] and not isinstance(node, Readout):
            yield "no reader"
        match node:
            case Conv():
                channels = edges[node.inputs[0]].shape[0]
                yield from _named(node.groups > 1, "groups")
                yield from _named(node.groups == channels > 1, "depthwise")
                yield from _named(max(node.dilation) > 1 and max(node.kernel_size) > 1, "dilation")
                yield from _named(max(node.stride) == 3, "stride 3")
                yield from _named(max(node.padding) > 0, "conv padding")
                yield from _named(isinstance(sources[0], Synapse), "conv of an accumulator")
                yield from _named(node.kernel_size[0] != node.kernel_size[1], "oblong kernel")
            case SumPool() | MaxPool() | SpikingMaxPool():
                yield from _named(max(node.padding) > 0, f"{type(node).__name__} padding")
                yield from _named(current, f"{type(node).__name__} of a current")
                lo, hi = ranges[node.inputs[0]]
                steps = isinstance(node, SpikingMaxPool) and edges[node.name].T > 1
                yield from _named(steps and lo < 0 < hi, "SpikingMaxPool of steps of both signs")
                sides = zip(edges[node.inputs[0]].plane[1:], node.kernel_size, node.stride, node.padding, strict=True)
                tiled = all(k == stride and (side + 2 * pad) % k == 0 for side, k, stride, pad in sides)
                alone = isinstance(sources[0], Fire) and len(readers[sources[0].name]) == 1
                yield from _named(alone and tiled, f"{type(node).__name__} of spikes, each taken once")
                yield from _named(alone and not tiled, f"{type(node).__name__} of spikes, otherwise")
            case SumTime():
                alone = isinstance(sources[0], Fire) and len(readers[sources[0].name]) == 1
                yield from _named(alone, "SumTime of spikes, as they are sent")
                yield from _named(isinstance(sources[0], Fire) and not alone, "SumTime of spikes in memory")
                yield from _named(current, "SumTime of a current")
                yield from _named(edges[node.inputs[0]].T == 1, "SumTime of a held edge")
            case MatMul():
                yield from _named(len(edges[node.name].shape) == 2, "MatMul of two axes")
                yield from _named(any(isinstance(n, MatMul) for n in sources), "MatMul of a product")
                yield from _named(edges[node.inputs[0]].T != edges[node.inputs[1]].T, "MatMul of a held edge")
                yield from _named(min(ranges[name].lo for name in node.inputs) < 0, "MatMul of signed levels")
            case Accumulate() | Difference():
                yield from _named(edges[node.name].T == 1, f"{type(node).__name__} of one step")
                yield from _named(ranges[node.inputs[0]].lo < 0, f"{type(node).__name__} of both signs")
            case Concat():
                yield from _named(len({edges[name].T for name in node.inputs}) > 1, "Concat of a held edge")
                yield from _named(current, "Concat of a current")
                yield from _named(len({ranges[name] for name in node.inputs}) > 1, "Concat of unlike ranges")
                yield from _named(len(edges[node.name].shape) < 3, "Concat of fewer axes")
                yield from _named(len(set(node.inputs)) < len(node.inputs), "Concat of an edge twice")
            case Upsample() | Slice():
                yield from _named(current, f"{type(node).__name__} of a current")
            case Permute():
                yield from _named(current, "Permute of a current")
            case Linear():
                yield from _named(len(edges[node.name].shape) > 1, "Linear of several places")
            case Relu():
                yield from _named(len(readers[node.name]) > 1, "Relu in memory")
                lo, hi = ranges[node.inputs[0]]
                yield from _named(lo < 0 < hi, "Relu of both signs")
            case Add():
                yield from _named(edges[node.inputs[0]].T != edges[node.inputs[1]].T, "held add")
                yield from _named(all(isinstance(n, Fire | Input) for n in sources), "add of spikes")
                yield from _named(not any(isinstance(n, Fire | Input) for n in sources), "add of currents")
            case Release():
                yield from _named(node.steps < node.T, "Release that ends")
            case Reshape():
                yield from _named(len(node.shape) == 3, "reshape to 3-D")
                yield from _named(len(node.shape) == 1, "reshape to flat")
                yield from _named(len(node.shape) in (2, 4), "reshape to 2-D or 4-D")
            case Affine():
                offsets, multipliers = (net.tensors[f"{node.name}.{part}"] for part in ("offset", "multiplier"))
                yield from _named(node.steps is not None and node.steps < edges[node.name].T, "offset that ends")
                yield from _named(abs(multipliers).max() >= 1 << 31 or abs(offsets).max() >= 1 << 31, "int64 constants")
            case Fire():
                yield from _fire_features(node, edges[node.inputs[0]].T, net.membranes[node.name])
        if isinstance(node, Synapse):
            yield f"weights of {node.weight_bits} bits"


def _fire_features(node: Fire, steps: int, membrane: Range) -> Iterator[str]:
    d = node.dynamics
    assert d is not None
    yield f"T={node.T}"
    yield "soft reset" if d.v_reset is None else "hard reset"
    yield from _named(d.v_reset is not None and d.v_reset < 0, "negative v_reset")
    yield from _named(d.v_init != 0, "v_init")
    yield from _named(0 < d.leak_multiplier < 1 << d.leak_shift, "leak")
    yield from _named(d.leak_multiplier == 0, "no memory")
    yield from _named(d.rounds and d.fraction_bits > 0, "rounds")
    yield from _named(d.fraction_bits == 0, "threshold 1")
    yield from _named(node.lo < 0 < node.hi, "signed levels")
    yield from _named(node.lo == 0 and node.hi == 1, "binary spikes")
    yield from _named(node.lo > 0 or node.hi < 0, "no level 0")
    yield from _named(node.lo == node.hi, "one level")
    yield from _named(steps == 1 < node.T, "held current")
    yield from _named(membrane.signed_bits > 32, "int64 membrane")
    yield from _named(d.store is not None, "stored membrane")
    yield from _named(d.tracer is not None, "tracer")
    yield from _named(d.tracer is not None and node.lo < 0 and d.v_reset is None, "spikes taken back")
    yield from _named(d.store is not None and d.v_reset is None, "stored membrane, soft reset")
    yield from _named(node.membrane_bits == 2, "membrane of 2 bits")


def _named(holds: bool, feature: str) -> list[str]:
    return [feature] if holds else []


def _storage(held: Range) -> str:
    """The smallest integer type for a range."""
    return next(name for name, (lo, hi) in TYPES.items() if lo <= held.lo and held.hi <= hi)


FEATURES = (
    *("Input", "Conv", "Linear", "Affine", "Fire", "Add", "SumPool", "MaxPool", "Reshape", "Readout", "SpikingMaxPool"),
    *("Relu", "SumTime", "SumTime of spikes, as they are sent", "SumTime of spikes in memory", "SumTime of a current"),
    *("SumTime of a held edge", "Relu in memory", "Relu of both signs", "unequal steps"),
    *(f"{kind} edge" for kind in ("int8", "uint8", "int16", "uint16", "int32", "int64")),
    *("several readers", "no reader", "int64 constants", "int64 membrane"),
    *("groups", "depthwise", "dilation", "stride 3", "conv padding", "oblong kernel", "conv of an accumulator"),
    *(f"{pool} {how}" for pool in ("SumPool", "MaxPool", "SpikingMaxPool") for how in ("padding", "of a current")),
    "SpikingMaxPool of steps of both signs",
    *("held add", "add of spikes", "add of currents", "reshape to 3-D", "reshape to flat", "reshape to 2-D or 4-D"),
    *(
        f"{pool} of spikes, {how}"
        for pool in ("SumPool", "MaxPool", "SpikingMaxPool")
        for how in ("each taken once", "otherwise")
    ),
    *(f"T={steps}" for steps in range(1, 9)),
    *("soft reset", "hard reset", "negative v_reset", "v_init", "leak", "no memory", "rounds", "threshold 1"),
    *("MatMul", "Permute", "MatMul of two axes", "MatMul of a product", "MatMul of a held edge"),
    *("Accumulate", "Accumulate of one step", "Difference", "Difference of one step"),
    *("Accumulate of both signs", "Difference of both signs"),
    *("MatMul of signed levels", "Permute of a current", "Linear of several places"),
    *("Release", "Release that ends", "offset that ends", "tracer", "spikes taken back"),
    *("stored membrane", "stored membrane, soft reset", "membrane of 2 bits"),
    *("signed levels", "binary spikes", "no level 0", "one level", "held current"),
    *(f"weights of {bits} bits" for bits in range(1, 16)),
)
"""What a set of random graphs must show."""
FEATURES_OF_ROUTES = (
    *("Concat", "Concat of a held edge", "Concat of a current", "Concat of unlike ranges", "Concat of an edge twice"),
    *("Slice", "Slice of a current", "Upsample", "Upsample of a current"),
    *(f"{count} outputs" for count in range(1, 5)),
    *(f"output of {axes} axes" for axes in (1, 2, 3)),
    *("an edge that goes out twice", "unlike readouts", "an output that is read"),
)
"""What a set of random graphs with routes must show."""
