"""A network as a NIR graph: every op by its row of the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.protocol import writer_of
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Dynamics,
    Fire,
    FrozenGraph,
    Input,
    LeakyDynamics,
    Linear,
    Node,
    Readout,
    Reshape,
    SumPool,
    Synapse,
    op_to_dict,
)
from bitspike.registry import Registry

__all__ = ["BITS", "DT", "WRITERS", "to_nir"]

BITS = "nir-bits-1"
"""The version of the fields that docs/nir-bits.md proposes."""
DT = 1e-4
"""Seconds of a step, as other writers and readers of NIR have it."""


@dataclass(frozen=True)
class Value:
    """An edge of the network in NIR.

    Attributes:
        sources: names of the nodes that it is the sum of; NIR adds up what meets at a node.
        unit: what an integer 1 of the edge is there.
        synapse: whose accumulators it is, of ``sources``: these become a node with the affine behind them.
    """

    sources: tuple[str, ...]
    unit: float
    synapse: Synapse | None = None


class Writer:
    """A NIR graph that is being written.

    Attributes:
        nir: the package.
        values: by name of an edge.
        nodes, edges: of the graph so far.
    """

    def __init__(self, nir: Any, net: FrozenGraph) -> None:
        self.nir, self.net = nir, net
        self.values: dict[str, Value] = {}
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self._waiting: list[Node] = []

    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of one step of what the op makes."""
        return self.net.graph.edges[node.name].shape

    def read(self, node: Node) -> Value:
        """What the op reads first."""
        return self.values[node.inputs[0]]

    def wait(self, node: Node) -> None:
        """Leaves the op to the node that is written next: it stands for both."""
        self._waiting.append(node)

    def write(
        self, node: Node, made: Any, sources: tuple[str, ...], unit: float, bits: dict[str, Any], *also: Node
    ) -> None:
        """Adds a node of NIR for an op, others of which it is made, and those that wait, with their integers."""
        name = _free(node.name.replace(".", "_"), self.nodes)
        ops = [*self._waiting, *also, node]
        self._waiting = []
        for op in ops:
            for part, values in self.net.graph.tensors_of(op, self.net.tensors).items():
                bits["weight_codes" if part == "weight" else part] = np.asarray(values)
        indices = [self.net.graph.nodes.index(op) for op in ops]
        bits["ops"] = json.dumps([[index, op_to_dict(op)] for index, op in zip(indices, ops, strict=True)])
        made.metadata = bits
        self.nodes[name] = made
        self.edges += [(source, name) for source in sources]
        self.values[node.name] = Value((name,), unit)


def to_nir(nir: Any, net: FrozenGraph) -> Any:
    """The network as a NIR graph, one step of it.

    What a node of NIR says in floats is in units of the neuron's threshold, which is 1. Its integers are metadata.

    Args:
        nir: the package.
        net: the network.

    Raises:
        UserError: an op that NIR lacks, or neurons that it has none of.
    """
    writer = Writer(nir, net)
    for node in net.graph.nodes:
        writer_of(WRITERS, "nir", node)(writer, node)
    graph = {"bits": BITS, "name": net.graph.name, "dataset": net.dataset, "steps": max_steps(net)}
    if net.frames is not None:
        graph["frames"] = json.dumps(dict(net.frames))
    return nir.NIRGraph(writer.nodes, writer.edges, metadata=graph, type_check=False)


def max_steps(net: FrozenGraph) -> int:
    """How many steps a reader has to run."""
    return max(edge.T for edge in net.graph.edges.values())


def _input(writer: Writer, node: Input) -> None:
    edge = node.edge
    if edge.scale is None:
        raise node.refuse(None, "want what a level is worth (scale)")
    made = writer.nir.Input(input_type={"input": np.array(edge.shape)})
    levels = {"level_lo": edge.lo, "level_hi": edge.hi, "level_scale": edge.scale}
    writer.write(node, made, (), edge.scale, levels)


def _synapse(writer: Writer, node: Synapse) -> None:
    writer.values[node.name] = replace(writer.read(node), synapse=node)


def _affine(writer: Writer, node: Affine) -> None:
    before = writer.read(node)
    if node.steps is not None:
        raise node.refuse(f"an offset of {node.steps} steps", "NIR has offsets at every step alone")
    m, b = (writer.net.integers(f"{node.name}.{part}").astype(np.float64) for part in ("multiplier", "offset"))
    fraction = node.fraction_bits or 0
    gain, bias = m / 2.0 ** (node.shift + fraction) / before.unit, b / 2.0**fraction
    bits = {"fraction_bits": fraction, "shift": node.shift}
    synapse = before.synapse
    if synapse is None:
        made = _diagonal(writer, node, gain, bias)
    else:
        codes = writer.net.integers(f"{synapse.name}.weight")
        bits["weight_bits"] = synapse.weight_bits
        weight = codes * gain.reshape(-1, *(1 for _ in codes.shape[1:]))
        made = _weighted(writer, synapse, weight, bias)
    also = () if synapse is None else (synapse,)
    writer.write(node, made, before.sources, 2.0**-fraction, bits, *also)


def _weighted(writer: Writer, node: Synapse, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> Any:
    given = writer.net.graph.edges[node.inputs[0]].shape
    if isinstance(node, Linear):
        return writer.nir.Affine(weight=_float(weight), bias=_float(bias))
    if not isinstance(node, Conv) or len(given) != 3:
        raise node.refuse(given, "NIR takes convolutions of images (C, H, W) from here")
    return _conv(writer, given, _ungrouped(weight, node.groups), bias, node.stride, node.padding, node.dilation)


def _ungrouped(weight: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """The same convolution as one that reads all channels: NIR's check of types counts those of one group."""
    runs, channels = len(weight) // groups, weight.shape[1]
    whole = np.zeros((len(weight), channels * groups, *weight.shape[2:]))
    for group in range(groups):
        mine = slice(group * runs, (group + 1) * runs)
        whole[mine, group * channels : (group + 1) * channels] = weight[mine]
    return whole


def _conv(
    writer: Writer,
    given: tuple[int, ...],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> Any:
    return writer.nir.Conv2d(
        input_shape=given[1:],
        weight=_float(weight),
        stride=np.array(stride),
        padding=np.array(padding),
        dilation=np.array(dilation),
        groups=1,
        bias=_float(bias),
    )


def _diagonal(writer: Writer, node: Affine, gain: NDArray[np.float64], bias: NDArray[np.float64]) -> Any:
    """One factor and offset for each channel: a map that keeps channels apart."""
    given = writer.net.graph.edges[node.inputs[0]].shape
    if len(given) == 1:
        return writer.nir.Affine(weight=_float(np.diag(gain)), bias=_float(bias))
    if len(given) == 3:
        return _conv(writer, given, np.diag(gain)[:, :, None, None], bias)
    raise node.refuse(given, "NIR takes factors of images (C, H, W) or features (D,) from here")


def _add(writer: Writer, node: Add) -> None:
    values = [writer.values[name] for name in node.inputs]
    sources = tuple(source for value in values for source in value.sources)
    if len({value.unit for value in values}) > 1 or any(value.synapse for value in values):
        raise node.refuse("terms of unlike units", "NIR adds up what meets at a node, as it is")
    if len(set(sources)) < len(sources):
        raise node.refuse(sources, "NIR has one edge from a node to another: a term cannot be added twice")
    writer.wait(node)
    writer.values[node.name] = Value(sources, values[0].unit)


def _fire(writer: Writer, node: Fire) -> None:
    how, before = node.dynamics, writer.read(node)
    if (node.lo, node.hi) != (0, 1):
        raise node.refuse(f"levels {node.lo}..{node.hi}", "NIR's neurons send spikes of one bit, 0 or 1")
    if isinstance(how, LeakyDynamics):
        if how.reset != "zero" and node.T > 1:
            raise node.refuse(f"reset={how.reset}", "NIR's neurons are reset to v_reset: want zero")
        reset, tie = 0, "rests"
    elif isinstance(how, Dynamics):
        reset, tie = _reset(node, how), "fires"
    else:
        raise node.refuse(type(how).__name__, "NIR has integrate-and-fire neurons, with and without a leak")
    full = np.ones(writer.shape(node), np.float32)
    common = {"v_threshold": full, "v_reset": full * (reset / 2.0**how.fraction_bits)}
    retention = how.leak_multiplier / 2**how.leak_shift
    if retention == 1 or node.T == 1:
        made = writer.nir.IF(r=full / np.float32(DT), **common)
    else:
        tau = DT / (1 - retention)
        made = writer.nir.LIF(tau=full * tau, r=full * (tau / DT), v_leak=full * 0, **common)
    numbers = {name: getattr(how, name) for name in ("fraction_bits", "leak_multiplier", "leak_shift")}
    lowest, highest = writer.net.membranes[node.name]
    bits = {"level_lo": 0, "level_hi": 1, "membrane_lo": lowest, "membrane_hi": highest, "v_reset": reset, "tie": tie}
    writer.write(node, made, before.sources, 1.0, numbers | bits)


def _reset(node: Fire, how: Dynamics) -> int:
    if node.T == 1:  # nothing is carried
        return 0
    for wrong, seen in ((how.tracer, "a tracer"), (how.store, "a stored membrane"), (how.rounds, "rounding")):
        if wrong:
            raise node.refuse(seen, "NIR has no neurons with one")
    if how.v_reset is None:
        raise node.refuse("a soft reset", "NIR's neurons are reset to v_reset: want a hard reset (v_reset=0)")
    if how.v_init != how.v_reset:
        raise node.refuse(f"v_init={how.v_init}", "NIR does not say where neurons start, and readers do so at v_reset")
    return how.v_reset


def _sum_pool(writer: Writer, node: SumPool) -> None:
    before, window = writer.read(node), node.kernel_size[0] * node.kernel_size[1]
    if len(writer.shape(node)) != 3:
        raise node.refuse(writer.shape(node), "NIR pools images (C, H, W)")
    sizes = {name: np.array(getattr(node, name)) for name in ("kernel_size", "stride", "padding")}
    writer.write(node, writer.nir.AvgPool2d(**sizes), before.sources, before.unit / window, {})


def _reshape(writer: Writer, node: Reshape) -> None:
    before, given = writer.read(node), writer.net.graph.edges[node.inputs[0]].shape
    if len(node.shape) != 1:
        raise node.refuse(node.shape, "NIR flattens and reshapes to nothing else")
    made = writer.nir.Flatten(input_type={"input": np.array(given)}, start_dim=0, end_dim=-1)
    writer.write(node, made, before.sources, before.unit, {})


def _readout(writer: Writer, node: Readout) -> None:
    before = writer.read(node)
    if before.synapse is not None:
        raise node.refuse("accumulators", "want an affine before it, which freezing writes")
    made = writer.nir.Output(output_type={"output": np.array(writer.shape(node))})
    writer.write(node, made, before.sources, before.unit, {"answer": node.over, "unit": before.unit})


def _float(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _free(name: str, taken: dict[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


WRITERS: Registry[Callable[[Writer, Any], None]] = Registry("op in NIR")
WRITERS.register("Input", _input)
WRITERS.register("Conv", _synapse)
WRITERS.register("Linear", _synapse)
WRITERS.register("Affine", _affine)
WRITERS.register("Add", _add)
WRITERS.register("Fire", _fire)
WRITERS.register("SumPool", _sum_pool)
WRITERS.register("Reshape", _reshape)
WRITERS.register("Readout", _readout)
