"""Layers between the neurons: encoders, synapses over merged time, means over time, spiking max pools."""

from bitspike.layers.attention import Accumulate, Difference, SpikingMatMul
from bitspike.layers.encoder import Encoder
from bitspike.layers.events import EventEncoder, encoder_for
from bitspike.layers.paths import PathBatchNorm1d, PathBatchNorm2d, per_path
from bitspike.layers.pixels import Normalization
from bitspike.layers.pool import SpikingMaxPool2d
from bitspike.layers.readout import Answer, read_out
from bitspike.layers.recurrent import Recurrent
from bitspike.layers.release import Release, ReleasedAffine
from bitspike.layers.time import OverTime, SqueezeTime, mean_over_time, merge_time, split_time

__all__ = [
    "Accumulate",
    "Answer",
    "Difference",
    "Encoder",
    "EventEncoder",
    "Normalization",
    "OverTime",
    "PathBatchNorm1d",
    "PathBatchNorm2d",
    "Recurrent",
    "Release",
    "ReleasedAffine",
    "SpikingMatMul",
    "SpikingMaxPool2d",
    "SqueezeTime",
    "encoder_for",
    "mean_over_time",
    "merge_time",
    "per_path",
    "read_out",
    "split_time",
]
