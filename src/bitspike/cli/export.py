"""`bitspike export`: a frozen network in another form: C99, ONNX, JSON, memory images or SystemVerilog."""

from __future__ import annotations

import typer

import bitspike
from bitspike.cli.export_options import (
    Architecture,
    Cycles,
    Device,
    Element,
    Fast,
    File,
    FileName,
    Folder,
    Luts,
    Pes,
    Samples,
    Scratch,
    Streaming,
    To,
)
from bitspike.cli.options import CCompiler, Json, given, print_json
from bitspike.cli.tables import print_tables

__all__ = ["export"]


def export(
    file: File,
    to: To,
    output: Folder,
    name: FileName = "network",
    streaming: Streaming = False,
    scratch: Scratch = None,
    samples: Samples = None,
    cc: CCompiler = None,
    pes: Pes = None,
    element: Element = None,
    device: Device = None,
    architecture: Architecture = None,
    cycles: Cycles = None,
    luts: Luts = None,
    fast: Fast = False,
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
    of_form = given(cc=cc, streaming=streaming or None, scratch=scratch, samples=samples, pes=pes)
    of_form |= given(
        element=element, architecture=architecture, cycles=cycles, luts=luts, device=device, fast=fast or None
    )
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
