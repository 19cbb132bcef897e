"""A plain PyTorch network with its weights, to convert into a spiking one.

python examples/plain.py                                   trains it for a moment on the digits, into plain.pt
bitspike convert examples.plain:make_net --dataset digits   quantizes, fine-tunes, converts and checks it
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.data import load

WEIGHTS = Path(__file__).with_name("plain.pt")


class Plain(nn.Module):
    """A stem, a residual block, a classifier: 10 classes of 8x8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.conv = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(self.conv(x) + x)
        logits: Tensor = self.head(torch.flatten(self.pool(x), 1))
        return logits


def make_net() -> nn.Module:
    """The network with its weights. It was trained on what the command's networks see: ``(pixel - 128)/64``."""
    model = Plain()
    model.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return model


def main() -> None:
    torch.manual_seed(0)
    (train, test), model = load("digits"), Plain()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(10):
        for rows in torch.randperm(len(train)).split(64):
            loss = F.cross_entropy(model((train.images[rows] - 128.0) / 64), train.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (model.eval()((test.images - 128.0) / 64).argmax(1) == test.labels).float().mean()
    torch.save(model.state_dict(), WEIGHTS)
    print(f"{100 * right:.1f} % right; wrote {WEIGHTS.name}")


if __name__ == "__main__":
    main()
