"""Recipes of Spikformer on images: with uniform bits (paper 000), and with bits that each layer learns (paper 001).

As published, after the authors of Spikformer: AdamW, cosine, label smoothing 0.1; on CIFAR 5e-4, weight decay 0.06,
batch 128, 20 epochs of warm-up in 300, flips, RandAugment 9 of one operation, erasing 0.25 and mixup 0.5; on ImageNet
weight decay 0.05, batches of 256, 5 epochs in 300, with mixup 0.8 and CutMix 1. Their schedule ends 10 epochs later at
a rate that is not 0, their mixup on CIFAR ends after 200 epochs, and their RandAugment draws its magnitudes about 9:
ours do not. Paper 000 has multi-bit neurons and a fixed grid of weights; 2 to 4 bits train better with a learned step
(``quantizer=lsq-channel``), which is what the thin recipes have.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import AdaptiveSettings, MultiBitSettings
from bitspike.quant import AdaptiveWeightsSettings
from bitspike.training import LossConfig, OptimizerConfig, TrainConfig
from bitspike.training.methods import LearnedBitsSettings

__all__ = [
    "adaptive_spikformer_2_64_cifar10",
    "adaptive_spikformer_2_64_fashion",
    "adaptive_spikformer_4_384_cifar10",
    "spikformer_2_64_cifar10",
    "spikformer_2_64_fashion",
    "spikformer_4_384_cifar10",
    "spikformer_4_384_cifar100",
]

_AUGMENT = ("flip", "rand-m9-n1", "erase0.25", "mixup0.5")


def _published(recipe: str, dataset: str, model: str) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        dataset=dataset,
        model=model,
        bits=Bits(4, 4, 1),
        neuron=MultiBitSettings(),
        augment=_AUGMENT,
        validation_size=2000,
        epochs=300,
        optimizer=OptimizerConfig(lr=5e-4, weight_decay=0.06, warmup_epochs=20),
        loss=LossConfig(label_smoothing=0.1),
        tensorboard=True,
    )


def _adaptive(recipe: str, model: str, config: TrainConfig, target: tuple[float, float, float]) -> TrainConfig:
    """The same with learned bits: starts and penalties as paper 001's residual networks have them."""
    learned = LearnedBitsSettings(target=target, penalty=(4e-2, 4e-2, 1e-2), renewal_epochs=14, time_steps_lr=1e-2)
    changes = {
        "recipe": recipe,
        "model": model,
        "bits": Bits(4, 4, 2),
        "neuron": AdaptiveSettings(tau=1.0, squeeze=True),
        "quantizer": AdaptiveWeightsSettings(),
        "methods": {"learned-bits": learned},
    }
    return config.model_copy(update=changes)


def spikformer_4_384_cifar10() -> TrainConfig:
    """Paper 000 as published: Spikformer-4-384 on CIFAR-10, for a GPU."""
    return _published("spikformer-4-384-cifar10", "cifar10", "spikformer-4-384")


def spikformer_4_384_cifar100() -> TrainConfig:
    """Paper 000 as published: Spikformer-4-384 on CIFAR-100, for a GPU."""
    return _published("spikformer-4-384-cifar100", "cifar100", "spikformer-4-384")


def adaptive_spikformer_4_384_cifar10() -> TrainConfig:
    """Paper 001 as published: Spikformer-4-384 with learned bits on CIFAR-10, for a GPU."""
    name = "adaptive-spikformer-4-384-cifar10"
    return _adaptive(name, "pre-spikformer-4-384", spikformer_4_384_cifar10(), (2, 2, 1))


def _thin(recipe: str, dataset: str, augment: tuple[str, ...]) -> TrainConfig:
    """A small network, 15 epochs and little augmentation: what two cores can do."""
    optimizer = OptimizerConfig(lr=3e-3, weight_decay=0.02, warmup_epochs=1)
    changes = {
        "bits": Bits(2, 2, 1),
        "neuron": MultiBitSettings(surrogate_function="atan"),
        "augment": augment,
        "epochs": 15,
        "optimizer": optimizer,
    }
    return _published(recipe, dataset, "spikformer-2-64").model_copy(update=changes)


def spikformer_2_64_fashion() -> TrainConfig:
    """Spikformer on Fashion-MNIST: two blocks of 64 for two cores."""
    return _thin("spikformer-2-64-fashion", "fashion-mnist", ("flip",))


def spikformer_2_64_cifar10() -> TrainConfig:
    """Spikformer on CIFAR-10: two blocks of 64 for two cores."""
    return _thin("spikformer-2-64-cifar10", "cifar10", ("crop4", "flip"))


def adaptive_spikformer_2_64_fashion() -> TrainConfig:
    """Spikformer with learned bits on Fashion-MNIST, for two cores."""
    return _adaptive_thin("adaptive-spikformer-2-64-fashion", spikformer_2_64_fashion())


def adaptive_spikformer_2_64_cifar10() -> TrainConfig:
    """Spikformer with learned bits on CIFAR-10, for two cores."""
    return _adaptive_thin("adaptive-spikformer-2-64-cifar10", spikformer_2_64_cifar10())


def _adaptive_thin(recipe: str, config: TrainConfig) -> TrainConfig:
    """Few steps of training: the pull towards the target is stronger, as in the thin residual networks."""
    learned = LearnedBitsSettings(target=(2, 2, 1), penalty=(0.2, 0.2, 1.0), renewal_epochs=2, time_steps_lr=1e-2)
    adaptive = _adaptive(recipe, "pre-spikformer-2-64", config, (2, 2, 1))
    return adaptive.model_copy(update={"methods": {"learned-bits": learned}})
