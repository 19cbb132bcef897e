"""The equivalence of a converted network and the quantized one, image by image, in integers: paper 003, Theorem 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends import oracle
from bitspike.conversion.equilibrium import quantized, release_of, with_steps
from bitspike.conversion.judges import ClassesByStep, Judge
from bitspike.conversion.offset import with_offsets
from bitspike.conversion.spiking import settling_bound
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.ir.frozen import largest_array

__all__ = ["Equivalence", "LayerEquivalence", "equivalence"]

Int = NDArray[np.int64]
Reference = Callable[[NDArray[np.uint8], set[str]], Mapping[str, NDArray[Any]]]
"""Levels of neurons and outputs, by name, of images: ``[1, N, ...]`` each."""

ELEMENTS_AT_A_TIME = 2**22


@dataclass
class LayerEquivalence:
    """One layer of neurons, over all images.

    Attributes:
        elements: neurons times images.
        unequal: of these, whose spikes do not add up to the QANN's level.
        settled_at: step of the last spike, 1 for the first step.
        spikes: sent, of both signs. taken_back: those that are negative.
        distance: mean distance between what was sent up to each step and the QANN's level, in levels (Fig. 5).
    """

    elements: int = 0
    unequal: int = 0
    settled_at: int = 0
    spikes: int = 0
    taken_back: int = 0
    distance: list[float] = field(default_factory=list)


@dataclass
class Equivalence:
    """What `equivalence` found on ``images`` images.

    Attributes:
        logits_equal: images all of whose outputs are the QANN's.
        T: steps that were run, at most. bound: those after which every image has settled, ``n (L + 1)``.
        settled_at: how many images sent their last spike at which step, by step.
        settled: whether every image was seen to be silent after the release, or ran to the bound.
        accuracy: of the SNN in percent, had it been read after 1, 2, ... steps; empty where there were no labels.
        qann_accuracy: of the QANN, in percent; ``None`` where there were no labels.
        map50, qann_map50: the same, mean average precision, of networks that find boxes.
        boxes_equal: images whose boxes, classes and scores are the QANN's, of such a network.
    """

    T: int
    bound: int | None
    images: int = 0
    logits_equal: int = 0
    settled: bool = True
    settled_at: dict[int, int] = field(default_factory=dict)
    accuracy: list[float] = field(default_factory=list)
    qann_accuracy: float | None = None
    map50: list[float] = field(default_factory=list)
    qann_map50: float | None = None
    boxes_equal: int | None = None
    layers: dict[str, LayerEquivalence] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """All outputs of all images, and all neurons."""
        return self.logits_equal == self.images and not any(layer.unequal for layer in self.layers.values())

    @property
    def T_eq(self) -> int:  # noqa: N802
        """The step of the last spike of all images."""
        return max(self.settled_at, default=0)

    def to_dict(self) -> dict[str, Any]:
        return {"equal": self.equal, "T_eq": self.T_eq, **asdict(self)}


def equivalence(
    net: FrozenGraph,
    levels: dict[str, int],
    images: NDArray[np.uint8],
    labels: NDArray[np.integer] | None = None,
    *,
    judge: Judge | None = None,
    ends: bool = True,
    stop_when_settled: bool = False,
    reference: Reference | None = None,
    calibration: int = 0,
) -> Equivalence:
    """Runs the frozen SNN and its QANN on every image and compares them: exact integers, no tolerance.

    Args:
        net: the frozen SNN.
        levels: ``n`` of each layer of neurons of the QANN, by name.
        images: pixels ``[N, C, H, W]``. labels: classes ``[N]``, of a network that tells such apart; without them the
            outputs are compared, and nothing is said of accuracy.
        judge: says how good the networks are, where that is no matter of labels.
        ends: whether the network is fed for ``n`` steps, so that sums are compared; else (a rate) ``n/T`` of them.
        stop_when_settled: run each batch for as few steps as are seen to be enough: until a whole step is silent after
            the release has ended. Nothing changes from there on.
        reference: says what is compared with in the place of the QANN.
        calibration: steps of a first run of each layer (`bitspike.conversion.offset`), of a network that is always fed.
            They count, and before they are over the network says nothing.

    Raises:
        UserError: no images, labels for a network that tells no classes apart, or ``stop_when_settled`` of a network
            that is always fed.
    """
    if not len(images):
        raise UserError("images to compare on", 0, "want at least one")
    if labels is not None and not net.classifies:
        shapes = ", ".join(str(edge.shape) for edge in net.graph.outputs)
        raise UserError("labels", f"a network of outputs {shapes}", "it tells no classes apart; leave them out")
    if stop_when_settled and not ends:
        raise UserError("--stop-when-settled", "a network that is always fed", "it never settles; leave it out")
    release = release_of(net)
    T = release.T + calibration
    found = Equivalence(T, settling_bound(net.graph) if ends else None)
    wanted_of: Reference = partial(_edges, quantized(net, levels)) if reference is None else reference
    parts = max(levels.values())
    ratio = (1, 1) if ends else (parts, release.T)
    judge, steps = judge if labels is None else ClassesByStep(labels), Counter[int]()
    distances = {node.name: np.zeros(T) for node in net.graph.neurons()}
    found.layers = {name: LayerEquivalence() for name in distances}
    batch = max(1, min(100, ELEMENTS_AT_A_TIME // max(largest_array(net.graph, node) for node in net.graph.nodes)))
    T_last = min(T, 2 * parts)
    read = () if judge is None else [name for readout in net.readouts for name in readout.inputs]
    keep = {*distances, *read, *(readout.name for readout in net.readouts)}
    for some in (images[i : i + batch] for i in range(0, len(images), batch)):
        wanted = wanted_of(some, keep)
        if calibration:
            sent, T_ran = _waiting(_edges(net, some, keep, partial(with_offsets, calibration)), net, calibration), T
        else:
            sent, T_ran = _run(net, some, keep, T_last if stop_when_settled else T)
        while stop_when_settled and T_ran < T and not _silent(sent, distances, T_ran, release.steps):
            sent, T_ran = _run(net, some, keep, min(T, T_ran + parts))
        T_last = T_ran
        of_layers = [_layer(found, name, sent[name], wanted[name][0], ratio, distances[name]) for name in distances]
        settled_at = np.max(of_layers, axis=0)
        steps.update(settled_at.tolist())
        found.settled &= ends and bool(parts < T_ran > settled_at.max() or T_ran >= (found.bound or T))
        pairs = [(sent[readout.name][0], wanted[readout.name][0]) for readout in net.readouts]
        equal = [(ours * ratio[0] == theirs * ratio[1]).reshape(len(some), -1).all(1) for ours, theirs in pairs]
        found.logits_equal += int(np.all(equal, axis=0).sum())
        if judge is not None:
            said = [np.cumsum(_whole(sent[readout.inputs[0]], T_ran), axis=0) for readout in net.readouts]
            fed = np.arange(1, T_ran + 1) - calibration
            released = np.minimum(fed.clip(min=1) / parts, 1 if ends else np.inf)
            judge.add(said, [theirs for _, theirs in pairs], released)
        found.images += len(some)
    found.settled_at = dict(sorted(steps.items()))
    for name, value in ({} if judge is None else judge.found(T)).items():
        setattr(found, name, value)
    for name, layer in found.layers.items():
        layer.distance = (distances[name] / layer.elements).tolist()
    return found


def _layer(
    found: Equivalence,
    name: str,
    spikes: Int,
    level: NDArray[Any],
    ratio: tuple[int, int],
    distance: NDArray[np.float64],
) -> Int:
    """Adds a batch to a layer's record, and says when each image sent its last spike."""
    layer, total = found.layers[name], np.zeros(level.shape, dtype=np.int64)
    waits = len(spikes) - ratio[1]
    for t, sent in enumerate(spikes):
        total += sent
        rate = 1 if ratio == (1, 1) else ratio[0] / max(1, t + 1 - waits)
        distance[t] += (apart := float(np.abs(total * rate - level).sum()))
    distance[len(spikes) :] += apart  # what a run that was stopped would have stayed at
    layer.elements += level.size
    layer.unequal += int((total * ratio[0] != level * ratio[1]).sum())
    layer.spikes += int(np.abs(spikes).sum())
    layer.taken_back += int((spikes < 0).sum())
    active = spikes.reshape(*spikes.shape[:2], -1).any(2)
    settled_at: Int = (active * np.arange(1, len(spikes) + 1)[:, None]).max(0)
    layer.settled_at = max(layer.settled_at, int(settled_at.max()))
    return settled_at


def _run(net: FrozenGraph, images: NDArray[np.uint8], keep: set[str], T: int) -> tuple[dict[str, Int], int]:
    return _edges(net if T == release_of(net).T else with_steps(net, T), images, keep), T


def _silent(sent: dict[str, Int], neurons: Iterable[str], T: int, released: int) -> bool:
    """Whether the last step, after the release, is without a spike: then so are all behind it."""
    return released < T and not any(sent[name][-1].any() for name in neurons)


def _whole(edge: Int, T: int) -> Int:
    """An edge that is held has its value at every step."""
    return edge if len(edge) == T else np.broadcast_to(edge, (T, *edge.shape[1:]))


def _waiting(edges: dict[str, Int], net: FrozenGraph, steps: int) -> dict[str, Int]:
    """The trains behind ``steps`` silent ones; answers as they are."""
    answers, T = {readout.name for readout in net.readouts}, release_of(net).T
    trains = {name: _whole(edge, T) for name, edge in edges.items() if name not in answers}
    return edges | {
        name: np.concatenate([np.zeros_like(each[:1]).repeat(steps, 0), each]) for name, each in trains.items()
    }


def _edges(
    net: FrozenGraph, images: NDArray[np.uint8], keep: set[str], step: Callable[..., Any] | None = None
) -> dict[str, Int]:
    """The oracle's run, or that of another ``step``, of which only these edges stay in memory, as int64."""
    step = step or oracle.step
    last = {name: index for index, node in enumerate(net.graph.nodes) for name in node.inputs}
    edges: dict[str, Int] = {}
    for index, node in enumerate(net.graph.nodes):
        edges[node.name] = step(net, node, images, *(edges[name] for name in node.inputs))
        for name in [name for name in edges if last.get(name, index) <= index and name not in keep]:
            del edges[name]
    return {name: edge.astype(np.int64) for name, edge in edges.items()}
