"""What a width is: weight, spike, time-step and membrane bits of one layer, and of a whole network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from bitspike.errors import UserError, closest, named_in
from bitspike.files import read_json

__all__ = ["FULL_PRECISION", "BitPlan", "Bits", "alphabet_width", "signed_range", "unsigned_range"]

FULL_PRECISION = 16
"""A weight this wide is a float, counted as 16 bits: the papers' convention (000, Table 1 caption)."""

_LIMITS = {"w": 16, "s": 16, "t": 4096, "u": 32}
_NAMES = {"w": "weight bits", "s": "spike bits", "t": "time steps", "u": "membrane bits"}


def alphabet_width(lo: int, hi: int) -> int:
    """Bits that tell ``hi - lo + 1`` levels apart: ``ceil(log2(hi - lo + 1))``, at least 1."""
    if hi < lo:
        raise UserError("range", (lo, hi), "want lo <= hi")
    return max(1, (hi - lo).bit_length())


def unsigned_range(bits: int) -> tuple[int, int]:
    """Levels of an unsigned alphabet: ``0 .. 2^bits - 1``."""
    return 0, (1 << bits) - 1


def signed_range(bits: int) -> tuple[int, int]:
    """Levels of a symmetric signed alphabet: ``+-(2^(bits-1) - 1)``; one bit is the two levels ``+-1``."""
    top = max((1 << (bits - 1)) - 1, 1)
    return -top, top


@dataclass(frozen=True, slots=True)
class Bits:
    """Widths of one layer: ``w`` weight bits, ``s`` spike bits, ``t`` time steps, ``u`` membrane bits.

    ``u=None`` is a membrane that is not quantized. ``w=16`` stands for a float weight (`FULL_PRECISION`).

    >>> Bits.parse("2/2/1").budget
    4
    """

    w: int
    s: int
    t: int
    u: int | None = None

    def __post_init__(self) -> None:
        for key, top in _LIMITS.items():
            value = getattr(self, key)
            if value is None and key == "u":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= top:
                raise UserError(f"bits {key}", value, f"{_NAMES[key]} are whole numbers from 1 to {top}")

    @property
    def budget(self) -> int:
        """Bit Budget ``T * b_w * b_s`` (paper 000, Eq. 4)."""
        return self.w * self.s * self.t

    @classmethod
    def parse(cls, text: str) -> Bits:
        """Reads ``w/s/t`` or ``w/s/t/u``, as the papers write it: ``"2/2/1"``.

        Raises:
            UserError: the text is not three or four whole numbers in range.
        """
        if not isinstance(text, str) or not re.fullmatch(r"\d{1,9}(/\d{1,9}){2,3}", text.strip(), flags=re.ASCII):
            forms = "weight/spike/steps or weight/spike/steps/membrane"
            raise UserError("bits", text, f"want {forms} as whole numbers, for example 2/2/1 or 1/1/2/8")
        try:
            return cls(*(int(part) for part in text.strip().split("/")))
        except UserError as wrong:
            raise UserError("bits", text, f"{wrong.thing} is {wrong.seen}: {wrong.would_do}") from None

    def __str__(self) -> str:
        return "/".join(str(v) for v in (self.w, self.s, self.t, self.u) if v is not None)


@dataclass(frozen=True)
class BitPlan:
    """Bits of every layer: a default, and overrides by layer name (exact, or a glob such as ``stage1.*``).

    Weight layers look up ``w``; neurons look up ``s``, ``t`` and ``u``. Later entries win.
    On file it is JSON: ``{"default": "2/2/1", "layers": {"stem.0": {"w": 8}, "neuron1": {"s": 4}}}``.
    """

    default: Bits
    layers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, widths in self.layers.items():
            if not isinstance(widths, Mapping):
                raise UserError(f"plan layer {name}", widths, 'want an object, for example {"w": 4}')
            for key in widths:
                if key not in _LIMITS:
                    raise UserError(f"plan layer {name}", key, closest(key, _LIMITS))
            try:
                replace(self.default, **widths)  # checks the ranges
            except UserError as wrong:
                raise UserError(f"plan layer {name}, {wrong.thing}", wrong.seen, wrong.would_do) from None

    def __getitem__(self, name: str) -> Bits:
        """The bits of the layer called ``name``."""
        bits = self.default
        for pattern, widths in self.layers.items():
            if pattern == name or fnmatchcase(name, pattern):
                bits = replace(bits, **widths)
        return bits

    def check_names(self, weights: Iterable[str], neurons: Iterable[str]) -> None:
        """Refuses an entry that no layer of the network would read: ``w`` is read by weights, the rest by neurons."""
        weights, neurons = list(weights), list(neurons)
        for pattern, widths in self.layers.items():
            for key in widths:
                readers = weights if key == "w" else neurons
                if not any(pattern == name or fnmatchcase(name, pattern) for name in readers):
                    kind = "weights" if key == "w" else "neurons"
                    raise UserError("plan layer", pattern, f"{key} is for {kind}; {closest(pattern, readers)}")

    def to_dict(self) -> dict[str, object]:
        return {"default": str(self.default), "layers": {k: dict(v) for k, v in self.layers.items()}}

    @classmethod
    def from_dict(cls, raw: object) -> BitPlan:
        if not isinstance(raw, Mapping) or not isinstance(raw.get("default"), str):
            raise UserError("plan", type(raw).__name__, 'want {"default": "2/2/1", "layers": {...}}')
        extra = set(raw) - {"default", "layers"}
        if extra:
            raise UserError("plan key", sorted(extra)[0], closest(sorted(extra)[0], ["default", "layers"]))
        layers = raw.get("layers", {})
        if not isinstance(layers, Mapping):
            raise UserError("plan layers", layers, 'want an object: {"layer name": {"w": 4}}')
        return cls(Bits.parse(raw["default"]), dict(layers))

    @classmethod
    def load(cls, path: str | Path) -> BitPlan:
        """Reads a plan file.

        Raises:
            UserError: no such file, not JSON, or not a plan.
        """
        raw = read_json(path)
        with named_in(path):
            return cls.from_dict(raw)
