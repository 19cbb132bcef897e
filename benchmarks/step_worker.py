"""Trains steps of recipes on made-up images when told; `benchmarks/step_pace.py` runs it by two copies of bitspike.

A line ``PRECISION RECIPE [KEY=VALUE ...]`` makes a network. An empty line takes a step of it, and is answered with its
seconds, of the clock and of the processor, and its loss. The methods of the recipe are part of a step, a teacher too
where one is learned from.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import recipes
from bitspike.training import RunFolder, override
from bitspike.training.methods import Objective, Training, methods_of
from bitspike.training.optimizer import make_optimizer
from bitspike.training.precision import laid_out
from bitspike.training.setup import graph_of, make_model
from bitspike.training.tasks import task_of


def learner(precision: str, recipe: str, *edits: str) -> Callable[[], dict[str, Any]]:
    """What takes a step of a fresh network of the recipe."""
    config = override(recipes.recipe(recipe), list(edits))
    torch.manual_seed(0)
    model = laid_out(make_model(config).train(), precision)
    task = task_of(config)
    x = laid_out(torch.randint(0, 256, (config.batch_size, *task.sample.array_shape)).float(), precision)
    y = torch.randint(0, len(task.classes), (config.batch_size,))
    teacher = None
    if "paths-ensemble" in config.methods:
        teacher = laid_out(make_model(recipes.recipe(f"{recipe}-ann")), precision)
    made = Training(config, RunFolder(Path("nowhere")), model, graph_of(config, model), teacher)
    methods, own = methods_of(config), []

    def own_loss(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return task.loss(net(images), labels)

    objective: Objective = own_loss
    for method in methods.values():
        method.start(made)
        own += method.parameter_groups(model)
        objective = method.loss(objective)
    optimizer, count = make_optimizer(model, config.optimizer, own), 0

    def step() -> dict[str, Any]:
        nonlocal count
        count += 1
        clock, spent = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = objective(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for method in methods.values():
            method.after_step(count)
        found = {"clock": time.perf_counter() - clock, "processor": time.process_time() - spent}
        return found | {"images": config.batch_size, "loss": float(loss.detach()).hex()}

    return step


def main() -> None:
    step: Callable[[], dict[str, Any]] | None = None
    for line in sys.stdin:
        if line.strip():
            step = learner(*line.split())
        elif step is not None:
            print(json.dumps(step()), flush=True)


if __name__ == "__main__":
    main()
