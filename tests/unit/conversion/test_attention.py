"""Condition 9 of paper 003: a converted transformer without softmax is its QANN, in integers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import SHAPE, levels_of, pixels, started
from torch import Tensor, nn

from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.conversion import adopt, convert, equivalence, quantized, settling_bound, to_snn
from bitspike.ir import Accumulate, Difference, FrozenGraph, Graph, Node
from bitspike.layers import Encoder, OverTime, SpikingMatMul, mean_over_time, merge_time, split_time
from bitspike.lowering import lower
from bitspike.neurons import QReLU
from bitspike.quant import quantize_weights

LEVELS, WIDTH, HEADS = 4, 8, 2
simulates = [pytest.mark.hdl, pytest.mark.skipif(shutil.which("verilator") is None, reason="no verilator")]


class Block(nn.Module):
    """Attention of Q-ReLUs and a layer behind it, on features ``[T, N, D, L]``, or tokens ``[T, N, L, D]``."""

    def __init__(self, tokens: bool) -> None:
        super().__init__()
        self.tokens = tokens
        for name in ("q", "k", "v", "proj", "mlp"):
            layer = (nn.Linear(WIDTH, WIDTH),) if tokens else (nn.Conv1d(WIDTH, WIDTH, 1), nn.BatchNorm1d(WIDTH))
            setattr(self, name, nn.Sequential(OverTime(*layer), QReLU(LEVELS)))
        self.mixed, self.joined, self.out = (QReLU(LEVELS) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.tokens:
            q, k, v = (y.unflatten(-1, (HEADS, -1)).transpose(2, 3) for y in (q, k, v))
            mixed = ((q @ k.transpose(-2, -1)) * 0.25 @ v).transpose(2, 3).flatten(3)
        else:
            q, k, v = (y.unflatten(2, (HEADS, -1)) for y in (q, k, v))
            mixed = (v @ ((k.transpose(-2, -1) @ q) * 0.25)).flatten(2, 3)
        x = self.joined(x + self.proj(self.mixed(mixed)))
        return self.out(x + self.mlp(x))


class Transformer(nn.Module):
    """Two blocks over 16 patches."""

    def __init__(self, tokens: bool) -> None:
        super().__init__()
        self.tokens = tokens
        self.encoder = Encoder()
        self.patches = OverTime(nn.Conv2d(3, WIDTH, 2, 2), nn.BatchNorm2d(WIDTH))
        self.first = QReLU(LEVELS)
        self.blocks = nn.Sequential(Block(tokens), Block(tokens))
        self.head = OverTime(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(WIDTH, 5))

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(self.patches(self.encoder(images))).flatten(3)
        x = self.blocks(x.transpose(2, 3) if self.tokens else x)
        return self.head((x.transpose(2, 3) if self.tokens else x).unflatten(3, (4, 4)))


def transformer(tokens: bool = False) -> nn.Module:
    torch.manual_seed(1)
    return quantize_weights(started(Transformer(tokens)), 6)


@pytest.mark.parametrize("tokens", [False, True])
def test_a_transformer_without_softmax_is_its_qann(tokens: bool) -> None:
    model = transformer(tokens)
    made, images = convert(model, SHAPE), pixels(40)
    net = made.net
    assert release_steps(net) == settling_bound(net.graph) == made.bound
    found = equivalence(net, made.levels, images, np.zeros(40, dtype=np.int64))
    assert found.equal
    assert found.settled
    assert found.logits_equal == 40
    assert LEVELS < found.T_eq <= made.bound
    assert made.levels == levels_of(model)
    sent = oracle.run(net, images)
    assert any((sent[node.name] < 0).any() for node in net.graph.neurons())  # spikes are taken back on the way
    mixed = sent["blocks.1.mixed"].sum(0)
    assert 0 < (mixed > 0).mean() < 1
    qann = oracle.run(quantized(net, made.levels), images)
    assert np.array_equal(mixed, qann["blocks.1.mixed"][0])
    with torch.no_grad():
        floats = model(torch.from_numpy(images)).mean(0)
    levels = qann[net.graph.nodes[-1].name][0] * net.logit_scale
    assert (np.abs(levels - floats.numpy()).max(1) < 1e-3).mean() > 0.9  # but for neurons on a threshold


def release_steps(net: FrozenGraph) -> int:
    return next(net.graph.neurons()).T


def test_floats_add_up_to_the_products_too() -> None:
    model = transformer()
    snn = to_snn(model, 40)
    assert sum(isinstance(module, SpikingMatMul) for module in snn.modules()) == 4
    images = torch.from_numpy(pixels(12))
    with torch.no_grad():
        apart = (snn(images).sum(0) - mean_over_time(model(images))).abs().max(1).values
    assert (apart < 1e-4).float().mean() > 0.8


@pytest.mark.parametrize("name", ["native", "onnx", "c", pytest.param("verilog", marks=simulates)])
def test_every_backend_runs_it(name: str) -> None:
    made, images = convert(transformer(), SHAPE, T=9), pixels(5)
    logits, edges = backend(name).trace(made.net, images)
    wanted = oracle.run(made.net, images)
    assert np.array_equal(logits, wanted[made.net.graph.nodes[-1].name][0])
    assert edges
    for edge, values in edges.items():
        assert np.array_equal(values, wanted[edge]), edge


@pytest.mark.parametrize("kind", [Accumulate, Difference])
def test_products_of_the_steps_alone_are_seen(kind: type[Node]) -> None:
    """Without the sums so far, or without their difference, the network is not the QANN."""
    made, images = convert(transformer(), SHAPE), pixels(20)
    left_out = next(node for node in made.net.graph.nodes if isinstance(node, kind))
    nodes = []
    for node in made.net.graph.nodes:
        if node is not left_out:
            read = tuple(left_out.inputs[0] if name == left_out.name else name for name in node.inputs)
            nodes.append(replace(node, inputs=read))
    wrong = FrozenGraph(Graph("wrong", tuple(nodes)), made.net.tensors)
    labels = np.zeros(len(images), dtype=np.int64)
    assert equivalence(made.net, made.levels, images, labels).equal
    assert not equivalence(wrong, made.levels, images, labels).equal


class Plain(nn.Module):
    """A block as PyTorch has it, with whatever stands for softmax."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.stem, self.act = nn.Conv2d(3, WIDTH, 2, 2), nn.ReLU()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.between, self.head = between, nn.Linear(16 * WIDTH, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.act(self.stem(images)).flatten(2).transpose(1, 2)
        q, k, v = (torch.relu(layer(x)) for layer in (self.q, self.k, self.v))
        mixed = self.between(q @ k.transpose(-2, -1) / 8) @ v
        return self.head(torch.relu(mixed).flatten(1))


def test_a_plain_network_is_adopted_and_converted() -> None:
    torch.manual_seed(0)
    plain = Plain(nn.Identity())
    model = started(adopt(plain, lambda: QReLU(LEVELS)))
    made, images = convert(quantize_weights(model, 8), SHAPE), pixels(16)
    assert equivalence(made.net, made.levels, images, np.zeros(16, dtype=np.int64)).equal


@pytest.mark.parametrize(
    ("between", "wanted"),
    [
        (nn.Softmax(-1), "Softmax cannot be converted; want products without softmax"),
        (nn.LayerNorm(16), "LayerNorm cannot be converted; want an nn.BatchNorm1d"),
        (nn.GELU(), "GELU cannot be converted; want a neuron, or an nn.ReLU"),
    ],
)
def test_what_has_no_spikes_is_refused_with_what_would_do(between: nn.Module, wanted: str) -> None:
    with pytest.raises(UserError, match=wanted):
        adopt(Plain(between), lambda: QReLU(LEVELS))


class NormedTokens(nn.Module):
    """As many tokens as features, and norms whose channels are the tokens: what is of the one is not of the other."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first = first
        self.stem, self.norm = nn.Conv2d(3, 16, 2, 2), nn.BatchNorm1d(16)
        self.wide, self.wider, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(256, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.stem(images)).flatten(2).transpose(1, 2)
        x = self.wide(self.norm(x)) if self.first else self.wider(self.norm(self.wide(x)))
        return self.head(torch.relu(x).flatten(1))


@pytest.mark.parametrize("first", [True, False])
def test_a_norm_of_tokens_does_not_become_part_of_a_layer_of_features(first: bool) -> None:
    torch.manual_seed(0)
    plain = NormedTokens(first)
    nn.init.uniform_(plain.norm.running_mean, -1, 1)
    nn.init.uniform_(plain.norm.weight, 0.5, 2)
    images = torch.from_numpy(pixels(4))
    encoder = Encoder()
    house = adopt(plain.eval(), nn.ReLU, encoder)
    with torch.no_grad():
        assert (house(images)[0] - plain(encoder(images)[0])).abs().max() < 1e-5


class WithHeads(Plain):
    """The attention of PyTorch itself."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.act(self.stem(images)).flatten(2).transpose(1, 2)
        return self.head(torch.relu(self.between(x, x, x)[0]).flatten(1))


@pytest.mark.parametrize("reads", [lambda model: adopt(model, nn.ReLU), lambda model: lower(model, SHAPE)])
def test_the_attention_of_pytorch_is_refused_with_what_would_do(reads: Callable[[nn.Module], object]) -> None:
    with pytest.raises(UserError, match=r"'between'; MultiheadAttention has no op .* want products without softmax"):
        reads(WithHeads(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)))


def test_a_product_of_merged_steps_is_refused() -> None:
    model = transformer()
    model.blocks[1] = MergedProduct()
    with pytest.raises(UserError, match=r"matmul blocks\.1\.matmul: got '\[T\*N, \.\.\.\]'; wants trains"):
        convert(model, SHAPE)


class MergedProduct(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        merged = merge_time(x)
        return split_time(merged @ (merged.transpose(-2, -1) @ merged), x)
