"""Recipes of paper 001: networks that learn the weight bits, spike bits and time steps of each layer.

``bits=2/2/1 methods.learned-bits=null`` is the uniform twin of each. As published: start at 4/4/2, SGD 0.1
(0.01 for time steps), momentum 0.9, weight decay 1e-4 on weights only, cosine, batch 128, 200 epochs, AutoAugment and
Cutout. The paper trains SEW-ResNet34 on ImageNet (`bitspike.recipes.imagenet`); the recipe here is on CIFAR-100, with
ImageNet's start (4/4/1) and penalties.

``mixed-precision-...`` are the networks of ReLUs of its Table 8, which learn their bits (Uhlich et al. 2020): at one
step with no leak the neuron is a ReLU that rounds to levels. Activations stand behind the synapses, the image is read
at 8 bits, nothing is renewed; all else is as for the spiking network.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import AdaptiveSettings
from bitspike.quant import AdaptiveWeightsSettings
from bitspike.training import MethodSettings, OptimizerConfig, TrainConfig
from bitspike.training.methods import LearnedBitsSettings

__all__ = [
    "adaptive_resnet8_thin_fashion",
    "adaptive_resnet18_cifar10",
    "adaptive_resnet20_cifar10",
    "adaptive_resnet20_thin_cifar10",
    "adaptive_sew_resnet34_cifar100",
    "mixed_precision_resnet8_thin_fashion",
    "mixed_precision_resnet20_cifar10",
    "mixed_precision_resnet20_thin_cifar10",
]


def _learned(penalty: tuple[float, float, float], renewal_epochs: int) -> dict[str, MethodSettings]:
    return {
        "learned-bits": LearnedBitsSettings(
            target=(2, 2, 1), penalty=penalty, renewal_epochs=renewal_epochs, time_steps_lr=1e-2
        )
    }


def _published(recipe: str, model: str) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        dataset="cifar10",
        model=model,
        bits=Bits(4, 4, 2),
        neuron=AdaptiveSettings(tau=1.0, squeeze=True),
        quantizer=AdaptiveWeightsSettings(),
        methods=_learned((4e-2, 4e-2, 1e-2), 14),
        augment=("crop4", "flip", "autoaugment", "cutout16"),
        validation_size=2000,
        epochs=200,
        optimizer=OptimizerConfig(kind="sgd", lr=0.1, weight_decay=1e-4),
        tensorboard=True,
    )


def adaptive_resnet20_cifar10() -> TrainConfig:
    """Paper 001 as published: its wide ResNet20, for a GPU."""
    return _published("adaptive-resnet20-cifar10", "pre-resnet20")


def adaptive_resnet18_cifar10() -> TrainConfig:
    """Paper 001 as published: ResNet18, for a GPU."""
    return _published("adaptive-resnet18-cifar10", "pre-resnet18")


def adaptive_sew_resnet34_cifar100() -> TrainConfig:
    """Paper 001's SEW-ResNet34 (published on ImageNet) on CIFAR-100, for a GPU."""
    changes = {"dataset": "cifar100", "bits": Bits(4, 4, 1), "methods": _learned((8e-2, 8e-2, 1e-2), 7)}
    return _published("adaptive-sew-resnet34-cifar100", "pre-sew-resnet34").model_copy(update=changes)


def _thin(recipe: str, model: str, dataset: str, augment: tuple[str, ...]) -> TrainConfig:
    """20 epochs are 9,000 steps where 200 of CIFAR-10 are 78,000: the pull towards the target is stronger."""
    methods = _learned((0.2, 0.2, 1.0), 2)
    changes = {"dataset": dataset, "augment": augment, "epochs": 20, "methods": methods}
    return _published(recipe, model).model_copy(update=changes)


def adaptive_resnet8_thin_fashion() -> TrainConfig:
    """Learned bits on Fashion-MNIST: a thin ResNet8 for two cores."""
    return _thin("adaptive-resnet8-thin-fashion", "pre-resnet8-thin", "fashion-mnist", ("flip",))


def adaptive_resnet20_thin_cifar10() -> TrainConfig:
    """Learned bits on CIFAR-10: a thin ResNet20 for two cores."""
    return _thin("adaptive-resnet20-thin-cifar10", "pre-resnet20-thin", "cifar10", ("crop4", "flip"))


def _mixed_precision(snn: TrainConfig) -> TrainConfig:
    """A network of ReLUs with learned bits, trained as that spiking one is."""
    learned = snn.methods["learned-bits"].model_copy(update={"learns": ("w", "s"), "renewal": ()})
    changes = {
        "recipe": snn.recipe.replace("adaptive", "mixed-precision"),
        "model": snn.model.removeprefix("pre-"),
        "bits": Bits(4, 4, 1),
        "neuron": AdaptiveSettings(tau=1.0, spare_steps=0),
        "methods": {"learned-bits": learned},
    }
    return snn.model_copy(update=changes)


def mixed_precision_resnet20_cifar10() -> TrainConfig:
    """Paper 001's Table 8: its wide ResNet20 of ReLUs with learned bits, for a GPU."""
    return _mixed_precision(adaptive_resnet20_cifar10())


def mixed_precision_resnet8_thin_fashion() -> TrainConfig:
    """A thin ResNet8 of ReLUs with learned bits on Fashion-MNIST, for two cores."""
    return _mixed_precision(adaptive_resnet8_thin_fashion())


def mixed_precision_resnet20_thin_cifar10() -> TrainConfig:
    """A thin ResNet20 of ReLUs with learned bits on CIFAR-10, for two cores."""
    return _mixed_precision(adaptive_resnet20_thin_cifar10())
