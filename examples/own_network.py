"""A network of one's own, from ordinary PyTorch layers, trained for a moment on the digits, and what it costs.

python examples/own_network.py
bitspike cost examples.own_network:make_net --input 1x8x8 --plan examples/bits.json
"""

from __future__ import annotations

import torch
from torch import nn

from bitspike.costs import cost
from bitspike.data import load
from bitspike.layers import Encoder, OverTime, mean_over_time
from bitspike.lowering import lower, measure
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import quantize_weights


def make_net() -> nn.Module:
    """Two convolutions, 2-bit spikes, two steps; weights are still floats."""
    return nn.Sequential(
        Encoder(),
        OverTime(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)),
        MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5),
        OverTime(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)),
        MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5),
        OverTime(nn.Flatten(), nn.Linear(512, 10)),
    )


def main() -> None:
    torch.manual_seed(0)
    train, test = load("digits")
    model = quantize_weights(make_net(), 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(8):
        for rows in torch.randperm(len(train)).split(64):
            loss = nn.functional.cross_entropy(mean_over_time(model(train.images[rows])), train.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = (mean_over_time(model(test.images)).argmax(1) == test.labels).float().mean()
    graph = lower(model, (1, 8, 8), "own")
    total = cost(graph, "exact", measure(model, graph, [test.images], "digits, test")).total
    print(f"{100 * right:.1f} % right, {total.size_bytes:,.0f} bytes, {total.ns_ace:,.0f} bit operations per image")


if __name__ == "__main__":
    main()
