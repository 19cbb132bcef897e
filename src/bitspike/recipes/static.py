"""Recipes for static images. Each is a function that returns a complete config; ``--set`` edits it."""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import MultiBitSettings
from bitspike.training import LossConfig, OptimizerConfig, TrainConfig

__all__ = [
    "cifar10_resnet8_thin",
    "cifar10_resnet18",
    "cifar10_resnet20",
    "cifar10_resnet20_thin",
    "cifar10_sew_resnet18",
    "cifar10_vgg9",
    "digits_convnet",
    "fashion_convnet",
    "fashion_convnet_tiny",
    "mnist_convnet",
    "mnist_tiny",
]


def digits_convnet() -> TrainConfig:
    """The quickstart: 8x8 digits that ship with scikit-learn, a minute on two cores."""
    return TrainConfig(
        recipe="digits-convnet",
        dataset="digits",
        model="convnet",
        bits=Bits(2, 2, 1),
        neuron=MultiBitSettings(surrogate_function="atan"),
        validation_size=200,
        epochs=30,
        batch_size=64,
        optimizer=OptimizerConfig(lr=4e-3, warmup_epochs=1),
    )


def fashion_convnet() -> TrainConfig:
    """Fashion-MNIST, all 60,000 images, on two cores in minutes."""
    return TrainConfig(
        recipe="fashion-convnet",
        dataset="fashion-mnist",
        model="convnet",
        bits=Bits(2, 2, 1),
        neuron=MultiBitSettings(surrogate_function="atan"),
        validation_size=2000,
        channels=(32, 64, 128),
        epochs=20,
        augment=("flip",),
        optimizer=OptimizerConfig(lr=3e-3, warmup_epochs=0.5),
        tensorboard=True,
    )


def fashion_convnet_tiny() -> TrainConfig:
    """Fashion-MNIST in a few kilobytes of flash and RAM."""
    return fashion_convnet().model_copy(
        update={"recipe": "fashion-convnet-tiny", "bits": Bits(4, 4, 1), "channels": (6, 12, 24), "epochs": 30}
    )


def mnist_convnet() -> TrainConfig:
    """MNIST with the same network."""
    return TrainConfig(
        recipe="mnist-convnet",
        dataset="mnist",
        model="convnet",
        bits=Bits(2, 2, 1),
        neuron=MultiBitSettings(surrogate_function="atan"),
        validation_size=2000,
        epochs=6,
        optimizer=OptimizerConfig(lr=3e-3, warmup_epochs=0.5),
        tensorboard=True,
    )


def mnist_tiny() -> TrainConfig:
    """MNIST for the smallest FPGAs: three convolutions of 4 to 16 channels, minutes on two cores."""
    return mnist_convnet().model_copy(
        update={
            "recipe": "mnist-tiny",
            "bits": Bits(4, 2, 1),
            "channels": (4, 8, 16),
            "epochs": 10,
            "tensorboard": False,
        }
    )


def _cifar10(recipe: str, model: str, epochs: int, augment: tuple[str, ...]) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        dataset="cifar10",
        model=model,
        bits=Bits(2, 2, 1),
        neuron=MultiBitSettings(surrogate_function="atan"),
        validation_size=2000,
        epochs=epochs,
        augment=augment,
        optimizer=OptimizerConfig(kind="sgd", lr=0.1, weight_decay=1e-4, warmup_epochs=1),
        loss=LossConfig(label_smoothing=0.1),
        tensorboard=True,
    )


_FULL = ("crop4", "flip", "autoaugment", "cutout16")


def cifar10_resnet8_thin() -> TrainConfig:
    """A small residual network that two cores can train."""
    return _cifar10("cifar10-resnet8-thin", "resnet8-thin", 20, ("crop4", "flip"))


def cifar10_resnet20_thin() -> TrainConfig:
    """He et al.'s 0.27 M weights."""
    return _cifar10("cifar10-resnet20-thin", "resnet20-thin", 100, ("crop4", "flip"))


def cifar10_vgg9() -> TrainConfig:
    """VGG9, for a GPU."""
    return _cifar10("cifar10-vgg9", "vgg9", 200, _FULL)


def cifar10_resnet18() -> TrainConfig:
    """ResNet18 with the CIFAR stem, for a GPU."""
    return _cifar10("cifar10-resnet18", "resnet18", 200, _FULL)


def cifar10_resnet20() -> TrainConfig:
    """The wide ResNet20 of papers 001 and 002, for a GPU."""
    return _cifar10("cifar10-resnet20", "resnet20", 200, _FULL)


def cifar10_sew_resnet18() -> TrainConfig:
    """SEW-ResNet18 with the CIFAR stem, for a GPU."""
    return _cifar10("cifar10-sew-resnet18", "sew-resnet18", 200, _FULL)
