"""The tables of docs/results.md and others on speed: training steps, the native engine, event readers, Cortex-M."""

from __future__ import annotations

from typing import Any

from written import read, table

__all__ = ["SPEED"]


def train_step() -> str:
    """A training step, in steps of the same-shaped ANN."""
    rows, medians = [], []
    for case in read("benchmarks/train_step.json")["cases"]:
        ratios = [case["ratio_to_ann_x_T"][name] for name in ("bitspike", "bitspike_repeated", "spikingjelly")]
        medians.append([ratio["median"] for ratio in ratios])
        cells = (f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})" for ratio in ratios)
        rows.append((case["net"], case["T"], case["precision"], *cells))
    head = ("bitspike", "bitspike, image repeated", "SpikingJelly 2.0")
    ranges = (f"{min(column):.2f} to {max(column):.2f}" for column in zip(*medians, strict=True))
    rows.append(("all, medians", "", "", *ranges))
    return table(("network", "T", "precision", *head), rows)


def train_memory() -> str:
    """What a training step takes of memory, in megabytes."""
    rows = []
    for case in read("benchmarks/train_memory.json")["cases"]:
        names, of = ("ann", "bitspike", "bitspike_repeated", "spikingjelly"), case["of_spikingjelly"]
        megabytes = (f"{case['megabytes'][name]:.0f}" for name in names)
        rows.append((case["net"], case["T"], case["precision"], *megabytes, f"{of['bitspike']:.2f}"))
    head = ("ANN", "bitspike", "bitspike, image repeated", "SpikingJelly 2.0", "bitspike of SpikingJelly")
    return table(("network", "T", "precision", *head), rows)


def beside_goal(ratio: float, goal: float) -> str:
    """Times as fast, and whether that is what was wanted."""
    return f"{ratio:.2f} ({'met' if ratio >= goal else 'missed'})"


def native_kernels() -> str:
    """Kernels of layers, times as fast as ONNX Runtime's int8."""
    layers = read("benchmarks/kernels.json")["layers"]
    goals = {width: row["goal"] for width, row in next(iter(layers.values()))["widths"].items()}
    rows = [
        (name, *(beside_goal(row["times_as_fast_as_onnxruntime"], row["goal"]) for row in one["widths"].values()))
        for name, one in layers.items()
    ]
    return table(("layer", *(f"{width}: {goal:g}" for width, goal in goals.items())), rows)


def native_nets() -> str:
    """Whole networks, times as fast as ONNX Runtime's int8, and as the fastest of the others."""
    rows, goals = [], {}
    for name, cases in read("benchmarks/native_nets.json")["networks"].items():
        for case in (case for case in cases if case != "nets"):
            cells = []
            for bits, row in cases[case]["bits"].items():
                ratios, goals[bits] = row["times_as_fast_as"], row["goal"]
                ort, best = ratios["onnxruntime"], ratios[row["best_other"]]
                speed = f"{row['native']['images_per_second']:,.0f}/s"
                spread = f"{ort['q1']:.2f} to {ort['q3']:.2f}"
                cells.append(f"{speed}, {beside_goal(ort['median'], row['goal'])}, {spread}; {best['median']:.2f}")
            rows.append((name, case, *cells))
    return table(("network", "case", *(f"{bits}: {goal:g}" for bits, goal in goals.items())), rows)


def native_kernels_amx() -> str:
    """The same where AMX is, against the fastest other: the median of the rounds, and both at best."""
    rows = []
    for name, one in read("benchmarks/kernels_amx.json")["layers"].items():
        cells = []
        for row in one["widths"].values():
            ratio, at_best = row["times_as_fast_as_best_other"], row["both_at_best_as_best_other"]
            cells.append(f"{beside_goal(ratio, row['goal_of_best_other'])}, {at_best:.2f}; {row['kernel']}")
        fastest = max(made["gmacs_best"] for made in one["kernels"].values())
        rows.append((name, *cells, f"{fastest:,.0f}"))
    widths = next(iter(read("benchmarks/kernels_amx.json")["layers"].values()))["widths"]
    return table(("layer", *widths, "fastest, GMAC/s at best"), rows)


def native_nets_amx() -> str:
    """Whole networks where AMX is."""
    rows = []
    for name, cases in read("benchmarks/native_nets_amx.json")["networks"].items():
        for case in (case for case in cases if case != "nets"):
            cells = []
            for row in cases[case]["bits"].values():
                ratios = row["times_as_fast_as"]
                best, ort = ratios[row["best_other"]], ratios["onnxruntime"]["median"]
                speed = f"{row['native']['images_per_second']:,.0f}/s"
                spread = f"{best['q1']:.2f} to {best['q3']:.2f}"
                cells.append(f"{speed}, {beside_goal(best['median'], row['goal'])}, {spread}; {ort:.2f}")
            rows.append((name, case, *cells))
    bits = next(iter(read("benchmarks/native_nets_amx.json")["networks"].values()))["nets"]
    return table(("network", "case", *bits), rows)


def attention() -> str:
    """The products of attention: time of an image, and times as fast as others."""
    rows = []
    for name, one in read("benchmarks/attention.json")["cases"].items():
        times = (f"{one['microseconds'][who]['median']:,.0f}" for who in ("native", "oracle", "onnxruntime_float"))
        ratios = (one["times_as_fast_as"][who] for who in ("oracle", "onnxruntime_float"))
        faster = (f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})" for ratio in ratios)
        rows.append((name, *times, *faster))
    head = (
        "native, us",
        "oracle, us",
        "ONNX Runtime's floats, us",
        "times as fast as the oracle",
        "as ONNX Runtime's floats",
    )
    return table(("products", *head), rows)


def fast_onnx() -> str:
    """Models of ONNX, images a second, and times as fast as the usual one."""
    rows = []
    for name, one in read("benchmarks/fast_onnx.json")["cases"].items():
        seen, ratio = one["images_per_second"], one["times_as_fast"]
        times = f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})"
        rows.append((name, f"{seen['usual']:,.0f}", f"{seen['fast']:,.0f}", times))
    return table(("network, w/s/T", "usual", "`--fast`", "times as fast"), rows)


def event_readers() -> str:
    """Readers of event files: events a second, and times as fast as the library that reads them too."""
    rows = []
    for name, one in read("benchmarks/event_readers.json")["files"].items():
        speeds = one["events_per_second"]
        peers = []
        for who, ratio in one["times_as_fast_as"].items():
            faster = f"{ratio['median']:.2f}, {ratio['q1']:.2f} to {ratio['q3']:.2f}"
            peers.append(f"{who} {speeds[who]['median'] / 1e6:.0f} M/s ({faster})")
        ours = f"{speeds['bitspike']['median'] / 1e6:.0f} M/s"
        rows.append((name, f"{one['events']['bitspike']:,}", ours, "; ".join(peers) or "none known to us"))
    return table(("file", "events", "bitspike", "others (times as fast as they are, quartiles)"), rows)


def cortex_m() -> str:
    """The exported C on a Cortex-M4: instructions of an image, and what they take at 100 MHz by an estimate."""
    by_name: dict[str, dict[str, Any]] = {}
    for one in read("benchmarks/cortex_m.json")["networks"]:
        by_name.setdefault(one["network"], {})[one["level"]] = one
    rows = []
    for name, at in by_name.items():
        fast = at["-O3"]
        instructions = (f"{at[level]['instructions'] / 1e6:.2f} M" for level in ("-O2", "-O3"))
        estimate = " to ".join(f"{ms:.0f}" for ms in fast["estimate_ms"].values())
        a_mac = f"{fast['instructions_per_mac']:.1f}"
        rows.append((name, f"{fast['macs'] / 1e3:,.1f} k", *instructions, a_mac, fast["stack_bytes"], f"{estimate} ms"))
    head = ("instructions, `-O2`", "`-O3`", "a MAC, `-O3`", "stack, bytes", "estimate at 100 MHz, `-O3`")
    return table(("network, w/s/T", "MACs", *head), rows)


SPEED = (
    train_step,
    train_memory,
    native_kernels,
    native_nets,
    native_kernels_amx,
    native_nets_amx,
    attention,
    fast_onnx,
    event_readers,
    cortex_m,
)
