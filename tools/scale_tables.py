"""Tables of docs/scale.md, for tools/results_page.py."""

from __future__ import annotations

import json
from typing import Any

from written import ROOT, table

__all__ = ["SCALE"]


def read(name: str) -> Any:
    return json.loads((ROOT / "results" / "scale" / name).read_text(encoding="utf-8"))


def ray_trials() -> str:
    """A sweep on two workers with one killed, beside one process."""
    found = read("ray.json")
    killed, seconds = found["killed"], found["seconds"]
    yes = {True: "yes", False: "no"}
    rows = [
        ("trials, workers", f"{found['trials']}, {found['workers']}"),
        (
            "worker killed by SIGKILL",
            f"of {killed['trial']}, {killed['after_step_of_search']} steps into its search",
        ),
        ("trials that ended", f"{found['finished']}, in {found['folders']} folders"),
        ("begun once", str(found["begun_once"])),
        ("begun again, from its checkpoint", ", ".join(found["begun_twice"])),
        ("every step of that recorded once", yes[killed["every_step_recorded_once"]]),
        ("all points equal to those of one process", yes[found["same_points"]]),
        ("Pareto set equal", f"{yes[found['same_pareto']]}, {len(found['pareto'])} networks"),
        ("seconds: one process, Ray", f"{seconds['one process']:.0f}, {seconds['ray']:.0f}"),
    ]
    return table(("", ""), rows)


def scale_work() -> str:
    """What the ImageNet recipes ask for."""
    rows = []
    for name, plan in read("plan.json")["recipes"].items():
        sizes = (f"{plan['macs'] / 1e9:.2f} G", f"{plan['elements'] / 1e6:.1f} M", f"{plan['parameters'] / 1e6:.1f} M")
        days = f"{plan['days_of_one_core_here']:,.0f}"
        rows.append((name, plan["bits"], *sizes, f"{4 * plan['parameters'] / 1e6:.0f} MB", plan["batch"], days))
    head = ("w/s/T", "MACs an image", "elements", "parameters", "gradients", "batch", "days on one core here")
    return table(("recipe", *head), rows)


def scale_plan() -> str:
    """What a step and a run of the ImageNet recipes would take on GPUs: an estimate."""
    rows = []
    for name, plan in read("plan.json")["recipes"].items():
        for gpu, sizes in plan["gpus"].items():
            for count, one in sizes.items():
                parts = (one[part] * 1e3 for part in ("compute", "read", "gradients", "norms", "step"))
                sent = f"{one['bytes_a_step'] / 1e6:.0f} MB"
                days = (f"{one[key]:.2f}" for key in ("days", "days_without_reading"))
                rows.append((name, f"{count} {gpu}", sent, *(f"{part:.1f}" for part in parts), *days))
    head = ("sent a step, by each", "compute, ms", "read, ms", "gradients, ms", "norms, ms", "step, ms")
    return table(("recipe", "GPUs", *head, "days", "days, pictures read ahead"), rows)


def scale_assumed() -> str:
    """What the estimate takes as given."""
    found = read("plan.json")
    measured = found["measured"]
    rows = [
        ("a spiking step, times an ANN's", f"{measured['slower_than_ann']:.2f}", "measured: train_step.json, median"),
        ("pictures a second of a core", f"{measured['pictures_a_second']:.0f}", "measured by the command, JPEGs of "
         f"{measured['picture_bytes'] / 1e3:.0f} kB"),
        *((name.replace("_", " "), f"{one['value']:g}", one["source"]) for name, one in found["assumed"].items()),
    ]  # fmt: skip
    for name, gpu in found["gpus"].items():
        links = f"{gpu['link_in_a_node'] / 1e9:.0f} and {gpu['link_between_nodes'] / 1e9:.0f} GB/s"
        speeds = f"{gpu['peak_flops'] / 1e12:.0f} TFLOP/s, {gpu['memory_bytes_a_second'] / 1e12:.2f} TB/s, {links}"
        rows.append((name, speeds, gpu["source"]))
    return table(("", "", "source"), rows)


SCALE = (ray_trials, scale_work, scale_plan, scale_assumed)
