"""Reads the pickled batches of CIFAR's "python version" without unpickling: nothing in the file is run.

A pickle is a program for a stack machine. This reader carries out the few operations that an official batch
consists of, on plain values only. A name that the file wants called is kept as a word and never imported; the
two words an array is made of are understood, and every other word or operation is refused.

Source: "Python version" on https://www.cs.toronto.edu/~kriz/cifar.html; the operations are documented in the
standard library's `pickletools`.
"""

from __future__ import annotations

import itertools
import pickletools
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.sources import Arrays
from bitspike.errors import UserError

__all__ = ["parse_batch", "read_batch"]

_OPERATIONS = 1_000_000  # the largest official file, CIFAR-100's training split, has about a quarter of that
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARRAY_WORDS = {
    f"{module} {name}": name
    for module, name in (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )
}


@dataclass(frozen=True)
class _Word:
    """One of the names that `_ARRAY_WORDS` allows."""

    name: str


@dataclass
class _Call:
    """A call that the file asks for: noted, not made."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def parse_batch(content: bytes | memoryview, count: int, labels_key: str, name: str) -> Arrays:
    """Images ``[count, 3, 32, 32]`` and labels ``[count]`` of one batch.

    Raises:
        UserError: not an official batch, or not of ``count`` images.
    """
    batch = read_batch(bytes(content), name)
    data, labels = batch.get("data"), batch.get(labels_key)
    if not isinstance(data, np.ndarray) or data.shape != (count, 3072):
        raise UserError(name, getattr(data, "shape", None), f"want data of shape {(count, 3072)}")
    if not isinstance(labels, list) or len(labels) != count or not all(_is_byte(label) for label in labels):
        raise UserError(name, type(labels).__name__, f"want {labels_key}: a list of {count} class numbers")
    return data.reshape(count, 3, 32, 32), np.array(labels, np.uint8)


def read_batch(content: bytes, name: str) -> dict[str, Any]:
    """The dictionary in a batch: its arrays as ``uint8`` arrays, everything else as plain values.

    Raises:
        UserError: an operation or a name that no official batch has, or a damaged file.
    """
    try:
        batch = _run(content, name)
        return {key: _array(value) if isinstance(value, _Call) else value for key, value in batch.items()}
    except UserError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, struct.error) as wrong:
        raise UserError(name, str(wrong)[:80], "not a CIFAR batch, or damaged: get it again") from wrong


def _run(content: bytes, name: str) -> dict[str, Any]:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop(count: int) -> list[Any]:
        if count > len(stack):
            raise ValueError("a value is missing")
        taken = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return taken

    def pop_to_mark() -> list[Any]:
        return pop(max(len(stack) - marks.pop(), 0))

    for operation, argument, _ in itertools.islice(pickletools.genops(content), _OPERATIONS):
        match operation.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return _plain_dict(*pop(1))
            case "MARK":
                marks.append(len(stack))
            case "BININT" | "BININT1" | "BININT2" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINBYTES" | "SHORT_BINBYTES":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[operation.name])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(pop(_TUPLES[operation.name])))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "APPEND" | "APPENDS":
                values = pop(1) if operation.name == "APPEND" else pop_to_mark()
                _a(list, stack[-1]).extend(values)
            case "SETITEM" | "SETITEMS":
                values = pop(2) if operation.name == "SETITEM" else pop_to_mark()
                _a(dict, stack[-1]).update(
                    (_key(key), value) for key, value in zip(values[::2], values[1::2], strict=True)
                )
            case "BINPUT" | "LONG_BINPUT":
                memo[_a(int, argument)] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[_a(int, argument)])
            case "GLOBAL" | "STACK_GLOBAL":
                word = argument or " ".join(_a(str, part) for part in pop(2))
                if word not in _ARRAY_WORDS:
                    raise UserError(name, word[:80], "a name that no CIFAR batch holds; refused, nothing was run")
                stack.append(_Word(_ARRAY_WORDS[word]))
            case "REDUCE":
                function, arguments = pop(2)
                stack.append(_Call(_a(_Word, function).name, _a(tuple, arguments)))
            case "BUILD":
                (state,) = pop(1)
                _a(_Call, stack[-1]).state = state
            case other:
                raise UserError(name, other, "an operation that no CIFAR batch holds; refused, nothing was run")
    raise UserError(name, f"more than {_OPERATIONS} operations", "not a CIFAR batch")


def _array(call: _Call) -> NDArray[np.uint8]:
    """The ``uint8`` array that NumPy's ``_reconstruct`` and its state describe."""
    if call.name != "_reconstruct":
        raise ValueError(f"a bare {call.name}")
    _version, shape, kind, fortran_order, data = _a(tuple, call.state)
    if _a(_Call, kind).name != "dtype" or kind.arguments[0] not in ("u1", "uint8") or fortran_order:
        raise ValueError("an array that is not of unsigned bytes in C order")
    data = data.encode("latin-1") if isinstance(data, str) else _a(bytes, data)  # Python 2 wrote bytes as str
    if not all(type(size) is int and size > 0 for size in _a(tuple, shape)):
        raise ValueError("an array whose sizes are not whole numbers above 0")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _plain_dict(value: Any) -> dict[str, Any]:
    return {str(key): item for key, item in _a(dict, value).items()}


def _key(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(_a(str, value))


def _is_byte(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value
