"""Makes the convolutions and linear layers of any model low-bit, in place, as parametrizations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.nn.utils import parametrize

from bitspike.bits import FULL_PRECISION
from bitspike.errors import UserError, closest
from bitspike.quant.lsq import LSQ
from bitspike.quant.quantizer import WeightQuantizer

__all__ = ["quantize_weights", "synapses", "weight_bits", "weight_quantizer"]

QuantizerFactory = Callable[[int, Tensor], WeightQuantizer]


def synapses(model: nn.Module) -> dict[str, nn.Conv1d | nn.Conv2d | nn.Linear]:
    """The layers that hold weights, by name, in the order of the model."""
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear)}


def quantize_weights(
    model: nn.Module,
    bits: int,
    *,
    quantizer: QuantizerFactory = LSQ,
    first: int | None = None,
    last: int | None = None,
    rules: Mapping[str, int | None] | None = None,
) -> nn.Module:
    """Attaches a weight quantizer to every ``nn.Conv1d``, ``nn.Conv2d`` and ``nn.Linear`` of ``model``.

    Args:
        model: any PyTorch model; changed in place. A ``state_dict`` stays a ``state_dict``.
        bits: weight bits of every layer that nothing below names.
        quantizer: called as ``quantizer(bits, weight)``, for example `LSQ` or `UniformSymmetric`.
        first, last: bits of the first and of the last layer (in the order of the model).
        rules: bits by layer name or glob; ``None`` leaves the layer in floats. They win over ``first`` and ``last``.

    Returns:
        The model.

    Raises:
        UserError: no layer to quantize, a rule that names none, bits outside 1..16, or a layer quantized already.
    """
    layers = synapses(model)
    if not layers:
        raise UserError("model", type(model).__name__, "want at least one nn.Conv or nn.Linear to quantize")
    widths: dict[str, int | None] = dict.fromkeys(layers, bits)
    names = list(layers)
    if first is not None:
        widths[names[0]] = first
    if last is not None:
        widths[names[-1]] = last
    for pattern, width in (rules or {}).items():
        matched = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        if not matched:
            raise UserError("rule", pattern, closest(pattern, names))
        widths.update(dict.fromkeys(matched, width))
    for name, layer in layers.items():
        if parametrize.is_parametrized(layer, "weight"):
            raise UserError("layer", name, "its weight has a parametrization already")
    made = {n: quantizer(width, layers[n].weight) for n, width in widths.items() if width is not None}
    for name, attached in made.items():  # nothing is attached unless all could be made
        parametrize.register_parametrization(layers[name], "weight", attached, unsafe=True)
    return model


def weight_quantizer(layer: nn.Module) -> WeightQuantizer | None:
    """The quantizer attached to the layer's weight, if any."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    for attached in layer.parametrizations["weight"]:  # type: ignore[index]
        if isinstance(attached, WeightQuantizer):
            return attached
    return None


def weight_bits(layer: nn.Module) -> int:
    """Bits of the layer's weight: its quantizer's, or 16 for a float (`bitspike.bits.FULL_PRECISION`)."""
    attached = weight_quantizer(layer)
    return attached.bits if attached else FULL_PRECISION
