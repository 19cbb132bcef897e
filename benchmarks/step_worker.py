"""Trains steps of a recipe on made-up images whenever a line comes in; `benchmarks/step_pace.py` runs it by two copies.

It has the arguments PRECISION RECIPE [KEY=VALUE ...], and answers each line with the seconds of a step, of the clock
and of the processor, and its loss. The methods of the recipe are part of a step, a teacher too where one is learned from.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from bitspike import recipes
from bitspike.training import override
from bitspike.training.methods import Training, methods_of
from bitspike.training.optimizer import make_optimizer
from bitspike.training.precision import laid_out
from bitspike.training.setup import graph_of, make_model


def main() -> None:
    precision, recipe, *edits = sys.argv[1:]
    config = override(recipes.recipe(recipe), edits)
    torch.manual_seed(0)
    model = laid_out(make_model(config).train(), precision)
    sample = (1, 28, 28) if "fashion" in config.dataset else (3, 32, 32)
    x = laid_out(torch.randint(0, 256, (config.batch_size, *sample)).float(), precision)
    y = torch.randint(0, 10, (config.batch_size,))
    teacher = None
    if "paths-ensemble" in config.methods:
        teacher = laid_out(make_model(recipes.recipe(f"{recipe}-ann")), precision)
    made: Any = Training(config, None, model, graph_of(config, model), teacher)  # type: ignore[arg-type]
    methods, own = methods_of(config), []
    objective: Any = lambda net, images, labels: made.task.loss(net(images), labels)  # noqa: E731
    for method in methods.values():
        method.start(made)
        own += method.parameter_groups(model)
        objective = method.loss(objective)
    optimizer = make_optimizer(model, config.optimizer, own)
    for count, _ in enumerate(sys.stdin, 1):
        clock, spent = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = objective(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for method in methods.values():
            method.after_step(count)
        found = {"clock": time.perf_counter() - clock, "processor": time.process_time() - spent}
        print(json.dumps(found | {"images": config.batch_size, "loss": float(loss.detach()).hex()}), flush=True)


if __name__ == "__main__":
    main()
