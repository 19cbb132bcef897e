"""`bitspike.allocate`: a budget in bytes, bit operations or energy, and a trained network that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run, load_run
from bitspike.api.sources import path_of
from bitspike.api.train import configured
from bitspike.bits import BitPlan
from bitspike.places import run_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bitspike.allocation import Point
    from bitspike.training import BudgetConfig, Observer, TrainConfig

__all__ = ["Allocated", "allocate", "budget_of", "folder_of", "sweep"]


@dataclass(frozen=True)
class Allocated:
    """A network that keeps a budget.

    Attributes:
        run: the network, trained with fixed bits.
        budget: the limits that were given, by what they limit: ``size`` in bytes, ``s_ace`` in bit operations of an
            image, ``bit_budget`` as a mean over the MACs, ``energy`` in nJ of an image.
        costs: what the network costs of these.
        record: all that was found, as ``allocation.json`` has it, with the result of the run.
    """

    run: Run
    budget: dict[str, float]
    costs: dict[str, float]
    record: dict[str, Any]

    @property
    def plan(self) -> BitPlan:
        """The bits of every layer."""
        return self.run.config.plan


def allocate(
    recipe: str | TrainConfig,
    *edits: str,
    max_size: float | None = None,
    max_s_ace: float | None = None,
    max_bit_budget: float | None = None,
    max_energy: float | None = None,
    fine_tune_epochs: int | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    data_dir: str | Path | None = None,
    observer: Observer | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Allocated:
    """Trains a network that learns its bits within a budget, and delivers one that keeps the budget exactly.

    The same call goes on where it was stopped.

    >>> found = bitspike.allocate("adaptive-resnet8-thin-fashion", max_size=20e3, max_s_ace=30e6)
    >>> found.costs["size"] <= 20e3
    True

    Args:
        recipe: an adaptive recipe, or its config.
        edits: ``key=value``, as of `bitspike.train`.
        max_size: bytes of weights and constants.
        max_s_ace: bit operations of an image.
        max_bit_budget: mean Bit Budget of a multiply-accumulate.
        max_energy: nJ of an image: Lemaire's model, measured spikes.
        fine_tune_epochs: with fixed bits; by default half the recipe's.
        name: of the run folder; by default the recipe's, with ``-allocated``.
        runs_dir, data_dir, observer: see `bitspike.train`.
        say: is told of each phase when it begins, in a line.

    Raises:
        UserError: no limit, or one below the smallest possible; a recipe whose layers do not learn their bits; a folder
            of another budget; energy that stays above its limit.
    """
    from bitspike import allocation

    budget = budget_of(max_size, max_s_ace, max_bit_budget, max_energy)
    config, path = configured(recipe, edits), folder_of(recipe, name, runs_dir)
    found = allocation.allocate(
        config, budget, path, path_of(data_dir), fine_tune_epochs=fine_tune_epochs, observer=observer, say=say
    )
    return Allocated(load_run(path, data_dir), budget.limits(), found["costs"], found)


def sweep(
    recipe: str | TrainConfig,
    edits: Iterable[str],
    budget: BudgetConfig,
    *,
    trials: int,
    jobs: int | None = None,
    ray: str | None = None,
    ahead: int | None = None,
    fine_tune_epochs: int | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    data_dir: str | Path | None = None,
) -> list[Point]:
    """So many networks with budgets up to the one that is given, each as `allocate` delivers it.

    Args:
        budget: the largest one.
        trials: networks in all, those of earlier calls included.
        jobs: trials at once. ray: the address of a Ray cluster that does them; by default this machine does.
        ahead: results that a trial need not wait for (`bitspike.allocation.sweep`).
        recipe, edits, fine_tune_epochs, name, runs_dir, data_dir: see `allocate`.

    Returns:
        All finished points, by cost; ``best`` marks those that no other beats in validation accuracy and every cost.

    Raises:
        UserError: see `allocate`; a limit of energy, whose smallest nobody can tell; workers that die
            again and again, or a cluster that cannot do the work.
    """
    from bitspike import allocation

    return allocation.sweep(
        configured(recipe, edits),
        budget,
        folder_of(recipe, name, runs_dir),
        path_of(data_dir),
        trials=trials,
        jobs=jobs,
        ray=ray,
        ahead=allocation.AHEAD if ahead is None else ahead,
        fine_tune_epochs=fine_tune_epochs,
    )


def budget_of(
    max_size: float | None = None,
    max_s_ace: float | None = None,
    max_bit_budget: float | None = None,
    max_energy: float | None = None,
) -> BudgetConfig:
    """The limits in one.

    Raises:
        UserError: a limit that is no number above 0.
    """
    from pydantic import ValidationError

    from bitspike.errors import UserError
    from bitspike.training import BudgetConfig

    limits = {
        "max_size": max_size,
        "max_s_ace": max_s_ace,
        "max_bit_budget": max_bit_budget,
        "max_energy": max_energy,
    }
    try:
        return BudgetConfig(**limits)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        option = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise UserError(option, first["input"], "want a number above 0") from wrong


def folder_of(recipe: str | TrainConfig, name: str | None, runs_dir: str | Path) -> Path:
    """Where a search goes.

    Raises:
        UserError: the name or the place will not do.
    """
    called = recipe if isinstance(recipe, str) else recipe.recipe
    return run_folder(runs_dir, f"{called}-allocated" if name is None else name)
