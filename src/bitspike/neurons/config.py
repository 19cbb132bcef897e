"""The neuron of a network as data: which one, and its constants."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from torch import nn

from bitspike.bits import FULL_PRECISION, Bits, alphabet_width, unsigned_range
from bitspike.errors import UserError
from bitspike.neurons.adaptive import AdaptiveIFNode
from bitspike.neurons.binary import IFNode, LIFNode, ParametricLIFNode
from bitspike.neurons.multibit import MultiBitLIFNode
from bitspike.neurons.multilevel import MultiLevelIFNode
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.qrelu import QReLU
from bitspike.neurons.quantized import MembraneReading, QuantLIFNode, quantize_membrane
from bitspike.neurons.surrogate import surrogate

__all__ = ["NeuronConfig", "make_node"]


def _numbers(value: Any) -> Any:
    """``4,2`` on the command line is a list, and so is ``4``."""
    texts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else value
    return [text for text in texts if text != ""] if isinstance(texts, list) else texts


NeuronKind = Literal["multibit", "adaptive", "if", "lif", "plif", "quant-lif", "multi-level", "relu", "q-relu"]


class NeuronConfig(BaseModel):
    """Which neuron every layer uses. Width and steps are not here: they are `Bits`.

    Attributes:
        kind: ``multibit`` is paper 000's, ``adaptive`` paper 001's, ``quant-lif`` paper 002's, ``multi-level`` paper
            004's; ``if``, ``lif`` and ``plif`` are the field's binary ones. ``relu`` does not spike, and ``q-relu`` is
            what is converted to a spiking network (paper 003).
        tau: membrane time constant (``init_tau`` of ``plif``; unused by ``if``).
        decay_input: whether the input decays too (``lif`` and ``plif``).
        v_threshold: height of one level; ``None`` is ``2^(1 - b_s)``, so that an alphabet of any width spans [0, 2),
            and 1 for ``multi-level``.
        v_reset: potential after a spike; ``None`` is the soft reset.
        surrogate_function: name of the gradient, ``None`` for the neuron's own default.
        detach_reset: keep the gradient out of the reset.
        levels: ``N`` of ``multi-level`` and ``q-relu``, which send 0..N; ``None`` is all that ``b_s`` bits tell apart.
        paths: levels of the sub-paths of ``q-relu`` (paper 003, Section 3.4).
        scaled: LSQ's gradient scale of ``q-relu``; see `QReLU`.
        membrane: which reading of paper 002 quantizes the membrane, where `Bits` has a ``u``
            (`bitspike.neurons.quantize_membrane`).
        squeeze: send the mean over time in one step (paper 001, Eq. 12).
        rounds, per_step: of ``adaptive``, see `AdaptiveIFNode`.
        spare_bits, spare_steps: how far above its start ``adaptive`` may learn (paper 001's code: 2 and 1).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: NeuronKind = "multibit"
    tau: float = 2.0
    decay_input: bool = False
    v_threshold: float | None = None
    v_reset: float | None = 0.0
    surrogate_function: str | None = None
    detach_reset: bool = True
    levels: int | None = None
    paths: Annotated[tuple[int, ...], BeforeValidator(_numbers)] = ()
    scaled: bool = True
    membrane: MembraneReading = "carry"
    squeeze: bool = False
    rounds: bool = True
    per_step: bool = False
    spare_bits: int = Field(2, ge=0)
    spare_steps: int = Field(1, ge=0)


def make_node(config: NeuronConfig, bits: Bits, signed: bool = False) -> nn.Module:
    """A fresh neuron layer with ``bits.s`` spike bits over ``bits.t`` steps, its membrane in ``bits.u`` bits or floats.

    It is a `BaseNode`, but for ``relu``, which is ``nn.ReLU``.

    Args:
        config: which neuron.
        bits: its widths.
        signed: it encodes an image, whose values have both signs; ``adaptive`` can.

    Raises:
        UserError: a binary neuron is asked for more than one spike bit, or a membrane for 1 bit or more than 16.
    """
    if signed and config.kind != "adaptive":
        raise UserError(
            "neuron.kind",
            config.kind,
            "it sends no signed spikes, as this network's first layer does of the image; want adaptive",
        )
    if config.kind in ("relu", "q-relu"):
        return _rectifier(config, bits)
    for name in ("paths", "scaled"):
        if (value := getattr(config, name)) != NeuronConfig.model_fields[name].default:
            raise UserError(f"neuron.{name}", value, "only neuron.kind=q-relu reads it")
    node = _adaptive(config, bits, signed) if config.kind == "adaptive" else _in_floats(config, bits)
    if bits.u is not None:
        quantize_membrane(node, bits.u, config.membrane)
    return node


def _rectifier(config: NeuronConfig, bits: Bits) -> nn.Module:
    if bits.t != 1 or bits.u is not None:
        raise UserError("bits", str(bits), f"{config.kind} runs one step and keeps no membrane; want w/s/1")
    if config.kind == "q-relu":
        return QReLU(_levels(config, bits), config.paths, config.scaled)
    if bits.s != FULL_PRECISION:
        raise UserError("spike bits", bits.s, f"relu sends floats; want {FULL_PRECISION}, which stands for them")
    for name in ("levels", "paths", "scaled"):
        if (value := getattr(config, name)) != NeuronConfig.model_fields[name].default:
            raise UserError(f"neuron.{name}", value, "neuron.kind=relu has none; q-relu has")
    return nn.ReLU()


def _adaptive(config: NeuronConfig, bits: Bits, signed: bool) -> AdaptiveIFNode:
    for name in ("v_threshold", "surrogate_function", "levels"):
        if (value := getattr(config, name)) is not None:
            raise UserError(f"neuron.{name}", value, "neuron.kind=adaptive learns its own; want null")
    if bits.u is not None and config.membrane == "carry-limited":
        raise UserError(
            "neuron.membrane", config.membrane, "its limit is the threshold, which adaptive learns; want carry"
        )
    most = min(bits.s + config.spare_bits, FULL_PRECISION)
    steps = bits.t + config.spare_steps
    return AdaptiveIFNode(bits.t, steps, bits.s, most, config.tau, signed, config.rounds or signed, config.per_step)


def _in_floats(config: NeuronConfig, bits: Bits) -> SpikingNode:
    for name in ("rounds", "per_step", "spare_bits", "spare_steps"):
        if (value := getattr(config, name)) != NeuronConfig.model_fields[name].default:
            raise UserError(f"neuron.{name}", value, "only neuron.kind=adaptive reads it")
    chosen = surrogate(config.surrogate_function) if config.surrogate_function else None
    if config.kind == "multi-level":
        return MultiLevelIFNode(bits.t, _levels(config, bits), config.v_threshold or 1.0, chosen, config.detach_reset)
    if config.levels is not None:
        raise UserError("neuron.levels", config.levels, "only neuron.kind=multi-level reads it")
    v_threshold = 2.0 ** (1 - bits.s) if config.v_threshold is None else config.v_threshold
    if config.kind == "multibit":
        return MultiBitLIFNode(bits.t, bits.s, config.tau, v_threshold, config.v_reset, chosen, config.detach_reset)
    if bits.s != 1:
        raise UserError("spike bits", bits.s, f"the {config.kind} neuron sends 1; use neuron.kind=multibit")
    if config.kind == "if":
        return IFNode(bits.t, v_threshold, config.v_reset, chosen, config.detach_reset)
    if config.kind == "quant-lif":
        return QuantLIFNode(bits.t, None, config.tau, v_threshold, config.v_reset, chosen, config.detach_reset)
    leaky = LIFNode if config.kind == "lif" else ParametricLIFNode
    return leaky(bits.t, config.tau, config.decay_input, v_threshold, config.v_reset, chosen, config.detach_reset)


def _levels(config: NeuronConfig, bits: Bits) -> int:
    """``N``, which ``bits.s`` must be the width of: cost and graph read the width there."""
    if config.levels is None:
        return unsigned_range(bits.s)[1]
    if config.levels < 1 or alphabet_width(0, config.levels) != bits.s:
        wanted = f"levels 0..N of {bits.s} spike bits: N from {1 << bits.s >> 1} to {unsigned_range(bits.s)[1]}"
        raise UserError("neuron.levels", config.levels, f"want {wanted}, or other spike bits")
    return config.levels
