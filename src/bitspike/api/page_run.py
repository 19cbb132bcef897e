"""What a page shows of one run, from the files in its folder; of earlier versions, which kept less, what they kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bitspike.errors import UserError
from bitspike.files import is_there

if TYPE_CHECKING:
    from bitspike.api.run import Run

__all__ = ["shown_run"]

POINTS = 300
"""Points of a curve, at most: of more steps, a mean of some each."""
RESULT = (
    "recipe", "dataset", "model", "bits", "seed", "epochs", "counted", "validation_accuracy", "test_accuracy",
    "validation_map50", "test_map50", "test_map5095", "bit_budget", "mean_bit_budget", "mean_w", "mean_s", "mean_t",
    "bits_learned", "size_bytes", "s_ace", "ns_ace", "sops", "spikes", "energy_nj", "seconds", "machine", "precision",
)  # fmt: skip
LAYER = ("name", "op", "w", "s", "t", "macs", "weights", "firing_rate", "sops", "s_ace", "ns_ace")
NEURON = ("name", "neurons", "s", "t", "spikes", "sparsity")
EPOCH = (
    "epoch",
    "step",
    "validation_accuracy",
    "validation_map50",
    "validation_loss",
    "mean_bits",
    "target",
    "of_budget",
)
FEW = 64
"""Test samples that a run without ``samples.json`` is looked at with."""


def shown_run(run: Run, name: str) -> dict[str, Any]:
    """The run as JSON.

    Args:
        run: of which ``result.json`` was read.
        name: what it is called on the page.

    Raises:
        UserError: a file of the run is damaged.
    """
    from bitspike.training.record import Record, read_record

    result, missing = run.result, dict[str, str]()
    cost = read_record(run.files.cost_file, Record) if is_there(run.files.cost_file) else {}
    if not cost:
        missing["cost"] = "the run has no cost.json"
    samples = _samples(run, missing)
    try:
        layers = {key: _rows(cost.get(key), of) for key, of in (("layers", LAYER), ("neurons", NEURON))}
        energy = _energy(cost.get("energy"))
    except (KeyError, TypeError, AttributeError) as wrong:
        raise UserError("read", str(run.files.cost_file), f"damaged: {wrong!r}") from wrong
    return {
        "name": name,
        **{key: result.get(key) for key in RESULT},
        **layers,
        "activity": cost.get("activity"),
        "energy": energy,
        "curve": _curve(run),
        "samples": samples,
        "missing": missing,
    }


def _rows(rows: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    return [{key: row.get(key) for key in keys} for row in rows or ()]


def _energy(told: Any) -> dict[str, Any] | None:
    """The breakdown of the network's energy, and of its layers; as an ANN beside it."""
    if not told or not told.get("snn"):
        return None
    parts = {which: {k: v for k, v in told[which]["total"].items() if k != "name"} for which in ("ann", "snn")}
    return {"about": told["about"], "ratio": told.get("ratio"), **parts, "layers": told["snn"]["layers"]}


def _curve(run: Run) -> dict[str, Any]:
    """The loss of every step, thinned, and what was seen after each epoch."""
    steps: list[tuple[int, float]] = []
    epochs = []
    for line in run.files.metrics():
        if "epoch" in line:
            epochs.append({key: line[key] for key in EPOCH if key in line})
        elif "loss" in line:
            steps.append((line["step"], line["loss"]))
    by = -(-len(steps) // POINTS) or 1
    parts = [steps[start : start + by] for start in range(0, len(steps), by)]
    last = epochs[-1] if epochs else {}
    per_epoch = last["step"] / last["epoch"] if last.get("epoch") else 1.0
    return {
        "step": [part[-1][0] for part in parts],
        "loss": [round(fmean(loss for _, loss in part), 5) for part in parts],
        "mean_of": by,
        "steps_per_epoch": per_epoch,
        "epochs": epochs,
    }


def _samples(run: Run, missing: dict[str, str]) -> dict[str, Any] | None:
    """What single samples showed: as training kept it, or, of a run of an earlier version, looked at now."""
    try:
        return _drawn(_kept(run, missing))
    except UserError as wrong:
        missing["samples"] = f"no sample was looked at: {wrong}"
    return None


def _kept(run: Run, missing: dict[str, str]) -> Any:
    from bitspike.training.record import Samples, read_record

    if is_there(run.files.samples_file):
        return read_record(run.files.samples_file, Samples)
    from bitspike.training.samples import samples_of
    from bitspike.training.tasks import task_of

    earlier = "the run is of an earlier version, which kept none."
    missing["confusion"] = earlier
    task, part = task_of(run.config), run.images("test")
    part = part.first(min(FEW, len(part)))
    model = run.model()
    seen = None
    if run.config.task == "detect":  # of the first images alone, and so for boxes, not for a number
        part = part.first(min(3, len(part)))
        seen = task.evaluate(model, part)
    return samples_of(task, model, run.graph(), part, seen)


def _drawn(told: dict[str, Any]) -> dict[str, Any]:
    """With pictures for packed pixels."""
    from bitspike.reports.page import jpeg_uri, png_uri, unpacked

    found = dict(told)
    found["wrong"] = [
        {**_but(one, "pixels"), "picture": png_uri(unpacked(one["pixels"]))} for one in told.get("wrong", ())
    ]
    if trains := told.get("trains"):
        found["trains"] = {**trains, "frames": [png_uri(unpacked(one)) for one in trains.get("frames", ())]}
    if boxes := told.get("boxes"):
        images = [{**_but(one, "jpeg"), "picture": jpeg_uri(one["jpeg"])} for one in boxes["images"]]
        found["boxes"] = {**boxes, "images": images}
    return found


def _but(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}
