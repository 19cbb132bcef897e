"""Spikformer: a vision transformer of spikes, whose attention multiplies spikes by spikes and has no softmax.

Tokens are the places of a map ``[T, N, D, H, W]``, so that what is linear in each token is a 1x1 convolution; the
``L = H*W`` tokens are one axis only where they meet each other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import Residual, conv_bn, map_of
from bitspike.models.placement import AfterSynapses, EncodingNeuronFactory, Placement
from bitspike.neurons import AdaptiveIFNode, BaseNode, share_bits
from bitspike.sample import Sample

__all__ = ["Spikformer", "SpikformerBlock", "SpikingSelfAttention"]

MLP_RATIO = 4
SCALE, THRESHOLD = 0.125, 0.5
"""What the products are multiplied by, and the threshold of the neuron behind them, where it is 1 elsewhere."""


class SpikingSelfAttention(nn.Module):
    """Spiking self-attention (Zhou et al. 2023, Eqs. 11 and 12): ``proj(neuron((Q K^T 0.125) V))`` at every step.

    ``Q``, ``K`` and ``V`` are spikes, so that the products are sums of whole numbers. The neuron behind them has half
    the threshold of all others. One of the usual threshold on twice the products fires the same spikes, whatever its
    kind and width, and is what stands here. Neurons that learn their bits and steps share them among q, k and v.

    Args:
        dim: ``D``, features of a token.
        heads: of ``D/heads`` features each.
        size: ``(H, W)`` of the map of tokens.
        placed: makes the neurons and puts them where the family has them.
    """

    def __init__(self, dim: int, heads: int, size: tuple[int, int], placed: Placement) -> None:
        super().__init__()
        if dim % heads:
            raise UserError("heads", heads, f"want a number that divides the {dim} features of a token")
        self.heads, self.dim, self.size = heads, dim, size
        self.enter = placed.opens()
        self.q, self.k, self.v = (nn.Sequential(conv_bn(dim, dim, 1), placed.spikes()) for _ in range(3))
        self.neuron = placed.neuron()
        self.proj = nn.Sequential(conv_bn(dim, dim, 1, bias=True), placed.closes())

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.enter(x)
        q, k, v = self._by_head(self.q(spikes)), self._by_head(self.k(spikes)), self._by_head(self.v(spikes))
        met = v @ (k.transpose(-2, -1) @ q)  # (Q K^T) V, transposed: tokens are the last axis
        maps = met.reshape(met.shape[0], met.shape[1], self.dim, *self.size)
        projected: Tensor = self.proj(self.neuron(maps * (SCALE / THRESHOLD)))
        return projected

    def _by_head(self, spikes: Tensor) -> Tensor:
        """``[T, N, D, H, W]`` to ``[T, N, heads, D/heads, L]``."""
        height, width = self.size
        return spikes.reshape(spikes.shape[0], spikes.shape[1], self.heads, self.dim // self.heads, height * width)

    def agree(self) -> None:
        """Makes q, k and v share the bits and steps that they learn.

        Raises:
            UserError: their steps differ, at each of which their spikes are multiplied.
        """
        nodes = [node for branch in (self.q, self.k, self.v) for node in branch.modules() if isinstance(node, BaseNode)]
        steps = tuple(node.T for node in nodes)
        if len(set(steps)) > 1:
            raise UserError("steps of q, k, v", steps, "want the same: their spikes are multiplied step by step")
        share_bits([node for node in nodes if isinstance(node, AdaptiveIFNode)])


class SpikformerBlock(nn.Sequential):
    """Attention, then two layers with four times the features between; each is added to what it reads."""

    def __init__(self, dim: int, heads: int, size: tuple[int, int], placed: Placement) -> None:
        hidden = MLP_RATIO * dim
        attention = Residual(SpikingSelfAttention(dim, heads, size, placed))
        mlp = Residual(
            placed.opens(),
            conv_bn(dim, hidden, 1, bias=True),
            placed.spikes(),
            conv_bn(hidden, dim, 1, bias=True),
            placed.closes(),
        )
        super().__init__(OrderedDict(attention=attention, mlp=mlp))


class Spikformer(nn.Module):
    """Encoder, patch splitting, blocks, head: codes of a sample to logits ``[T, N, K]``.

    Patch splitting is four 3x3 convolutions, some of them pooled, and to their map it adds what a fifth makes of it,
    which tells the places apart (the relative position embedding).

    Args:
        sample: what one input is, ``[C, H, W]`` at a step.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: of the four convolutions; the last number is ``D``.
        depth: blocks.
        heads: of each attention.
        pools: how many of the convolutions, the last ones, are followed by a 3x3 max pool of stride 2.
        placement: where neurons stand.
    """

    def __init__(
        self,
        sample: Sample,
        num_classes: int,
        neuron: EncodingNeuronFactory,
        channels: Sequence[int],
        depth: int,
        heads: int,
        pools: int,
        placement: type[Placement] = AfterSynapses,
    ) -> None:
        super().__init__()
        if len(channels) != 4:
            raise UserError("channels", tuple(channels), "want 4 numbers, one for each convolution")
        placed = placement(neuron)
        self.encoder = encoder_for(sample)
        stages: list[nn.Module] = []
        (width, height, side), dim = map_of(sample), channels[-1]
        for index, out in enumerate(channels):
            opens = placed.opens(encodes_image=not stages)
            stages.append(nn.Sequential(opens, conv_bn(width, out), placed.closes()))
            width = out
            if index >= len(channels) - pools:
                stages.append(OverTime(nn.MaxPool2d(3, 2, 1)))
                height, side = -(-height // 2), -(-side // 2)
        self.patches = nn.Sequential(*stages)
        self.position = Residual(placed.opens(), conv_bn(dim, dim), placed.closes())
        self.blocks = nn.Sequential(*(SpikformerBlock(dim, heads, (height, side), placed) for _ in range(depth)))
        self.head = placed.head(dim, num_classes, bias=True)

    def forward(self, codes: Tensor) -> Tensor:
        patches = self.patches(self.encoder(codes))
        logits: Tensor = self.head(self.blocks(self.position(patches)))
        return logits
