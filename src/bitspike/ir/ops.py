"""The ops of the graph. Each is data, with the equation of what it does and the rule for its output edge.

``Equation:``, ``Units:``, ``Range:`` and ``Args:`` of the docstrings are the table of docs/ir-spec.md, which
tools/ir_spec.py writes. ``Range:`` says in words what `bitspike.ir.ranges` computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from bitspike.bits import FULL_PRECISION, signed_range
from bitspike.errors import UserError
from bitspike.ir.edge import STRICT, Edge

__all__ = [
    "OPS",
    "Add",
    "Affine",
    "Conv",
    "Dynamics",
    "Fire",
    "Input",
    "Linear",
    "MaxPool",
    "Node",
    "Readout",
    "Release",
    "Relu",
    "Reshape",
    "Store",
    "SumPool",
    "SumTime",
    "Synapse",
]

Pair = tuple[int, int]
MOST_FRACTION_BITS = 30
MOST_MEMBRANE_BITS = 16
MOST_TRACED = 1 << 26
"""As much as ``MOST_STEPS`` steps of ``MOST_LEVEL`` can send."""
MOST_STORE_SHIFT, MOST_STEP = 60, 1 << 46
"""The widest code times the largest step, and half of what is shifted out, stay within int64."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One op: a name, the edges it reads, and its own constants.

    Args:
        name: of the op, of its output edge, and the first part of its tensors' names.
        inputs: names of the earlier ops whose outputs it reads.
    """

    name: str
    inputs: tuple[str, ...]

    arity = 1
    __pydantic_config__ = STRICT

    def infer(self, *edges: Edge) -> Edge:
        """The output edge, given the input edges.

        Raises:
            UserError: the inputs do not fit the op.
        """
        raise NotImplementedError

    def refuse(self, seen: object, would_do: str) -> UserError:
        return UserError(f"{type(self).__name__.lower()} {self.name}", seen, would_do)


@dataclass(frozen=True, kw_only=True)
class Input(Node):
    """The images: pixels 0..255 as levels ``lo..hi`` (or unquantized); one step, held.

    Equation: ``y = pixel + lo``, where ``lo`` is that of ``edge``.

    Units: levels of value ``edge.scale``.

    Range: ``lo .. hi`` of ``edge``.

    Args:
        edge: shape ``(C, H, W)``, ``T = 1`` and, when frozen, the 256 levels ``lo .. lo + 255``.
    """

    edge: Edge

    arity = 0

    def infer(self, *edges: Edge) -> Edge:
        return self.edge


@dataclass(frozen=True, kw_only=True)
class Release(Node):
    """A held edge as a train of ``T`` steps that is there for the first ``steps`` of them, and then 0.

    Equation: ``y[t] = x[0]`` where ``t < steps``, else 0.

    Units: the input's, divided by the ``parts``.

    Range: the input's, with 0 where ``steps < T``.

    Args:
        T: steps of the output.
        steps: how many of them carry the input, 1 to ``T``.
        parts: how many steps make up the input's whole value; known to ``scale`` alone.
    """

    T: int
    steps: int
    parts: int

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= self.T or self.parts < 1:
            raise self.refuse((self.T, self.steps, self.parts), "wants steps 1 to T, and parts of at least 1")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.T != 1:
            raise self.refuse(f"{edge.T} steps", "wants an input that is held")
        if edge.lo is None or edge.hi is None:
            return Edge(shape=edge.shape, T=self.T)
        scale = None if edge.scale is None else edge.scale / self.parts
        lo, hi = (min(0, edge.lo), max(0, edge.hi)) if self.steps < self.T else (edge.lo, edge.hi)
        return Edge(shape=edge.shape, T=self.T, lo=lo, hi=hi, scale=scale)


@dataclass(frozen=True, kw_only=True)
class Synapse(Node):
    """An op with weights; its output is an accumulator.

    Units: step size of the output channel's weights times the scale of the input.

    Range: smallest and largest ``sum w * x`` of any output channel, each ``x`` free within the input's range or 0.
    (0 is what padding adds, and what a term counts before it is added: partial sums stay in the range too.)

    Args:
        out_channels: output channels (features).
        weight_bits: ``b_w``, bits of one weight.
        bias: whether it adds one number to each output channel; never when frozen, an ``affine`` does it.
    """

    out_channels: int
    weight_bits: int
    bias: bool = False

    def __post_init__(self) -> None:
        if self.out_channels < 1 or not 1 <= self.weight_bits <= FULL_PRECISION:
            wanted = f"wants out_channels >= 1 and weight_bits 1 to {FULL_PRECISION}"
            raise self.refuse((self.out_channels, self.weight_bits), wanted)

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        """Shape of the weights, output channels first."""
        raise NotImplementedError

    def weight_count(self, edge: Edge) -> int:
        """Weights, without bias."""
        return prod(self.weight_shape(edge))

    def macs(self, edge: Edge) -> int:
        """Multiply-accumulates of one image at one step, padding counted as the papers do."""
        raise NotImplementedError

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        """Outputs that one input element feeds, by position: broadcasts to the shape of the input edge."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Conv(Synapse):
    """Convolution of ``(C, H, W)`` with zero padding.

    Equation: ``y[o,i,j] = sum_{c,a,b} w[o,c,a,b] * x[g*G + c, stride*i + dilation*a - padding, the same of j and b]``,
    where ``c < G = C / groups``, ``g = floor(o / (out_channels / groups))``, and ``x`` is 0 outside the image. An axis
    has ``floor((side + 2*padding - dilation*(kernel_size - 1) - 1) / stride) + 1`` places.

    Args:
        kernel_size: rows and columns of the window.
        stride: from one window to the next.
        padding: rows and columns of zeros on each side of the image.
        dilation: from one tap of the window to the next.
        groups: runs of channels, of equal length, that see only themselves.
    """

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_window(self, self.kernel_size, self.stride, self.padding)
        if min(*self.dilation, self.groups) < 1:
            raise self.refuse((self.dilation, self.groups), "wants dilation and groups of at least 1")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        places = self._places(edge)
        if edge.shape[0] % self.groups or self.out_channels % self.groups:
            raise self.refuse(edge.shape[0], f"input and output channels must divide into {self.groups} groups")
        return edge.unquantized((self.out_channels, *places))

    def _places(self, edge: Edge) -> Pair:
        rows, columns = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return _window_places(self, edge, (rows, columns), self.stride, self.padding)

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        return (self.out_channels, edge.shape[0] // self.groups, *self.kernel_size)

    def macs(self, edge: Edge) -> int:
        return self.weight_count(edge) * prod(self._places(edge))

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        rows, columns = (self._touches(axis, edge) for axis in (0, 1))
        return np.outer(rows, columns)[None] * (self.out_channels // self.groups)

    def _touches(self, axis: int, edge: Edge) -> NDArray[np.int64]:
        """For each input position along one axis: the (output, kernel tap) pairs that read it."""
        side, outputs = edge.shape[1 + axis], self._places(edge)[axis]
        taps = np.arange(self.kernel_size[axis]) * self.dilation[axis] - self.padding[axis]
        read = (np.arange(outputs)[:, None] * self.stride[axis] + taps).ravel()
        return np.bincount(read[(read >= 0) & (read < side)], minlength=side).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Linear(Synapse):
    """Fully connected layer; its input is flat.

    Equation: ``y[o] = sum_i w[o,i] * x[i]``.
    """

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if len(edge.shape) != 1:
            raise self.refuse(edge.shape, "wants a flat input; reshape it first")
        return edge.unquantized((self.out_channels,))

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        return (self.out_channels, edge.size)

    def macs(self, edge: Edge) -> int:
        return self.weight_count(edge)

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        return np.full(1, self.out_channels, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Affine(Node):
    """One multiplication and one addition per channel: batch norm in a structural graph, fixed point in a frozen one.

    Equation: ``y[c] = ((m[c] * x[c] + half) >> shift) + b[c]``, with the tensors ``m = NAME.multiplier`` and
    ``b = NAME.offset``, and ``half = 2^(shift - 1)`` if ``shift > 0``, else 0: the product is rounded half up. ``c`` is
    the first axis of the shape. Where ``steps`` is given, ``b`` is added at the steps ``t < steps`` only.

    Units: ``2^-fraction_bits`` of what reads it: of a neuron's threshold, a logit, or a level.

    Range: smallest and largest ``y`` of any channel, with ``x`` at either end of the input's range.

    Args:
        fraction_bits: bits of ``y`` after the point; ``None`` until frozen.
        shift: bits that the multiplier has after the point beyond those, so that a large ``x`` does not magnify its
            rounding; 0 to 30.
        steps: how many steps the offset is there for; ``None`` for all.
    """

    fraction_bits: int | None = None
    shift: int = 0
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.fraction_bits is not None and not 0 <= self.fraction_bits <= MOST_FRACTION_BITS:
            raise self.refuse(self.fraction_bits, f"wants fraction_bits 0 to {MOST_FRACTION_BITS}")
        if not 0 <= self.shift <= MOST_FRACTION_BITS:
            raise self.refuse(self.shift, f"wants a shift of 0 to {MOST_FRACTION_BITS}")

    def infer(self, *edges: Edge) -> Edge:
        if self.steps is not None and not 1 <= self.steps <= edges[0].T:
            raise self.refuse(f"steps={self.steps}", f"wants 1 to the {edges[0].T} steps of its input")
        return edges[0].unquantized()


@dataclass(frozen=True, kw_only=True)
class Relu(Node):
    """The positive part of a current; in a frozen graph that is fixed point, as an ``affine`` makes it.

    Equation: ``y = max(x, 0)``.

    Units: the input's.

    Range: the input's, where an end below 0 becomes 0.
    """

    def infer(self, *edges: Edge) -> Edge:
        return edges[0].unquantized()


@dataclass(frozen=True, kw_only=True)
class Store:
    """How a potential is carried in the ``membrane_bits`` of the `Fire`: as a code, which is all that a step keeps.

    After the reset of each step, with ``Q = 2^(membrane_bits - 1) - 1``::

        code = clip((v * multiplier + half(shift)) >> shift, -Q, Q)
        v    = (code * step + half(step_shift)) >> step_shift

    where ``half(n) = 2^(n - 1)`` if ``n > 0``, else 0: both are rounded half up. ``v_init`` is not stored.

    Units: ``v`` in ``2^-fraction_bits`` of the threshold, ``code`` in levels of ``step / 2^step_shift`` of these.

    Range: ``code`` in ``-Q .. Q``, so ``v`` has ``2 * Q + 1`` values at most. The map is monotone: ends go to ends.

    Args:
        multiplier: over ``2^shift``, levels in one unit of ``v``: 1 to 2^30.
        shift: 0 to 60.
        step: over ``2^step_shift``, units of ``v`` in one level: 0 to 2^46, so that no code overflows.
        step_shift: 0 to 30.
    """

    multiplier: int
    shift: int
    step: int
    step_shift: int

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        limits = {
            "multiplier": (1, 1 << MOST_FRACTION_BITS),
            "shift": (0, MOST_STORE_SHIFT),
            "step": (0, MOST_STEP),
            "step_shift": (0, MOST_FRACTION_BITS),
        }
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise UserError(name, getattr(self, name), f"want {least} to {most}")


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """The integers by which a frozen neuron lives. Potentials are fixed point: the threshold is ``2^fraction_bits``.

    One step, with ``v = v_init`` and ``sent = 0`` before the first, current ``x``, ``lo`` and ``hi`` of the `Fire`::

        half  = 2^(fraction_bits - 1) if rounds and fraction_bits > 0, else 0
        u     = ((v * leak_multiplier) >> leak_shift) + x
        level = clip((u + half) >> fraction_bits, lo, hi)
        level = clip(sent + level, 0, tracer) - sent              where there is a tracer
        sent  = sent + level                                      where there is a tracer
        v     = u - (level << fraction_bits)                      where v_reset is None (soft reset)
        v     = v_reset where level != 0, u where level == 0      otherwise (hard reset)
        v     = what Store makes of v                             where there is a store

    Units: ``v``, ``u``, ``x``, ``v_reset`` and ``v_init`` in ``2^-fraction_bits`` of the threshold.

    Range: of ``u`` and ``v`` together, ``v_init`` included, over the steps of the `Fire`: interval by interval, with
    any current of the input's range at each step, and the exact extremes of the reset over the interval of ``u``.
    ``v`` counts before it is stored and after. With a tracer, a soft reset, no leak and no store, also no farther than
    ``v_init`` plus what the currents can add up to (`bitspike.ir.ranges`) minus 0 to ``tracer`` thresholds.

    Args:
        fraction_bits: bits of a potential after the point, 0 to 30.
        leak_multiplier: over ``2^leak_shift``, what a step keeps of the potential: 0 to all of it.
        leak_shift: 0 to 30.
        v_reset: potential after any level but 0 (hard reset); ``None`` subtracts what was sent (soft reset).
        v_init: potential before the first step.
        rounds: whether the level is the nearest one (half up) and not the one below.
        tracer: most that the levels sent so far may add up to, and 0 the least; ``None`` for no such limits.
        store: of a membrane that is quantized; ``None`` carries ``v`` as it is.
    """

    fraction_bits: int
    leak_multiplier: int
    leak_shift: int
    v_reset: int | None
    v_init: int = 0
    rounds: bool = False
    tracer: int | None = None
    store: Store | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for name in ("fraction_bits", "leak_shift"):
            if not 0 <= getattr(self, name) <= MOST_FRACTION_BITS:
                raise UserError(name, getattr(self, name), f"want 0 to {MOST_FRACTION_BITS}")
        if not 0 <= self.leak_multiplier <= 1 << self.leak_shift:
            wanted = f"want 0 to {1 << self.leak_shift}: a membrane does not grow by itself"
            raise UserError("leak_multiplier", self.leak_multiplier, wanted)
        for name in ("v_reset", "v_init"):
            if abs(getattr(self, name) or 0) >= 1 << 62:
                raise UserError(name, getattr(self, name), "want a potential within +-2^62")
        if self.tracer is not None and not 1 <= self.tracer <= MOST_TRACED:
            raise UserError("tracer", self.tracer, f"want 1 to {MOST_TRACED}")


@dataclass(frozen=True, kw_only=True)
class Fire(Node):
    """A layer of neurons over ``T`` steps: currents in, levels out. An input of one step is held over all ``T``.

    Equation: ``y[t] = level`` of step ``t`` of `Dynamics` with the current ``x[t]``, or ``x[0]`` if it is held; every
    neuron by itself, from a fresh state for each image.

    Units: ``x`` in ``2^-fraction_bits`` of the threshold, ``y`` in levels of value ``scale``.

    Range: ``lo .. hi``. (Its potentials: Range of `Dynamics`.)

    Args:
        T: steps.
        lo: lowest level.
        hi: highest level.
        scale: value of one level; ``None`` where it is not one known number.
        membrane_bits: ``b_u``, bits of a potential between two steps; ``None`` where it is not quantized.
        dynamics: integers of the neuron; ``None`` until frozen.
    """

    T: int
    lo: int
    hi: int
    scale: float | None = None
    membrane_bits: int | None = None
    dynamics: Dynamics | None = None

    def __post_init__(self) -> None:
        if self.T < 1 or self.lo > self.hi:
            raise self.refuse((self.T, self.lo, self.hi), "wants T >= 1 and lo <= hi")
        if self.membrane_bits is not None and not 2 <= self.membrane_bits <= MOST_MEMBRANE_BITS:
            raise self.refuse(self.membrane_bits, f"wants membrane_bits 2 to {MOST_MEMBRANE_BITS}")
        if self.dynamics is not None and self.dynamics.tracer is not None and not self.lo <= 0 <= self.hi:
            raise self.refuse((self.lo, self.hi), "wants level 0 among its levels, as it has a tracer")

    @property
    def top(self) -> int:
        """``Q``: the stored membrane has the codes ``-Q .. Q``; 0 where it is not quantized."""
        return 0 if self.membrane_bits is None else signed_range(self.membrane_bits)[1]

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.T not in (1, self.T):
            raise self.refuse(f"{edge.T} steps", f"wants T={self.T}, or one step that is held")
        return Edge(shape=edge.shape, T=self.T, lo=self.lo, hi=self.hi, scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class Add(Node):
    """Addition. Spikes of one scale add up to wider integers; anything else is unquantized until freezing.

    Equation: ``y[t] = x0[t] + x1[t]``; an input of one step is held, as `Fire` holds it.

    Units: those of both inputs, which must be the same.

    Range: sum of the two ranges, end by end.
    """

    arity = 2

    def infer(self, *edges: Edge) -> Edge:
        a, b = edges
        T = max(a.T, b.T)
        if a.shape != b.shape or {a.T, b.T} - {1, T}:
            raise self.refuse((a.shape, a.T, b.shape, b.T), "wants two inputs of one shape and T")
        if a.lo is None or a.hi is None or b.lo is None or b.hi is None or a.scale is None or a.scale != b.scale:
            return Edge(shape=a.shape, T=T)
        return Edge(shape=a.shape, T=T, lo=a.lo + b.lo, hi=a.hi + b.hi, scale=a.scale)


@dataclass(frozen=True, kw_only=True)
class SumPool(Node):
    """Average pooling as a sum over each window; the divisor goes into the scale.

    Equation: ``y[c,i,j] = sum_{a,b} x[c, stride*i + a - padding, the same of j and b]``, where ``x`` is 0 outside the
    image; as many places as ``conv`` without dilation.

    Units: the input's, divided by the elements of a window.

    Range: the input's (with 0, if there is padding) times the elements of a window.

    Args:
        kernel_size: rows and columns of the window.
        stride: from one window to the next.
        padding: rows and columns of zeros on each side, fewer than the window has.
    """

    kernel_size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def __post_init__(self) -> None:
        _check_window(self, self.kernel_size, self.stride, self.padding)
        _check_pool(self, self.kernel_size, self.padding)

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        shape = (edge.shape[0], *_window_places(self, edge, self.kernel_size, self.stride, self.padding))
        area = prod(self.kernel_size)
        if edge.lo is None or edge.hi is None:
            return edge.unquantized(shape)
        scale = None if edge.scale is None else edge.scale / area
        lo, hi = (min(0, edge.lo), max(0, edge.hi)) if any(self.padding) else (edge.lo, edge.hi)
        return Edge(shape=shape, T=edge.T, lo=lo * area, hi=hi * area, scale=scale)


@dataclass(frozen=True, kw_only=True)
class SumTime(Node):
    """The mean over time as a sum over the steps; the divisor goes into the scale. One step comes out, held.

    Equation: ``y = sum_t x[t]``, over the steps that its input has.

    Units: the input's, divided by the steps of the input.

    Range: the input's times the steps of the input.
    """

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.lo is None or edge.hi is None:
            return Edge(shape=edge.shape, T=1)
        scale = None if edge.scale is None else edge.scale / edge.T
        return Edge(shape=edge.shape, T=1, lo=edge.lo * edge.T, hi=edge.hi * edge.T, scale=scale)


@dataclass(frozen=True, kw_only=True)
class MaxPool(Node):
    """The largest level of each window; padding never wins.

    Equation: ``y[c,i,j] = max_{a,b} x[c, stride*i + a - padding, the same of j and b]`` over what lies within the
    image; as many places as ``conv`` without dilation.

    Units: the input's.

    Range: the input's.

    Args:
        kernel_size: rows and columns of the window.
        stride: from one window to the next.
        padding: rows and columns that a window may overhang on each side, fewer than it has.
    """

    kernel_size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def __post_init__(self) -> None:
        _check_window(self, self.kernel_size, self.stride, self.padding)
        _check_pool(self, self.kernel_size, self.padding)

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        places = _window_places(self, edge, self.kernel_size, self.stride, self.padding)
        return edge.reshaped((edge.shape[0], *places))


@dataclass(frozen=True, kw_only=True)
class Reshape(Node):
    """The same elements in another shape.

    Equation: ``y = x``, element by element in row-major order, each step by itself.

    Units: the input's.

    Range: the input's.

    Args:
        shape: of one image at one step.
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise self.refuse(self.shape, "wants a shape of at least one axis, each of at least one element")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if prod(self.shape) != edge.size:
            raise self.refuse(self.shape, f"wants {edge.size} elements, as its input {edge.shape}")
        return edge.reshaped(self.shape)


@dataclass(frozen=True, kw_only=True)
class Readout(Node):
    """The network's answer: logits summed over time. One step comes out. The class is the first largest.

    Equation: ``y = sum_t x[t]``, over the steps that its input has.

    Units: the input's.

    Range: the input's times the steps of the input.
    """

    def infer(self, *edges: Edge) -> Edge:
        return Edge(shape=edges[0].shape, T=1)


OPS: dict[str, type[Node]] = {
    "input": Input,
    "release": Release,
    "conv": Conv,
    "linear": Linear,
    "affine": Affine,
    "relu": Relu,
    "fire": Fire,
    "add": Add,
    "sum_pool": SumPool,
    "sum_time": SumTime,
    "max_pool": MaxPool,
    "reshape": Reshape,
    "readout": Readout,
}
"""Every op by the name that it has in files and in docs/ir-spec.md."""


def _check_window(node: Node, kernel: Pair, stride: Pair, padding: Pair) -> None:
    if min(*kernel, *stride) < 1 or min(padding) < 0:
        raise node.refuse((kernel, stride, padding), "wants kernel and stride of at least 1, padding of at least 0")


def _check_pool(node: Node, kernel: Pair, padding: Pair) -> None:
    if any(pad >= side for pad, side in zip(padding, kernel, strict=True)):
        raise node.refuse((kernel, padding), "wants padding smaller than the window, so that none lies outside")


def _window_places(node: Node, edge: Edge, window: Pair, stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of places where the window fits."""
    if len(edge.shape) != 3:
        raise node.refuse(edge.shape, "wants an input of shape (C, H, W)")
    sides = zip(edge.shape[1:], window, stride, padding, strict=True)
    rows, columns = ((side + 2 * p - w) // s + 1 for side, w, s, p in sides)
    if min(rows, columns) < 1:
        raise node.refuse(edge.shape, f"its {window[0]}x{window[1]} window is larger than that, padded by {padding}")
    return rows, columns
