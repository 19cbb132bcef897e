"""Cost: every metric of a graph, under counting conventions by name. NumPy only."""

from bitspike.costs.activity import Activity, NeuronActivity, SynapseActivity, WeightCodes, entropy
from bitspike.costs.counting import COUNTINGS, Counting, counting
from bitspike.costs.energy import ENERGIES, EnergyModel, EnergyReport, NetworkEnergy, ann_energy, energy
from bitspike.costs.energy import model as energy_model
from bitspike.costs.energy_layers import LayerEnergy
from bitspike.costs.hardware import HardwareReport, hardware
from bitspike.costs.memory import Footprint, footprints
from bitspike.costs.paths import Join, Paths, paths
from bitspike.costs.report import CostReport, LayerCost, NeuronCost, Total, cost

__all__ = [
    "COUNTINGS",
    "ENERGIES",
    "Activity",
    "CostReport",
    "Counting",
    "EnergyModel",
    "EnergyReport",
    "Footprint",
    "HardwareReport",
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
    "hardware",
    "paths",
]
