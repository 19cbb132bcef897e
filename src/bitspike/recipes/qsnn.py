"""Recipes of paper 002 (Q-SNN): one-bit weights, membranes of a few bits, weights and spikes regulated (WS-DR).

``bits=16/1/2 layers={}`` is the full-precision twin of each; ``quantizer=binary methods.spike-regulation=null`` is
Q-SNN without WS-DR. As published: SGD 0.1 with momentum 0.9, weight decay 1e-4, cosine, batch 256, 300 epochs (the
authors' code), cross-entropy of every step, T = 2 on CIFAR. The paper trains VGG16 on TinyImageNet and VGGSNN on event
data, which this version does not read; their recipes are on CIFAR-10, with all else as published.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import QuantLIFSettings
from bitspike.quant import RegulatedSettings
from bitspike.training import LossConfig, OptimizerConfig, TrainConfig
from bitspike.training.methods import AnnealedSignSettings, SpikeRegulationSettings

__all__ = [
    "qsnn_resnet8_thin_cifar10",
    "qsnn_resnet19_cifar10",
    "qsnn_resnet19_cifar100",
    "qsnn_vgg16_cifar10",
    "qsnn_vggsnn_cifar10",
    "qsnn_vggsnn_thin_fashion",
]

_ENDS = {  # first and last layer of each family
    "vgg16": ("features.0.0", "classifier.1.0"),
    "vggsnn": ("features.0.0", "classifier.1.0"),
    "resnet8-thin": ("stem.0", "head.2"),
    "resnet19": ("stem.0", "head.2"),
}


def _qsnn(recipe: str, dataset: str, model: str, steps: int) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        dataset=dataset,
        model=model,
        bits=Bits(1, 1, steps, 2),
        layers={name: {"w": 8} for name in _ENDS[model]},
        neuron=QuantLIFSettings(detach_reset=False),
        quantizer=RegulatedSettings(),
        methods={
            "spike-regulation": SpikeRegulationSettings(weight=1e-3),
            "annealed-sign": AnnealedSignSettings(first=0.1, last=10),
        },
        augment=("crop4", "flip", "autoaugment", "cutout16"),
        validation_size=2000,
        epochs=300,
        batch_size=256,
        optimizer=OptimizerConfig(kind="sgd", lr=0.1, weight_decay=1e-4),
        loss=LossConfig(kind="tet", tet_lambda=0),
        tensorboard=True,
    )


def qsnn_resnet19_cifar10() -> TrainConfig:
    """Q-SNN as published: ResNet19 on CIFAR-10, for a GPU."""
    return _qsnn("qsnn-resnet19-cifar10", "cifar10", "resnet19", 2)


def qsnn_resnet19_cifar100() -> TrainConfig:
    """Q-SNN as published: ResNet19 on CIFAR-100, for a GPU."""
    return _qsnn("qsnn-resnet19-cifar100", "cifar100", "resnet19", 2)


def qsnn_vgg16_cifar10() -> TrainConfig:
    """Q-SNN's VGG16 (published on TinyImageNet, T = 4) on CIFAR-10, for a GPU."""
    return _qsnn("qsnn-vgg16-cifar10", "cifar10", "vgg16", 4)


def qsnn_vggsnn_cifar10() -> TrainConfig:
    """Q-SNN's VGGSNN (published on event data, T = 10) on CIFAR-10, for a GPU."""
    return _qsnn("qsnn-vggsnn-cifar10", "cifar10", "vggsnn", 10)


def qsnn_vggsnn_thin_fashion() -> TrainConfig:
    """Q-SNN on Fashion-MNIST: a thin VGGSNN for two cores."""
    return _thin(_qsnn("qsnn-vggsnn-thin-fashion", "fashion-mnist", "vggsnn", 2), (8, 16, 32, 64, 64), ("flip",))


def qsnn_resnet8_thin_cifar10() -> TrainConfig:
    """Q-SNN on CIFAR-10: a thin ResNet8 for two cores."""
    return _thin(_qsnn("qsnn-resnet8-thin-cifar10", "cifar10", "resnet8-thin", 2), None, ("crop4", "flip"))


def _thin(config: TrainConfig, channels: tuple[int, ...] | None, augment: tuple[str, ...]) -> TrainConfig:
    """Fewer epochs and smaller batches, and little augmentation: what a small network can use."""
    return config.model_copy(update={"channels": channels, "augment": augment, "epochs": 20, "batch_size": 128})
