"""Recipes of papers 000, 001, 002 and 004 on recordings of event cameras, as published; for a GPU.

What `bits` and `frames` say of steps must agree: ``bits=1/4/4 frames=paper-000@4``. The papers name no augmentation:
flips and crops here, but a mirrored gesture of one hand is another gesture.

- 000, 001: Spikformer-2-256 at 128x128, after its authors AdamW 1e-3, weight decay 0.06, batch 16, 96 epochs (192 of
  DVS128 Gesture in 001), T = 16. Paper 000 takes weights of one bit. Paper 001 learns the bits of weights and spikes,
  from 4 and 4 towards 1 and 2; steps are not learned, nor squeezed.
- 002: VGGSNN at 48x48, batch 64, T = 10 (CIFAR10-DVS) and 16 (DVS128 Gesture), and all else as on images.
- 004: ten levels in one step, Adam 1e-3, times 0.5 every 50 epochs, 500 epochs.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.datasets.frames import FRAMES, FrameSettings
from bitspike.neurons import AdaptiveSettings, MultiLevelSettings
from bitspike.recipes import multilevel, qsnn, transformers
from bitspike.training import OptimizerConfig, TrainConfig
from bitspike.training.methods import LearnedBitsSettings

__all__ = [
    "adaptive_spikformer_2_256_cifar10_dvs",
    "adaptive_spikformer_2_256_dvs128_gesture",
    "multilevel_sparse_resnet18_cifar10_dvs",
    "multilevel_vgg16_cifar10_dvs",
    "qsnn_vggsnn_cifar10_dvs",
    "qsnn_vggsnn_dvs128_gesture",
    "spikformer_2_256_cifar10_dvs",
    "spikformer_2_256_dvs128_gesture",
    "spikformer_2_256_n_caltech101",
]

_CROP, _FLIP = ("crop4",), ("crop4", "flip")
_HELD_OUT = 100
"""Recordings that watch the training: there are few."""


def _spikformer(
    recipe: str, dataset: str, frames: FrameSettings, augment: tuple[str, ...], bits: tuple[int, int] = (1, 1)
) -> TrainConfig:
    changes = {
        "recipe": recipe,
        "dataset": dataset,
        "model": "spikformer-2-256-dvs",
        "bits": Bits(*bits, frames.steps),
        "frames": frames,
        "augment": augment,
        "epochs": 96,
        "batch_size": 16,
        "validation_size": _HELD_OUT,
        "optimizer": OptimizerConfig(lr=1e-3, weight_decay=0.06, warmup_epochs=10),
    }
    return transformers.spikformer_4_384_cifar10().model_copy(update=changes)


def spikformer_2_256_cifar10_dvs() -> TrainConfig:
    """Paper 000 as published: Spikformer-2-256 on CIFAR10-DVS, for a GPU."""
    return _spikformer("spikformer-2-256-cifar10-dvs", "cifar10-dvs", FRAMES["paper-000"](16), _FLIP)


def spikformer_2_256_dvs128_gesture() -> TrainConfig:
    """Paper 000 as published: Spikformer-2-256 on DVS128 Gesture, for a GPU."""
    return _spikformer("spikformer-2-256-dvs128-gesture", "dvs128-gesture", FRAMES["paper-000"](16), _CROP)


def spikformer_2_256_n_caltech101() -> TrainConfig:
    """Paper 000 as published: Spikformer-2-256 on N-Caltech101, for a GPU."""
    frames = FRAMES["paper-000"](16).model_copy(update={"size": (128, 128)})
    return _spikformer("spikformer-2-256-n-caltech101", "n-caltech101", frames, _FLIP)


def _adaptive(recipe: str, dataset: str, frames: FrameSettings, augment: tuple[str, ...], epochs: int) -> TrainConfig:
    target = (1, 2, frames.steps)
    learned = LearnedBitsSettings(learns=("w", "s"), target=target, penalty=(4e-2, 4e-2, 0), renewal_epochs=14)
    changes = {
        "model": "pre-spikformer-2-256-dvs",
        "neuron": AdaptiveSettings(tau=1.0, spare_steps=0),
        "quantizer": transformers.adaptive_spikformer_4_384_cifar10().quantizer,
        "methods": {"learned-bits": learned},
        "epochs": epochs,
    }
    return _spikformer(recipe, dataset, frames, augment, (4, 4)).model_copy(update=changes)


def adaptive_spikformer_2_256_cifar10_dvs() -> TrainConfig:
    """Paper 001 as published: Spikformer with learned bits on CIFAR10-DVS, four steps, for a GPU."""
    return _adaptive("adaptive-spikformer-2-256-cifar10-dvs", "cifar10-dvs", FRAMES["paper-000"](4), _FLIP, 96)


def adaptive_spikformer_2_256_dvs128_gesture() -> TrainConfig:
    """Paper 001 as published: Spikformer with learned bits on DVS128 Gesture, two of ten slices, for a GPU."""
    return _adaptive("adaptive-spikformer-2-256-dvs128-gesture", "dvs128-gesture", FRAMES["paper-001"](2), _CROP, 192)


def _qsnn(recipe: str, dataset: str, steps: int, augment: tuple[str, ...]) -> TrainConfig:
    changes = {
        "recipe": recipe,
        "dataset": dataset,
        "bits": Bits(1, 1, steps, 2),
        "frames": FRAMES["paper-002"](steps),
        "augment": augment,
        "batch_size": 64,
        "validation_size": _HELD_OUT,
    }
    return qsnn.qsnn_vggsnn_cifar10().model_copy(update=changes)


def qsnn_vggsnn_cifar10_dvs() -> TrainConfig:
    """Q-SNN as published: VGGSNN on CIFAR10-DVS, for a GPU."""
    return _qsnn("qsnn-vggsnn-cifar10-dvs", "cifar10-dvs", 10, _FLIP)


def qsnn_vggsnn_dvs128_gesture() -> TrainConfig:
    """Q-SNN as published: VGGSNN on DVS128 Gesture, for a GPU."""
    return _qsnn("qsnn-vggsnn-dvs128-gesture", "dvs128-gesture", 16, _CROP)


def _multilevel(recipe: str, config: TrainConfig) -> TrainConfig:
    changes = {
        "recipe": recipe,
        "dataset": "cifar10-dvs",
        "frames": FRAMES["paper-004"](1),
        "bits": Bits(16, 4, 1),
        "neuron": MultiLevelSettings(levels=10, detach_reset=False),
        "epochs": 500,
        "validation_size": _HELD_OUT,
        "optimizer": OptimizerConfig(lr=1e-3, weight_decay=0, step_decay=(0.5, 50)),
    }
    return config.model_copy(update=changes)


def multilevel_sparse_resnet18_cifar10_dvs() -> TrainConfig:
    """Paper 004 as published: Sparse-ResNet18 on CIFAR10-DVS, ten levels in one step, for a GPU."""
    return _multilevel("multilevel-sparse-resnet18-cifar10-dvs", multilevel.multilevel_sparse_resnet18_cifar10())


def multilevel_vgg16_cifar10_dvs() -> TrainConfig:
    """Paper 004 as published: VGG16 on CIFAR10-DVS, ten levels in one step, for a GPU."""
    return _multilevel("multilevel-vgg16-cifar10-dvs", multilevel.multilevel_vgg16_cifar10())
