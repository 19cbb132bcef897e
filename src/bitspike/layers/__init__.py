"""Layers between the neurons: encoder, synapses over merged time, means over time."""

from bitspike.layers.encoder import Encoder
from bitspike.layers.time import OverTime, SqueezeTime, mean_over_time, merge_time, split_time

__all__ = ["Encoder", "OverTime", "SqueezeTime", "mean_over_time", "merge_time", "split_time"]
