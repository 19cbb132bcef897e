"""Plain convolutional networks: the small convnet and the VGG family."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import NeuronFactory, conv_bn, map_of
from bitspike.sample import Sample

__all__ = ["VGG"]


class VGG(nn.Module):
    """Stages of 3x3 convolutions, closed by 2x2 pooling: images ``[N, C, H, W]`` to ``[T, N, K]``.

    Args:
        sample: what one input is, ``[C, H, W]`` at a step; height and width must survive one halving for each pool.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: channels of each stage.
        depths: convolutions of each stage.
        hidden: features of one fully connected layer with neurons before the classifier; 0 for none.
        pool: the pooling layer.
        unpooled: stages, counted from 0, that no pool closes.
    """

    def __init__(
        self,
        sample: Sample,
        num_classes: int,
        neuron: NeuronFactory,
        channels: Sequence[int],
        depths: Sequence[int],
        hidden: int = 0,
        pool: type[nn.MaxPool2d] | type[nn.AvgPool2d] = nn.MaxPool2d,
        unpooled: Collection[int] = (),
    ) -> None:
        super().__init__()
        if len(channels) != len(depths):
            raise UserError("channels", tuple(channels), f"want {len(depths)} numbers, one for each stage")
        width, height, side = map_of(sample)
        pools = len(depths) - len(unpooled)
        if min(height, side) >> pools < 1:
            raise UserError("image", f"{height}x{side}", f"want at least {1 << pools} pixels a side")
        self.encoder = encoder_for(sample)
        features: list[nn.Module] = []
        for stage, (stage_channels, depth) in enumerate(zip(channels, depths, strict=True)):
            for _ in range(depth):
                features += [conv_bn(width, stage_channels), neuron()]
                width = stage_channels
            if stage not in unpooled:
                features.append(OverTime(pool(2)))
        self.features = nn.Sequential(*features)
        width *= (height >> pools) * (side >> pools)
        classifier: list[nn.Module] = [OverTime(nn.Flatten())]
        if hidden:
            classifier += [OverTime(nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden)), neuron()]
            width = hidden
        classifier.append(OverTime(nn.Linear(width, num_classes, bias=False)))
        self.classifier = nn.Sequential(*classifier)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(self.encoder(images)))
        return logits
