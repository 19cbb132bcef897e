"""The energy model of Lemaire et al. 2023, as paper 004 uses it: memory, operations and addressing of every layer.

Each formula is in one function, in pJ per inference, for an event-driven accelerator in which every layer has SRAMs of
its own. Written from the derivations in Lemaire et al., "An Analytical Estimation of Spiking Neural Networks Energy
Efficiency" (ICONIP 2022, Springer 2023). [D] marks what neither they nor paper 004 (Section 5.3) say.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bitspike.costs.activity import Activity
from bitspike.costs.energy_layers import Layer, LayerEnergy, Load, layers, loads
from bitspike.errors import UserError
from bitspike.ir import Graph

__all__ = ["Arithmetic", "Lemaire", "Memories", "ram"]

RAM_BASE, RAM_PER_BIT = 13.2, 1.09e-5
"""pJ of an access, and pJ more for each bit of the memory: the least-squares line through SRAMs of 8 kB, 32 kB and 1 MB
at 10, 20 and 100 pJ in 45 nm (Horowitz 2014; Jouppi et al. 2021, Table 2)."""
LARGEST = 1 << 32


def ram(elements: int, bits: int) -> float:
    """pJ of one access to a memory of ``elements`` of ``bits`` each."""
    return RAM_BASE + RAM_PER_BIT * elements * bits


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """pJ of an addition and of a multiplication."""

    add: float
    mul: float

    @property
    def mac(self) -> float:
        return self.mul + self.add


INT32 = Arithmetic(add=0.1, mul=3.1)
INT8 = Arithmetic(add=0.03, mul=0.2)
"""Integers in 45 nm at 0.9 V (Horowitz 2014, Fig. 1.1.9)."""


@dataclass(frozen=True, kw_only=True)
class Memories:
    """The SRAMs of each layer.

    Attributes:
        width: bits of an element.
        fifo: elements of the buffer through which spikes come and go.
        weights, potentials, biases, activations: elements of each; ``None`` is exactly those of the layer.
    """

    width: int = 16
    fifo: int = 1000
    weights: int | None = None
    potentials: int | None = None
    biases: int | None = None
    activations: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise UserError("memory width", self.width, "want 1 to 64 bits")
        for name in ("fifo", "weights", "potentials", "biases", "activations"):
            elements = getattr(self, name)
            if elements is not None and not 1 <= elements <= LARGEST:
                raise UserError(f"{name} of the memory", elements, f"want 1 to {LARGEST} elements")

    def access(self, kind: str, own: int) -> float:
        """pJ of an access to the layer's memory of this ``kind``, which has ``own`` elements unless told otherwise."""
        return ram(getattr(self, kind) or own, self.width)


@dataclass(frozen=True, kw_only=True)
class Lemaire:
    """The model with its constants.

    Attributes:
        memories: the SRAMs. arithmetic: pJ of operations.
        spikes: additions that an event of a graded spike sets off at each output: ``worst`` is ``N``, whatever its
            level is (paper 004, Section 5.3); ``level`` the mean of the levels that were measured.
        leak: whether the neurons multiply their potentials by a leak, which the graph does not know.
    """

    name: str = "lemaire"
    about: str = "Lemaire et al. 2023: memory, operations and addresses in 45 nm, 32-bit integers"
    memories: Memories = field(default_factory=Memories)
    arithmetic: Arithmetic = INT32
    spikes: Literal["worst", "level"] = "worst"
    leak: bool = False

    def __post_init__(self) -> None:
        if self.spikes not in ("worst", "level"):
            raise UserError("spike cost", self.spikes, "want worst (N additions for each spike) or level (its own)")

    def constants(self) -> dict[str, Any]:
        fields = asdict(self)
        return {name: fields[name] for name in ("memories", "arithmetic", "spikes", "leak")}

    def ann(self, graph: Graph) -> tuple[LayerEnergy, ...]:
        """Run as an ANN: activations instead of spikes. Pools and additions of activations cost nothing [D]."""
        return tuple(self.ann_linear(layer) if layer.linear else self.ann_conv(layer) for layer in layers(graph))

    def snn(self, graph: Graph, activity: Activity) -> tuple[LayerEnergy, ...]:
        """Run on spikes. Pools and additions of spikes cost nothing [D]: the events of both paths reach every reader.

        A shortcut's convolution is a layer like any other, also where it has no neurons of its own [D]. A network
        without neurons behind its last layer keeps its logits as potentials [D].
        """
        return tuple(
            self.snn_analog(load) if load.levels is None else self.snn_spikes(load) for load in loads(graph, activity)
        )

    def ann_conv(self, layer: Layer) -> LayerEnergy:
        """A convolution reads an input and a weight for each multiply-accumulate, and writes each output once.

        So does a product of two activations, the second of which is written before it is read [D].
        """
        memories, op = self.memories, self.arithmetic
        reads = layer.macs * memories.access("activations", layer.inputs)
        writes = layer.outputs * memories.access("activations", layer.outputs)
        biased = layer.outputs * layer.biased
        return _nj(
            layer.name,
            in_out=reads + writes,
            weights=(layer.macs + layer.written) * memories.access("weights", layer.weights),
            bias=biased * memories.access("biases", layer.channels),
            synaptic=layer.macs * op.mac + biased * op.add,
            addressing=(layer.inputs + layer.outputs + layer.channels * layer.taps) * op.add,
        )

    def ann_linear(self, layer: Layer) -> LayerEnergy:
        """A fully connected layer reads each input once, and each weight."""
        memories, op = self.memories, self.arithmetic
        reads = layer.inputs * memories.access("activations", layer.inputs)
        writes = layer.outputs * memories.access("activations", layer.outputs)
        biased = layer.outputs * layer.biased
        return _nj(
            layer.name,
            in_out=reads + writes,
            weights=layer.macs * memories.access("weights", layer.weights),
            bias=biased * memories.access("biases", layer.channels),
            synaptic=layer.macs * op.mac + biased * op.add,
            addressing=layer.macs * op.add,
        )

    def snn_spikes(self, load: Load) -> LayerEnergy:
        """A layer that reads spikes: each event reads ``fan * k^2`` weights, and reads and writes as many potentials.

        The published formula has ``k^2`` there, but ``ceil(k / stride)^2`` additions. What is a term of the neurons
        (potentials once a step, the bias, one subtraction for each spike sent) does not depend on the events.
        A neuron layer behind a sum of spikes is a 1x1 tap of weight 1, which is not read [D].
        """
        layer, op = load.layer, self.arithmetic
        touched = load.events * layer.fan * layer.taps
        repeats = self._repeats(load)
        additions = load.events * layer.spread * layer.fan * repeats
        return self._with_neurons(load, touched, touched, additions * op.add, repeats)

    def snn_analog(self, load: Load) -> LayerEnergy:
        """A layer that reads pixels: multiply-accumulates of one step, of the pixels that are not 0.

        The potentials are read and written as if they were computed again at every step. The pixels come through the
        fifo, once [D].
        """
        macs = load.share * load.layer.macs * load.steps
        return self._with_neurons(load, macs, macs * load.T / load.steps, macs * self.arithmetic.mac, 1)

    def _with_neurons(
        self, load: Load, weights: float, potentials: float, operations: float, repeats: float
    ) -> LayerEnergy:
        """What events set off, plus what neurons do at every step, and the spikes they send."""
        layer, memories, op = load.layer, self.memories, self.arithmetic
        updates = load.T * layer.outputs
        biased = updates * layer.biased
        leaks = updates * op.mac if self.leak else 0.0
        return _nj(
            layer.name,
            potentials=2 * (potentials + updates) * memories.access("potentials", layer.outputs),
            weights=(weights + load.T * layer.written) * memories.access("weights", layer.weights)
            if layer.weights
            else 0.0,
            bias=biased * memories.access("biases", layer.channels),
            in_out=(load.events + load.sent) * memories.access("fifo", memories.fifo),
            synaptic=operations + (biased + load.sent) * op.add + leaks,
            addressing=self._addressing(load, repeats),
        )

    def _addressing(self, load: Load, repeats: float) -> float:
        """``2 MAC + k^2 ACC`` for each event of a convolution; as many ACC as outputs in a fully connected layer [D].

        Paper 004's tables have ``N`` times the ACC here too, which its text does not say: without, the addressing that
        it prints for ``N = 8`` is 1.8 times what its spikes give.
        """
        layer, op = load.layer, self.arithmetic
        if layer.linear:
            return load.events * layer.fan * repeats * op.add
        return load.events * (2 * op.mac + layer.taps * repeats * op.add)

    def _repeats(self, load: Load) -> float:
        """Additions of one event at one output."""
        if self.spikes == "worst":
            return load.levels or 1
        if load.mean_level is None:
            wanted = "the levels that it reads were not measured; want worst"
            raise UserError(f"spike cost of {load.layer.name}", self.spikes, wanted)
        return load.mean_level


def _nj(name: str, **picojoules: float) -> LayerEnergy:
    return LayerEnergy(name=name, **{part: energy / 1000 for part, energy in picojoules.items()})
