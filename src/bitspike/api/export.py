"""`bitspike.export`: a frozen network in another form: C99, ONNX, JSON, memory images or SystemVerilog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.results import Exported
from bitspike.api.run import Run
from bitspike.api.sources import as_net

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

__all__ = ["export"]


def export(
    source: FrozenGraph | Run | str | Path,
    to: str,
    output: str | Path,
    *,
    name: str = "network",
    **options: Any,
) -> Exported:
    """Writes a frozen network as C99 without dependencies, as ONNX, or as SystemVerilog: integers alone.

    >>> bitspike.export("digits.bitspike", "c", "firmware", name="digits").facts["ram_bytes_of_data"]
    1088

    Args:
        source: a frozen network, its file, or a run, which is frozen.
        to: a name of `bitspike.backends.exporters`. ``c``: NAME.c, NAME.h, NAME_simd.h and main.c; of a
            network that finds boxes NAME_boxes.c and .h too, and main.c prints them.
            ``onnx``: NAME.onnx. ``json``: NAME.json, all integers and what each op means. ``mem``: hexadecimal files of
            every tensor, golden vectors of every edge, and their index NAME.mem.json. ``verilog``: NAME.sv, its
            memories, and what docs/hardware.md lists. ``nir``: NAME.nir (docs/nir-bits.md). ``qonnx``:
            NAME.onnx, in floats with Quant nodes.
        output: folder to write into.
        name: of the files, and of what they define.
        options: of the form. ``cc``: the C compiler with its flags, whose linker says what flash and RAM the network
            takes. ``streaming=True``: C that takes one step at a time, by NAME_reset and NAME_step. ``scratch``: bytes
            that C may compute sums in, by itself a part of what edges take; with more it is faster.
            ``samples``: random inputs whose golden vectors ``mem`` writes. ``pes`` and ``element``: how many processing
            elements of which kind the hardware has; ``architecture="streaming"``: a stage for each layer, as fast as
            ``cycles`` from image to image, or in as many ``luts``; ``device``: an FPGA that it is placed on, by Yosys
            and nextpnr.

    Returns:
        The files, and bytes of flash and RAM (C) or of the files, or cycles and bits of memory (Verilog), with what it
        takes on the device. ``flash_bytes_counted`` is what the cost model says, ``.._of_data`` what stands in the
        text, ``.._linked`` what the linker made of it.

    Raises:
        UserError: an unknown form, an option that is for another, a name that will not do, an op that the form lacks, a
            compiler that fails, or a place that cannot be written to.
    """
    from bitspike.api.backends import chosen
    from bitspike.backends import exporters
    from bitspike.costs import cost
    from bitspike.files import write_atomically
    from bitspike.places import checked_name, checked_place

    folder = checked_place("--output", output)
    checked_name(name)
    writer = chosen("to", to, exporters(), options)
    net = as_net(source)
    made = writer.export(net, name)
    facts = dict(made.facts)
    if "flash_bytes_of_data" in facts:  # beside what the cost model counts
        facts = {"flash_bytes_counted": cost(net.graph).total.size_bytes, **facts}
    for file_name, content in made.files.items():
        write_atomically(folder / file_name, content)
    return Exported(tuple(folder / file_name for file_name in made.files), facts)
