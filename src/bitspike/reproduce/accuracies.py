"""Accuracies in print, each with the command that trains the network; those of other works are left out."""

from __future__ import annotations

from collections.abc import Iterator

from bitspike.reproduce.table import Row, waiting

__all__ = ["of_000", "of_001", "of_002", "of_003", "of_004"]

UNIFORM = ("methods.learned-bits.learns=", "methods.learned-bits.target=null")


def _command(recipe: str, *edits: str, verb: str = "train") -> str:
    return " ".join((f"bitspike {verb} {recipe}", *(f"--set {edit}" for edit in edits)))


def _bits(bits: str) -> str:
    return f"bits={bits}"


def _uniform(bits: str) -> tuple[str, ...]:
    return (_bits(bits), *UNIFORM)


def _target(target: str) -> str:
    return f"methods.learned-bits.target={target}"


IMAGENET_000 = {
    "sew-resnet34-imagenet": ("SEW-ResNet-34", "1/1/1 52.17 2/1/2 60.15 2/2/1 62.36 8/8/1 70.13"),
    "spikformer-8-512-imagenet": (
        "Spikformer-8-512",
        "1/1/1 54.54 2/2/1 63.16 2/1/2 61.37 4/2/1 70.87 2/4/1 64.75 4/8/1 76.83 8/4/1 79.37",
    ),
}
CIFAR_000 = {  # bits: CIFAR-10, CIFAR-100
    "1/1/1": ("90.48", "70.11"),
    "1/4/1": ("95.00", "76.90"),
    "1/2/2": ("94.43", "75.91"),
    "1/1/4": ("93.91", "74.13"),
    "2/2/1": ("95.41", "76.67"),
    "2/1/2": ("93.56", "75.91"),
    "4/1/1": ("94.51", "74.61"),
    "4/4/1": ("96.84", "80.13"),
    "4/2/2": ("96.50", "80.71"),
    "4/1/4": ("95.94", "78.77"),
    "8/1/2": ("95.55", "77.72"),
    "8/2/1": ("96.29", "80.00"),
}
EVENTS_000 = {  # bits: CIFAR10-DVS, DVS128 Gesture, N-Caltech101
    "1/1/16": ("79.8", "96.67", "79.77"),
    "1/2/8": ("79.3", "98.48", "80.00"),
    "1/4/4": ("63.1", "97.35", "82.64"),
    "1/8/2": ("43.0", "96.59", "80.46"),
    "1/16/1": ("35.8", "95.45", "77.47"),
}
EVENT_SETS = {"CIFAR10-DVS": "cifar10-dvs", "DVS128 Gesture": "dvs128-gesture", "N-Caltech101": "n-caltech101"}
FPGA_000 = {
    "CIFAR-10": "8/1/4 95.45 8/2/2 95.84 8/4/1 96.41 8/1/8 95.47 8/2/3 95.79 8/4/2 96.43 8/8/1 96.51",
    "CIFAR10-DVS": "8/1/16 80.30 8/2/8 80.10 8/4/4 69.13 8/8/2 51.31",
}


def of_000(table: int) -> tuple[Row, ...]:
    """The accuracies of Tables 1 to 4."""
    return tuple({1: _imagenet_000, 2: _cifar_000, 3: _events_000, 4: _fpga_000}[table]())


def _imagenet_000() -> Iterator[Row]:
    for recipe, (label, printed) in IMAGENET_000.items():
        for bits, accuracy in _pairs(printed):
            yield waiting(f"{label} {bits}", accuracy, _command(recipe, _bits(bits)))


def _cifar_000() -> Iterator[Row]:
    for bits, accuracies in CIFAR_000.items():
        for data, printed in zip(("10", "100"), accuracies, strict=True):
            yield waiting(f"CIFAR-{data} {bits}", printed, _command(f"spikformer-4-384-cifar{data}", _bits(bits)))


def _events_000() -> Iterator[Row]:
    for bits, accuracies in EVENTS_000.items():
        for (label, data), printed in zip(EVENT_SETS.items(), accuracies, strict=True):
            yield waiting(f"{label} {bits}", printed, _on_events(data, bits))


def _fpga_000() -> Iterator[Row]:
    note = "on the paper's xck26, whose frames per second and latency no machine here measures"
    for label, printed in FPGA_000.items():
        for bits, accuracy in _pairs(printed):
            cifar = _command("spikformer-4-384-cifar10", _bits(bits))
            trains = cifar if label == "CIFAR-10" else _on_events("cifar10-dvs", bits)
            yield waiting(f"{label} {bits}", accuracy, trains, note)


def _on_events(data: str, bits: str) -> str:
    return _command(f"spikformer-2-256-{data}", _bits(bits), f"frames.slices={bits.rsplit('/', 1)[1]}")


LEARNED_001 = {  # network, target, what it learned: CIFAR-10, CIFAR-100
    ("resnet18", "1/1/1", "Ours-111"): ("95.13", "75.42"),
    ("resnet18", "2/2/2", "Ours-222"): ("96.01", "75.80"),
    ("resnet20", "1/1/1", "Ours-111"): ("96.15", "79.70"),
    ("resnet20", "2/2/2", "Ours-222"): ("96.48", "80.59"),
    ("resnet20", "3/4/1", "Ours-341"): ("97.02", "81.30"),
}
UNIFORM_001 = {"4/4/1": ("96.35", "79.83"), "4/4/2": ("96.39", "80.19")}
IMAGENET_001 = {"Ours-221": ("2/2/1", "70.57"), "Ours-241": ("2/4/1", "72.02"), "Ours-441": ("4/4/1", "72.82")}
TABLE3_001 = {  # uniform, and learned: no renewal, of weights, of both, of spikes
    "1/1/1": "74.82 95.65 93.28 95.84 96.15",
    "1/2/1": "86.8 95.55 93.52 96.25 96.58",
    "2/2/1": "88.65 94.62 95.71 96.47 96.51",
    "2/3/1": "93.64 96.37 96.51 96.97 96.63",
    "3/3/1": "95.38 96.34 96.66 96.77 96.90",
    "3/4/1": "96.09 96.72 96.89 97.01 97.02",
    "4/4/1": "96.35 96.78 97.00 97.03 97.05",
    "4/4/2": "96.39 96.80 96.57 97.03 96.92",
}
RENEWAL = {"no renewal": "", "renewal of weights": "w", "renewal of both": "w,s", "renewal of spikes": "s"}
TABLE4_001 = {  # floor: uniform, learned, with renewal; rounding with renewal: LIF, IF
    "1/1/1": "74.82 95.12 95.58 95.71 96.15",
    "1/2/1": "10.02 95.21 96.14 96.48 96.58",
    "2/2/1": "0.1 95.50 96.04 96.45 96.51",
    "2/3/1": "89.06 96.51 96.38 96.72 96.63",
    "3/3/1": "0.1 96.18 96.43 96.82 96.90",
    "3/4/1": "96.31 96.64 96.80 97.00 97.02",
}
TABLE5_001 = {  # Spikformer-4-384: uniform, learned, with renewal
    "1/1/1": "79.53 95.37 95.47",
    "1/2/1": "89.3 95.68 95.54",
    "2/2/1": "89.68 95.80 95.84",
    "2/3/1": "94.11 95.93 96.04",
    "3/3/1": "94.21 95.87 95.99",
}
TABLE_A2_001 = "6 1/2/6 80.9 4 1/2/4 80.0 3 1/4/3 80.1 2 1/4/2 78.7 1 1/4/1 77.4"
OWN_COLLAPSE = "their uniform network fails; ours is not meant to"


def of_001(table: str) -> tuple[Row, ...]:
    """The accuracies of its tables and text; Table 8 repeats columns of 3, and 6 and 7 are missing from our copy."""
    made = {"1": _cifar_001, "2": _imagenet_001, "3": _renewal_001, "4": _neuron_001, "5": _attention_001}
    return tuple((made | {"A.1": _two_steps_001, "A.2": _events_001, "text": _text_001})[table]())


def _cifar_001() -> Iterator[Row]:
    for (network, target, label), accuracies in LEARNED_001.items():
        for data, printed in zip(("10", "100"), accuracies, strict=True):
            trains = _command(f"adaptive-{network}-cifar10", f"dataset=cifar{data}", _target(target))
            yield waiting(f"{network.replace('resnet', 'ResNet')} {label}, CIFAR-{data}", printed, trains)
    for bits, accuracies in UNIFORM_001.items():
        for data, printed in zip(("10", "100"), accuracies, strict=True):
            trains = _command("adaptive-resnet20-cifar10", f"dataset=cifar{data}", *_uniform(bits))
            yield waiting(f"ResNet20 {bits}, CIFAR-{data}", printed, trains)


def _imagenet_001() -> Iterator[Row]:
    for label, (target, printed) in IMAGENET_001.items():
        yield waiting(f"SEW-ResNet34 {label}", printed, _command("adaptive-sew-resnet34-imagenet", _target(target)))


def _two_steps_001() -> Iterator[Row]:
    edits = ("bits=4/4/2", _target("2/4/1"))
    yield waiting("SEW-ResNet34 Ours-442-241", "72.11", _command("adaptive-sew-resnet34-imagenet", *edits))


def _text_001() -> Iterator[Row]:
    six = ("bits=4/4/6", "frames.slices=16", "frames.keep=6", _target("1/2/6"))
    gesture = _command("adaptive-spikformer-2-256-dvs128-gesture", *six)
    yield waiting("DVS128 Gesture, Spikformer 1.17/2.18/6.0 (Table 7)", "99.31", gesture)
    former = _command("adaptive-sew-resnet34-imagenet", "model=pre-spikformer-8-512", _target("2/2/1"))
    yield waiting("ImageNet, Spikformer-8-512 2.64/2.21/1.0 (A.7)", "74.87", former)


def _renewal_001() -> Iterator[Row]:
    for target, printed in TABLE3_001.items():
        uniform, *learned = printed.split()
        recipe = "adaptive-resnet20-cifar10"
        yield waiting(f"{target}: uniform", uniform, _command(recipe, *_uniform(target)))
        for (label, which), accuracy in zip(RENEWAL.items(), learned, strict=True):
            edits = (_target(target), f"methods.learned-bits.renewal={which}")
            yield waiting(f"{target}: learned, {label}", accuracy, _command(recipe, *edits))


def _neuron_001() -> Iterator[Row]:
    for target, printed in TABLE4_001.items():
        floor, no_renewal = "neuron.rounds=false", "methods.learned-bits.renewal="
        columns = (
            ("floor, uniform", (*_uniform(target), floor)),
            ("floor, learned, no renewal", (_target(target), floor, no_renewal)),
            ("floor, learned", (_target(target), floor)),
            ("rounding, LIF", (_target(target), "neuron.tau=2")),
            ("rounding, IF", (_target(target),)),
        )
        for (label, edits), accuracy in zip(columns, printed.split(), strict=True):
            note = OWN_COLLAPSE if float(accuracy) < 11 else ""
            yield waiting(f"{target}: {label}", accuracy, _command("adaptive-resnet20-cifar10", *edits), note)


def _attention_001() -> Iterator[Row]:
    for target, printed in TABLE5_001.items():
        columns = (
            ("uniform", _uniform(target)),
            ("learned, no renewal", (_target(target), "methods.learned-bits.renewal=")),
            ("learned", (_target(target),)),
        )
        for (label, edits), accuracy in zip(columns, printed.split(), strict=True):
            yield waiting(f"{target}: {label}", accuracy, _command("adaptive-spikformer-4-384-cifar10", *edits))


def _events_001() -> Iterator[Row]:
    words = iter(TABLE_A2_001.split())
    for steps, target, printed in zip(words, words, words, strict=True):
        edits = (f"bits=4/4/{steps}", f"frames.slices={steps}", _target(target))
        yield waiting(f"T = {steps}", printed, _command("adaptive-spikformer-2-256-cifar10-dvs", *edits))


TABLE1_002 = {  # recipe, steps: full precision, 1w-8u, 1w-4u, 1w-2u; None where our copy of the paper is illegible
    ("CIFAR-10", "qsnn-resnet19-cifar10", 2): ("96.36", "95.54", "95.31", "95.20"),
    ("CIFAR-100", "qsnn-resnet19-cifar100", 2): ("79.52", "78.77", "78.82", "78.70"),
    ("TinyImageNet", "qsnn-vgg16-tiny-imagenet", 4): ("56.77", "55.70", "55.20", "55.04"),
    ("DVS128 Gesture", "qsnn-vggsnn-dvs128-gesture", 16): ("97.83", "97.92", None, None),
    ("CIFAR10-DVS", "qsnn-vggsnn-cifar10-dvs", 10): (None, "81.60", "81.50", None),
}


def of_002() -> tuple[Row, ...]:
    """The accuracies of Table 1, and what WS-DR adds by Figure 5."""
    rows = []
    for (data, recipe, steps), accuracies in TABLE1_002.items():
        twin = (f"bits=16/1/{steps}", "'layers={}'", "methods.spike-regulation.weight=0")
        columns = {"full precision": twin} | {f"1w-{u}u": (f"bits=1/1/{steps}/{u}",) for u in (8, 4, 2)}
        for (label, edits), printed in zip(columns.items(), accuracies, strict=True):
            if printed is not None:
                rows.append(waiting(f"{data} {label}", printed, _command(recipe, *edits)))
    edits = ("bits=1/1/2/2", "quantizer=binary", "methods.spike-regulation.weight=0")
    without = _command("qsnn-resnet19-cifar10", *edits)
    rows.append(waiting("CIFAR-10 1w-2u: what WS-DR adds (Figure 5)", "1.78", without, "beside 1w-2u", "points"))
    return tuple(rows)


def of_003(network: str) -> tuple[Row, ...]:
    """The accuracies of a network of Table 3: quantized, and after so many steps."""
    recipe, edits, printed = TABLE3_003[network]
    trains = _command(recipe, *edits, verb="convert")
    return tuple(
        waiting(f"{network}: {label}", accuracy, trains, AFTER if label.startswith("T") else "")
        for label, accuracy in zip(AT, printed, strict=True)
    )


AFTER = "ours is after the last step"
AT = ("QANN", "best", "T = 2", "T = 4", "T = 8", "T = 16")
ON_IMAGENET = "dataset=imagenet"
TABLE3_003 = {  # recipe and edits; of the quantized network, the best and its step, at 2, 4, 8 and 16 steps
    "CIFAR100 VGG-16": ("spikezip-vgg16-cifar100", (), ("77.07", "77.21", "64.63", "75.19", "77.02", "76.99")),
    "CIFAR100 ResNet-20": ("spikezip-resnet20-cifar100", (), ("70.10", "70.31", "44.90", "63.58", "68.65", "70.07")),
    "ImageNet VGG-16": (
        "spikezip-vgg16-cifar100",
        (ON_IMAGENET,),
        ("73.90", "73.92", "59.04", "72.27", "73.75", "73.90"),
    ),
    "ImageNet ResNet-34": (
        "spikezip-resnet20-cifar100",
        (ON_IMAGENET, "model=sew-resnet34"),
        ("73.85", "74.21", "15.39", "64.46", "72.91", "73.91"),
    ),
}
THREE_LEVELS = ("neuron.levels=3", "bits=16/2/1", "neuron.paths=2,1")


def of_003_table4() -> Row:
    """SpikeZIP at T = 4, of three levels."""
    _, edits, _ = TABLE3_003["ImageNet ResNet-34"]
    trains = _command("spikezip-resnet20-cifar100", *edits, *THREE_LEVELS, verb="convert")
    return waiting("SpikeZIP-PR ResNet34, T = 4", "69.79", trains)


TABLE1_004 = {
    "multilevel-vgg16-cifar10": ("VGG16", ("94.34", "73.75")),
    "multilevel-sew-resnet18-cifar10": ("SEW-ResNet18", ("95.94", "75.27")),
    "multilevel-sparse-resnet18-cifar10": ("Sparse-ResNet18", ("95.69", "75.7")),
}


def of_004(table: int) -> tuple[Row, ...]:
    """The accuracies of Tables 1 and 2."""
    if table == 1:
        return tuple(
            waiting(f"CIFAR-{data} {label}", printed, _command(recipe, f"dataset=cifar{data}"))
            for recipe, (label, accuracies) in TABLE1_004.items()
            for data, printed in zip(("10", "100"), accuracies, strict=True)
        )
    binary = ("bits=16/1/10", "neuron.levels=1", "frames.slices=10")
    return (
        waiting("Sparse-ResNet18 T=1 N=10", "79.1", _command("multilevel-sparse-resnet18-cifar10-dvs")),
        waiting("VGG16 T=1 N=10", "76.97", _command("multilevel-vgg16-cifar10-dvs")),
        waiting("VGG16 T=10 N=1", "75.5", _command("multilevel-vgg16-cifar10-dvs", *binary)),
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    words = iter(text.split())
    return zip(words, words, strict=True)
