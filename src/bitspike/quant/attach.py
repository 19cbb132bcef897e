"""Makes the convolutions and linear layers of any model low-bit, in place, as parametrizations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _LazyNormBase
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from bitspike.bits import FULL_PRECISION
from bitspike.errors import UserError, closest
from bitspike.quant.lsq import LSQ
from bitspike.quant.quantizer import WeightQuantizer

__all__ = ["quantize_weights", "synapses", "weight_bits", "weight_quantizer"]

QUANTIZED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
"""Modules of torch whose weights are integers already, and no parameters."""

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

    Whatever else holds weights (``nn.ConvTranspose2d``, ``nn.Conv3d``, ``nn.LSTM``, ``nn.Embedding``, the input
    projection of ``nn.MultiheadAttention``) stays in floats, of which a ``UserWarning`` names each. Layers that share a
    weight share its quantizer.

    Args:
        model: any PyTorch model; changed in place. A ``state_dict`` stays a ``state_dict``.
        bits: weight bits of every layer that nothing below names.
        quantizer: called as ``quantizer(bits, weight)``, for example `LSQ` or `UniformSymmetric`.
        first, last: bits of the first and of the last layer (in the order of the model).
        rules: bits by layer name or glob; ``None`` leaves the layer in floats. They win over ``first`` and ``last``.

    Returns:
        The model.

    Raises:
        UserError: no layer to quantize, a rule that names none, bits outside 1..16, other bits for a layer than for one
            that it shares its weight with, or layers whose weight is no plain parameter: quantized already, pruned,
            normalised, or not there yet.
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
    chosen = {name: width for name, width in widths.items() if width is not None}
    refused = {name: why for name in chosen if (why := _not_plain(layers[name]))}
    if refused:
        whys = [f"{name}: {why}" for name, why in refused.items()] if len(refused) > 1 else [*refused.values()]
        raise UserError("layer" if len(refused) == 1 else "layers", ", ".join(refused), "; ".join(whys))
    owners: dict[int, str] = {}  # of each weight, the first layer that has it
    for name, layer in layers.items():
        owner = owners.setdefault(id(layer._parameters.get("weight", name)), name)
        if widths[name] != widths[owner]:
            raise UserError(
                f"bits of layer {name}", widths[name], f"it shares its weight with {owner}, of {widths[owner]}"
            )
    own = {name: owners[id(layers[name].weight)] for name in chosen}
    made = {name: quantizer(width, layers[name].weight) for name, width in chosen.items() if own[name] == name}
    quantizers = {name: made[owner] for name, owner in own.items()}
    for name, attached in quantizers.items():  # nothing is attached unless all could be made
        parametrize.register_parametrization(layers[name], "weight", attached, unsafe=True)
        _keep(layers[name], name)
    _warn_of_floats(model, layers)
    return model


def _not_plain(layer: nn.Module) -> str | None:
    """Why the layer's weight is no parameter that a quantizer could stand on, and what would do."""
    if parametrize.is_parametrized(layer, "weight"):
        if weight_quantizer(layer) is not None:
            return "its weight has a parametrization already"
        return (
            f"its weight has a parametrization already; {_plain('torch.nn.utils.parametrize.remove_parametrizations')}"
        )
    weight = layer._parameters.get("weight")
    if isinstance(weight, UninitializedParameter):
        return "its weight is not there yet; run the model once"
    if weight is not None and not weight.is_floating_point():
        return f"its weight is {str(weight.dtype).removeprefix('torch.')}; want floats"
    if weight is not None and weight.is_inference():
        return (
            "its weight was made in torch.inference_mode, where nothing can be changed later; make it outside of that"
        )
    if weight is not None:
        return None
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, prune.BasePruningMethod) and hook._tensor_name == "weight":
            return f"its weight is pruned; {_plain('torch.nn.utils.prune.remove')}"
        if isinstance(hook, WeightNorm | SpectralNorm) and hook.name == "weight":
            remove = "remove_weight_norm" if isinstance(hook, WeightNorm) else "remove_spectral_norm"
            return f"its weight is normalised; {_plain(f'torch.nn.utils.{remove}')}"
    return "its weight is no parameter of its own; want a plain one"


def _plain(remove: str) -> str:
    return f"want its plain weight: {remove}"


def _keep(layer: nn.Module, name: str) -> None:
    """Refuses what would put another weight before the quantized one, as ``torch.nn.utils.prune`` does.

    The class of a layer with a parametrization is its own alone, so that no other layer has the method.
    """
    kind: Any = type(layer)

    def register_parameter(self: Any, parameter: str, value: Any) -> None:
        if parameter.startswith("weight_"):
            wanted = "want pruning before, made permanent by torch.nn.utils.prune.remove"
            raise UserError("layer", name, f"its weight is quantized and takes no {parameter}; {wanted}")
        super(kind, self).register_parameter(parameter, value)

    kind.register_parameter = register_parameter


def _warn_of_floats(model: nn.Module, layers: Mapping[str, nn.Module]) -> None:
    """Names the modules beside ``layers`` whose weights, of two axes or more, are not quantized here."""
    held = {id(part) for layer in layers.values() for part in layer.modules()}
    rest = {name: module for name, module in model.named_modules() if id(module) not in held}
    weighed = [name for name, module in rest.items() if not _is_norm(module) and any(map(_is_weight, _own(module)))]
    floats = dict.fromkeys(_owner(name, model) for name in weighed)
    others = [name for name, module in rest.items() if _is_quantized(module)]
    said = "only nn.Conv1d, nn.Conv2d and nn.Linear are quantized"
    if floats:
        warnings.warn(f"weights stay in floats of {_listed(model, floats)}: {said}", UserWarning, stacklevel=3)
    if others:
        warnings.warn(f"weights stay as they are of {_listed(model, others)}: {said}", UserWarning, stacklevel=3)


def _owner(name: str, model: nn.Module) -> str:
    """The layer that a user knows: that which has the parametrization, of whatever is in one."""
    head, inside, _ = f".{name}".partition(".parametrizations.")
    owner = head.removeprefix(".")
    return owner if inside and parametrize.is_parametrized(model.get_submodule(owner)) else name


def _listed(model: nn.Module, names: Iterable[str]) -> str:
    kinds = {name: type(model.get_submodule(name)).__name__.removeprefix("Parametrized") for name in names}
    return ", ".join(f"{name} ({kind})" if name else kind for name, kind in kinds.items())


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.LayerNorm | nn.RMSNorm | _LazyNormBase)


def _is_quantized(module: nn.Module) -> bool:
    return type(module).__module__.startswith(QUANTIZED) and hasattr(module, "weight")


def _own(module: nn.Module) -> list[Tensor]:
    return [parameter for parameter in module._parameters.values() if parameter is not None]


def _is_weight(parameter: Tensor) -> bool:
    """Whether it is more than one number for each channel, which may have axes of one element around it.

    One that is not there yet is, for all that anybody knows.
    """
    return isinstance(parameter, UninitializedParameter) or sum(side > 1 for side in parameter.shape) > 1


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
