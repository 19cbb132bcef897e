"""bitspike: low-bit spiking neural networks, from training to silicon.

The door: what the commands do, each as a function (docs/api.md)::

    import bitspike

    run = bitspike.train("digits-convnet", "bits=2/2/1", "epochs=5")
    print(run.evaluate())

Importing the package loads nothing: a name of the door loads what it needs when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitspike.api.adopt import adopt
    from bitspike.api.allocate import allocate
    from bitspike.api.bench import bench
    from bitspike.api.compile import compile  # noqa: A004
    from bitspike.api.convert import convert
    from bitspike.api.cost import cost
    from bitspike.api.device import device_cost
    from bitspike.api.evaluate import evaluate
    from bitspike.api.export import export
    from bitspike.api.fit import fit
    from bitspike.api.freeze import freeze
    from bitspike.api.from_nir import from_nir
    from bitspike.api.page import report
    from bitspike.api.predict import predict
    from bitspike.api.run import Run, load_run
    from bitspike.api.runs import compared, runs
    from bitspike.api.stream import stream
    from bitspike.api.train import train
    from bitspike.bits import BitPlan, Bits
    from bitspike.errors import UserError

__version__ = "0.1.0"

__all__ = [
    "BitPlan",
    "Bits",
    "Run",
    "UserError",
    "__version__",
    "adopt",
    "allocate",
    "bench",
    "compared",
    "compile",
    "convert",
    "cost",
    "device_cost",
    "evaluate",
    "export",
    "fit",
    "freeze",
    "from_nir",
    "load_run",
    "predict",
    "report",
    "runs",
    "stream",
    "train",
]

_ROOMS = {
    "BitPlan": "bits",
    "Bits": "bits",
    "Run": "api.run",
    "UserError": "errors",
    "adopt": "api.adopt",
    "allocate": "api.allocate",
    "bench": "api.bench",
    "compared": "api.runs",
    "compile": "api.compile",
    "convert": "api.convert",
    "cost": "api.cost",
    "device_cost": "api.device",
    "evaluate": "api.evaluate",
    "export": "api.export",
    "fit": "api.fit",
    "freeze": "api.freeze",
    "from_nir": "api.from_nir",
    "load_run": "api.run",
    "predict": "api.predict",
    "report": "api.page",
    "runs": "api.runs",
    "stream": "api.stream",
    "train": "api.train",
}
"""The module that has a name of the door."""


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
