"""What a finished run says of itself: accuracy and cost, with all that it takes to run it again."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

from bitspike import __version__
from bitspike.costs import CostReport
from bitspike.training.config import TrainConfig
from bitspike.training.tasks import Images, Seen

__all__ = ["describe_run", "machine_class", "mean_widths"]


def describe_run(
    config: TrainConfig,
    images: Images,
    test: Seen,
    report: CostReport,
    seconds: float,
    last_epoch: dict[str, Any],
) -> dict[str, Any]:
    """The content of ``result.json``, but for what methods add; ``report`` counts exactly."""
    total = report.total
    return {
        "recipe": config.recipe,
        "dataset": config.dataset,
        "model": config.model,
        "bits": str(config.bits),
        "sample": str(images.test.sample),
        "frames": None if config.frames is None else config.frames.model_dump(mode="json"),
        "readout": config.readout,
        "seed": config.seed,
        "epochs": config.epochs,
        "ended_at": list(config.ended_at),
        "init": config.init,
        "train_images": len(images.train),
        "test_images": len(images.test),
        "counted": test.counted,
        **test.named("test"),
        **{key: last_epoch.get(key) for key in test.named("validation")},
        "bit_budget": config.bits.budget,
        "mean_bit_budget": total.mean_bit_budget,
        **_widths(report),
        "s_ace": total.s_ace,
        "ns_ace": total.ns_ace,
        "sops": total.sops,
        "spikes": total.spikes,
        "events": None if report.paths is None else report.paths.events,
        "energy_nj": None if report.energy is None or report.energy.snn is None else report.energy.snn.total.total,
        "size_bytes": total.size_bytes,
        "weight_entropy": total.weight_entropy,
        "spike_entropy": total.spike_entropy,
        "memory_bytes": {footprint.counting: footprint.total for footprint in report.memory},
        "counting": report.counting,
        "seconds": round(seconds, 1),
        "machine": machine_class(),
        "threads": torch.get_num_threads(),
        "precision": config.precision,
        "versions": {"bitspike": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def mean_widths(report: CostReport) -> dict[str, float]:
    """``w`` over the weights, ``s`` and ``t`` over the neurons."""
    neurons, layers = max(1, report.total.neurons), report.layers
    return {
        "mean_w": sum(layer.w * layer.weights for layer in layers) / report.total.weights,
        "mean_s": sum(n.s * n.neurons for n in report.neurons) / neurons,
        "mean_t": sum(n.t * n.neurons for n in report.neurons) / neurons,
    }


def _widths(report: CostReport) -> dict[str, float]:
    """The means, and ``w`` of the first, last and largest layer."""
    layers = report.layers
    return {
        **mean_widths(report),
        "first_w": layers[0].w,
        "last_w": layers[-1].w,
        "largest_w": max(layers, key=lambda layer: layer.weights).w,
    }


def machine_class() -> str:
    """The kind of machine, not its name: ``"2-core x86_64 CPU"``, with the GPU if there is one."""
    gpu = f" + {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()}-core {platform.machine()} CPU{gpu}"
