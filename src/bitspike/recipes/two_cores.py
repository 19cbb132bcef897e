"""Recipes that two cores with bfloat16 train to accuracies that mean something, one for each system and data set.

A VGG9, on CIFAR-10 with its first stage at three quarters of its width and on Fashion-MNIST at half of it (paper 001,
whose neurons stand before the synapses, has a ResNet8 instead), all images, crops and flips, labels smoothed, and one
cycle of the learning rate: up over two epochs, then down to 0. ``--set bits=16/4/1`` and what else each docstring says
is the network in full precision. The optimizer and the gradient were chosen on validation images of CIFAR-10, for paper
000's network; the other systems have these or their own, as their functions say.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import MultiBitSettings, MultiLevelSettings, QReLUSettings, ReLUSettings
from bitspike.recipes.adaptive import adaptive_resnet8_thin_fashion
from bitspike.recipes.qsnn import qsnn_vgg16_cifar10
from bitspike.training import LossConfig, OptimizerConfig, TrainConfig
from bitspike.training.methods import PathsEnsembleSettings

__all__ = [
    "adaptive_resnet8_wide_cifar10",
    "adaptive_resnet8_wide_fashion",
    "cifar10_vgg9_narrow",
    "fashion_vgg9_narrow",
    "multilevel_vgg9_narrow_cifar10",
    "multilevel_vgg9_narrow_fashion",
    "qsnn_vgg9_narrow_cifar10",
    "qsnn_vgg9_narrow_fashion",
    "spikezip_vgg9_narrow_cifar10",
    "spikezip_vgg9_narrow_cifar10_ann",
    "spikezip_vgg9_narrow_fashion",
    "spikezip_vgg9_narrow_fashion_ann",
]

_ENDS = {name: {"w": 8} for name in ("features.0.0", "classifier.3.0")}
"""The first and the last layer of a VGG9, which Q-SNN leaves at 8 bits."""


def _vgg9(recipe: str, dataset: str) -> TrainConfig:
    cifar10 = dataset == "cifar10"
    return TrainConfig(
        recipe=recipe,
        dataset=dataset,
        model="vgg9",
        bits=Bits(2, 2, 1),
        channels=(48, 128, 256) if cifar10 else (32, 64, 128),
        neuron=MultiBitSettings(surrogate_function="straight-through"),
        augment=("crop4" if cifar10 else "crop2", "flip"),
        validation_size=2000,
        epochs=25 if cifar10 else 20,
        optimizer=OptimizerConfig(lr=3e-3, weight_decay=5e-2, warmup_epochs=2),
        loss=LossConfig(label_smoothing=0.1),
    )


def cifar10_vgg9_narrow() -> TrainConfig:
    """VGG9 on CIFAR-10, an hour and a half on one core with AMX; as floats bits=16/4/1."""
    return _vgg9("cifar10-vgg9-narrow", "cifar10")


def fashion_vgg9_narrow() -> TrainConfig:
    """VGG9 on Fashion-MNIST, half an hour on two cores; as floats bits=16/4/1."""
    return _vgg9("fashion-vgg9-narrow", "fashion-mnist")


def _adaptive(recipe: str, dataset: str) -> TrainConfig:
    """As published, SGD: the penalties of learned bits are in units of its gradients."""
    narrow = _vgg9(recipe, dataset)
    changes = {"channels": narrow.channels, "augment": narrow.augment, "epochs": narrow.epochs, "loss": narrow.loss}
    names = {"recipe": recipe, "dataset": dataset, "tensorboard": False}
    thin = adaptive_resnet8_thin_fashion()
    optimizer = thin.optimizer.model_copy(update={"weight_decay": 5e-4, "warmup_epochs": 2})
    return thin.model_copy(update=changes | names | {"optimizer": optimizer})


def adaptive_resnet8_wide_cifar10() -> TrainConfig:
    """Learned bits on CIFAR-10: a wide ResNet8; as floats bits=16/4/1 methods.learned-bits=null."""
    return _adaptive("adaptive-resnet8-wide-cifar10", "cifar10")


def adaptive_resnet8_wide_fashion() -> TrainConfig:
    """Learned bits on Fashion-MNIST: a wide ResNet8, half an hour; as floats bits=16/4/1 methods.learned-bits=null."""
    return _adaptive("adaptive-resnet8-wide-fashion", "fashion-mnist")


def _qsnn(recipe: str, dataset: str) -> TrainConfig:
    """As published but for the network, two steps, less augmentation and a shorter cycle in smaller batches."""
    narrow = _vgg9(recipe, dataset)
    same = ("dataset", "model", "channels", "augment", "epochs", "batch_size")
    changes = {"recipe": recipe, "bits": Bits(1, 1, 2, 2), "layers": _ENDS, "tensorboard": False}
    return qsnn_vgg16_cifar10().model_copy(update={key: getattr(narrow, key) for key in same} | changes)


def qsnn_vgg9_narrow_cifar10() -> TrainConfig:
    """Q-SNN on CIFAR-10: VGG9; as floats bits=16/1/2 layers={} methods.spike-regulation.weight=0."""
    return _qsnn("qsnn-vgg9-narrow-cifar10", "cifar10")


def qsnn_vgg9_narrow_fashion() -> TrainConfig:
    """Q-SNN on Fashion-MNIST, over half an hour; as floats bits=16/1/2 layers={} methods.spike-regulation.weight=0."""
    return _qsnn("qsnn-vgg9-narrow-fashion", "fashion-mnist")


def _ann(recipe: str, dataset: str) -> TrainConfig:
    return _vgg9(recipe, dataset).model_copy(update={"bits": Bits(16, 16, 1), "neuron": ReLUSettings()})


def _qann(ann: TrainConfig) -> TrainConfig:
    """Eight levels with the paths 4 and 2, weights of 4 bits; a third of the epochs, at a tenth of the rate."""
    changes = {
        "recipe": ann.recipe.removesuffix("-ann"),
        "bits": Bits(4, 4, 1),
        "neuron": QReLUSettings(levels=8, paths=(4, 2)),
        "methods": {"paths-ensemble": PathsEnsembleSettings(reroute=False)},
        "epochs": ann.epochs // 3,
        "optimizer": ann.optimizer.model_copy(update={"lr": ann.optimizer.lr / 10, "warmup_epochs": 0}),
    }
    return ann.model_copy(update=changes)


def spikezip_vgg9_narrow_cifar10_ann() -> TrainConfig:
    """A VGG9 of ReLUs on CIFAR-10."""
    return _ann("spikezip-vgg9-narrow-cifar10-ann", "cifar10")


def spikezip_vgg9_narrow_cifar10() -> TrainConfig:
    """SpikeZIP on CIFAR-10: VGG9; as floats bits=16/4/1."""
    return _qann(spikezip_vgg9_narrow_cifar10_ann())


def spikezip_vgg9_narrow_fashion_ann() -> TrainConfig:
    """A VGG9 of ReLUs on Fashion-MNIST, half an hour on two cores."""
    return _ann("spikezip-vgg9-narrow-fashion-ann", "fashion-mnist")


def spikezip_vgg9_narrow_fashion() -> TrainConfig:
    """SpikeZIP on Fashion-MNIST: VGG9, up to an hour and a half after its ReLUs; as floats bits=16/4/1."""
    return _qann(spikezip_vgg9_narrow_fashion_ann())


def _multilevel(recipe: str, dataset: str) -> TrainConfig:
    changes = {"bits": Bits(2, 3, 1), "neuron": MultiLevelSettings(levels=4, detach_reset=False)}
    return _vgg9(recipe, dataset).model_copy(update=changes)


def multilevel_vgg9_narrow_cifar10() -> TrainConfig:
    """Four levels in one step on CIFAR-10: VGG9; as floats bits=16/3/1."""
    return _multilevel("multilevel-vgg9-narrow-cifar10", "cifar10")


def multilevel_vgg9_narrow_fashion() -> TrainConfig:
    """Four levels in one step on Fashion-MNIST: VGG9, half an hour; as floats bits=16/3/1."""
    return _multilevel("multilevel-vgg9-narrow-fashion", "fashion-mnist")
