"""Cost: every metric of a graph, under counting conventions by name. NumPy only."""

from bitspike.cost.activity import Activity, NeuronActivity, SynapseActivity, WeightCodes, entropy
from bitspike.cost.counting import COUNTINGS, Counting, counting
from bitspike.cost.energy import ENERGIES, EnergyModel, EnergyReport, NetworkEnergy, ann_energy, energy
from bitspike.cost.energy import model as energy_model
from bitspike.cost.energy_layers import LayerEnergy
from bitspike.cost.memory import Footprint, footprints
from bitspike.cost.paths import Join, Paths, paths
from bitspike.cost.report import CostReport, LayerCost, NeuronCost, Total, cost

__all__ = [
    "COUNTINGS",
    "ENERGIES",
    "Activity",
    "CostReport",
    "Counting",
    "EnergyModel",
    "EnergyReport",
    "Footprint",
    "Join",
    "LayerCost",
    "LayerEnergy",
    "NetworkEnergy",
    "NeuronActivity",
    "NeuronCost",
    "Paths",
    "SynapseActivity",
    "Total",
    "WeightCodes",
    "ann_energy",
    "cost",
    "counting",
    "energy",
    "energy_model",
    "entropy",
    "footprints",
    "paths",
]
