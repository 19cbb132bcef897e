"""Writes the tables of docs/results.md, and the small one of README.md, from the files under results/.

Run it after a new result; a test runs the check.

    python tools/results_page.py            rewrites what stands between the marker comments
    python tools/results_page.py --check    exits 1 if a page is not current
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hardware_tables import HARDWARE
from scale_tables import SCALE
from speed_tables import SPEED
from strength_tables import STRENGTH
from written import RESULTS, ROOT, anchor, link, main, millions, named, read, table

BY = "tools/results_page.py"
OURS = ("results.md", "events.md", "shipping.md", "hardware.md", "frameworks.md", "scale.md")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / name for name in OURS))

TRAININGS = (  # file, command
    ("quickstart.json", "make quickstart"),
    ("fashion-convnet-16-1-4.json", "bitspike train fashion-convnet --set bits=16/1/4"),
    ("fashion-convnet-2-2-1.json", "bitspike train fashion-convnet --set bits=2/2/1"),
    ("freeze/fashion-tiny-train.json", "bitspike train fashion-convnet-tiny"),
)
AT_FULL_STRENGTH = ("cifar10-vgg9-narrow", "fashion-vgg9-narrow")
"""Shown among these too; the table of all systems is `strength_tables`."""
DATA = {
    "digits": "digits",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "n-mnist": "N-MNIST",
    "moving-fashion": "moving Fashion-MNIST",
    "spoken-digits": "spoken digits",
    "ecg": "ECG, each step",
}


def trained() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """File, command and result of each network that was trained for its accuracy."""
    for name, command in TRAININGS:
        found = read(name)
        for result in found.get("results", [found]):
            yield name, command, result
    for result in read("claims/full.jsonl"):
        if result["recipe"] in AT_FULL_STRENGTH and result["seed"] == 0:
            yield "claims/full.jsonl", result["command"], result


def measures(run: dict[str, Any]) -> tuple[str, ...]:
    costs = (str(run["bit_budget"]), millions(run["s_ace"], 1), millions(run["ns_ace"], 2), f"{run['size_bytes']:,.0f}")
    return (DATA[run["dataset"]], run["bits"], f"{run['test_accuracy']:.2f} %", *costs)


MEASURES = ("data", "bits w/s/T", "test accuracy", "Bit Budget", "S-ACE", "NS-ACE", "bytes")


def glance() -> str:
    """Accuracy and cost, in short."""
    return table(MEASURES, [measures(run) for _, _, run in trained()])


def trainings() -> str:
    """The same, with what made it."""
    rows = [
        (*measures(run), run["epochs"], f"{run['train_images']:,}", run["seed"], f"`{command}`", link(name))
        for name, command, run in trained()
    ]
    return table((*MEASURES, "epochs", "images", "seed", "command", "file"), rows)


def tiny() -> str:
    """The smallest network: as it was trained, frozen and linked."""
    frozen, linked = read("freeze/fashion-tiny-freeze.json"), read("freeze/fashion-tiny-cortex-m4.json")
    predicted = read("freeze/fashion-tiny-predictions.json")
    runs = [(engine, read(f"freeze/fashion-tiny-{engine}.json")) for engine in ("oracle", "c")]
    rows = [
        ("file, packed", f"{frozen['bytes']:,} bytes", link("freeze/fashion-tiny-freeze.json")),
        (
            "same class in floats and in integers",
            f"{frozen['same_class']:,} of {frozen['images']:,} {frozen['split']} images",
            link("freeze/fashion-tiny-freeze.json"),
        ),
        *(
            (
                f"right answers, `--engine {engine}`",
                f"{run['correct']:,} of {run['total']:,}",
                link(f"freeze/fashion-tiny-{engine}.json"),
            )
            for engine, run in runs
        ),
        (
            "same logits, oracle and C",
            f"{predicted['logits_equal']:,} of {predicted['images']:,}",
            link("freeze/fashion-tiny-predictions.json"),
        ),
        (
            "flash on a Cortex-M4, with code",
            f"{linked['flash_bytes_linked']:,} bytes",
            link("freeze/fashion-tiny-cortex-m4.json"),
        ),
        ("RAM", f"{linked['ram_bytes_linked']:,} bytes", link("freeze/fashion-tiny-cortex-m4.json")),
    ]
    return table(("", "", "file"), rows)


def families() -> str:
    """One network of every family: floats, integers by the oracle, integers in C."""
    rows = []
    for run in read("freeze/families.jsonl"):
        layers, edges = run["floats_integers"]["layers"], run["edges_oracle_c"]
        sent, differ = (sum(layer[key] for layer in layers) for key in ("elements", "mismatches"))
        accuracy = f"{run['float_accuracy']:.2f} %, {run['integer_accuracy']:.2f} %"
        classes = f"{run['classes_equal_oracle_c']:,} of {run['images']:,}"
        logits = [f"{name} {run[key]:,}" for name in ("c", "native") if (key := f"logits_equal_oracle_{name}") in run]
        spikes = f"{1e6 * differ / sent:.2f}" if differ else "0"
        integers = f"{edges['differ']} of {edges['compared'] / 1e6:,.1f} M"
        rows.append(
            (run["family"], run["bits"], DATA[run["dataset"]], accuracy, spikes, classes, integers, ", ".join(logits))
        )
    head = (
        "family",
        "bits",
        "data",
        "accuracy: floats, integers",
        "spikes that differ, of a million",
        "same class, oracle and C",
        "integers that differ, oracle and C",
        "same logits as the oracle's",
    )
    return table(head, rows)


def streamed() -> str:
    """Networks on trains: one step at a time beside all steps at once."""
    rows = []
    for run in read("freeze/families.jsonl"):
        if by := run.get("streamed"):
            differ = [
                f"{by[key]['differ']} of {by[key]['compared'] / 1e6:,.1f} M" for key in ("oracle", "c", "c_answers")
            ]
            taken = f"{by['of_the_test_set']:,} and {by['sequences'] - by['of_the_test_set']:,}"
            rows.append((run["family"], DATA[run["dataset"]], by["steps"], taken, *differ))
    head = (
        "family",
        "data",
        "steps",
        "sequences: tests, random codes",
        "integers that differ: oracle",
        "C",
        "logits at each step that differ: C",
    )
    return table(head, rows)


FORMERS = ("spikformer-2-64", "adaptive-spikformer-2-64")


def transformers() -> str:
    """Spikformer, where it was trained, beside a convolutional network of about its S-ACE."""
    runs = {run["family"]: run for run in read("freeze/families.jsonl")}
    trained = [runs[name] for name in (*FORMERS, "spikformer-peer") if name in runs]
    rows = []
    for run in trained:
        width = "" if run["channels"] is None else f" ({', '.join(map(str, run['channels']))})"
        costs = (millions(run["s_ace"], 1), f"{run['weights']:,}", f"{run['file_bytes']:,}")
        accuracy = f"{run['training']['test_accuracy']:.2f} %"
        rows.append((run["model"] + width, widths(run), run["epochs"], run["seed"], accuracy, *costs))
    head = ("network", "bits w/s/T", "epochs", "seed", "test accuracy", "S-ACE", "weights", "file, bytes")
    said = [against(run, runs["spikformer-peer"]) for run in trained if run["family"] in FORMERS]
    return "\n\n".join([table(head, rows), *said]) if "spikformer-peer" in runs else "Not run yet."


def widths(run: dict[str, Any]) -> str:
    """The bits that a network was given, or, where its line tells them, the means that it ended with."""
    training = run["training"]
    if "mean_w" not in training:
        return str(run["bits"])
    return "mean " + "/".join(f"{training[f'mean_{axis}']:.2f}" for axis in "wst")


def against(run: dict[str, Any], peer: dict[str, Any]) -> str:
    """What a Spikformer is beside its peer, in a sentence."""
    points = run["training"]["test_accuracy"] - peer["training"]["test_accuracy"]
    where = f"{abs(points):.2f} points {'above' if points > 0 else 'below'}" if points else "as accurate as"
    cost, weights = run["s_ace"] / peer["s_ace"], run["weights"] / peer["weights"]
    price = f"at {cost:.2f} times the S-ACE and {weights:.2f} times the weights"
    return f"**{run['model']}** ends {where} its peer, {price}."


def converted() -> str:
    """A converted network beside its quantized one."""
    name = "conversion/spikezip-resnet8-thin-fashion-seed0.json"
    run = read(name)
    steps = sorted(map(int, run["settled_at"]))
    rows = [
        ("images whose logits are equal", f"{run['logits_equal']:,} of {run['images']:,}"),
        ("accuracy of the quantized network", f"{run['qann_accuracy']:.2f} %"),
        ("accuracy of the spiking network after its last step", f"{run['accuracy'][-1]:.2f} %"),
        ("last spike of an image, at step", f"{steps[0]} to {steps[-1]}"),
        ("certain bound", f"{run['bound']} steps"),
    ]
    return table(("", link(name)), rows)


def claimed() -> str:
    """Verdicts of docs/claims.md, which `make claims` writes from results/claims/."""
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    rows = []
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0]
        name, _, statement = title.partition(" ")
        verdicts = ", ".join(dict.fromkeys(re.findall(r"^\*\*(.+?)\*\*", section, flags=re.MULTILINE)))
        rows.append((f"[{name}](claims.md#{anchor(title)})", statement, verdicts.lower()))
    return table(("claim", "what the paper says", "verdict"), rows)


STATUSES = ("equal", "holds", "within", "misprint", "differs", "another's", "needs training")


def published() -> list[tuple[str, dict[str, Any]]]:
    """The papers' tables as `bitspike reproduce` left them, by file."""
    paths = sorted((RESULTS / "reproduce").glob("*.json"))
    return [(f"reproduce/{path.name}", read(f"reproduce/{path.name}")) for path in paths]


def reproduced() -> str:
    """The papers' tables: how many of their numbers come out."""
    rows = []
    for name, found in published():
        statuses = [row["status"] for row in found["rows"]]
        counts = [sum(status.startswith(kind) for status in statuses) or "" for kind in STATUSES]
        rows.append((found["title"], len(statuses), *counts, link(name)))
    return table(("table", "rows", *STATUSES, "file"), rows)


def misprints() -> str:
    """Numbers in print that others in print, or the networks themselves, contradict."""
    rows = [
        (found["table"], row["row"], f"{row['published']:g}", f"{row['ours']:.5g}", row["unit"], row["note"])
        for _, found in published()
        for row in found["rows"]
        if row["status"] == "misprint"
    ]
    return table(("table", "of", "printed", "ours", "unit", "why"), rows)


def untrained() -> str:
    """What needs training: each table's recipes, their published range, and the best that is here."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for _, found in published():
        for row in found["rows"]:
            if row["status"] == "needs training" and row["unit"].startswith("%"):
                groups.setdefault((found["table"], row["trains"].split()[2], row["unit"]), []).append(row)
    rows = []
    for (name, recipe, unit), of in groups.items():
        numbers = [row["published"] for row in of]
        range_ = f"{min(numbers):g}" + (f" to {max(numbers):g}" if len(numbers) > 1 else "") + f" {unit}"
        best = max((row["so_far"] for row in of), key=lambda said: [float(n) for n in re.findall(r"([\d.]+) %", said)])
        rows.append((name, f"`{recipe}`", len(of), range_, best))
    return table(("table", "recipe", "rows", "published", "ours"), rows)


def peers() -> str:
    """Networks of other frameworks' tutorials, there and here."""
    rows = []
    for name in ("spikingjelly", "snntorch"):
        one = read(f"peers/{name}.json")
        layers = one["compared"][0]["layers"].values()
        spikes = f"{sum(made['spikes'] for made in layers):,} of {sum(made['elements'] for made in layers):,}"
        apart = [f"{sum(layer['different'] for layer in made['layers'].values()):,}" for made in one["compared"]]
        shares = ("there", "taken_in", "quantized", "integers")
        accuracies = (f"{one[f'accuracy_{share}']:.1f} %" for share in shares)
        same = "equal" if one["c_equals_oracle"] else "not equal"
        rows.append((f"{name} {one['version']}", spikes, *apart, *accuracies, same))
    head = ("different, float64", "float32, the same floats", "float32, pixels/255", "right there", "here")
    return table(("tutorial of", "spikes", *head, "4-bit weights", "in integers", "C beside the oracle"), rows)


PARTS = named(
    glance,
    trainings,
    tiny,
    families,
    streamed,
    transformers,
    converted,
    claimed,
    reproduced,
    misprints,
    untrained,
    *SPEED,
    *HARDWARE,
    peers,
    *SCALE,
    *STRENGTH,
)

if __name__ == "__main__":
    main(PAGES, PARTS, BY, __doc__)
