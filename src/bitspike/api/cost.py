"""`bitspike.cost`: what a network costs, layer by layer, without training it."""

from __future__ import annotations

import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run, load_run
from bitspike.api.sources import is_file, is_run
from bitspike.bits import BitPlan, Bits
from bitspike.costs import Activity, CostReport, EnergyModel
from bitspike.costs import cost as cost_of
from bitspike.costs.hardware import HardwareSettings
from bitspike.errors import UserError, closest, whole_number
from bitspike.files import at_home
from bitspike.importing import is_import_path, users_code
from bitspike.ir import FrozenGraph, Graph, load
from bitspike.sample import AnySample, Sample, as_sample

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DEFAULT_BITS", "cost"]

DEFAULT_BITS = "16/1/4"
DEFAULT_SAMPLE = Sample((3, 32, 32))
MOST_VALUES = 100_000_000
"""One image has so many: 5,000 by 5,000 pixels of three channels are three quarters of it."""
LARGE_IMAGE = 64
"""Images with a longer side have 1000 classes, where none are given."""


def cost(
    source: str | Path | Run | FrozenGraph | Graph | nn.Module,
    *,
    counting: str = "exact",
    bits: Bits | str | None = None,
    plan: BitPlan | str | Path | None = None,
    sample: AnySample | None = None,
    classes: int | None = None,
    channels: tuple[int, ...] | None = None,
    batch: int = 1,
    activity: Activity | str | Path | None = None,
    energy: EnergyModel | str | None = None,
    hardware: HardwareSettings | str | None = None,
) -> CostReport:
    """Parameters, size, MACs, Bit Budget, S-ACE, memory and, with measured activity, spikes, SOPs, NS-ACE and energy.

    >>> bitspike.cost("resnet20", bits="2/2/1").total.size_bytes
    4369504.0
    >>> round(bitspike.cost("runs/digits", energy="lemaire").energy.snn.total.total)  # nJ per image
    15742

    Args:
        source: a network of the registry, a recipe, a run or its folder, a frozen network or its file, a graph, an
            ``nn.Module``, or ``package.module:function``, which makes one.
        counting: what the count includes: a key of `bitspike.costs.COUNTINGS`, such as ``paper-000``.
        bits: ``w/s/t`` or ``w/s/t/u`` of every layer; by default 16/1/4 of a network of the registry (of a train, its
            own steps), and a network of your own keeps its weights as they are.
        plan: bits of single layers, or the JSON file with them, in place of ``bits``.
        sample: what one input is; ``(C, H, W)`` is an image's shape; by default (3, 32, 32).
        classes: of a network of the registry; by default 10, or 1000 for images above 64 pixels.
        channels: of its stages, where the usual ones are not wanted.
        batch: images at once, for the memory footprint.
        activity: measured on a run of the same network, or its ``activity.json``; a run has its own.
        energy: a key of `bitspike.costs.ENERGIES`, or a model with constants of one's own.
        hardware: an FPGA, ``ice40`` or ``ecp5``, to estimate LUTs, memory and cycles on, or its settings.

    Returns:
        The report: ``layers``, ``neurons``, ``total``, ``memory``, ``energy``, ``hardware``. S-ACE and NS-ACE in bit
        operations per image, sizes in bytes, energies in nJ per image.

    Raises:
        UserError: nothing of that name, an argument that the source has itself, a network that does not fit its bits or
            images, or a layer that has no op.
    """
    if bits is not None and plan is not None:
        raise UserError("--bits", str(bits), "the plan file has its own default; give one of --bits and --plan")
    made = {"--classes": classes, "--channels": channels}
    found = _found(str(source)) if isinstance(source, str | Path) else source
    label = _label(source)
    on = HardwareSettings(device=hardware) if isinstance(hardware, str) else hardware
    if isinstance(found, Run | FrozenGraph | Graph):
        _refuse({"--bits": bits, "--plan": plan, "--input": sample, **made}, label)
    if isinstance(found, Run):
        _refuse({"--activity": activity}, label)
        return found.cost(counting, batch=batch, energy=energy, hardware=on)
    measured = Activity.load(at_home(activity)) if isinstance(activity, str | Path) else activity
    of = _checked_sample(sample)
    if isinstance(found, FrozenGraph | Graph):
        graph = found if isinstance(found, Graph) else found.graph
    elif isinstance(found, str) and not is_import_path(found) and _is_recipe(found):
        _refuse({"--plan": plan, "--input": sample, **made}, label)
        graph = _of_recipe(found, bits)
    elif isinstance(found, str) and not is_import_path(found):
        graph = _of_registry(found, _plan(bits, plan, of.T), of, classes, channels)
    else:
        _refuse(made, label)
        graph = _of_own(found, None if bits is plan is None else _plan(bits, plan), of)
    return cost_of(graph, counting, measured, batch, energy, on)


def _found(path: str) -> Run | FrozenGraph | str:
    """The run or the network in integers that lies there, else the name itself."""
    if is_run(path):
        return load_run(path)
    return load(at_home(path)) if is_file(path) else path


def _checked_sample(given: AnySample | None) -> Sample:
    if given is None:
        return DEFAULT_SAMPLE
    wanted = f"want an image of channels, height and width, or a train of them, up to {MOST_VALUES:,} values"
    try:
        sample = as_sample(given)
    except UserError as wrong:
        raise UserError("--input", given, wanted) from wrong
    if sample.size > MOST_VALUES:
        raise UserError("--input", str(sample), wanted)
    return sample


def _label(source: object) -> str:
    """How a refusal calls it."""
    if isinstance(source, Run):
        return str(source.folder)
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def _refuse(arguments: dict[str, Any], label: str) -> None:
    """Refuses arguments that the kind of source has no use for."""
    for argument, value in arguments.items():
        if value is not None:
            if argument == "--input":
                value = as_sample(value)
            seen = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            raise UserError(argument, seen, f"{label} has its own; leave the option out")


def _plan(bits: Bits | str | None, plan: BitPlan | str | Path | None, T: int = 1) -> BitPlan:
    if plan is not None:
        return plan if isinstance(plan, BitPlan) else BitPlan.load(at_home(plan))
    if bits is None and T > 1:  # neurons have the steps of the train that they read
        return BitPlan(replace(Bits.parse(DEFAULT_BITS), t=T))
    return BitPlan(bits if isinstance(bits, Bits) else Bits.parse(DEFAULT_BITS if bits is None else bits))


def _is_recipe(name: str) -> bool:
    from bitspike.models import MODELS
    from bitspike.recipes import RECIPES

    return name in RECIPES and name not in MODELS


def _of_recipe(name: str, bits: Bits | str | None) -> Graph:
    """Of the network that a recipe trains, on its data."""
    import torch

    from bitspike.api.train import configured
    from bitspike.training.setup import graph_of, make_model

    config = configured(name, [] if bits is None else [f"bits={bits}"])
    with torch.device("meta"):  # shapes are enough
        return graph_of(config, make_model(config))


def _of_registry(
    name: str, plan: BitPlan, sample: Sample, classes: int | None, channels: tuple[int, ...] | None
) -> Graph:
    import torch

    from bitspike.lowering import lower
    from bitspike.models import MODELS, build_model

    if name not in MODELS:
        kinds = "or a run folder, a recipe, a frozen file, or package.module:function"
        if os.path.isdir(name):
            kinds = "a folder must hold the config.json of a run"
        raise UserError("model", name, f"{closest(name, MODELS)}; {kinds}")
    usual = 1000 if max(sample.shape[1:], default=1) > LARGE_IMAGE else 10
    num_classes = usual if classes is None else whole_number("--classes", classes)
    with torch.device("meta"):  # shapes are enough
        model = build_model(name, plan, sample=sample, num_classes=num_classes, channels=channels)
    return lower(model, sample, name)


def _of_own(source: str | nn.Module, plan: BitPlan | None, sample: Sample) -> Graph:
    """Of the user's network, which stays as it is."""
    from bitspike.lowering import lower
    from bitspike.models import apply_weight_bits, own_network

    with users_code():
        model = own_network(source) if isinstance(source, str) else deepcopy(source)
        if plan:
            apply_weight_bits(model, plan)
        name = source.partition(":")[2] if isinstance(source, str) else type(model).__name__
        return lower(model, sample, name)
