"""The structures of `csrc/plan.h`, field by field."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_int32, c_int64, c_void_p
from enum import IntEnum
from functools import cache
from typing import Any

from bitspike import native
from bitspike.native.kernels import CKernel

__all__ = [
    "Affine",
    "Edge",
    "Factor",
    "Fire",
    "Form",
    "Kind",
    "MatMul",
    "Op",
    "Plan",
    "Runs",
    "Stage",
    "Sums",
    "Thresholds",
    "Type",
    "Wide",
    "Window",
    "library",
]


class Type(IntEnum):
    """What an element is stored as, or a register holds."""

    U8 = 0
    I32 = 1
    I64 = 2

    @property
    def bytes(self) -> int:
        return (1, 4, 8)[self]


class Form(IntEnum):
    """How the terms of products of two edges lie in a unit."""

    BYTES = 0
    BYTES_TURNED = 1
    SHORTS = 2
    INTS = 3
    LONGS = 4

    @property
    def terms(self) -> int:
        """Terms that a unit has."""
        return (4, 4, 2, 1, 1)[self]

    @property
    def bytes(self) -> int:
        """Bytes that a unit has."""
        return 8 if self is Form.LONGS else 4


class Kind(IntEnum):
    """What an instruction does."""

    LOAD = 0
    STORE = 1
    PIXELS = 2
    SUMS = 3
    WIDE = 4
    SUM_POOL = 5
    MAX_POOL = 6
    GATHER = 7
    AFFINE = 8
    PRODUCT = 9
    THRESHOLDS = 10
    CODES = 11
    MAX_CODES = 12
    PIXEL_CODES = 13
    ADD = 14
    SUB = 15
    MUL = 16
    SELECT = 17
    FILL = 18
    COPY = 19
    PLUS = 20
    FROM = 21
    TIMES = 22
    SHIFT = 23
    SCALE = 24
    CLIP = 25
    PICK_X = 26
    PICK_Y = 27
    PICK_XY = 28
    FIRE = 29
    KEEP = 30
    MATMUL = 31
    RUNS = 32
    BESIDE = 33
    FIRE_CODES = 34


def _ints(names: str, kind: type = c_int32) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


class Edge(Structure):
    _fields_ = [
        *_ints("type steps positions channels columns border"),
        *_ints("place first row image step lo images", c_int64),
    ]


class Window(Structure):
    _fields_ = _ints("rows columns columns_out high wide down right top left")


class Runs(Structure):
    _fields_ = [("place", c_void_p), *_ints("first count")]


class Wide(Structure):
    _fields_ = [*_ints("out in groups high wide down across"), *_ints("window weight start", c_void_p)]


class Sums(Structure):
    _fields_ = [*_ints("kernel layer packed bases", c_void_p), *_ints("prepared images cell", c_int64)]


class Factor(Structure):
    _fields_ = [*_ints("place packed images", c_int64), *_ints("edge held first apart term head")]


class MatMul(Structure):
    _fields_ = [
        *((name, Factor) for name in ("row", "lane")),
        ("stride", c_int64),
        *_ints("form inner rows columns heads width"),
    ]


class Affine(Structure):
    _fields_ = [*_ints("multiplier whole offset", c_void_p), *_ints("half", c_int64), *_ints("shift steps")]


class Thresholds(Structure):
    _fields_ = [*_ints("turned threshold slope offset", c_void_p), *_ints("count lo")]


class Fire(Structure):
    _fields_ = [*_ints("factor half lo hi reset", c_int64), *_ints("leak shift hard"), ("current", c_void_p)]


class Op(Structure):
    _fields_ = [*_ints("kind to a b c edge"), *_ints("x y n", c_int64), ("data", c_void_p)]


class Stage(Structure):
    _fields_ = [
        *_ints("type steps positions channels width block registers before each after"),
        ("op", POINTER(Op)),
        ("writes", c_void_p),
        *_ints("written prepares ahead alone"),
    ]


class Turns(Structure):
    _fields_ = _ints("end images")


class Plan(Structure):
    _fields_ = [
        *_ints("level batch stages answers"),
        *_ints("arena scratch image", c_int64),
        ("answer", c_void_p),
        ("edge", POINTER(Edge)),
        ("stage", POINTER(Stage)),
        *_ints("edges turns"),
        ("turn", POINTER(Turns)),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """The library with the types of what is called in it; ``None`` where there is none."""
    found, plan, kernel = native.library(), POINTER(Plan), POINTER(CKernel)
    types: dict[str, tuple[Any, ...]] = {
        "bs_runtime_new": (c_void_p, plan, c_int32),
        "bs_runtime_free": (None, c_void_p),
        "bs_run": (c_int32, c_void_p, plan, c_void_p, c_int64, c_void_p, c_void_p),
        "bs_edge_copy": (None, c_void_p, plan, c_int32, c_int64, c_void_p),
        "bs_kernel_at": (kernel, c_int32),
        "bs_kernels_version": (c_int32,),
    }
    if found is None:
        return None
    for name, (result, *arguments) in types.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found
