"""`bitspike.fit`: a recipe's network made as small as a device wants it, trained, and measured in its own program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.device import COSTS, DeviceCost, device_cost, device_of, untrained
from bitspike.api.run import Run, load_run
from bitspike.api.sources import path_of
from bitspike.api.train import on_data, train
from bitspike.bits import Bits
from bitspike.errors import UserError, closest
from bitspike.files import is_there, read_json, write_json
from bitspike.places import run_folder

if TYPE_CHECKING:
    from bitspike.training import Observer, TrainConfig

__all__ = ["Fitted", "fit"]

WIDTHS = ((8, 4), (8, 2), (4, 4), (4, 2), (4, 1), (2, 4), (2, 2), (2, 1), (1, 2), (1, 1))
"""Weight and spike bits that are tried beside the recipe's own."""
FACTORS = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
"""Of the recipe's channels, where the network has some."""
Observed = Callable[[str], AbstractContextManager["Observer | None"]]


@dataclass(frozen=True)
class Fitted:
    """A network that keeps the limits of a device.

    Attributes:
        run: trained. device: what its own program takes. limits: that were given.
        trials: what was trained: bits, channels, validation accuracy, costs, whether it fits.
    """

    run: Run
    device: DeviceCost
    limits: dict[str, float]
    trials: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        told = {"folder": str(self.run.folder), "limits": self.limits, "device": self.device.to_dict()}
        return {**told, "result": self.run.result, "trials": self.trials}


def fit(
    recipe: str | TrainConfig,
    *edits: str,
    limits: dict[str, float],
    dataset: Any = None,
    trials: int = 1,
    cc: str | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    data_dir: str | Path | None = None,
    observed: Observed | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Trains the largest networks of a recipe that a device holds, and delivers the most accurate that does.

    Before training, every choice of widths and channels is measured as an untrained program (`bitspike.device_cost`).
    Of those within the limits, the ``trials`` with the most bit operations are trained, each of other widths; what a
    trained program takes is measured anew. The same call goes on where it was stopped.

    >>> bitspike.fit("digits-convnet", limits={"flash": 10e3, "ram": 2e3}, trials=3).device.costs["flash"]

    Args:
        recipe, edits, dataset, runs_dir, data_dir: see `bitspike.train`.
        limits: bytes of ``flash`` (code included, where there is a compiler) and ``ram`` (with the stack), number of
            ``instructions``, an estimate.
        trials: networks that are trained.
        cc: the device's compiler, with its flags.
        name: of the folder, with a run folder for each trial; by default the recipe's, with ``-fitted``.
        observed: makes an observer of a trial's name. say: is told of each phase and trial, in a line.

    Raises:
        UserError: no limit, learned bits, limits that no choice keeps, or that no trained network kept.
    """
    config, given = on_data(recipe, dataset, edits)
    if not limits:
        raise UserError("budget", "none", "want at least one limit, for example --max-flash 20k")
    for key, limit in limits.items():
        if key not in COSTS:
            raise UserError("limits", key, closest(key, COSTS))
        if not limit > 0:
            raise UserError(f"limits, {key}", limit, "want a number above 0")
    if "learned-bits" in config.methods:
        raise UserError("recipe", config.recipe, "it learns its bits: want --max-size or another of these limits")
    path = run_folder(runs_dir, f"{config.recipe}-fitted" if name is None else name)
    asked = {"config": config.model_dump(mode="json"), "limits": limits, "cc": cc}
    request = path / "fit-request.json"
    if is_there(path / "config.json") or (is_there(request) and read_json(request) != asked):
        raise UserError("run folder", str(path), "it was started with something else; give another --name")
    chosen = _chosen(config, limits, cc, trials, say)
    rows: list[dict[str, Any]] = []
    fitting: list[tuple[float, Run, DeviceCost]] = []
    for number, one in enumerate(chosen, 1):
        label = _label(one)
        say(f"trial {number} of {len(chosen)}, {label}: {one.epochs} epochs")
        run = _trained(one, label, path, path_of(data_dir), given, observed)
        if not is_there(request):
            write_json(request, asked)
        device = device_of(run.freeze(), "c", cc, trained=True)
        accuracy, over = run.result["validation_accuracy"], _over(device, limits)
        rows.append({"run": label, "validation_accuracy": accuracy, "fits": not over, **device.costs})
        say(f"trial {number} of {len(chosen)}, {label}: validation {accuracy:.2f} %{_told(over)}")
        if not over:
            fitting.append((accuracy, run, device))
    if not fitting:
        raise UserError("limits", limits, "no trained program kept them: give more --trials, or wider limits")
    _, best, device = max(fitting, key=lambda one: one[0])
    found = Fitted(best, device, limits, rows)
    write_json(path / "fit.json", found.to_dict())
    return found


def _trained(
    config: TrainConfig, label: str, path: Path, data_dir: Path | None, given: Any, observed: Observed | None
) -> Run:
    """The run of one trial: as it is there, gone on with, or new."""
    begun = is_there(path / label / "config.json")
    if begun and (there := load_run(path / label)).finished:
        return there
    with observed(label) if observed else nullcontext() as observer:
        return train(
            config, dataset=given, name=label, runs_dir=path, data_dir=data_dir, resume=begun, observer=observer
        )


def _chosen(
    config: TrainConfig, limits: dict[str, float], cc: str | None, trials: int, say: Callable[[str], None]
) -> list[TrainConfig]:
    """The configs to train: those within the limits with the most bit operations, of each width one."""
    from bitspike.costs import cost

    choices = list(_choices(config))
    fits: dict[Bits, tuple[float, TrainConfig]] = {}
    least: dict[str, float] = {}
    made = 0
    for number, one in enumerate(choices, 1):
        if number % 10 == 1:
            say(
                f"sizes: {number - 1} of {len(choices)} choices of widths and channels measured, {len(fits)} widths fit"
            )
        if one.bits in fits:  # a wider one of these widths fits
            continue
        try:
            net = untrained(one)
        except UserError:  # a network that has no such widths or channels
            continue
        made += 1
        device = device_of(net, "c", cc, trained=False)
        least = {key: min(value, least.get(key, value)) for key, value in device.costs.items()}
        if not _over(device, limits):
            fits[one.bits] = cost(net.graph).total.s_ace, one
    say(f"sizes: {made} measured, {len(fits)} widths fit")
    if not made:
        device_cost(config, cc=cc)  # says why
    if not fits:
        said = ", ".join(f"{key} {least[key]:,.0f}" for key in limits if key in least)
        raise UserError("limits", limits, f"the smallest that was found has {said}")
    return [one for _, one in sorted(fits.values(), key=lambda each: -each[0])[:trials]]


def _choices(config: TrainConfig) -> Iterator[TrainConfig]:
    """The recipe's network in other widths and channels, of each width the widest first."""
    from bitspike.models import MODELS

    usual = config.channels or (MODELS[config.model].channels if config.model in MODELS else None)
    own = usual is None  # a network of one's own has its neurons' bits
    pairs = [(config.bits.w, config.bits.s), *((w, config.bits.s if own else s) for w, s in WIDTHS)]
    for w, s in dict.fromkeys(pairs):
        if w == 16:
            continue
        for factor in FACTORS if usual else (1.0,):
            channels = None if usual is None else tuple(max(1, round(width * factor)) for width in usual)
            yield config.model_copy(update={"bits": replace(config.bits, w=w, s=s), "channels": channels})


def _over(device: DeviceCost, limits: dict[str, float]) -> dict[str, float]:
    """The costs above their limit."""
    return {key: device.costs[key] for key, limit in limits.items() if device.costs[key] > limit}


def _told(over: dict[str, float]) -> str:
    return "".join(f"; too much {key}: {value:,.0f}" for key, value in over.items())


def _label(config: TrainConfig) -> str:
    channels = "" if config.channels is None else "-" + "x".join(map(str, config.channels))
    return str(config.bits).replace("/", "-") + channels
