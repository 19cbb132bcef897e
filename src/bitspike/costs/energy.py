"""Energy of one inference, by models under names, as a spiking network and as the ANN of the same architecture.

Every number is an estimate by somebody's formula, none is measured; two models agree on no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bitspike.costs.activity import Activity
from bitspike.costs.energy_layers import LayerEnergy, layers, loads, summed
from bitspike.costs.energy_lemaire import INT8, INT32, Arithmetic, Lemaire
from bitspike.costs.gates import Gates
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.registry import Registry

__all__ = ["ENERGIES", "EnergyModel", "EnergyReport", "NetworkEnergy", "Operations", "ann_energy", "energy", "model"]


class EnergyModel(Protocol):
    """A published way to estimate energy."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def constants(self) -> dict[str, Any]:
        """Its pJ, widths and sizes."""

    def ann(self, graph: Graph) -> tuple[LayerEnergy, ...]:
        """Each layer with activations in the place of spikes."""

    def snn(self, graph: Graph, activity: Activity) -> tuple[LayerEnergy, ...]:
        """Each layer on the spikes that were measured."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Operations alone, no memory: so much for a multiply-accumulate, so much for a synaptic operation.

    Images and activations are multiplied, all of them, at every step that they have; a spike adds. An event is one
    operation at each output that it feeds, whatever its level. Pools, biases and neurons cost nothing.

    Attributes:
        mac: pJ of a multiply-accumulate. sop: pJ of a synaptic operation.
    """

    name: str
    about: str
    mac: float
    sop: float

    def constants(self) -> dict[str, Any]:
        return {"mac": self.mac, "sop": self.sop}

    def ann(self, graph: Graph) -> tuple[LayerEnergy, ...]:
        return tuple(LayerEnergy(name=layer.name, synaptic=layer.macs * self.mac / 1000) for layer in layers(graph))

    def snn(self, graph: Graph, activity: Activity) -> tuple[LayerEnergy, ...]:
        found = []
        for load in loads(graph, activity):
            multiplied = load.layer.macs * load.steps * self.mac
            pj = multiplied if load.levels is None else load.sops * self.sop
            found.append(LayerEnergy(name=load.layer.name, synaptic=pj / 1000))
        return tuple(found)


FLOAT32 = Arithmetic(add=0.9, mul=3.7)
"""Floats in 45 nm at 0.9 V (Horowitz 2014, Fig. 1.1.9)."""
PJ_PER_SOP, PJ_PER_FLOP = 0.077, 12.5
"""As paper 003 quotes them (Section 4.5), both from the ROLLS processor (Qiao et al. 2015, 180 nm): a synaptic
operation, and a floating-point operation of the ANN beside it."""

ENERGIES = Registry[EnergyModel]("energy")
for _model in (
    Lemaire(),
    Lemaire(
        name="lemaire-int8",
        about="Lemaire et al. 2023: memory, operations and addresses in 45 nm, 8-bit integers",
        arithmetic=INT8,
    ),
    Operations(
        name="horowitz",
        about="Horowitz 2014, 45 nm: operations alone, 32-bit floats, 4.6 pJ per MAC and 0.9 pJ per addition",
        mac=FLOAT32.mac,
        sop=FLOAT32.add,
    ),
    Operations(
        name="horowitz-int",
        about="Horowitz 2014, 45 nm: operations alone, 32-bit integers, 3.2 pJ per MAC and 0.1 pJ per addition",
        mac=INT32.mac,
        sop=INT32.add,
    ),
    Operations(
        name="sop-77fj",
        about="paper 003: 77 fJ per SOP (180 nm), 12.5 pJ per FLOP, two FLOPs per MAC",
        mac=2 * PJ_PER_FLOP,
        sop=PJ_PER_SOP,
    ),
    Gates(),
):
    ENERGIES.register(_model.name, _model)


@dataclass(frozen=True, kw_only=True)
class NetworkEnergy:
    """Its layers and their sum, nJ per inference."""

    layers: tuple[LayerEnergy, ...]
    total: LayerEnergy


@dataclass(frozen=True, kw_only=True)
class EnergyReport:
    """One network by one model.

    Attributes:
        energy, about, constants: the model. activity: what the spikes were measured on.
        ann: with activations. snn: with spikes; ``None`` of a network that does not spike.
        ratio: ``E_SNN / E_ANN``.
    """

    network: str
    energy: str
    about: str
    constants: dict[str, Any]
    activity: str | None
    ann: NetworkEnergy
    snn: NetworkEnergy | None
    ratio: float | None


def model(
    name: str,
    memory_width: int | None = None,
    fifo: int | None = None,
    spike_cost: str | None = None,
    leak: bool | None = None,
    constants: Path | None = None,
) -> EnergyModel:
    """The energy model called ``name``, with other constants where they are given.

    Raises:
        UserError: there is no such model, it does not count what the constant is of, or the value is out of range.
    """
    chosen = ENERGIES.find(name)
    if constants is not None:
        if not isinstance(chosen, Gates):
            raise UserError("--constants", str(constants), f"{name} has its own constants; only gates reads a file")
        chosen = replace(chosen, file=constants)
    given = {"memory width": memory_width, "fifo": fifo, "spike cost": spike_cost, "leak": leak}
    given = {thing: value for thing, value in given.items() if value is not None}
    if not isinstance(chosen, Lemaire):
        counts = "bits of gates" if isinstance(chosen, Gates) else "operations alone"
        for thing, value in given.items():
            raise UserError(thing, value, f"{name} counts {counts}; only lemaire and lemaire-int8 read it")
        return chosen
    memories = {key: value for key, value in (("width", memory_width), ("fifo", fifo)) if value is not None}
    changed: dict[str, Any] = {"memories": replace(chosen.memories, **memories)}
    changed |= {key: value for key, value in (("spikes", spike_cost), ("leak", leak)) if value is not None}
    return replace(chosen, **changed)


def ann_energy(graph: Graph, by: EnergyModel | str) -> NetworkEnergy:
    """The energy of the same architecture run as an ANN; needs no activity."""
    found = (model(by) if isinstance(by, str) else by).ann(graph)
    return NetworkEnergy(layers=found, total=summed(found))


def energy(graph: Graph, by: EnergyModel | str, activity: Activity | None = None) -> EnergyReport:
    """Energy of one inference of ``graph``.

    Raises:
        UserError: unknown model, a spiking network without activity, or the activity of another one.
    """
    by = model(by) if isinstance(by, str) else by
    ann, snn = ann_energy(graph, by), None
    if any(graph.neurons()):
        if activity is None:
            wanted = "energy needs measured spikes: a trained run, or the activity.json of one"
            raise UserError("energy", by.name, wanted)
        activity.check(graph)
        found = by.snn(graph, activity)
        snn = NetworkEnergy(layers=found, total=summed(found))
    return EnergyReport(
        network=graph.name,
        energy=by.name,
        about=by.about,
        constants=by.constants(),
        activity=None if snn is None or activity is None else f"{activity.images} images: {activity.source}",
        ann=ann,
        snn=snn,
        ratio=None if snn is None or not ann.total.total else snn.total.total / ann.total.total,
    )
