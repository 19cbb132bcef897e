"""The options of `bitspike export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Architecture", "Cycles", "Device", "Element", "Fast", "File", "FileName", "Folder", "Luts", "Pes", "Samples",
    "Scratch", "Streaming", "To",
]  # fmt: skip

FORMS = (
    "c: NAME.c, NAME.h, NAME_simd.h and main.c. onnx: NAME.onnx. json: NAME.json. mem: NAME.mem.json and a hexadecimal"
    " file for each tensor and edge. verilog: NAME.sv, its memories and its parts. nir: NAME.nir."
    " qonnx: NAME.onnx with Quant nodes."
)

File = Annotated[Path, typer.Argument(help="A file of `bitspike freeze`.")]
To = Annotated[str, typer.Option("--to", help=FORMS)]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")]
FileName = Annotated[str, typer.Option("--name", help="Name of the files, and of what they define.")]
Streaming = Annotated[
    bool, typer.Option("--streaming", help="For c: NAME_reset and NAME_step, which take one step at a time.")
]
Scratch = Annotated[
    int | None,
    typer.Option("--scratch", help="For c: bytes to compute sums in; more is faster. Default: by the network."),
]
Samples = Annotated[
    int | None, typer.Option("--samples", help="For mem: random inputs with golden vectors. Default: 4.")
]
Pes = Annotated[int | None, typer.Option("--pes", help="Processing elements, 1 to 256. Default: 8.")]
Element = Annotated[
    str | None, typer.Option("--element", help="parallel, serial (a bit a cycle) or event (0 is skipped).")
]
Device = Annotated[
    str | None, typer.Option("--device", help="For verilog: place it, on hx1k, up5k, hx8k, ecp5-25k, -45k or -85k.")
]
Architecture = Annotated[
    str | None, typer.Option("--architecture", help="shared (one engine) or streaming (a stage for each layer).")
]
Cycles = Annotated[int | None, typer.Option("--cycles", help="For streaming: from image to image, at most.")]
Luts = Annotated[int | None, typer.Option("--luts", help="For streaming: at most, by an estimate.")]
Fast = Annotated[
    bool, typer.Option("--fast", help="For onnx: convolutions as sums of bytes, at which ONNX Runtime is faster.")
]
