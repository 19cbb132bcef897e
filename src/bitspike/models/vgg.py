"""Plain convolutional networks: the small convnet and the VGG family."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime
from bitspike.models.blocks import NeuronFactory, conv_bn

__all__ = ["VGG"]


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each stage closed by 2x2 max pooling: images ``[N, C, H, W]`` to ``[T, N, K]``.

    Args:
        image_shape: ``(C, H, W)``; height and width must survive one halving for each stage.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: channels of each stage.
        depths: convolutions of each stage.
        hidden: features of one fully connected layer with neurons before the classifier; 0 for none.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        neuron: NeuronFactory,
        channels: Sequence[int],
        depths: Sequence[int],
        hidden: int = 0,
    ) -> None:
        super().__init__()
        if len(channels) != len(depths):
            raise UserError("channels", tuple(channels), f"want {len(depths)} numbers, one for each stage")
        width, height, side = image_shape
        if min(height, side) >> len(depths) < 1:
            raise UserError("image", f"{height}x{side}", f"want at least {1 << len(depths)} pixels a side")
        self.encoder = Encoder()
        features: list[nn.Module] = []
        for stage_channels, depth in zip(channels, depths, strict=True):
            for _ in range(depth):
                features += [conv_bn(width, stage_channels), neuron()]
                width = stage_channels
            features.append(OverTime(nn.MaxPool2d(2)))
        self.features = nn.Sequential(*features)
        width *= (height >> len(depths)) * (side >> len(depths))
        classifier: list[nn.Module] = [OverTime(nn.Flatten())]
        if hidden:
            classifier += [OverTime(nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden)), neuron()]
            width = hidden
        classifier.append(OverTime(nn.Linear(width, num_classes, bias=False)))
        self.classifier = nn.Sequential(*classifier)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(self.encoder(images)))
        return logits
