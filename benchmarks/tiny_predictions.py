"""The class of every Fashion-MNIST test image by examples/fashion-tiny.bitspike: oracle beside the C, compiled here.

``python benchmarks/tiny_predictions.py --data-dir DIR`` writes ``results/freeze/fashion-tiny-predictions.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitspike import __version__, ir
from bitspike.backends import c, oracle
from bitspike.data import load
from bitspike.files import write_json
from bitspike.training.result import machine_class

ROOT = Path(__file__).parents[1]
NET = "examples/fashion-tiny.bitspike"


def predictions(data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie.")] = None) -> None:
    """Compare logits and classes on all test images, and write the classes down."""
    net = ir.load(ROOT / NET)
    shown = load(net.dataset, data_dir)[1]
    pixels = shown.images.numpy()
    ours, theirs = oracle.logits(net, pixels), c.logits(net, pixels, c.compiler())
    classes = ours.argmax(1)
    found: dict[str, Any] = {
        "command": "python benchmarks/tiny_predictions.py",
        "file": NET,
        "dataset": net.dataset,
        "images": len(shown),
        "classes_equal": int((classes == theirs.argmax(1)).sum()),
        "logits_equal": int((ours == theirs).all(1).sum()),
        "correct": int((classes == shown.labels.numpy()).sum()),
        "machine": machine_class(),
        "bitspike": __version__,
        "predictions": "".join(map(str, classes.tolist())),  # the oracle's, a digit for each image
    }
    write_json(ROOT / "results" / "freeze" / "fashion-tiny-predictions.json", found)


if __name__ == "__main__":
    typer.run(predictions)
