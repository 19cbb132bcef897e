"""From a recipe and a budget to a trained network that keeps it: search, allocate, fine-tune (beyond paper 001).

1. Search: bits are learned, and what exceeds the budget is penalised. It comes near the budget, not under it.
2. Allocate: the loss of every width of every layer is measured on training images, and the best choice that keeps the
   budget is found exactly (`bitspike.allocation.solve`).
3. Fine-tune with these bits, from the weights of the search.

Each stage leaves files, and a second call goes on from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from bitspike.allocation.sensitivity import layer_options
from bitspike.allocation.solve import Option, solve
from bitspike.bits import BitPlan
from bitspike.costs import CostReport, cost
from bitspike.costs.counting import CONSTANT_BITS, biases, norm_constants
from bitspike.errors import UserError, shown
from bitspike.files import is_there, read_json, write_json
from bitspike.ir import Graph
from bitspike.neurons import AdaptiveSettings
from bitspike.quant import AdaptiveWeightsSettings
from bitspike.stopping import kept
from bitspike.training import BudgetConfig, Observer, RunFolder, TrainConfig, train
from bitspike.training.checkpoint import Progress, load_model, save_training
from bitspike.training.lock import locked
from bitspike.training.methods.learned_bits import adaptive_neurons, adaptive_weights
from bitspike.training.optimizer import make_optimizer
from bitspike.training.record import read_record
from bitspike.training.setup import graph_of, load_images, make_model
from bitspike.training.trained import trained_model

__all__ = ["Allocation", "allocate", "check_budget"]

CALIBRATION_IMAGES = 512
ROUNDS = 3
"""Times that bits are allocated anew because the fine-tuned network's spikes cost more energy than foretold."""
FINE_TUNE_RATE = 0.2
"""What is left of the recipe's learning rate in fine-tuning."""

Say = Callable[[str], None]


def silent(line: str) -> None:
    """Says nothing."""


Allocation = dict[str, Any]
"""What `allocate` found: ``folder``, ``budget``, ``costs``, ``plan`` and ``result`` (as of a training run)."""


class Delivered(BaseModel):
    """What is read of an ``allocation.json``."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    folder: str
    costs: dict[Literal["size", "s_ace", "bit_budget", "energy"], float | None]
    plan: dict[str, Any]


def allocate(
    config: TrainConfig,
    budget: BudgetConfig,
    path: Path,
    data_dir: Path | None = None,
    *,
    fine_tune_epochs: int | None = None,
    observer: Observer | None = None,
    say: Say = silent,
) -> Allocation:
    """A trained network that costs no more than ``budget``, in the run folder ``path``.

    Args:
        config: an adaptive recipe; its target gives way to the budget.
        budget: the limits.
        path: of the run folder; the search is in its folder ``search``. What is there already is not done again. (What
            spent too much energy stays there too, as ``fine-tune0``.)
        data_dir: of the data sets.
        fine_tune_epochs: with fixed bits; by default half the recipe's.
        observer: is told of each step and epoch.
        say: is told of each phase when it begins, in a line.

    Raises:
        UserError: no limit, or one below the smallest possible; a recipe whose layers do not learn their bits; a folder
            of another budget; energy that stays above its limit.
    """
    check_budget(config, budget)
    epochs = max(1, config.epochs // 2) if fine_tune_epochs is None else fine_tune_epochs
    asked = {"recipe": config.recipe, "budget": budget.model_dump(mode="json"), "fine_tune_epochs": epochs}
    _check_claim(path, asked)
    with kept(path), locked(path):
        return _allocated(config, budget, path, data_dir, asked, observer, say)


def _allocated(
    config: TrainConfig,
    budget: BudgetConfig,
    path: Path,
    data_dir: Path | None,
    asked: Mapping[str, Any],
    observer: Observer | None,
    say: Say,
) -> Allocation:
    """`allocate`, in a folder that is this process's alone: what was asked for, ``asked``, fits what is there."""
    search = _adapted(config, target=None, budget=budget)
    searched, delivered = RunFolder(path / "search"), path / "allocation.json"
    if is_there(searched.config_file):
        searched.resume(search)  # refuses another config
    else:
        load_images(config, data_dir)  # refuses data that are not there, before anything is written
    if not is_there(path / "request.json"):
        write_json(path / "request.json", dict(asked))
    if is_there(delivered):
        return read_record(delivered, Delivered) | {"result": RunFolder(path).read_result()}
    if not is_there(searched.result_file):
        say(f"search: bits are learned, {search.epochs} epochs")
        train(search, searched, data_dir, resume=is_there(searched.config_file), observer=observer)
    options = _options(search, searched, data_dir, "energy" in budget.limits(), say)
    limits = dict(budget.limits())
    for attempt in range(ROUNDS):
        chosen = solve(options, _for_layers(limits, graph_of(search, make_model(search))))
        final = _fixed(config, budget, chosen, asked["fine_tune_epochs"], searched)
        folder = RunFolder(path / f"fine-tune{attempt}")
        say(f"fine-tune, round {attempt + 1} of at most {ROUNDS}: fixed bits, {final.epochs} epochs")
        result = _fine_tune(final, folder, searched, data_dir, observer)
        costs = _costs(result)
        over = {name: costs[name] / limit for name, limit in budget.limits().items() if costs[name] > limit}
        if not over:
            _move_up(folder)
            found = {**asked, "folder": str(path), "costs": costs, "plan": final.plan.to_dict()}
            write_json(delivered, found)
            return found | {"result": result}
        limits = {name: limit * 0.98 / over[name] if name in over else limit for name, limit in limits.items()}
    seen = f"{costs['energy']:,.6g} nJ after {ROUNDS} rounds"
    raise UserError("budget energy", seen, f"want at most {budget.max_energy:,.6g}; give a larger one")


def check_budget(config: TrainConfig, budget: BudgetConfig) -> None:
    """Refuses, before anything is trained, a budget that is empty or below one bit everywhere."""
    if not budget.limits():
        raise UserError("budget", "none", "want at least one limit, for example --max-size 40k")
    if config.task != "classify":
        raise UserError("dataset", config.dataset, "bits are allocated by accuracy; want a data set of classes")
    weights_learn = isinstance(config.quantizer, AdaptiveWeightsSettings)
    layers_learn = weights_learn and isinstance(config.neuron, AdaptiveSettings)
    if not layers_learn or "learned-bits" not in config.methods:
        raise UserError("recipe", config.recipe, "its layers do not learn their bits; want an adaptive one")
    least = _least(config)
    for name, limit in budget.limits().items():
        if name in least and least[name] > limit:
            wanted = f"the smallest possible is {least[name]:,.10g}, with one bit and one step everywhere"
            raise UserError(f"--max-{name.replace('_', '-')}", f"{limit:,.10g}", f"{wanted} (two bits for the image)")


def _least(config: TrainConfig) -> dict[str, float]:
    """Costs of the network with one bit everywhere."""
    model = make_model(config)
    with torch.no_grad():
        for weights in adaptive_weights(model).values():
            weights.quantizer.learned_bits.fill_(1)
        for node in adaptive_neurons(model).values():
            node.learned_T.fill_(1)
            for quantizer in node.active_quantizers():
                quantizer.learned_bits.fill_(1)
    return _of_report(cost(graph_of(config, model), "exact"))


def _of_report(report: CostReport) -> dict[str, float]:
    total = report.total
    return {"size": total.size_bytes, "s_ace": total.s_ace, "bit_budget": total.mean_bit_budget}


def _costs(result: Mapping[str, Any]) -> dict[str, float]:
    return {
        "size": result["size_bytes"],
        "s_ace": result["s_ace"],
        "bit_budget": result["mean_bit_budget"],
        "energy": result["energy_nj"],
    }


def _check_claim(path: Path, asked: Mapping[str, Any]) -> None:
    """Compares what is asked for with what the folder was started with."""
    file = path / "request.json"
    if not is_there(file):
        if is_there(path / "config.json"):
            raise UserError("run folder", str(path), "it holds a run; give another --name")
    elif (started := read_json(file)) != asked:
        raise UserError("run folder", str(path), f"it was started with {shown(started)}; give another --name")


def _adapted(config: TrainConfig, **changes: Any) -> TrainConfig:
    """``config`` with other settings of learned bits."""
    learned = config.methods["learned-bits"].model_copy(update=changes)
    return config.model_copy(update={"methods": config.methods | {"learned-bits": learned}})


def _options(
    config: TrainConfig, searched: RunFolder, data_dir: Path | None, energy: bool, say: Say
) -> dict[str, list[Option]]:
    model = trained_model(searched)
    images = load_images(config, data_dir).train
    some = images.first(CALIBRATION_IMAGES)
    return layer_options(model, some, some.sample, energy, say)


def _for_layers(limits: Mapping[str, float], graph: Graph) -> dict[str, float]:
    """What the layers' options may add up to: without constants; Bit Budget as S-ACE."""
    constants = (biases(graph) + norm_constants(graph)) * CONSTANT_BITS / 8
    macs = sum(node.macs(graph.input_edge(node)) for node in graph.synapses())
    inner: dict[str, float] = {}
    for name, limit in limits.items():
        key, value = {
            "size": ("size", limit - constants),
            "bit_budget": ("s_ace", limit * macs),
        }.get(name, (name, limit))
        inner[key] = min(value, inner.get(key, value))
    return inner


def _fixed(
    config: TrainConfig, budget: BudgetConfig, chosen: Mapping[str, Option], epochs: int, searched: RunFolder
) -> TrainConfig:
    """The config of the fine-tuning: every layer has its bits, and keeps them."""
    neurons = BitPlan.load(searched.bits_file).layers
    before = [name for name, widths in neurons.items() if "s" in widths]  # in the order of their layers
    layers: dict[str, dict[str, int]] = {}
    for (name, option), neuron in zip(chosen.items(), before, strict=True):
        layers[name] = {"w": option.bits.w}
        layers[neuron] = {"s": option.bits.s, "t": option.bits.t}
    fixed = _adapted(config, target=None, budget=budget, learns=(), renewal=("w", "s"), time_steps_lr=None)
    optimizer = config.optimizer.model_copy(update={"lr": config.optimizer.lr * FINE_TUNE_RATE})
    return fixed.model_copy(update={"layers": layers, "epochs": epochs, "optimizer": optimizer})


def _fine_tune(
    config: TrainConfig, folder: RunFolder, searched: RunFolder, data_dir: Path | None, observer: Observer | None
) -> dict[str, Any]:
    """Trains from the weights of the search; steps that no longer fit their bits are renewed with the first batch."""
    if is_there(folder.result_file):
        return folder.read_result()
    if not is_there(folder.checkpoint_file):
        model = make_model(config)
        _take_weights(model, config, searched)
        folder.path.mkdir(parents=True, exist_ok=True)
        save_training(folder.checkpoint_file, model, make_optimizer(model, config.optimizer), Progress(0, 0.0))
    if not is_there(folder.config_file):
        folder.create(config)
    return train(config, folder, data_dir, resume=True, observer=observer)


def _move_up(folder: RunFolder) -> None:
    """The run's files into the folder above; ``result.json`` last, so that a call that was stopped here goes on."""
    for file in sorted(folder.path.iterdir(), key=lambda file: file == folder.result_file):
        file.rename(folder.path.parent / file.name)
    folder.path.rmdir()


@torch.no_grad()
def _take_weights(model: nn.Module, config: TrainConfig, searched: RunFolder) -> None:
    load_model(searched.checkpoint_file, model)
    plan = config.plan
    for name, weights in adaptive_weights(model).items():
        weights.quantizer.learned_bits.fill_(plan[name].w)
        weights.quantizer.renewal.active.fill_(True)  # whatever the search left
    for name, node in adaptive_neurons(model).items():
        node.learned_T.fill_(plan[name].t)
        for quantizer in node.active_quantizers():
            quantizer.learned_bits.fill_(max(plan[name].s, quantizer.least))
            quantizer.renewal.active.fill_(True)
