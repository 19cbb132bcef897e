"""A network whose forward and backward pass ``torch.compile`` makes into fewer kernels, where a config asks for it.

The optimizer, evaluation and everything that is written stay as they are. What is compiled computes the same spikes up
to how sums of floats round, as the compiler orders and fuses them itself; so a run says that it was compiled.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.training.config import TrainConfig

__all__ = ["compiled", "tried"]

BACKEND = "inductor"
INSTEAD = "want compile=false"
LONGEST = 300
"""Characters of the compiler's that are told."""


def compiled(model: nn.Module) -> nn.Module:
    """The same network, compiled when it is first called; a part that does not fit one graph is an error then."""
    made: Any = torch.compile(model, backend=BACKEND, fullgraph=True, dynamic=False)
    network: nn.Module = made
    return network


def tried(config: TrainConfig, model: nn.Module, x: Tensor, processes: int) -> None:
    """Compiles a copy and runs a batch forward and backward, so that what does not fit is known before work is spent.

    Args:
        model: of the config, on its device.
        x: a batch as training will have it; what is in it does not matter.
        processes: that train together.

    Raises:
        UserError: what was not tried compiled, or what the compiler cannot take, in its words.
    """
    if processes > 1:
        raise UserError("compile", f"{processes} processes", f"was tried in one alone; {INSTEAD}")
    for key, given in (("chunks", config.chunks), ("methods", ", ".join(config.methods))):
        if given:
            raise UserError("compile", f"with {key}={given}", f"runs of {key} were not tried compiled; {INSTEAD}")
    twin = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            with torch.autocast(x.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                outputs = compiled(twin)(x)
            maps = [outputs] if isinstance(outputs, Tensor) else list(outputs)
            sum((each.float().sum() for each in maps), torch.zeros((), device=x.device)).backward()
        except UserError:
            raise
        except Exception as wrong:  # the compiler has many
            said = " ".join(str(wrong).split())[:LONGEST]
            raise UserError("compile", config.model, f"{type(wrong).__name__}: {said}; {INSTEAD}") from wrong
