"""Layers between the neurons: encoder, synapses over merged time, readout."""

from bitspike.layers.encoder import Encoder
from bitspike.layers.time import OverTime, mean_over_time, merge_time, split_time

__all__ = ["Encoder", "OverTime", "mean_over_time", "merge_time", "split_time"]
