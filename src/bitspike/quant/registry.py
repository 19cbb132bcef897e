"""The quantizers of weights by name: what each one's settings are, and the quantizer that they make."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from bitspike.quant.quantizer import WeightQuantizer
from bitspike.registry import Registry
from bitspike.settings import Settings

__all__ = ["QUANTIZERS", "QuantizerSettings", "quantizer_settings"]

QUANTIZERS: Registry[type[QuantizerSettings]] = Registry("quantizer.kind", own=lambda: QuantizerSettings)


class QuantizerSettings(Settings):
    """Says which quantizer the weights have, and its constants. Bits are not here: they are `bitspike.Bits`.

    A kind is a subclass with fields of its own, a ``kind`` and a `make`, registered in `QUANTIZERS` by its own file.
    Settings are called as quantizers are: ``settings(bits, weight)`` (`bitspike.quant.quantize_weights`).

    Attributes:
        anneals: whether at one bit it is a sign whose gradient has a temperature, which training may raise.
    """

    thing = "quantizer"
    kinds = QUANTIZERS
    usual = "lsq-channel"
    anneals: ClassVar[bool] = False

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        """A fresh quantizer to ``bits`` bits, to attach to ``weight``, ``[C_out, ...]``.

        Raises:
            UserError: bits that it has no levels for.
        """
        raise NotImplementedError(f"{type(self).__name__} must define make")

    def __call__(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return self.make(bits, weight)


def quantizer_settings(kind: str = "lsq-channel", **settings: Any) -> QuantizerSettings:
    """The settings of the quantizer called ``kind`` in `QUANTIZERS`; those that are not given are as usual.

    Raises:
        UserError: an unknown kind, a setting that it does not read, or a value that does not fit.
    """
    return QuantizerSettings.read({"kind": kind, **settings})
