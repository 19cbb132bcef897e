"""Recipes of paper 004: multi-level spikes in one time step, and residual networks that stay sparse.

``T`` steps of ``N`` levels: ``bits=16/3/1 neuron.levels=4`` is [T=1, N=4], ``bits=16/1/4 neuron.levels=1`` [T=4, N=1].
As published: float weights, SGD 0.08, times 0.9 every 50 epochs, 1500 epochs. The paper's "random resize" is not
described further; crops of 4 pixels stand for it. It names neither batch size, momentum nor weight decay: 128, 0.9 and
1e-4 here.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import MultiLevelSettings
from bitspike.training import OptimizerConfig, TrainConfig

__all__ = [
    "multilevel_resnet8_thin_cifar10",
    "multilevel_resnet8_thin_fashion",
    "multilevel_sew_resnet18_cifar10",
    "multilevel_sparse_resnet18_cifar10",
    "multilevel_sparse_resnet18_thin_cifar10",
    "multilevel_sparse_resnet18_thin_fashion",
    "multilevel_vgg9_thin_cifar10",
    "multilevel_vgg9_thin_fashion",
    "multilevel_vgg16_cifar10",
]


def _published(recipe: str, model: str) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        dataset="cifar10",
        model=model,
        bits=Bits(16, 3, 1),
        neuron=MultiLevelSettings(levels=4, detach_reset=False),
        augment=("crop4", "flip"),
        validation_size=2000,
        epochs=1500,
        optimizer=OptimizerConfig(kind="sgd", lr=0.08, weight_decay=1e-4, step_decay=(0.9, 50)),
        tensorboard=True,
    )


def multilevel_vgg16_cifar10() -> TrainConfig:
    """Paper 004 as published: VGG16, four levels in one step, for a GPU."""
    return _published("multilevel-vgg16-cifar10", "vgg16")


def multilevel_sparse_resnet18_cifar10() -> TrainConfig:
    """Paper 004 as published: Sparse-ResNet18, for a GPU."""
    return _published("multilevel-sparse-resnet18-cifar10", "sparse-resnet18")


def multilevel_sew_resnet18_cifar10() -> TrainConfig:
    """Paper 004 as published: its SEW-ResNet18, for a GPU."""
    return _published("multilevel-sew-resnet18-cifar10", "sew-resnet18")


def _thin(recipe: str, model: str, dataset: str, channels: tuple[int, ...], augment: tuple[str, ...]) -> TrainConfig:
    """A narrow network and 20 epochs, with one cosine: what two cores can do."""
    optimizer = OptimizerConfig(kind="sgd", lr=0.08, weight_decay=1e-4)
    changes = {"dataset": dataset, "channels": channels, "augment": augment, "epochs": 20, "optimizer": optimizer}
    return _published(recipe, model).model_copy(update=changes)


def multilevel_vgg9_thin_fashion() -> TrainConfig:
    """Multi-level spikes on Fashion-MNIST: a thin VGG9 for two cores."""
    return _thin("multilevel-vgg9-thin-fashion", "vgg9", "fashion-mnist", (8, 16, 32), ("flip",))


def multilevel_vgg9_thin_cifar10() -> TrainConfig:
    """Multi-level spikes on CIFAR-10: a thin VGG9 for two cores."""
    return _thin("multilevel-vgg9-thin-cifar10", "vgg9", "cifar10", (8, 16, 32), ("crop4", "flip"))


def multilevel_sparse_resnet18_thin_fashion() -> TrainConfig:
    """Sparse-ResNet18 on Fashion-MNIST, thin, for two cores."""
    name = "multilevel-sparse-resnet18-thin-fashion"
    return _thin(name, "sparse-resnet18", "fashion-mnist", (8, 16, 32, 64), ("flip",))


def multilevel_sparse_resnet18_thin_cifar10() -> TrainConfig:
    """Sparse-ResNet18 on CIFAR-10, thin, for two cores."""
    name = "multilevel-sparse-resnet18-thin-cifar10"
    return _thin(name, "sparse-resnet18", "cifar10", (8, 16, 32, 64), ("crop4", "flip"))


def multilevel_resnet8_thin_fashion() -> TrainConfig:
    """Multi-level spikes on Fashion-MNIST: a thin ResNet8 for two cores."""
    return _thin("multilevel-resnet8-thin-fashion", "resnet8-thin", "fashion-mnist", (8, 16, 32), ("flip",))


def multilevel_resnet8_thin_cifar10() -> TrainConfig:
    """Multi-level spikes on CIFAR-10: a thin ResNet8 for two cores."""
    return _thin("multilevel-resnet8-thin-cifar10", "resnet8-thin", "cifar10", (8, 16, 32), ("crop4", "flip"))
