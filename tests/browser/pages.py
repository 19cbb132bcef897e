"""Pages to open: of trained digits with names that nobody would give, and of made-up runs that have all else."""

from __future__ import annotations

import base64
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

import bitspike
from bitspike.reports.page import page_html, png_uri

HOSTILE = '</script><script>window.hit = 1</script><!--<img src=x onerror="window.hit = 2">\u2028 ${hit}'
FOLDER = "<img src=x onerror='window.hit = 3'>&amp;"
TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=2")


def trained(home: Path) -> Path:
    """Three runs of digits, two of which differ in the seed alone, and a frozen one; classes and layers are hostile."""
    runs = [
        bitspike.train("digits-convnet", *TINY, *edits, name=name, runs_dir=home)
        for name, edits in ((FOLDER, ("bits=2/1/3",)), ("again", ("bits=2/1/3", "seed=1")), ("full", ("bits=16/1/1",)))
    ]
    for run in runs:
        samples, cost = json.loads(run.files.samples_file.read_text()), json.loads(run.files.cost_file.read_text())
        samples["classes"][3] = HOSTILE
        cost["layers"][0]["name"] = cost["energy"]["snn"]["layers"][0]["name"] = HOSTILE
        run.files.samples_file.write_text(json.dumps(samples))
        run.files.cost_file.write_text(json.dumps(cost))
    bitspike.freeze(runs[0], home / "net.bitspike")
    return bitspike.report([*runs, home / "net.bitspike"], home / "trained.html")


def made_up(home: Path) -> Path:
    """Boxes, events over many steps with negative spikes, learned bits on their way to a target, and many classes."""
    draws = random.Random(0)
    runs = [_run(f"run {at}", draws, at) for at in range(2)]
    groups = [
        {
            "name": run["name"],
            "runs": [run["name"]],
            "seeds": [0],
            "bits": "2/2/1",
            "value": run["test_map50"],
            "spread": None,
        }
        | {
            "least": run["test_map50"],
            "most": run["test_map50"],
            "size_bytes": 100,
            "s_ace": 5e6,
            "ns_ace": None,
            "energy_nj": None,
        }
        for run in runs
    ]
    told = {
        "title": "made up",
        "version": "0",
        "dataset": "cells",
        "measure": "test_map50",
        "runs": runs,
        "groups": groups,
    }
    file = home / "made-up.html"
    file.write_text(page_html(told | {"graphs": [_graph()]}))
    return file


def table(home: Path) -> Path:
    """A run that tells thirty classes apart, and one of an earlier version, which kept nothing."""
    draws = random.Random(1)
    run, old = _run("many classes", draws, 0), _run("old", draws, 1)
    for one in (run, old):
        one |= {"test_accuracy": 50.0, "test_map50": None}
    old |= {
        "samples": None,
        "layers": [],
        "neurons": [],
        "energy": None,
        "missing": {"samples": "none", "cost": "none"},
    }
    old["curve"] = {"step": [], "loss": [], "mean_of": 1, "steps_per_epoch": 1, "epochs": []}
    classes = [f"class {at}" for at in range(30)]
    run["samples"] |= {"boxes": None, "classes": classes, "wrong": []}
    run["samples"]["confusion"] = [[draws.randrange(9) for _ in classes] for _ in classes]
    file = home / "table.html"
    file.write_text(
        page_html(
            {
                "title": "table",
                "version": "0",
                "dataset": "d",
                "measure": "test_accuracy",
                "runs": [run, old],
                "groups": [],
                "graphs": [],
            }
        )
    )
    return file


def _run(name: str, draws: random.Random, at: int) -> dict[str, Any]:
    layers = [
        {
            "name": f"blocks.{n}.conv",
            "op": "conv",
            "w": 2,
            "s": 2,
            "t": 1,
            "macs": 9,
            "weights": 9,
            "firing_rate": 0.2,
            "sops": 5.0 * n,
            "s_ace": 3,
            "ns_ace": 2.0,
        }
        for n in range(20)
    ]
    neurons = [
        {"name": f"blocks.{n}.fire", "neurons": 5, "s": 2, "t": 1 + n, "spikes": 3.0, "sparsity": 0.5}
        for n in range(20)
    ]
    part = {
        "potentials": 10.0,
        "weights": 5.0,
        "bias": 1.0,
        "in_out": 2.0,
        "memory": 18.0,
        "synaptic": 3.0,
        "addressing": None,
        "total": 21.0,
    }
    energy = {
        "about": "a model",
        "ratio": 0.5,
        "ann": part,
        "snn": part,
        "layers": [{"name": row["name"], "total": 3.0} for row in layers],
    }
    epochs = [
        {
            "epoch": n,
            "step": 4 * n,
            "validation_map50": 50.0 + n,
            "validation_loss": 1 / n,
            "mean_bits": {"w": 4 - n / 4, "s": 3.0},
            "target": [2, 2, 1],
            "of_budget": {"size": 2 - n / 9},
        }
        for n in range(1, 9)
    ]
    picture = "data:image/jpeg;base64," + _jpeg()
    box = {"xyxy": [10.0, 10.0, 60.0, 40.0], "label": 1, "score": 0.62}
    images = [
        {
            "index": n,
            "size": [60, 80],
            "picture": picture,
            "wanted": [box | {"score": None}],
            "found": [box, box | {"label": 0, "score": 0.95}],
        }
        for n in range(2)
    ]
    rows = ["".join(draws.choice("...1239ai") for _ in range(256)) for _ in range(12)]
    trains = {
        "sample": 0,
        "frames": [png_uri(np.full((2, 9, 9), 80, np.uint8))] * 4,
        "layers": [
            {
                "name": "first",
                "neurons": 99,
                "fired": 12,
                "T": 1301,
                "spikes": [3] * 256,
                "rows": rows,
                "neuron": list(range(12)),
            },
            {"name": "silent", "neurons": 9, "fired": 0, "T": 1301, "spikes": [0], "rows": [], "neuron": []},
        ],
    }
    counts = [draws.randrange(99) for _ in range(48)]
    samples = {
        "samples": 9,
        "classes": ["RBC", "WBC"],
        "weights": {
            "a": {"codes": [-1, 0, 1], "counts": [1, 2, 3]},
            "b": {"lo": -0.5, "hi": 0.5, "counts": counts, "below": 0, "above": 0},
        },
        "membranes": {"a": {"lo": -2.0, "hi": 2.0, "counts": counts, "below": 1, "above": 2, "fires": [0.5, -0.5]}},
        "trains": trains,
        "wrong": [],
        "boxes": {"lowest": 0.3, "images": images},
    }
    told = {
        "recipe": "r",
        "dataset": "cells",
        "model": "yolo",
        "bits": "2/2/1",
        "seed": at,
        "epochs": 8,
        "counted": "samples",
        "test_map50": 80.0 + at,
        "test_map5095": 50.0,
        "size_bytes": 100 + at,
        "s_ace": 5e6,
        "ns_ace": None,
        "energy_nj": None,
        "seconds": 500,
        "mean_w": 2.0,
        "mean_s": 2.0,
        "mean_t": 1.0,
        "bits_learned": True,
    }
    curve = {"step": [4, 8], "loss": [2.0, 1.0], "mean_of": 4, "steps_per_epoch": 4, "epochs": epochs}
    return told | {
        "name": name,
        "layers": layers,
        "neurons": neurons,
        "activity": "9 images",
        "energy": energy,
        "curve": curve,
        "samples": samples,
        "missing": {},
    }


def _graph() -> dict[str, Any]:
    """Two branches that meet again, so that edges run beside the ops."""
    wide = {"lo": str(-(2**40)), "hi": str(2**40), "bits": 42}
    reads = [[], [0], [1], [0], [2, 3], [4, 0]]
    nodes = [
        {
            "op": "max_pool",
            "name": f"op {at}" + "-long" * 9,
            "reads": list(of),
            "shape": "4×8×8",
            "T": 1 + at,
            "range": wide,
        }
        for at, of in enumerate(reads)
    ]
    nodes[1] |= {"weights": {"count": 5000, "lo": "-1", "hi": "1", "bits": 2}}
    nodes[2] |= {"membrane": wide}
    return {"name": "net.bitspike", "dataset": "cells", "nodes": nodes}


def _jpeg() -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (80, 60), (150, 90, 90)).save(out, "JPEG")
    return base64.b64encode(out.getvalue()).decode()
