"""`bitspike cost`: what a network costs, layer by layer, without training it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bitspike
from bitspike.cli import cost_options as options
from bitspike.cli.collector import without_collector
from bitspike.cli.inputs import input_of
from bitspike.cli.options import Json, given, numbers, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

if TYPE_CHECKING:
    from bitspike.costs import EnergyModel

__all__ = ["cost"]


def cost(
    model: options.Model,
    bits: options.Bits = None,
    plan: options.Plan = None,
    image: options.Image = None,
    levels: options.Levels = None,
    classes: options.Classes = None,
    channels: options.Channels = None,
    counting: options.Counting = "exact",
    batch: options.Batch = 1,
    activity: options.Activity = None,
    energy: options.Energy = None,
    memory_width: options.MemoryWidth = None,
    fifo: options.Fifo = None,
    spike_cost: options.SpikeCost = None,
    leak: options.Leak = False,
    as_json: Json = False,
) -> None:
    """Print parameters, size, MACs, Bit Budget, S-ACE, memory and, for a trained run, spikes, SOPs and NS-ACE.

    Examples: bitspike cost resnet20 --bits 2/2/1; bitspike cost runs/my-run --energy lemaire;
    bitspike cost mypackage.nets:make
    """
    with without_collector():
        constants = given(memory_width=memory_width, fifo=fifo, spike_cost=spike_cost, leak=leak or None)
        report = bitspike.cost(
            model,
            counting=counting,
            bits=bits,
            plan=plan,
            sample=input_of(image, levels),
            classes=classes,
            channels=numbers(channels) if channels is not None else None,
            batch=batch,
            activity=activity,
            energy=_energy_model(energy, constants),
        )
    if as_json:
        print_json(report.to_dict())
        return
    from bitspike import reports

    print_tables(*reports.cost_tables(report))
    if report.energy is not None:
        print_tables(reports.energy_table(report.energy))


def _energy_model(name: str | None, constants: dict[str, Any]) -> EnergyModel | None:
    from bitspike.costs import energy_model

    if name is not None:
        return energy_model(name, **constants)
    for constant, value in constants.items():
        raise UserError(f"--{constant.replace('_', '-')}", value, "only --energy lemaire reads it; give that too")
    return None
