"""What the options of `bitspike cost` ask for: an energy model with its constants, a device with its elements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitspike.errors import UserError
from bitspike.files import at_home

if TYPE_CHECKING:
    from bitspike.api.device import DeviceCost
    from bitspike.costs import EnergyModel
    from bitspike.costs.hardware import HardwareSettings

__all__ = ["Constants", "Elements", "Hardware", "Target", "device_asked", "energy_asked", "hardware_asked"]

Hardware = Annotated[
    str | None, typer.Option("--hardware", help="LUTs, memory, cycles on an FPGA, as an estimate: ice40 or ecp5.")
]
Elements = Annotated[int | None, typer.Option("--pes", help="hardware: elements that multiply at once. Default: 8.")]
Constants = Annotated[
    Path | None, typer.Option("--constants", help="gates, hardware: a file in place of the package's hardware.json.")
]


Target = Annotated[
    str | None,
    typer.Option(
        "--target", help="c: flash, RAM, stack and instructions of the exported C; of a recipe, before training."
    ),
]


def energy_asked(name: str | None, file: Path | None, constants: dict[str, Any]) -> EnergyModel | None:
    """The model of ``--energy``.

    Args:
        name: its name. file: of ``--constants``, which another option may be for. constants: those that were given.
    """
    from bitspike.costs import energy_model

    if name is not None:
        return energy_model(name, **constants, constants=None if file is None else at_home(file))
    for constant, value in constants.items():
        raise UserError(f"--{constant.replace('_', '-')}", value, "only --energy lemaire reads it; give that too")
    return None


def hardware_asked(device: str | None, elements: int | None, file: Path | None) -> HardwareSettings | None:
    """The device of ``--hardware``."""
    from bitspike.costs.hardware import HardwareSettings

    if device is None:
        if elements is not None:
            raise UserError("--pes", elements, "only --hardware reads it; give that too")
        return None
    asked = {} if elements is None else {"elements": elements}
    return HardwareSettings(device=device, constants=None if file is None else at_home(file), **asked)


def device_asked(source: str, bits: str | None, target: str | None, cc: str | None) -> DeviceCost | None:
    """The device of ``--target``."""
    if target is None:
        if cc is not None:
            raise UserError("--cc", cc, "only --target reads it; give that too")
        return None
    from bitspike.api.device import device_cost, is_made
    from bitspike.api.train import configured

    return device_cost(source if is_made(source) else configured(source, [f"bits={bits}"] if bits else []), target, cc)
