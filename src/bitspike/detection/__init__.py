"""Boxes in images: what a network's raw outputs say, which of them stay, and how good they are."""

from bitspike.detection.boxes import Boxes
from bitspike.detection.decode import decode, in_probability
from bitspike.detection.head import Head
from bitspike.detection.letterbox import Letterbox
from bitspike.detection.metric import Precision, mean_average_precision
from bitspike.detection.nms import nms
from bitspike.detection.whole import WholeBoxes, WholeHead

__all__ = [
    "Boxes",
    "Head",
    "Letterbox",
    "Precision",
    "WholeBoxes",
    "WholeHead",
    "decode",
    "in_probability",
    "mean_average_precision",
    "nms",
]
