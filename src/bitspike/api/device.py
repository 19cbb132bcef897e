"""What a network takes of a microcontroller, before it is trained: by the C of an untrained one of its shape."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run, load_run
from bitspike.api.sources import is_file, is_run
from bitspike.errors import UserError
from bitspike.files import at_home
from bitspike.importing import users_code
from bitspike.ir import FrozenGraph, load

if TYPE_CHECKING:
    from bitspike.training import TrainConfig

__all__ = ["COSTS", "TARGETS", "DeviceCost", "device_cost", "device_of", "is_made", "untrained"]

TARGETS = ("c",)
COSTS = ("flash", "ram", "instructions")
COUNTED, UNPACKED, MULTIPLIED = (0.7, 1.12, 0.5), 5.5, 5.0
"""Instructions of a Cortex-M4 for a multiply-accumulate at ``-O3``, with the SIMD header, after
results/benchmarks/cortex_m.json: of weights of 1 and 2 bits and levels of up to 4, which are counts of ones (a part,
one for each bit of a level, one for the second bit of a weight); of weights that are unpacked first; of those of 8
bits, which lie as they are multiplied."""


@dataclass(frozen=True)
class DeviceCost:
    """Bytes and instructions of the exported C, for one input.

    Attributes:
        target: ``c``.
        trained: whether the program is that of the trained network, and not of an untrained one of its shape.
        flash_bytes: weights and constants. ram_bytes: edges and what layers compute in. Both are estimates of an
            untrained network: the types of sums and constants follow the ranges that its weights allow.
        code_bytes: what the linker of ``cc`` adds to the flash, code included; ``None`` without a compiler.
        stack_bytes: of the deepest call, by the compiler's own account; an estimate.
        instructions: of a Cortex-M4; an estimate, within a factor of two.
        cc: the compiler that was asked.
    """

    target: str
    trained: bool
    flash_bytes: int
    ram_bytes: int
    code_bytes: int | None
    stack_bytes: int | None
    instructions: int
    cc: str | None

    @property
    def costs(self) -> dict[str, float]:
        """What budgets are of (`COSTS`): ``flash`` with code, ``ram`` with the stack, ``instructions``."""
        flash, ram = self.flash_bytes + (self.code_bytes or 0), self.ram_bytes + (self.stack_bytes or 0)
        return dict(zip(COSTS, (flash, ram, self.instructions), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """All of it, and which of it is exact."""
        exact = ["flash_bytes", "ram_bytes", "code_bytes"] if self.trained else []
        return {**asdict(self), "exact": exact, **self.costs}


def device_cost(
    source: str | Path | Run | FrozenGraph | TrainConfig, target: str = "c", cc: str | None = None
) -> DeviceCost:
    """What a network takes of a device, before training.

    >>> bitspike.device_cost("fashion-convnet-tiny").costs["flash"]

    Args:
        source: a recipe or its config; or a run, a frozen network or its file, whose own program is measured.
        target: ``c``, the exported C.
        cc: the compiler with its flags, as of a microcontroller; by default the machine's own, if there is one.

    Raises:
        UserError: no such source or target, a network that cannot be frozen, or a compiler that fails.
    """
    from bitspike.api.train import configured
    from bitspike.training import TrainConfig

    if target not in TARGETS:
        raise UserError("--target", target, f"want {' or '.join(TARGETS)}")
    if isinstance(source, str | Path):
        if is_run(source):
            source = load_run(source)
        else:
            source = load(at_home(source)) if is_file(source) else configured(str(source))
    if isinstance(source, TrainConfig):
        return device_of(untrained(source), target, cc, trained=False)
    return device_of(source.freeze() if isinstance(source, Run) else source, target, cc, trained=True)


def is_made(source: str) -> bool:
    """Whether there is a run or a frozen file, and not the name of a recipe."""
    return is_run(source) or is_file(source)


def untrained(config: TrainConfig) -> FrozenGraph:
    """The config's network as it is made, in integers.

    Raises:
        UserError: what cannot be frozen, by its path in the network.
    """
    import torch

    from bitspike import lowering
    from bitspike.api.own import network_of
    from bitspike.training.described import dataset_of

    dataset = dataset_of(config)
    with users_code():
        model = network_of(config)
        codes = torch.randint(0, 256, (4, *dataset.sample.array_shape), dtype=torch.uint8)
        with torch.no_grad():
            model(codes.clamp(max=dataset.sample.hi - dataset.sample.lo))  # steps that are set by the first batch
        return lowering.freeze(model.eval(), dataset.sample, config.model, config.readout)


def device_of(net: FrozenGraph, target: str, cc: str | None, trained: bool) -> DeviceCost:
    """What the program of a frozen network takes."""
    from bitspike.backends.c.build import COMPILERS, compiler, footprint, stack
    from bitspike.backends.c.program import to_c
    from bitspike.costs import cost

    program = to_c(net)
    layers = cost(net.graph).layers
    instructions = sum(layer.macs * layer.t * a_mac(layer.w, layer.s) for layer in layers)
    code = used = command = None
    if cc is not None or any(map(shutil.which, COMPILERS)):
        command = compiler(cc)
        code, used = footprint(program, command).flash - program.flash_bytes, stack(program, command)
    return DeviceCost(
        target=target,
        trained=trained,
        flash_bytes=program.flash_bytes,
        ram_bytes=program.ram_bytes,
        code_bytes=code,
        stack_bytes=used,
        instructions=round(instructions),
        cc=None if command is None else " ".join(command),
    )


def a_mac(w: float, s: float) -> float:
    """Instructions of a multiply-accumulate of a weight of ``w`` bits and a level of ``s``; an estimate."""
    if w > 2 or s > 4:
        return MULTIPLIED if w == 8 else UNPACKED
    alone, each, second = COUNTED
    return alone + each * s + second * (w - 1)
