"""`bitspike export`: a frozen network in another form: C99, ONNX, JSON, memory images or SystemVerilog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import bitspike
from bitspike.cli.options import CCompiler, Json, given, print_json
from bitspike.cli.tables import print_tables

__all__ = ["export"]

FORMS = (
    "c: NAME.c, NAME.h, NAME_simd.h and main.c. onnx: NAME.onnx. json: NAME.json. mem: NAME.mem.json and a hexadecimal"
    " file for each tensor and edge. verilog: NAME.sv, its memories and its parts. nir: NAME.nir."
    " qonnx: NAME.onnx with Quant nodes."
)


def export(
    file: Annotated[Path, typer.Argument(help="A file of `bitspike freeze`.")],
    to: Annotated[str, typer.Option("--to", help=FORMS)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    name: Annotated[str, typer.Option("--name", help="Name of the files, and of what they define.")] = "network",
    streaming: Annotated[
        bool, typer.Option("--streaming", help="For c: NAME_reset and NAME_step, which take one step at a time.")
    ] = False,
    samples: Annotated[
        int | None, typer.Option("--samples", help="For mem: random inputs with golden vectors. Default: 4.")
    ] = None,
    cc: CCompiler = None,
    pes: Annotated[int | None, typer.Option("--pes", help="Processing elements, 1 to 256. Default: 8.")] = None,
    element: Annotated[
        str | None, typer.Option("--element", help="parallel, serial (a bit a cycle) or event (0 is skipped).")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="For verilog: place it, on hx1k, up5k, hx8k, ecp5-25k, -45k or -85k.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", help="shared (one engine) or streaming (a stage for each layer).")
    ] = None,
    cycles: Annotated[int | None, typer.Option("--cycles", help="For streaming: from image to image, at most.")] = None,
    luts: Annotated[int | None, typer.Option("--luts", help="For streaming: at most, by an estimate.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="For onnx: convolutions as ConvInteger, at which ONNX Runtime is faster.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a frozen network as C99 without dependencies (static memory, integers alone), as ONNX, or as SystemVerilog.

    Or, for hardware and programs of your own, as JSON with every integer and the meaning of every op, or as memory
    images at true widths with what every edge is for some inputs.

    For C, the linker of --cc says what flash and RAM the network takes: its own compiler tells of this machine, and
    --cc "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb" of a microcontroller. For Verilog, --pes and --element choose what
    sums the layers, and --architecture streaming a stage for each, as wide as --pes, --cycles or --luts say; --device
    says what that takes on an FPGA and how fast it is, by Yosys and nextpnr.

    With --streaming NAME_step computes one step of the input, and NAME_run, all steps, is a loop over it.

    Example: bitspike export net.bitspike --to c -o firmware/
    """
    of_form = given(cc=cc, streaming=streaming or None, samples=samples, pes=pes, element=element)
    of_form |= given(architecture=architecture, cycles=cycles, luts=luts, device=device, fast=fast or None)
    found = bitspike.export(file, to, output, name=name, **of_form)
    if as_json:
        print_json(found.to_dict())
        return
    for path in found.files:
        typer.echo(path)
    if "flash_bytes_of_data" in found.facts:
        from bitspike import reports

        print_tables(reports.footprint_table(found.facts))
    if "architecture" in found.facts:
        from bitspike import reports

        print_tables(*reports.verilog_table(found.facts))
