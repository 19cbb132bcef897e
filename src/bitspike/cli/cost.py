"""`bitspike cost`: what a network costs, layer by layer, without training it."""

from __future__ import annotations

import bitspike
from bitspike.cli import cost_options as options
from bitspike.cli.collector import without_collector
from bitspike.cli.cost_models import Constants, Elements, Hardware, Target, device_asked, energy_asked, hardware_asked
from bitspike.cli.inputs import input_of
from bitspike.cli.options import CCompiler, Json, given, numbers, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

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
    hardware: Hardware = None,
    pes: Elements = None,
    constants: Constants = None,
    target: Target = None,
    cc: CCompiler = None,
    as_json: Json = False,
) -> None:
    """Print parameters, size, MACs, Bit Budget, S-ACE, memory and, for a trained run, spikes, SOPs and NS-ACE.

    Examples: bitspike cost resnet20 --bits 2/2/1; bitspike cost runs/my-run --energy lemaire;
    bitspike cost net.bitspike --hardware ice40; bitspike cost fashion-convnet-tiny --target c
    """
    with without_collector():
        of_lemaire = given(memory_width=memory_width, fifo=fifo, spike_cost=spike_cost, leak=leak or None)
        if constants is not None and energy is None and hardware is None:
            raise UserError("--constants", str(constants), "only --energy gates and --hardware read it; give one")
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
            energy=energy_asked(energy, constants if hardware is None or energy == "gates" else None, of_lemaire),
            hardware=hardware_asked(hardware, pes, constants),
        )
        device = device_asked(model, bits, target, cc)
    if as_json:
        print_json(report.to_dict() | ({} if device is None else {"device": device.to_dict()}))
        return
    from bitspike import reports

    print_tables(*reports.cost_tables(report))
    if report.energy is not None:
        print_tables(reports.energy_table(report.energy))
    if report.hardware is not None:
        print_tables(reports.hardware_table(report.hardware))
    if device is not None:
        print_tables(reports.device_table(device.to_dict()))
