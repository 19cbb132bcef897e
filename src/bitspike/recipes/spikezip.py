"""Recipes of paper 003 (SpikeZIP): a network of ReLUs (``NAME-ann``), and how it becomes one of Q-ReLUs.

``bitspike convert NAME`` trains the first where it is not there, fine-tunes the second, converts it and checks it.
``methods.paths-ensemble.reroute=false neuron.paths=`` is SpikeZIP-N; ``neuron.paths=`` alone -R, the other alone -P.
Other levels: ``neuron.levels=16 bits=8/5/1 neuron.paths=8,4``.

From the paper: networks, data, levels 8 with 4 and 2 (4 with 2 and 1 for ResNet20 on CIFAR-10), alpha = 1, soft labels
for the sub-paths, float weights, mean pools. Its appendix with all else is not public: SGD 0.1 with momentum 0.9,
weight decay 5e-4, cosine, batch 128, 300 epochs and the augmentation are as in QCFS (Bu et al. 2022); 100 epochs of
fine-tuning at 0.01 are ours. The thin recipes have 8-bit weights.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import QReLUSettings, ReLUSettings
from bitspike.training import OptimizerConfig, TrainConfig
from bitspike.training.methods import PathsEnsembleSettings

__all__ = [
    "spikezip_convnet_digits",
    "spikezip_convnet_digits_ann",
    "spikezip_resnet8_thin_cifar10",
    "spikezip_resnet8_thin_cifar10_ann",
    "spikezip_resnet8_thin_fashion",
    "spikezip_resnet8_thin_fashion_ann",
    "spikezip_resnet20_cifar10",
    "spikezip_resnet20_cifar10_ann",
    "spikezip_resnet20_cifar100",
    "spikezip_resnet20_cifar100_ann",
    "spikezip_vgg16_cifar100",
    "spikezip_vgg16_cifar100_ann",
]

_FULL = ("crop4", "flip", "autoaugment", "cutout16")


def _ann(name: str, dataset: str, model: str, epochs: int = 300, augment: tuple[str, ...] = _FULL) -> TrainConfig:
    return TrainConfig(
        recipe=f"{name}-ann",
        dataset=dataset,
        model=model,
        bits=Bits(16, 16, 1),
        neuron=ReLUSettings(),
        augment=augment,
        validation_size=2000,
        epochs=epochs,
        optimizer=OptimizerConfig(kind="sgd", lr=0.1, weight_decay=5e-4),
        tensorboard=True,
    )


def _qann(ann: TrainConfig, levels: int, epochs: int = 100, weight_bits: int = 16) -> TrainConfig:
    """SpikeZIP-PR of the network; of one without residuals, -P: there is nothing to re-route."""
    changes = {
        "recipe": ann.recipe.removesuffix("-ann"),
        "bits": Bits(weight_bits, levels.bit_length(), 1),
        "neuron": QReLUSettings(levels=levels, paths=(levels // 2, levels // 4)),
        "methods": {"paths-ensemble": PathsEnsembleSettings(reroute="resnet" in ann.model)},
        "epochs": epochs,
        "optimizer": ann.optimizer.model_copy(update={"lr": ann.optimizer.lr / 10}),
    }
    return ann.model_copy(update=changes)


def spikezip_vgg16_cifar100_ann() -> TrainConfig:
    """VGG16 of ReLUs on CIFAR-100 (published 77.07 %, as QANN), for a GPU."""
    return _ann("spikezip-vgg16-cifar100", "cifar100", "vgg16")


def spikezip_vgg16_cifar100() -> TrainConfig:
    """SpikeZIP as published: VGG16 on CIFAR-100, for a GPU."""
    return _qann(spikezip_vgg16_cifar100_ann(), 8)


def spikezip_resnet20_cifar100_ann() -> TrainConfig:
    """ResNet20 of ReLUs on CIFAR-100 (published 70.10 %, as QANN), for a GPU."""
    return _ann("spikezip-resnet20-cifar100", "cifar100", "resnet20-thin")


def spikezip_resnet20_cifar100() -> TrainConfig:
    """SpikeZIP as published: ResNet20 on CIFAR-100, for a GPU."""
    return _qann(spikezip_resnet20_cifar100_ann(), 8)


def spikezip_resnet20_cifar10_ann() -> TrainConfig:
    """ResNet20 of ReLUs on CIFAR-10, for a GPU."""
    return _ann("spikezip-resnet20-cifar10", "cifar10", "resnet20-thin")


def spikezip_resnet20_cifar10() -> TrainConfig:
    """SpikeZIP as published in its Fig. 6: ResNet20 on CIFAR-10 at 4 levels, for a GPU."""
    return _qann(spikezip_resnet20_cifar10_ann(), 4)


def _thin(name: str, dataset: str, channels: tuple[int, ...], augment: tuple[str, ...]) -> TrainConfig:
    ann = _ann(name, dataset, "resnet8-thin", 10, augment)
    return ann.model_copy(update={"channels": channels, "tensorboard": False})


def spikezip_resnet8_thin_fashion_ann() -> TrainConfig:
    """A thin ResNet8 of ReLUs on Fashion-MNIST, for two cores."""
    return _thin("spikezip-resnet8-thin-fashion", "fashion-mnist", (8, 16, 32), ("flip",))


def spikezip_resnet8_thin_fashion() -> TrainConfig:
    """SpikeZIP on Fashion-MNIST: a thin ResNet8 for two cores."""
    return _qann(spikezip_resnet8_thin_fashion_ann(), 8, 5, 8)


def spikezip_resnet8_thin_cifar10_ann() -> TrainConfig:
    """A thin ResNet8 of ReLUs on CIFAR-10, for two cores."""
    return _thin("spikezip-resnet8-thin-cifar10", "cifar10", (8, 16, 32), ("crop4", "flip"))


def spikezip_resnet8_thin_cifar10() -> TrainConfig:
    """SpikeZIP on CIFAR-10: a thin ResNet8 for two cores."""
    return _qann(spikezip_resnet8_thin_cifar10_ann(), 8, 5, 8)


def spikezip_convnet_digits_ann() -> TrainConfig:
    """A convnet of ReLUs on the digits that ship with scikit-learn."""
    changes = {"validation_size": 200, "batch_size": 64, "channels": (8, 16, 32), "tensorboard": False}
    return _ann("spikezip-convnet-digits", "digits", "convnet", 10, ()).model_copy(update=changes)


def spikezip_convnet_digits() -> TrainConfig:
    """SpikeZIP on the digits: seconds."""
    return _qann(spikezip_convnet_digits_ann(), 8, 5, 8)
