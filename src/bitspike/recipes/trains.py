"""Recipes for trains of events, of signals and of sounds, small enough for two cores; ``--set`` edits them."""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.datasets.frames import FrameSettings
from bitspike.neurons import LIFSettings, MultiBitSettings
from bitspike.training import OptimizerConfig, TrainConfig

__all__ = [
    "ecg_mlp",
    "moving_fashion_convnet",
    "nmnist_convnet",
    "spoken_digits_mlp",
]


def nmnist_convnet() -> TrainConfig:
    """N-MNIST, also a part of it, in 4 frames; minutes on two cores for the first 1,000 recordings.

    Numbers are ours, but that slices have equally many events, as in papers 000 and 004.
    """
    return TrainConfig(
        recipe="nmnist-convnet",
        dataset="n-mnist",
        frames=FrameSettings(slices=4, clip=15),
        model="convnet",
        bits=Bits(2, 2, 4),
        neuron=MultiBitSettings(surrogate_function="atan"),
        validation_size=100,
        epochs=20,
        batch_size=32,
        optimizer=OptimizerConfig(lr=4e-3, warmup_epochs=1),
    )


def moving_fashion_convnet() -> TrainConfig:
    """Fashion-MNIST as a moving sensor sees it, in 4 frames.

    Numbers are those of fashion-convnet, but the time.
    """
    return TrainConfig(
        recipe="moving-fashion-convnet",
        dataset="moving-fashion",
        frames=FrameSettings(slices=4, clip=15),
        model="convnet",
        bits=Bits(2, 2, 4),
        neuron=MultiBitSettings(surrogate_function="atan"),
        validation_size=2000,
        channels=(16, 32, 64),
        train_size=20_000,
        epochs=5,
        optimizer=OptimizerConfig(lr=3e-3, warmup_epochs=0.5),
        tensorboard=True,
    )


def spoken_digits_mlp() -> TrainConfig:
    """Spoken digits as signed spikes of 24 bands, 64 steps.

    Numbers are ours.
    """
    return TrainConfig(
        recipe="spoken-digits-mlp",
        dataset="spoken-digits",
        model="mlp",
        bits=Bits(4, 1, 64),
        neuron=LIFSettings(tau=16.0, surrogate_function="atan"),
        validation_size=300,
        channels=(128, 128),
        epochs=30,
        batch_size=64,
        optimizer=OptimizerConfig(lr=4e-3, warmup_epochs=1),
    )


def ecg_mlp() -> TrainConfig:
    """Electrocardiograms, 1301 steps with a class at each.

    Numbers are ours; Yin et al. (Nature Machine Intelligence 3, 2021), who made the data, train recurrent networks.
    """
    return TrainConfig(
        recipe="ecg-mlp",
        dataset="ecg",
        model="mlp",
        bits=Bits(8, 1, 1301),
        neuron=LIFSettings(tau=16.0, surrogate_function="atan"),
        readout="each",
        validation_size=60,
        channels=(64, 64),
        epochs=30,
        batch_size=32,
        optimizer=OptimizerConfig(lr=1e-2, warmup_epochs=1),
    )
