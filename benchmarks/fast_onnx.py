"""Times whole networks as ONNX by ONNX Runtime, the usual model beside the one of ``--fast``, in turns on one thread.

The networks are those of `benchmarks/native_nets.py`. Before anything is timed, the logits of both are the oracle's.
"""

from __future__ import annotations

from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from machine import command, commit, processor
from native_nets import GOALS, NETS, in_turns, quartiles
from random_nets import images_of, sparse_net

from bitspike import __version__
from bitspike.backends import oracle
from bitspike.backends.onnx import Onnx
from bitspike.files import write_json

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "fast_onnx.json"
BATCH, SECONDS = 32, 6.0


def case(name: str, bits: str) -> dict[str, Any]:
    """Milliseconds of a batch by both, and their ratio round by round."""
    net = sparse_net(*NETS[name][:2], bits, NETS[name][2])
    both = {"usual": Onnx(threads=1).prepare(net), "fast": Onnx(threads=1, fast=True).prepare(net)}
    few = images_of(net, 3)
    for run in both.values():
        assert np.array_equal(run(few)[0], oracle.logits(net, few)), f"{name} {bits}: other logits than the oracle"
    images = images_of(net, BATCH)
    times = in_turns({which: partial(run, images) for which, run in both.items()}, 1, SECONDS)
    ratios = [usual / fast for usual, fast in zip(times["usual"], times["fast"], strict=True)]
    return {
        "images_per_second": {
            which: round(1e3 * BATCH / quartiles(each)["median"], 1) for which, each in times.items()
        },
        "times_as_fast": quartiles(ratios),
    }


def main(out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS) -> None:
    """Times every network in all bits, prints a line each, and writes them."""
    cases = {}
    for name in NETS:
        for bits in GOALS:
            cases[f"{name} {bits}"] = found = case(name, bits)
            print(f"{name:16} {bits} {found['images_per_second']} {found['times_as_fast']}", flush=True)
    record = {
        "command": command(__file__),
        "machine": processor(),
        "commit": commit(HERE),
        "versions": {"bitspike": __version__, "onnxruntime": metadata.version("onnxruntime")},
        "batch": BATCH,
        "cases": cases,
    }
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
