"""The tables of docs/results.md and others on speed: training steps, the native engine, event readers, Cortex-M."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from written import read, table

__all__ = ["SPEED"]


def train_step() -> str:
    """A training step, in steps of the same-shaped ANN."""
    return steps("benchmarks/train_step.json")


def train_step_amx() -> str:
    """The same where AMX is."""
    return steps("benchmarks/train_step_amx.json")


def steps(file: str) -> str:
    """Training steps of all networks, and from which median to which they reach."""
    rows, medians = [], []
    for case in read(file)["cases"]:
        ratios = [case["ratio_to_ann_x_T"][name] for name in ("bitspike", "bitspike_repeated", "spikingjelly")]
        medians.append([ratio["median"] for ratio in ratios])
        cells = (f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})" for ratio in ratios)
        rows.append((case["net"], case["T"], case["precision"], *cells))
    head = ("bitspike", "bitspike, image repeated", "SpikingJelly 2.0")
    ranges = (f"{min(column):.2f} to {max(column):.2f}" for column in zip(*medians, strict=True))
    rows.append(("all, medians", "", "", *ranges))
    return table(("network", "T", "precision", *head), rows)


def train_memory() -> str:
    """What a training step takes of memory, on each machine: megabytes."""
    rows = []
    for file in ("train_memory", "train_memory_amx"):
        record = read(f"benchmarks/{file}.json")
        for case in record["cases"]:
            names, of = ("ann", "bitspike", "bitspike_repeated", "spikingjelly"), case["of_spikingjelly"]
            megabytes = (f"{case['megabytes'][name]:.0f}" for name in names)
            of_what = (record["machine"]["model"], case["net"], case["T"], case["precision"])
            rows.append((*of_what, *megabytes, f"{of['bitspike']:.2f}"))
    head = ("ANN", "bitspike", "bitspike, image repeated", "SpikingJelly 2.0", "bitspike of SpikingJelly")
    return table(("processor", "network", "T", "precision", *head), rows)


def neurons() -> str:
    """A layer of LIF neurons, on each machine: milliseconds, and how they compare."""
    rows = []
    for file in ("neurons", "neurons_amx"):
        record = read(f"benchmarks/{file}.json")
        for case in record["cases"]:
            taken = case["processor_milliseconds"]
            names = ("native", "torch", "spikingjelly", "native_loops", "plain_c")
            times = (f"{taken[name]['median']:.1f}" for name in names)
            ratios = case["times_native"]["spikingjelly"], case["native_loops_times_plain_c"]
            compared = (f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})" for ratio in ratios)
            rows.append((record["processor"]["model"], case["what"].replace("_", ", "), *times, *compared))
    ways = ("our call, ms", "torch's steps", "SpikingJelly 2.0", "our loops", "loop by hand")
    return table(("processor", "what", *ways, "call: times as fast as SpikingJelly", "loops / by hand"), rows)


def exported_c() -> str:
    """The exported C of one image, on each machine: milliseconds, and times as fast as ONNX Runtime's int8."""
    ways = {
        "portable, -O3": "portable: 0.2",
        "portable, -O3 -march=native": "portable, `-march=native`",
        "SIMD, -O3 -mavx2": "SIMD, AVX2: 0.5",
        "SIMD, -O3 -march=native": "SIMD, `-march=native`: 0.5",
        "portable, -O3, 16 KiB": "16 KiB: portable",
        "SIMD, -O3 -mavx2, 16 KiB": "16 KiB: AVX2",
        "SIMD, -O3 -march=native, 16 KiB": "16 KiB: `-march=native`",
    }
    rows = []
    for file in ("exported_c", "exported_c_amx"):
        record = read(f"benchmarks/{file}.json")
        for name, one in record["networks"].items():
            taken = one["milliseconds"]
            cells = (f"{taken[way]['median']:g} ms, {taken[way]['of_ort']:.2f}" if way in taken else "" for way in ways)
            rows.append((record["processor"]["model"], name, *cells))
    return table(("processor", "network, w/s/T", *ways.values()), rows)


def beside_goal(ratio: float, goal: float) -> str:
    """Times as fast, and whether that is what was wanted."""
    return f"{ratio:.2f} ({'met' if ratio >= goal else 'missed'})"


def native_kernels() -> str:
    """Kernels of layers, times as fast as ONNX Runtime's int8."""
    return kernels("benchmarks/kernels.json")


def native_kernels_avx512() -> str:
    """The same on a processor with AMX whose tiles were held back."""
    return kernels("benchmarks/kernels_avx512.json")


def kernels(file: str) -> str:
    """Kernels of layers by the widths of weights and spikes, beside the goal of each where no AMX is."""
    layers = read(file)["layers"]
    goals = {width: row["goal"] for width, row in next(iter(layers.values()))["widths"].items()}
    rows = [
        (name, *(beside_goal(row["times_as_fast_as_onnxruntime"], row["goal"]) for row in one["widths"].values()))
        for name, one in layers.items()
    ]
    return table(("layer", *(f"{width}: {goal:g}" for width, goal in goals.items())), rows)


def native_nets() -> str:
    """Whole networks, times as fast as ONNX Runtime's int8, and as the fastest of the others."""
    return nets("benchmarks/native_nets.json", judged=lambda row: "onnxruntime", beside=lambda row: row["best_other"])


def native_nets_avx512() -> str:
    """The same on a processor with AMX whose tiles were held back."""
    held_back = "benchmarks/native_nets_avx512.json"
    return nets(held_back, judged=lambda row: "onnxruntime", beside=lambda row: row["best_other"])


def native_nets_amx() -> str:
    """The same where AMX is: times as fast as the fastest of the others, and as ONNX Runtime."""
    of_amx = "benchmarks/native_nets_amx.json"
    return nets(of_amx, judged=lambda row: row["best_other"], beside=lambda row: "onnxruntime")


def nets(file: str, judged: Callable[[Any], str], beside: Callable[[Any], str]) -> str:
    """Networks beside the contender that a goal is of, and beside another; the head has goals that all cases share.

    Where there are tiles, what the first was beside whoever was there stands last.
    """
    rows, goals = [], dict[str, set[float]]()
    for name, cases in read(file)["networks"].items():
        for case in (case for case in cases if case != "nets"):
            cells = []
            for bits, row in cases[case]["bits"].items():
                goals.setdefault(bits, set()).add(row["goal"])
                ratios = row["times_as_fast_as"]
                ratio, other = ratios[judged(row)], ratios[beside(row)]
                speed = f"{row['native']['images_per_second']:,.0f}/s"
                spread = f"{ratio['q1']:.2f} to {ratio['q3']:.2f}"
                met = beside_goal(ratio["median"], row["goal"])
                cell = f"{speed}, {met}, {spread}; {other['median']:.2f}"
                if "as_it_came" in cases[case]:
                    beside_others = cases[case]["as_it_came"]["bits"][bits]["times_as_fast_as"]
                    cell += f"; {beside_others[judged(row)]['median']:.2f}"
                cells.append(cell)
            rows.append((name, case, *cells))
    head = (f"{bits}: {min(found):g}" if len(found) == 1 else bits for bits, found in goals.items())
    return table(("network", "case", *head), rows)


def native_kernels_amx() -> str:
    """Kernels where AMX is: times as fast as the fastest other, as ONNX Runtime's usual way; the first as it came."""
    rows = []
    for name, one in read("benchmarks/kernels_amx.json")["layers"].items():
        cells = []
        for width, row in one["widths"].items():
            other = beside_goal(row["times_as_fast_as_best_other"], row["goal_of_best_other"])
            usual = beside_goal(row["times_as_fast_as_onnxruntime"], row["goal"])
            as_it_came = one["as_it_came"]["widths"][width]["times_as_fast_as_best_other"]
            cells.append(f"{other}, {as_it_came:.2f}; {usual}; {row['kernel']}")
        fastest = max(made["gmacs_best"] for made in one["kernels"].values())
        tiles = max(made["gmacs_best"] for peak, made in one["peaks"].items() if peak == "dot amx")
        rows.append((name, *cells, f"{fastest:,.0f} of {tiles:,.0f}"))
    widths = next(iter(read("benchmarks/kernels_amx.json")["layers"].values()))["widths"]
    return table(("layer", *widths, "fastest and the tiles' peak, GMAC/s, each at best"), rows)


def attention() -> str:
    """The products of attention, on each machine: time of an image, and times as fast as others."""
    rows = []
    for file in ("attention", "attention_amx"):
        record = read(f"benchmarks/{file}.json")
        for name, one in record["cases"].items():
            times = (f"{one['microseconds'][who]['median']:,.0f}" for who in ("native", "oracle", "onnxruntime_float"))
            ratios = (one["times_as_fast_as"][who] for who in ("oracle", "onnxruntime_float"))
            faster = (f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})" for ratio in ratios)
            rows.append((record["machine"]["model"], name, *times, *faster))
    head = (
        "native, us",
        "oracle, us",
        "ONNX Runtime's floats, us",
        "times as fast as the oracle",
        "as ONNX Runtime's floats",
    )
    return table(("processor", "products", *head), rows)


def fast_onnx() -> str:
    """Models of ONNX, images a second, and times as fast as the usual one."""
    rows = []
    for file in ("fast_onnx_amx", "fast_onnx"):
        record = read(f"benchmarks/{file}.json")
        for name, one in record["cases"].items():
            seen, ratio = one["images_per_second"], one["times_as_fast"]
            times = f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})"
            rows.append((record["machine"]["model"], name, f"{seen['usual']:,.0f}", f"{seen['fast']:,.0f}", times))
    return table(("processor", "network, w/s/T", "usual", "`--fast`", "times as fast"), rows)


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
    train_step_amx,
    neurons,
    train_memory,
    native_kernels,
    native_nets,
    native_kernels_avx512,
    native_nets_avx512,
    native_kernels_amx,
    native_nets_amx,
    attention,
    fast_onnx,
    exported_c,
    event_readers,
    cortex_m,
)
