"""What a conversion gave, as a table, as lines and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from bitspike.errors import require
from bitspike.reports.tables import si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["conversion_figure", "conversion_lines", "conversion_table", "source_lines", "source_warnings"]

BEHIND = 2
"""Steps that a picture shows behind the last spike."""
FAR = 2.0
"""Points of accuracy that a change may cost without more words; times what guessing gives, what is no better."""


def ann_of(found: Mapping[str, Any]) -> str:
    """What the network that was converted is called; records of before there was more than one kind do not say."""
    said: str = found.get("ann", "QANN")
    return said


def conversion_table(found: Mapping[str, Any]) -> Table:
    """Layers of a converted network beside the quantized one (``conversion.json``)."""
    table = Table(title=escape(f"{found['method']}: the SNN and its {ann_of(found)}, {found['images']:,} images"))
    table.add_column("neurons", no_wrap=True)
    for column in ("n", "levels", "unequal", "last\nspike at", "spikes\nper image", "taken\nback"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, layer in found["layers"].items():
        per_image = layer["spikes"] / found["images"]
        back = f"{100 * layer['taken_back'] / max(1, layer['spikes']):.1f} %"
        cells = (si(layer["elements"]), f"{layer['unequal']:,}", str(layer["settled_at"]), si(per_image), back)
        table.add_row(escape(name), str(found["levels"][name]), *cells)
    return table


def source_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What a network computes as it was read, beside its own forward, before it is fine-tuned (``source``)."""
    boxes = "own_map50" in found
    own = found["own_map50" if boxes else "own_accuracy"]
    if own is not None:
        read = found["map50" if boxes else "accuracy"]
        of, said = ("% mAP@0.5 on", "output") if boxes else ("% of", "logit")
        yield (
            f"your network: {own:.2f} {of} {found['images']:,} validation images; "
            f"as it was read: {read:.2f} %, "
            f"{said}s to {found[f'largest_{said}']:.4g} differ by {found['difference']:.2g} at most"
        )
    if found["max_pools"] and found["max_pool"] == "spiking":
        yield f"max pools stay, and are spiking ones in the SNN: {', '.join(found['max_pools'])}"


def source_warnings(found: Mapping[str, Any]) -> Iterator[str]:
    """What is amiss with a network that is to be converted, or will change (``source``)."""
    boxes = "own_map50" in found
    read, of = found["map50" if boxes else "accuracy"], f"of {found['images']:,} validation images"
    if boxes:
        if read < FAR:
            yield f"far off: mAP@0.5 {read:.2f} %; is it trained for such boxes, on images of this --mean and --std?"
    elif better := found["better"]:
        mean, std = (",".join(f"{part:.4g}" for part in better[key]) for key in ("mean", "std"))
        yield f"far off: with --mean {mean} --std {std} your network is right on {better['accuracy']:.2f} %; say yours"
    elif read < FAR * found["chance"]:
        yield f"far off: {read:.2f} % is what guessing gives; is it trained, and on images of this --mean and --std?"
    if found["max_pools"] and found["max_pool"] == "mean":
        meaned = found["mean_pools_map50" if boxes else "mean_pools_accuracy"]
        cost = "the fine-tuning has to make up for it" if meaned < read - FAR else "that is close"
        yield (
            f"max pools become mean pools: {', '.join(found['max_pools'])}; before {read:.2f} %, "
            f"with mean pools {meaned:.2f} % {of}: {cost}"
        )


def conversion_lines(found: Mapping[str, Any], rounded_to: int) -> Iterator[str]:
    """What the comparison found (``conversion.json``); ``rounded_to``: bits that float weights were rounded to."""
    if found["float_weights_rounded"]:
        yield f"float weights of {found['float_weights_rounded']} layers were rounded to {rounded_to} bits"
    same = "equal" if found["equal"] else "NOT equal"
    yield (
        f"{found['logits_equal']:,} of {found['images']:,} {found['split']} images: the SNN's logits are the "
        f"{ann_of(found)}'s ({same}, in integers)"
    )
    if found.get("map50"):  # of a network that finds boxes
        boxes = f"boxes, classes and scores are the {ann_of(found)}'s"
        yield f"{found['boxes_equal']:,} of {found['images']:,} {found['split']} images: {boxes}"
    settled = "every image has settled" if found["settled"] else "not every image was seen to settle"
    certain = "" if found["bound"] is None else f" (certain after {found['bound']})"
    yield f"last spike at step {found['T_eq']} of {found['T']}: {settled}{certain}"
    agreed = found["floats_and_integers"]
    differ, levels = (sum(layer[key] for layer in agreed["layers"]) for key in ("mismatches", "elements"))
    of = f" of {agreed['images']:,} images"
    classes = "" if agreed["same_class"] is None else f"the same class on {agreed['same_class']:,}{of}, "
    both = "QANN" if ann_of(found) == "QANN" else "SNN"
    yield f"{both} in floats and in integers: {classes}{1e6 * differ / levels:.1f} of a million levels differ"
    judged, called = ("map50", "mAP@0.5") if found.get("map50") else ("accuracy", "accuracy")
    curve = ", ".join(f"{t}: {found[judged][t - 1]:.2f}" for t in (1, 2, 4, 8, 16, 32, 64) if t <= found["T"])
    yield f"{called} in % after steps {curve}; {ann_of(found)}: {found[f'qann_{judged}']:.2f}"


def conversion_figure(found: Mapping[str, Any]) -> Figure:
    """Accuracy or mAP at every step (paper 003, Fig. 1) and each layer's distance from the QANN's feature map (Fig. 5).

    The axes end soon after the last spike: from there on nothing moves, and the label says so.
    """
    made: Any = require("matplotlib.figure", "viz").Figure(figsize=(11, 4.4), layout="constrained")
    made.suptitle(
        f"{found['dataset']}, {found['network']}, {found['method']}, {found['images']:,} {found['split']} images"
    )
    left, right = made.subplots(1, 2)
    judged, called = ("map50", "mAP@0.5 (%)") if found.get("map50") else ("accuracy", "accuracy (%)")
    last = len(found[judged])
    end = min(last, max(found["T_eq"] + BEHIND, 2))
    steps = range(1, last + 1)
    label = "step" if end == last else f"step (of {last}; the last spike is at {found['T_eq']})"
    left.plot(steps, found[judged], marker=".", label="SNN")
    left.axhline(found[f"qann_{judged}"], color="0.3", linewidth=0.8, linestyle="--", label=ann_of(found))
    left.axvline(found["T_eq"], color="0.7", linewidth=0.8, label="last spike")
    left.set(xlabel=label, ylabel=called, xlim=(0.5, end + 0.5))
    for name, layer in found["layers"].items():
        right.plot(steps, layer["distance"], linewidth=1, label=name)
    right.set(xlabel=label, ylabel=f"mean distance from the {ann_of(found)} (levels)")
    right.set(xlim=(0.5, end + 0.5), ylim=(0, None))
    for axes in (left, right):
        axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    return made
