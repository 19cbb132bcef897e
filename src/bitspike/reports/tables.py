"""Numbers as tables for a terminal. Every column says its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from bitspike.bits import FULL_PRECISION, Bits
from bitspike.costs import CostReport

__all__ = [
    "activity_tables",
    "cost_table",
    "cost_tables",
    "memory_table",
    "results_table",
    "si",
    "table_of",
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
    judged = "test accuracy" if any("test_accuracy" in r for r in results) else "test mAP@0.5"
    for column in ("network", "bits w/s/T/u", judged, "Bit Budget", "S-ACE", "NS-ACE", "size"):
        table.add_column(column, justify="left" if column == "network" else "right", no_wrap=True)
    for r in results:
        name = "full precision" if Bits.parse(r["bits"]).w == FULL_PRECISION else "low-bit"
        table.add_row(
            f"{r['model']}, {name}",
            _widths(r),
            _judged(r),
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


def _judged(r: Mapping[str, Any]) -> str:
    """Its accuracy; of one that finds boxes its mean average precision, said so where others have accuracies."""
    return f"{r['test_accuracy']:.2f} %" if "test_accuracy" in r else f"{r['test_map50']:.2f} % mAP"


def _widths(r: Mapping[str, Any]) -> str:
    if not r.get("bits_learned"):
        return str(r["bits"])
    return f"{r['mean_w']:.2f}/{r['mean_s']:.2f}/{r['mean_t']:.2f}"


def cost_table(report: CostReport) -> Table:
    """The layers of a network and what each costs."""
    title = f"{report.model}, counting: {report.counting}"
    columns = ("weights", "MACs/step", "w/s/T", "Bit Budget", "S-ACE")
    table = table_of(title, "layer", *columns, caption=report.about)
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
    layers = table_of("on real images, per image", "layer", "firing rate", "SOPs", "additions", "NS-ACE", "entropy")
    layers.caption = "entropy: bits that a weight carries"
    for layer in report.layers:
        rate = f"{100 * (layer.firing_rate or 0):.1f} %"
        row = (rate, si(layer.sops), si(layer.additions), si(layer.ns_ace), _bits(layer.weight_entropy))
        layers.add_row(escape(layer.name), *row)
    neurons = table_of("", "neurons", "number", "s/T", "spikes", "sparsity", "entropy")
    neurons.caption = "entropy: bits in whether a neuron fires"
    for neuron in report.neurons:
        sparsity = f"{100 * (neuron.sparsity or 0):.1f} %"
        row = (si(neuron.neurons), f"{neuron.s}/{neuron.t}", si(neuron.spikes), sparsity, _bits(neuron.entropy))
        neurons.add_row(escape(neuron.name), *row)
    return [layers, neurons]


def _bits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def table_of(title: str, name: str, *columns: str, caption: str | None = None) -> Table:
    """Neither names nor numbers are ever cut, however narrow the terminal is."""
    table = Table(title=escape(title) or None, caption=caption)
    table.add_column(name, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def cost_tables(report: CostReport) -> list[Table]:
    """The layers, what images set off, the totals, the memory."""
    return [cost_table(report), *activity_tables(report), total_table(report), memory_table(report)]


def total_table(report: CostReport) -> Table:
    """The totals, with their units."""
    total = report.total
    table = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False, box=None)
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
    table = table_of(
        f"memory in bytes, {batch:,} image{'s' * (batch > 1)} at once", "counting", *columns, caption=caption
    )
    for memory in report.memory:
        table.add_row(memory.counting, *(si(getattr(memory, column)) for column in columns))
    return table
