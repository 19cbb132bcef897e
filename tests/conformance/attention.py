"""Networks of spiking self-attention as users write them: channels first or last, by functions or by methods."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.layers import Encoder, OverTime, merge_time, split_time
from bitspike.neurons import BaseNode, MultiBitLIFNode
from bitspike.quant import quantize_weights

__all__ = ["SHAPE", "Former", "former", "sent"]

SHAPE, CLASSES = (3, 8, 8), 5


class Tokens(nn.Module):
    """Spiking self-attention of tokens ``[T, N, L, D]``: an ``nn.Linear``, a norm of the transposed, and back."""

    def __init__(self, T: int, width: int, heads: int, bits: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, 0.25
        for name in ("q", "k", "v", "proj"):
            self.add_module(f"{name}_layer", self.layer(width))
            self.add_module(f"{name}_norm", nn.BatchNorm1d(width))
            self.add_module(f"{name}_neuron", MultiBitLIFNode(T=T, spike_bits=bits, v_threshold=0.5))
        self.neuron = MultiBitLIFNode(T=T, spike_bits=bits, v_threshold=0.25)

    def layer(self, width: int) -> nn.Module:
        return nn.Linear(width, width)

    def run(self, name: str, x: Tensor) -> Tensor:
        layer, norm, neuron = (getattr(self, f"{name}_{part}") for part in ("layer", "norm", "neuron"))
        y = layer(merge_time(x))
        y = norm(y.transpose(-1, -2)).transpose(-1, -2).contiguous()
        return neuron(split_time(y, x))

    def forward(self, x: Tensor) -> Tensor:
        T, N, L, D = x.shape
        q, k, v = (self.run(name, x).reshape(T, N, L, self.heads, D // self.heads) for name in "qkv")
        q, k, v = (y.permute(0, 1, 3, 2, 4).contiguous() for y in (q, k, v))
        mixed = (q @ k.transpose(-2, -1)) * self.scale @ v
        return self.run("proj", self.neuron(mixed.transpose(2, 3).reshape(T, N, L, D)))


class Features(Tokens):
    """The same of features ``[T, N, D, L]``: a 1-D convolution of one tap."""

    def layer(self, width: int) -> nn.Module:
        return nn.Conv1d(width, width, 1, bias=False)

    def run(self, name: str, x: Tensor) -> Tensor:
        layer, norm, neuron = (getattr(self, f"{name}_{part}") for part in ("layer", "norm", "neuron"))
        return neuron(split_time(norm(layer(merge_time(x))), x))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.run(name, x).unflatten(2, (self.heads, -1)) for name in "qkv")
        scores = torch.matmul(torch.transpose(k, -2, -1), q)
        mixed = self.scale * torch.matmul(v, scores)
        return self.run("proj", self.neuron(torch.flatten(mixed, 2, 3)))


class Former(nn.Module):
    """Patches, blocks of attention with shortcuts, and the mean over all patches."""

    def __init__(self, attention: type[Tokens], T: int, width: int, heads: int, bits: int, blocks: int) -> None:
        super().__init__()
        self.features = attention is Features
        self.encoder = Encoder()
        self.patches = OverTime(nn.Conv2d(SHAPE[0], width, 2, 2, bias=False), nn.BatchNorm2d(width))
        self.neuron = MultiBitLIFNode(T=T, spike_bits=bits)
        self.blocks = nn.ModuleList(attention(T, width, heads, bits) for _ in range(blocks))
        self.head = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        x = self.neuron(self.patches(self.encoder(images))).flatten(3)
        x = x if self.features else x.transpose(2, 3)
        for block in self.blocks:
            x = x + block(x)
        return self.head((x if self.features else x.transpose(2, 3)).unflatten(3, (4, 4)))


def former(
    features: bool, T: int = 3, width: int = 8, heads: int = 2, bits: int = 2, blocks: int = 1, seed: int = 0
) -> nn.Module:
    """One with quantized weights, as it was initialised, with the statistics of random images."""
    torch.manual_seed(seed)
    model = Former(Features if features else Tokens, T, width, heads, bits, blocks)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    with torch.no_grad():
        model(torch.randint(0, 256, (32, *SHAPE), dtype=torch.uint8))
    return quantize_weights(model.eval(), 4)


@torch.no_grad()
def sent(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What each layer of neurons sends, by its path."""
    found: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, x, y, name=name: found.__setitem__(name, y))
        for name, module in model.named_modules()
        if isinstance(module, BaseNode)
    ]
    model(images)
    for hook in hooks:
        hook.remove()
    return found
