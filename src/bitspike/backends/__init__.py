"""What runs a frozen graph or writes it in another form, by name. The oracle defines it, the others equal it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

import numpy as np

from bitspike.backends import oracle
from bitspike.backends.c import C
from bitspike.backends.json import Json
from bitspike.backends.mem import Mem
from bitspike.backends.native import Native
from bitspike.backends.onnx import Onnx
from bitspike.backends.protocol import Backend, Export, Images, Int
from bitspike.backends.verilog import Verilog
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.registry import Registry

__all__ = ["BACKENDS", "Backend", "Export", "able", "backend", "engines", "exporters", "having"]


@dataclass(frozen=True)
class Oracle(Backend):
    """The definition, in NumPy: `bitspike.backends.oracle`. It shows every edge."""

    name: ClassVar[str] = "oracle"
    about: ClassVar[str] = "the definition, in NumPy"

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        return oracle.outputs(net, images)

    def traced(self, net: FrozenGraph, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        edges = {name: edge.astype(np.int64) for name, edge in oracle.run(net, images).items()}
        return tuple(readout.logits(edges[readout.name]) for readout in net.readouts), edges


BACKENDS: Registry[type[Backend]] = Registry("backend")
BACKENDS.register(Oracle.name, Oracle)
BACKENDS.register(C.name, C)
BACKENDS.register(Onnx.name, Onnx)
BACKENDS.register(Native.name, Native)
BACKENDS.register(Json.name, Json)
BACKENDS.register(Mem.name, Mem)
BACKENDS.register(Verilog.name, Verilog)


def backend(name: str, **options: Any) -> Backend:
    """A backend by name; the oracle in its place, with a warning, where it lacks what it runs on.

    >>> backend("c", cc="gcc -O2")
    C(cc='gcc -O2')
    >>> backend("onnx", cc="gcc")
    Traceback (most recent call last):
    ...
    bitspike.errors.UserError: cc: got 'gcc'; the backend onnx has no such option: it is for c

    Args:
        name: one of `BACKENDS`.
        options: fields of the backend; one that is None is as not given.

    Raises:
        UserError: there is no such backend, or it has no such option.
    """
    found = BACKENDS.find(name)
    given = {option: value for option, value in options.items() if value is not None}
    for option, value in given.items():
        if name not in (others := having(option)):
            whose = (
                f"it is for {', '.join(others)}" if others else f"its options: {', '.join(_options(found)) or 'none'}"
            )
            raise UserError(option, value, f"the backend {name} has no such option: {whose}")
    return able(found(**given))


def able(made: Backend, net: FrozenGraph | None = None) -> Backend:
    """The backend; or the oracle in its place, with a warning, where it lacks what it runs on or what ``net`` needs."""
    lacking = made.lacks(net)
    if lacking is None:
        return made
    _say_once(f"{lacking}: the oracle runs instead, slower and as exact")
    return Oracle()


@cache
def _say_once(line: str) -> None:
    warnings.warn(line, stacklevel=3)


def having(option: str) -> list[str]:
    """Names of the backends that have this option."""
    return [name for name, kind in BACKENDS.items() if option in _options(kind)]


def engines() -> list[str]:
    """Names of the backends that run a network."""
    return [name for name, kind in BACKENDS.items() if _runs(kind)]


def exporters() -> list[str]:
    """Names of the backends that write a network as files."""
    return [name for name, kind in BACKENDS.items() if kind.export is not Backend.export]


def _runs(kind: type[Backend]) -> bool:
    """By what a backend says itself; one that knows networks of one output says how it runs those."""
    return kind.outputs is not Backend.outputs or kind.run is not Backend.run


def _options(kind: type[Backend]) -> list[str]:
    return [option.name for option in fields(kind)]
