"""Boxes in images: what a network's raw outputs say, which of them stay, and how good they are."""

from bitspike.detection.boxes import Boxes
from bitspike.detection.head import Head
from bitspike.detection.letterbox import Letterbox

__all__ = ["Boxes", "Head", "Letterbox"]
