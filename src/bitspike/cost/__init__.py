"""Cost: every metric of a graph, under counting conventions by name. NumPy only."""

from bitspike.cost.activity import Activity, NeuronActivity, SynapseActivity, WeightCodes, entropy
from bitspike.cost.counting import COUNTINGS, Counting, counting
from bitspike.cost.memory import Footprint, footprints
from bitspike.cost.report import CostReport, LayerCost, NeuronCost, Total, cost

__all__ = [
    "COUNTINGS",
    "Activity",
    "CostReport",
    "Counting",
    "Footprint",
    "LayerCost",
    "NeuronActivity",
    "NeuronCost",
    "SynapseActivity",
    "Total",
    "WeightCodes",
    "cost",
    "counting",
    "entropy",
    "footprints",
]
