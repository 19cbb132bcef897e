"""A network in floats as QONNX: standard ops, and a Quant where a number has few bits."""

from bitspike.backends.qonnx.backend import Qonnx

__all__ = ["Qonnx"]
