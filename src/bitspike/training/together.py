"""One run in several processes, as torchrun and accelerate launch start them: what is shared, and what cannot be.

Each process has a copy of the network and its share of every batch; gradients are averaged. That is the run of one
process if the loss is a mean over samples, and if all that looks at the batch as a whole asks the others: batch norms
(`SharedNorms`), and the step sizes of neurons (`share_steps`, `bitspike.quant.shares`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from bitspike.errors import UserError, require
from bitspike.neurons import BaseNode, QReLU
from bitspike.quant import MembraneQuantizer
from bitspike.quant.adaptive import LearnedQuantizer
from bitspike.training.config import TrainConfig
from bitspike.training.methods import methods_of
from bitspike.training.norms import SharedNorms

__all__ = ["accelerated", "check_shares", "share_steps", "shared_norms"]

ALONE = "; train in one process"
OTHERS = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron",
}
"""Ways of accelerate that cut the network itself in parts."""


def accelerated() -> Any:
    """The `accelerate.Accelerator` of the processes that were started, without a GPU too.

    Raises:
        UserError: processes that do not find each other, or would cut the network in parts.
    """
    accelerate = require("accelerate", "train")
    for variable, way in OTHERS.items():
        if os.environ.get(variable, "false").lower() in ("true", "1"):
            wanted = (
                "every process has the whole network (its quantizers were not tried in parts): want DDP (MULTI_GPU)"
            )
            raise UserError("accelerate", way, wanted)
    started = int(os.environ.get("WORLD_SIZE", "1"))
    on_cpu = started > 1 and not torch.cuda.is_available()  # without the word accelerate would make them so many runs
    made = accelerate.Accelerator(mixed_precision="no", cpu=on_cpu)  # the loop casts by itself
    if made.num_processes != started:
        seen = f"{started} processes"
        raise UserError(
            "WORLD_SIZE", seen, f"only {made.num_processes} of them found each other; start them by torchrun"
        )
    return made


def shared_norms(processes: int) -> AbstractContextManager[Any]:
    """Makes batch norms those of the batch of all processes, within it."""
    return SharedNorms() if processes > 1 else nullcontext()


def check_shares(config: TrainConfig, model: nn.Module, processes: int) -> None:
    """Refuses a run that several processes would not train as one does.

    Raises:
        UserError: see above; names what looks at a batch as a whole.
    """
    if processes == 1:
        return
    if config.batch_size % processes:
        raise UserError("batch_size", config.batch_size, f"want a multiple of the {processes} processes")
    if config.task == "detect":
        wanted = f"its loss is no mean over images, so shares of a batch do not add up{ALONE}"
        raise UserError("dataset", config.dataset, wanted)
    if config.chunks is not None:
        raise UserError("chunks", config.chunks.steps, f"trains in parts are for one process{ALONE}")
    for name, method in methods_of(config).items():
        if not method.in_shares:
            raise UserError(f"methods.{name}", "several processes", f"it looks at a batch as a whole{ALONE}")
    for path, module in model.named_modules():
        if why := _looks_at_all(module):
            raise UserError(f"{path} in {processes} processes", type(module).__name__, f"{why}{ALONE}")


def share_steps(model: nn.Module, processes: int) -> None:
    """Lets the step sizes that neurons learn have the gradients of the whole batch.

    LSQ divides such a gradient by the root of how many elements share the step, and a process sees its own alone.
    """
    for parameter in _learned_steps(model) if processes > 1 else ():
        parameter.register_hook(lambda gradient: gradient * processes**-0.5)


def _learned_steps(model: nn.Module) -> Iterator[nn.Parameter]:
    for node in (module for module in model.modules() if isinstance(module, BaseNode)):
        if isinstance(node, QReLU) and node.scaled:
            yield node.step_size
        for part in node.modules():
            if isinstance(part, LearnedQuantizer):
                yield part.step


def _looks_at_all(module: nn.Module) -> str | None:
    """What a module does with the batch of its process that it would have to do with that of all."""
    if isinstance(module, _DropoutNd):
        return "it would drop the same of every share"
    if isinstance(module, BaseNode) and any(isinstance(part, MembraneQuantizer) for part in module.modules()):
        return "its largest potential is that of a batch"
    return None
