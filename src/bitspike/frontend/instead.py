"""What is not in the vocabulary, and what does instead of it."""

from __future__ import annotations

__all__ = ["instead"]

_ATTENTION = "products without softmax: (q @ k.transpose(-2, -1)) * scale @ v of spikes, with neurons behind it"
_NORM = "an nn.BatchNorm1d over the channels, which is folded into what stands before it"
_NEURON = "a neuron, or an nn.ReLU where it is to be converted"
INSTEAD = {
    "softmax": _ATTENTION,
    "log_softmax": _ATTENTION,
    "scaled_dot_product_attention": _ATTENTION,
    "MultiheadAttention": _ATTENTION,
    "Transformer": _ATTENTION,
    "TransformerEncoderLayer": _ATTENTION,
    "layer_norm": _NORM,
    "LayerNorm": _NORM,
    "group_norm": _NORM,
    "GroupNorm": _NORM,
    "gelu": _NEURON,
    "GELU": _NEURON,
    "silu": _NEURON,
    "SiLU": _NEURON,
    "sigmoid": _NEURON,
    "tanh": _NEURON,
    "einsum": "transpose or permute, and a @ b",
    "bmm": "a @ b",
}
"""What would do, by the name of the function or class."""


def instead(name: str) -> str:
    """What to write instead, as the end of a message; nothing where nothing is known."""
    found = INSTEAD.get(name, INSTEAD.get(name.lower(), ""))
    return f"; want {found}" if found else ""
