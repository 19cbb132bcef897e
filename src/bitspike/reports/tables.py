"""Numbers as tables for a terminal. Every column says its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from bitspike.costs import CostReport

__all__ = [
    "activity_tables",
    "agreement_table",
    "cost_table",
    "footprint_table",
    "memory_table",
    "results_table",
    "si",
    "total_table",
]


def si(value: float | None) -> str:
    """Four significant digits with a prefix: ``12.35 M``; an en dash where nothing was measured."""
    if value is None:
        return "–"
    for factor, prefix in ((1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g}{prefix}"
    return f"{value:.4g}"


def results_table(results: Sequence[Mapping[str, Any]], title: str) -> Table:
    """Accuracy and cost of finished runs, a row each (``result.json``)."""
    table = Table(title=title)
    for column in ("network", "bits w/s/T/u", "test accuracy", "Bit Budget", "S-ACE", "NS-ACE", "size"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for r in results:
        name = "full precision" if r["bits"].startswith("16/") else "low-bit"
        table.add_row(
            f"{r['model']}, {name}",
            _widths(r),
            f"{r['test_accuracy']:.2f} %",
            f"{r['bit_budget']:.4g}",
            si(r["s_ace"]),
            si(r["ns_ace"]),
            f"{r['size_bytes']:,.0f} B",
        )
    table.caption = (
        "S-ACE, NS-ACE: bit operations per image, every layer counted as it runs. Size: weights and constants."
        " Bits that were learned are means."
    )
    return table


def _widths(r: Mapping[str, Any]) -> str:
    if not r.get("bits_learned"):
        return str(r["bits"])
    return f"{r['mean_w']:.2f}/{r['mean_s']:.2f}/{r['mean_t']:.2f}"


def cost_table(report: CostReport) -> Table:
    """The layers of a network and what each costs."""
    title = f"{report.model}, counting: {report.counting}"
    columns = ("weights", "MACs/step", "w/s/T", "Bit Budget", "S-ACE")
    table = _table(title, "layer", *columns, caption=report.about)
    for layer in report.layers:
        name = layer.name if layer.counted else f"{layer.name} (left out)"
        widths = f"{layer.w}/{layer.s}/{layer.t}"
        row = (si(layer.weights), si(layer.macs), widths, str(layer.bit_budget), si(layer.s_ace))
        table.add_row(escape(name), *row)
    return table


def activity_tables(report: CostReport) -> list[Table]:
    """What images set off, in layers with weights and in layers of neurons; no tables if nothing was measured."""
    if report.activity is None:
        return []
    layers = _table("on real images, per image", "layer", "firing rate", "SOPs", "additions", "NS-ACE", "entropy")
    layers.caption = "entropy: bits that a weight carries"
    for layer in report.layers:
        rate = f"{100 * (layer.firing_rate or 0):.1f} %"
        row = (rate, si(layer.sops), si(layer.additions), si(layer.ns_ace), _bits(layer.weight_entropy))
        layers.add_row(escape(layer.name), *row)
    neurons = _table("", "neurons", "number", "s/T", "spikes", "sparsity", "entropy")
    neurons.caption = "entropy: bits in whether a neuron fires"
    for neuron in report.neurons:
        sparsity = f"{100 * (neuron.sparsity or 0):.1f} %"
        row = (si(neuron.neurons), f"{neuron.s}/{neuron.t}", si(neuron.spikes), sparsity, _bits(neuron.entropy))
        neurons.add_row(escape(neuron.name), *row)
    return [layers, neurons]


def _bits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def agreement_table(result: Mapping[str, Any]) -> Table:
    """Spikes that differ between a float network and its integers, layer by layer (`bitspike freeze --json`)."""
    caption = "own: by this layer's rounding alone, the rest is handed down; farthest: an own one from its threshold"
    columns = ("levels", "differ", "rate", "own", "farthest, of v_threshold")
    table = _table(f"floats and integers, {result['images']} images", "neurons", *columns, caption=caption)
    for layer in result["layers"]:
        rate = f"{layer['rate']:.1e}" if layer["mismatches"] else "0"
        farthest = f"{layer['farthest_own']:.1e}" if layer["own"] else "–"
        row = (si(layer["elements"]), str(layer["mismatches"]), rate, str(layer["own"]), farthest)
        table.add_row(escape(layer["name"]), *row)
    return table


def footprint_table(result: Mapping[str, Any]) -> Table:
    """Flash and RAM of an exported network (`bitspike export --to c --json`)."""
    table = _table("memory of the network alone, without a program around it", "", "flash", "RAM")
    table.add_row("cost model: weights, constants at 32 bits", f"{result['flash_bytes_counted']:,.0f} B", "–")
    data = (f"{result['flash_bytes_of_data']:,} B", f"{result['ram_bytes_of_data']:,} B")
    table.add_row("data in the C text", *data)
    if "cc" in result:
        linked = (f"{result['flash_bytes_linked']:,} B", f"{result['ram_bytes_linked']:,} B")
        table.add_row(f"linker of {escape(result['cc'])} -Os, code included", *linked)
    return table


def _table(title: str, name: str, *columns: str, caption: str | None = None) -> Table:
    """Names fold where the terminal is narrow; numbers are never cut."""
    table = Table(title=escape(title) or None, caption=caption)
    table.add_column(name, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def total_table(report: CostReport) -> Table:
    """The totals, with their units."""
    total = report.total
    table = Table(show_header=False, box=None)
    rows = [
        ("parameters", si(total.params)),
        ("size", f"{total.size_bytes:,.0f} bytes"),
        ("MACs per step", si(total.macs)),
        ("mean Bit Budget", f"{total.mean_bit_budget:.2f}"),
        ("S-ACE", f"{si(total.s_ace)} bit operations per image"),
    ]
    if report.activity is not None:
        rows += [
            ("NS-ACE", f"{si(total.ns_ace)} bit operations per image"),
            ("SOPs", f"{si(total.sops)} per image"),
            ("spikes", f"{si(total.spikes)} per image"),
            ("measured on", report.activity),
        ]
    for row in rows:
        table.add_row(*row)
    return table


def memory_table(report: CostReport) -> Table:
    """Bytes while the network runs, a row for each count."""
    columns = ("weights", "constants", "membranes", "buffers", "total")
    caption = "\n".join(f"{memory.counting}: {memory.about}" for memory in report.memory)
    batch = report.memory[0].batch
    table = _table(
        f"memory in bytes, {batch:,} image{'s' * (batch > 1)} at once", "counting", *columns, caption=caption
    )
    for memory in report.memory:
        table.add_row(memory.counting, *(si(getattr(memory, column)) for column in columns))
    return table
