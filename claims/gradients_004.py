"""``python -m claims.gradients_004``: gradient norms at each residual block while a network trains (paper 004, Fig. 8).

SEW-ResNet18, Sparse-ResNet18, and Sparse-ResNet18 whose barriers have the surrogate gradient of the other neurons, all
[T=1, N=4], three seeds each, averaged over the first steps of the thin recipe (``--steps``, in the JSON). At block
``l``, ``O`` is what the block sends and ``A`` the direct path into the sum; the shortcut's gradient is that of ``A``,
for both are added. Writes ``results/claims/gradients-004.json`` and ``docs/figures/004-gradients-DATA.png``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer
from torch import Tensor, nn

from bitspike import recipes
from bitspike.data import EpochBatches, TrainingImages, build_augment
from bitspike.errors import UserError
from bitspike.files import read_json, write_json
from bitspike.models import SEWBasicBlock
from bitspike.training import TrainConfig, override
from bitspike.training.loss import loss_of
from bitspike.training.optimizer import lr_at, make_optimizer, set_lr
from bitspike.training.result import machine_class
from bitspike.training.setup import load_images, make_model
from claims.claim import SEEDS
from claims.figures_004 import ROOT, figure, save

MODELS = ("sew-resnet18", "sparse-resnet18", "sparse-resnet18-without-ste")
RESULTS = ROOT / "results" / "claims" / "gradients-004.json"


class BlockGradients:
    """Norms of ``dL/dA`` and ``dL/dO`` of each block, one for each backward pass."""

    def __init__(self, model: nn.Module) -> None:
        blocks = [module for module in model.modules() if isinstance(module, SEWBasicBlock)]
        self.norms: dict[str, list[list[float]]] = {"A": [[] for _ in blocks], "O": [[] for _ in blocks]}
        for index, block in enumerate(blocks):
            block.residual.register_forward_hook(self._watch(self.norms["A"][index]))
            block.register_forward_hook(self._watch(self.norms["O"][index]))

    def _watch(self, norms: list[float]) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            output.register_hook(lambda grad: norms.append(float(grad.norm())))

        return hook


def measure(config: TrainConfig, data_dir: Path | None, steps: int) -> dict[str, list[float]]:
    """Mean gradient norms by block over the first ``steps`` optimizer steps of ``config``."""
    images = load_images(config, data_dir).train
    data = TrainingImages(images, build_augment(config.augment), config.seed)
    model = make_model(config).train()
    gradients, optimizer = BlockGradients(model), make_optimizer(model, config.optimizer)
    per_epoch = len(EpochBatches(len(images), config.batch_size, seed=config.seed, epoch=0))
    for step, indices in enumerate(EpochBatches(len(images), config.batch_size, seed=config.seed, epoch=0)):
        if step == steps:
            break
        x, y = data.__getitems__(indices)
        set_lr(optimizer, lr_at(step, per_epoch, config.epochs, config.optimizer))
        optimizer.zero_grad()
        loss_of(model(x), y, config.loss).backward()
        optimizer.step()
    return {path: [mean(block) for block in blocks] for path, blocks in gradients.norms.items()}


def picture(recorded: Mapping[str, Any]) -> Any:
    """Like Fig. 8: a line for each network, blocks from the input on, mean and spread over the seeds."""
    made, found = figure(10, 4.2), recorded["norms"]
    dataset = recipes.recipe(recorded["recipe"]).dataset
    made.suptitle(f"{dataset}: mean and spread of three seeds, first {recorded['steps']} optimizer steps")
    paths = {"A": "direct path and shortcut, dL/dA = dL/dR", "O": "what the block sends, dL/dO"}
    for axes, (path, title) in zip(made.subplots(1, 2, sharey=True), paths.items(), strict=True):
        for model in MODELS:
            blocks = list(zip(*(norms[path] for norms in found[model]), strict=True))
            axes.errorbar(
                range(len(blocks)), [mean(b) for b in blocks], [stdev(b) for b in blocks], capsize=3, label=model
            )
        axes.set(title=title, xlabel="block", yscale="log")
    made.axes[0].set_ylabel("mean gradient norm")
    handles, labels = made.axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=len(MODELS), fontsize=8, frameon=False)
    return made


def main(
    data: Annotated[str, typer.Option(help="fashion or cifar10.")] = "fashion",
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps to average over.")] = 100,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie; default $BITSPIKE_DATA.")] = None,
) -> None:
    """Measure, and write the numbers and the picture."""
    recipe = f"multilevel-sparse-resnet18-thin-{data}"
    found: dict[str, Any] = {}
    for model in MODELS:
        edits = [f"model={model}", "train_size=20000"]
        configs = [override(recipes.recipe(recipe), [*edits, f"seed={seed}"]) for seed in SEEDS]
        found[model] = [measure(config, data_dir, steps) for config in configs]
        print(f"{model}: dL/dO at block 0 {mean(norms['O'][0] for norms in found[model]):.2e}", file=sys.stderr)
    known = read_json(RESULTS) if RESULTS.exists() else {}
    how = {"recipe": recipe, "steps": steps, "seeds": SEEDS, "machine": machine_class()}
    recorded = {**how, "norms": found}
    write_json(RESULTS, known | {data: recorded})
    save(f"004-gradients-{data}", picture(recorded))


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"gradients: {wrong}")
