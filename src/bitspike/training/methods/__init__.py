"""Training methods: a paper's in one file each, behind one protocol (`bitspike.training.methods.method`)."""

from bitspike.training.methods.annealed_sign import AnnealedSign, AnnealedSignSettings
from bitspike.training.methods.learned_bits import LearnedBits, LearnedBitsSettings
from bitspike.training.methods.method import (
    METHODS,
    Method,
    MethodSettings,
    Objective,
    ParameterGroup,
    Training,
    methods_of,
    settings_of,
)
from bitspike.training.methods.paths_ensemble import PathsEnsemble, PathsEnsembleSettings
from bitspike.training.methods.shared_scale import SharedScale, SharedScaleSettings
from bitspike.training.methods.spike_regulation import SpikeRegulation, SpikeRegulationSettings
from bitspike.training.methods.time_inheritance import TimeInheritance, TimeInheritanceSettings
from bitspike.training.methods.weight_average import WeightAverage, WeightAverageSettings

__all__ = [
    "METHODS",
    "AnnealedSign",
    "AnnealedSignSettings",
    "LearnedBits",
    "LearnedBitsSettings",
    "Method",
    "MethodSettings",
    "Objective",
    "ParameterGroup",
    "PathsEnsemble",
    "PathsEnsembleSettings",
    "SharedScale",
    "SharedScaleSettings",
    "SpikeRegulation",
    "SpikeRegulationSettings",
    "TimeInheritance",
    "TimeInheritanceSettings",
    "Training",
    "WeightAverage",
    "WeightAverageSettings",
    "methods_of",
    "settings_of",
]
