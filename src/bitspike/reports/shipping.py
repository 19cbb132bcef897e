"""Networks that leave as integers: how far they agree with the floats, and what memory they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from bitspike.reports.tables import si, table_of

__all__ = ["agreement_table", "device_table", "footprint_table", "frozen_lines", "verilog_table"]


def agreement_table(result: Mapping[str, Any]) -> Table:
    """Spikes that differ between a float network and its integers, layer by layer (`bitspike freeze --json`)."""
    caption = "own: by this layer's rounding alone, the rest is handed down; farthest: an own one from its threshold"
    columns = ("levels", "differ", "rate", "own", "farthest, of v_threshold")
    table = table_of(
        f"floats and integers, {result['images']} {_counted(result)}", "neurons", *columns, caption=caption
    )
    for layer in result["layers"]:
        rate = f"{layer['rate']:.1e}" if layer["mismatches"] else "0"
        farthest = f"{layer['farthest_own']:.1e}" if layer["own"] else "–"
        row = (si(layer["elements"]), str(layer["mismatches"]), rate, str(layer["own"]), farthest)
        table.add_row(escape(layer["name"]), *row)
    return table


def _counted(result: Mapping[str, Any]) -> str:
    """What was right or wrong: images, or the steps of trains."""
    return "steps" if result.get("counted") == "steps" else "images"


def footprint_table(result: Mapping[str, Any]) -> Table:
    """Flash and RAM of an exported network (`bitspike export --to c --json`)."""
    table = table_of("memory of the network alone, without a program around it", "", "flash", "RAM")
    table.add_row("cost model: weights, constants at 32 bits", f"{result['flash_bytes_counted']:,.0f} B", "–")
    data = (f"{result['flash_bytes_of_data']:,} B", f"{result['ram_bytes_of_data']:,} B")
    table.add_row("data in the C text", *data)
    if "cc" in result:
        linked = (f"{result['flash_bytes_linked']:,} B", f"{result['ram_bytes_linked']:,} B")
        table.add_row(f"linker of {escape(result['cc'])} -Os, code included", *linked)
    return table


def verilog_table(result: Mapping[str, Any]) -> Iterator[Table]:
    """Cycles and memories of exported hardware (`bitspike export --to verilog --json`)."""
    if "stages" in result:
        yield _stages_table(result)
        title = f"about {result['luts']:,} LUTs of four inputs, by an estimate"
    else:
        elements = f"{result['pes']} {escape(result['element'])} elements"
        title = f"{elements}: {result['cycles_at_most']:,} cycles an image at most"
    table = table_of(title, "memory", "bits")
    for name, bits in result["memory_bits"].items():
        table.add_row(escape(name), f"{bits:,}")
    yield table
    if "placed" in result:
        yield _placed_table(result["placed"], result.get("cycles_at_most") or result["cycles"])


def _stages_table(result: Mapping[str, Any]) -> Table:
    """How wide each stage of a pipeline is."""
    title = (
        f"{result['cycles']:,} cycles from image to image, {result['latency']:,} from its first code to its last logit"
    )
    columns = (f"{escape(result['element'])} elements", "levels each", "units", "cycles alone")
    table = table_of(title, "stage", *columns)
    for stage in result["stages"]:
        row = (stage["elements"], stage["levels"], stage["units"], stage["cycles"])
        table.add_row(escape(stage["name"]), *(f"{value:,}" for value in row))
    return table


def _placed_table(placed: Mapping[str, Any], cycles: int) -> Table:
    """What an exported engine takes on a device (``placed`` of `bitspike export --device --json`)."""
    rate = f"{1e6 * placed['mhz'] / cycles:,.0f} images a second at that clock"
    table = table_of(f"{placed['device']}: {placed['mhz']:.1f} MHz, {rate}", "of the device", "taken")
    for part in ("cells", "luts", "flip_flops", "memories", "dsps"):
        table.add_row(part.replace("_", "-"), f"{placed[part]:,}")
    return table


def frozen_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """What a frozen network is, in lines (`bitspike freeze --json`)."""
    if "float_map50" in result:
        yield (
            f"mAP@0.5 on {result['images']} {result['split']} images: {result['float_map50']:.2f} % in floats, "
            f"{result['integer_map50']:.2f} % in integers"
        )
    elif "layers" in result:
        yield (
            f"accuracy on {result['images']} {result['split']} {_counted(result)}: "
            f"{result['float_accuracy']:.2f} % in floats, "
            f"{result['integer_accuracy']:.2f} % in integers; the same class on {result['same_class']}"
        )
    widths = (result["widest_accumulator_bits"], result["widest_membrane_bits"])
    yield f"no overflow is possible: accumulators have up to {widths[0]} bits, membranes up to {widths[1]}"
    yield (
        f"{result['file']}: {result['bytes']:,} bytes, {result['bytes_per_weight_byte']:.3f} times the "
        f"{result['weight_bytes']:,.0f} bytes that its {result['weights']:,} weights take at their width"
    )


def device_table(device: Mapping[str, Any]) -> Table:
    """What a network takes of a device (`bitspike.device_cost`), and which of it is an estimate."""
    about = "of its own program" if device["trained"] else "of an untrained network of its shape"
    table = Table(*(Column(name, no_wrap=True) for name in ("device", "takes", "")), title=f"exported C, {about}")
    names = {
        "flash_bytes": "flash: weights, constants",
        "code_bytes": "flash: code and the rest",
        "ram_bytes": "RAM: edges, what layers compute in",
        "stack_bytes": "RAM: stack",
        "instructions": "instructions",
    }
    for key, name in names.items():
        value, unit = device[key], "" if key == "instructions" else " B"
        said = "exact" if key in device["exact"] else "estimate"
        table.add_row(name, "–" if value is None else f"{value:,}{unit}", "no compiler" if value is None else said)
    by = f"code and stack by {device['cc']} at -Os; " if device["cc"] else ""
    table.caption = escape(f"{by}instructions of a Cortex-M4 at -O3, within a factor of 2")
    return table
