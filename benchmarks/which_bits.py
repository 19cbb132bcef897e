"""Times, synthesizes and links every network in one width of the claims: what docs/which-bits.md sets beside accuracy.

Each network is built as its runs were, with weights as they are initialised and batch norm's statistics of random
images: none of what is measured depends on trained weights, but for the native engine's kernels that walk through
spikes, which are named where one is used. Settings of a network take turns within a round, on one thread. LUTs are
those of an engine of eight elements on an iCE40 without DSP blocks: counted by Yosys, or estimated; cycles are the
exporter's own count. Flash and RAM are what a Cortex-M4's linker gives the exported C. Weights of 16 bits are floats,
which no integer backend has: a network of which there is no other is measured with 8 bits.

    python benchmarks/which_bits.py --synthesize fashion-convnet
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import typer
from machine import command, commit, processor
from native_nets import Run as Timed
from native_nets import in_turns, quartiles
from random_nets import images_of

import bitspike
from bitspike import recipes
from bitspike.backends import backend, oracle
from bitspike.backends.native import Native, stage_times
from bitspike.backends.verilog import to_verilog
from bitspike.backends.verilog.place import netlist, version
from bitspike.bits import FULL_PRECISION, Bits
from bitspike.costs import cost
from bitspike.costs.hardware import HardwareSettings, hardware
from bitspike.data import find_dataset
from bitspike.errors import UserError
from bitspike.files import read_json, write_json
from bitspike.ir import FrozenGraph
from bitspike.lowering import freeze, lower
from bitspike.native import level
from bitspike.training import TrainConfig, override
from bitspike.training.setup import make_model
from claims.claim import Run
from claims.which_bits import MEASURED, Network, Setting, key_of, networks

ELEMENTS, KIND, FAMILY = 8, "parallel", "ice40"
CORTEX_M4 = "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb"
SECONDS = 20.0
"""Of all rounds of a network; `native_nets.in_turns` has its limits too."""
CALIBRATION = 16
"""Random images that batch norm sees."""


def config_of(network: Network, setting: Setting) -> TrainConfig:
    run = Run(network.recipe, setting.edits, 0)
    return override(recipes.recipe(network.recipe), run.all_edits(network.scale))


def in_integers(config: TrainConfig) -> tuple[TrainConfig, str]:
    """The config of a network that freezes, and its bits."""
    bits = Bits.parse(str(config.bits))
    if bits.w == FULL_PRECISION:
        bits = Bits(8, bits.s, bits.t, bits.u)
    return override(config, [f"bits={bits}"]), str(bits)


def built(config: TrainConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    model = make_model(config).train()
    sample = find_dataset(config.dataset, config.frames).sample
    with torch.no_grad():
        model(torch.randint(0, 256, (CALIBRATION, *sample.shape), dtype=torch.uint8))
    return model.eval()


def frozen(network: Network, setting: Setting) -> tuple[FrozenGraph, str]:
    """In integers.

    Raises:
        UserError: the recipe makes another network than the runs were of.
    """
    config = config_of(network, setting)
    sample = find_dataset(config.dataset, config.frames).sample
    size = cost(lower(built(config), sample)).total.size_bytes
    if size != setting.costs["bytes"]:
        key = key_of(network.scale, network.recipe, setting.edits)
        raise UserError(key, f"{size:,.0f} bytes", f"want the network of its runs, of {setting.costs['bytes']:,.0f}")
    config, bits = in_integers(config)
    return freeze(built(config), sample, config.model, config.readout), bits


def in_hardware(net: FrozenGraph, known: Iterable[Mapping[str, Any]], synthesized: bool) -> dict[str, Any]:
    """LUTs and cycles of the engine; what is known of the same text is not synthesized again."""
    program = to_verilog(net, "network", ELEMENTS, KIND)
    parts = [version("yosys"), *(program.files[name] for name in sorted(program.files))]
    text = hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
    counted = next((line["luts_counted"] for line in known if line["verilog"] == text), None)
    if counted is None and synthesized:
        with tempfile.TemporaryDirectory() as folder:
            counted = netlist(program, FAMILY, Path(folder), top="network_pins", dsp="none")["luts"]
    engines = hardware(net.graph, HardwareSettings(device=FAMILY, elements=ELEMENTS)).engines
    (engine,) = (one for one in engines if one.element == KIND)
    luts = {"luts_estimated": round(engine.luts), "luts_counted": counted}
    return luts | {"cycles": sum(program.cycles.values()), "verilog": text}


def measured(
    network: Network, before: Mapping[str, Mapping[str, Any]], cc: str, synthesized: bool
) -> dict[str, dict[str, Any]]:
    """All settings of a network."""
    lines: dict[str, dict[str, Any]] = {}
    runs: dict[str, Timed] = {}
    for setting in network.measurable:
        key = key_of(network.scale, network.recipe, setting.edits)
        net, bits = frozen(network, setting)
        images = images_of(net, 1)
        run = bitspike.compile(net, threads=1)
        if not (run(images) == oracle.logits(net, images)).all():
            raise AssertionError(f"{key}: other logits than the oracle")
        runs[key] = lambda run=run, images=images: run(images)  # type: ignore[misc]
        kernels = {
            name for stage in stage_times(Native(1).prepare(net), images, 1) for name in stage.kernel.split(", ")
        }
        linked = backend("c", cc=cc).export(net, "network").facts
        lines[key] = {
            "bits": bits,
            "kernels": sorted(kernels - {""}),
            "flash_bytes": linked["flash_bytes_linked"],
            "ram_bytes": linked["ram_bytes_linked"],
            **in_hardware(net, [*before.values(), *lines.values()], synthesized),
        }
        print(key, lines[key], flush=True)
    for key, times in in_turns(runs, 1, SECONDS).items():
        lines[key]["us"] = quartiles([1e3 * time for time in times]) | {"rounds": len(times)}
        print(key, lines[key]["us"], flush=True)
    return lines


def main(
    cc: Annotated[str, typer.Option(help="Compiler of the device.")] = CORTEX_M4,
    synthesize: Annotated[
        list[str] | None, typer.Option(help="Recipes whose LUTs Yosys counts, minutes a network; others are estimated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = MEASURED,
) -> None:
    """Measure every network of which there are runs, and write the file."""
    torch.set_num_threads(1)
    trained = networks()
    before = read_json(out)["settings"] if out.exists() else {}
    keys = [key_of(one.scale, one.recipe, setting.edits) for one in trained for setting in one.measurable]
    settings = {key: before[key] for key in keys if key in before}
    head = {
        "command": command(__file__),
        "processor": processor() | {"level": level().name},
        "commit": commit(Path(__file__).parent),
        "versions": {"bitspike": bitspike.__version__, "numpy": metadata.version("numpy"), "yosys": version("yosys")},
        "us": "of an image alone: processor time on one thread, calls from Python included; all settings of a network "
        "take turns in every round",
        "engine": f"{ELEMENTS} {KIND} elements, {FAMILY} without DSP blocks",
        "luts_estimated": f"of the elements alone, as `bitspike cost --hardware {FAMILY}` estimates them",
        "luts_counted": "of the whole engine, as Yosys counts them; not placed",
        "cycles": "of an image, by the exporter's count, which is exact for these elements",
        "flash_bytes": f"with code, and RAM without stack: {cc}, -Os",
        "weights": "as initialised, batch norm of random images; of 16 bits measured with 8",
    }
    for network in trained:  # each is written when it is there: netlists take minutes
        settings |= measured(network, before, cc, network.recipe in (synthesize or ()))
        write_json(out, head | {"settings": settings})


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"which_bits: {wrong}")
