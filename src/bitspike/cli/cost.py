"""`bitspike cost`: what a network costs, layer by layer, without training it."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitspike.bits import BitPlan, Bits
from bitspike.cli.options import Json, image_shape, print_json
from bitspike.errors import UserError, closest

if TYPE_CHECKING:
    from bitspike.costs import Activity, EnergyModel
    from bitspike.ir import Graph

__all__ = ["cost", "make_own", "of_run"]

DEFAULT_BITS = "16/1/4"
LARGE_IMAGE = 64
MOST_CLASSES = 1_000_000
MOST_IMAGES = 1_000_000


def cost(
    model: Annotated[
        str,
        typer.Argument(
            help="A network of the registry, a run folder, a frozen file, or package.module:function of your own."
        ),
    ],
    bits: Annotated[
        str | None,
        typer.Option("--bits", help=f"Weight/spike/steps, or .../membrane, of every layer. Default: {DEFAULT_BITS}."),
    ] = None,
    plan: Annotated[Path | None, typer.Option("--plan", help="JSON file with the bits of single layers.")] = None,
    image: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Shape of an image. Default: 3x32x32.")
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            "--classes", min=1, max=MOST_CLASSES, help="Classes. Default: 10, or 1000 for images above 64 pixels."
        ),
    ] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", help="Channels of each stage, for example 16,32,64.")
    ] = None,
    counting: Annotated[
        str, typer.Option("--counting", help="What the count includes: exact, paper-000 or paper-001.")
    ] = "exact",
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=MOST_IMAGES, help="Images at once, for the memory footprint.")
    ] = 1,
    activity: Annotated[
        Path | None, typer.Option("--activity", help="The activity.json of a run of the same network.")
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option("--energy", help="Energy too: lemaire, lemaire-int8, horowitz, horowitz-int or sop-77fj."),
    ] = None,
    memory_width: Annotated[
        int | None, typer.Option("--memory-width", help="lemaire: bits of an element of the memories. Default: 16.")
    ] = None,
    fifo: Annotated[
        int | None, typer.Option("--fifo", help="lemaire: elements of the buffers of spikes. Default: 1000.")
    ] = None,
    spike_cost: Annotated[
        str | None,
        typer.Option("--spike-cost", help="lemaire: additions of a graded spike: worst (N, the default) or level."),
    ] = None,
    leak: Annotated[bool, typer.Option("--leak", help="lemaire: the neurons leak.")] = False,
    as_json: Json = False,
) -> None:
    """Print parameters, size, MACs, Bit Budget, S-ACE, memory and, for a trained run, spikes, SOPs and NS-ACE.

    Examples: bitspike cost resnet20 --bits 2/2/1; bitspike cost runs/my-run --energy lemaire;
    bitspike cost mypackage.nets:make
    """
    with _without_collector():
        from bitspike.costs import cost as cost_of

        constants = {"memory_width": memory_width, "fifo": fifo, "spike_cost": spike_cost, "leak": leak or None}
        estimate = _energy_model(energy, constants)
        graph, measured = _find(model, bits, plan, image, classes, channels, activity)
        report = cost_of(graph, counting, measured, batch, estimate)
    if as_json:
        print_json(report.to_dict())
        return
    from rich.console import Console

    from bitspike import reports

    console = Console()
    tables = (reports.cost_table(report), *reports.activity_tables(report), reports.total_table(report))
    for table in (*tables, reports.memory_table(report)):
        console.print(table)
    if report.energy is not None:
        console.print(reports.energy_table(report.energy))


def _energy_model(name: str | None, constants: dict[str, Any]) -> EnergyModel | None:
    from bitspike.costs import energy_model

    given = {constant: value for constant, value in constants.items() if value is not None}
    if name is not None:
        return energy_model(name, **given)
    for constant, value in given.items():
        raise UserError(f"--{constant.replace('_', '-')}", value, "only --energy lemaire reads it; give that too")
    return None


@contextmanager
def _without_collector() -> Iterator[None]:
    """Importing and tracing only pile objects up: looking for garbage among them took a third of the command's time."""
    gc.disable()
    atexit.register(gc.freeze)  # nor at the exit
    try:
        yield
    finally:
        gc.enable()


def _find(
    model: str,
    bits: str | None,
    plan: Path | None,
    image: str | None,
    classes: int | None,
    channels: str | None,
    activity: Path | None,
) -> tuple[Graph, Activity | None]:
    if bits is not None and plan is not None:
        raise UserError("--bits", bits, "the plan file has its own default; give one of --bits and --plan")
    is_run = os.path.isfile(os.path.join(model, "config.json"))
    if is_run or os.path.isfile(model):
        _only({"--bits": bits, "--plan": plan, "--input": image, "--classes": classes, "--channels": channels}, model)
    if is_run:
        _only({"--activity": activity}, model)
        return of_run(Path(model))
    measured = _activity(activity) if activity else None
    if os.path.isfile(model):
        return _of_file(model), measured
    chosen = BitPlan.load(plan) if plan else BitPlan(Bits.parse(bits or DEFAULT_BITS))
    shape = image_shape(image or "3x32x32")
    if ":" in model:
        _only({"--classes": classes, "--channels": channels}, model)
        return _of_function(model, chosen if bits or plan else None, shape), measured
    return _of_registry(model, chosen, shape, classes, _numbers(channels)), measured


def _activity(path: Path) -> Activity:
    from bitspike.costs import Activity
    from bitspike.files import read_json

    return Activity.from_dict(read_json(path))


def _only(options: dict[str, object], model: str) -> None:
    """Refuses options that the kind of model has no use for."""
    for option, value in options.items():
        if value is not None:
            raise UserError(option, str(value), f"{model} has its own; leave the option out")


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,4}(,[1-9]\d{0,4})*", text, flags=re.ASCII):
        raise UserError("--channels", text, "want whole numbers with commas, for example 16,32,64")
    return tuple(int(part) for part in text.split(","))


def _of_registry(
    name: str, plan: BitPlan, shape: tuple[int, int, int], classes: int | None, channels: tuple[int, ...] | None
) -> Graph:
    import torch

    from bitspike.lowering import lower
    from bitspike.models import MODELS, build_model

    if name not in MODELS:
        kinds = "or a run folder, a frozen file, or package.module:function"
        if os.path.isdir(name):
            kinds = "a folder must hold the config.json of a run"
        raise UserError("model", name, f"{closest(name, MODELS)}; {kinds}")
    num_classes = classes or (1000 if max(shape[1:]) > LARGE_IMAGE else 10)
    with torch.device("meta"):  # shapes are enough
        model = build_model(name, plan, image_shape=shape, num_classes=num_classes, channels=channels)
    return lower(model, shape, name)


def of_run(path: Path) -> tuple[Graph, Activity | None]:
    """The graph of a run folder, and what was measured once it was trained."""
    import torch

    from bitspike.training import RunFolder
    from bitspike.training.setup import graph_of, make_model

    folder = RunFolder(path)
    config = folder.read_learned()
    with torch.device("meta"):
        graph = graph_of(config, make_model(config))
    return graph, _activity(folder.activity_file) if folder.activity_file.exists() else None


def _of_file(path: str) -> Graph:
    from bitspike.ir import load

    return load(path).graph


def _of_function(target: str, plan: BitPlan | None, shape: tuple[int, int, int]) -> Graph:
    from torch import nn

    from bitspike.lowering import lower
    from bitspike.models import apply_weight_bits

    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):  # what the user's code prints is no part of the result
            model = make_own(target)
            if not isinstance(model, nn.Module):
                raise UserError("model", target, f"it returned {type(model).__name__}; want an nn.Module")
            if plan:
                apply_weight_bits(model, plan)
            return lower(model, shape, target.partition(":")[2])
    finally:
        sys.path.remove(here)


def make_own(target: str) -> object:
    """What ``package.module:function`` returns."""
    module, _, function = target.partition(":")
    try:
        return getattr(importlib.import_module(module), function)()
    except (Exception, SystemExit) as wrong:
        raise UserError("model", target, f"cannot be made: {type(wrong).__name__}: {wrong}") from wrong
