"""``result.json`` of a run, and what else was written once and is read back: taken as it was written, or refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bitspike.bits import Bits
from bitspike.errors import UserError, named_in
from bitspike.files import read_json
from bitspike.settings import first_mistake

__all__ = ["Record", "Samples", "no_number", "read_record", "read_result"]


def _bits(text: str) -> str:
    Bits.parse(text)
    return text


Percent = Annotated[float, Field(ge=0, le=100)]
Amount = Annotated[float, Field(ge=0)]


class Result(BaseModel):
    """What is read of a result, by this version and by those that wrote less; methods add keys of their own.

    A network without spikes has ``None`` for what spikes set off. One that finds boxes has mean average precision in
    the place of an accuracy.
    """

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    recipe: str
    dataset: str
    model: str
    bits: Annotated[str, AfterValidator(_bits)]
    seed: Annotated[int, Field(ge=0)]
    test_accuracy: Percent | None = None
    test_map50: Percent | None = None
    test_map5095: Percent | None = None
    bit_budget: Amount
    s_ace: Amount
    size_bytes: Amount
    ns_ace: Amount | None
    sops: Amount | None
    spikes: Amount | None
    validation_accuracy: Percent | None = None
    mean_bit_budget: Amount = 0
    mean_w: Amount = 0
    mean_s: Amount = 0
    mean_t: Amount = 0
    energy_nj: Amount | None = None
    bits_learned: bool = False

    @model_validator(mode="after")
    def _judged(self) -> Result:
        if self.test_accuracy is None and self.test_map50 is None:
            raise UserError("test_accuracy", None, "it is missing; want a value")
        return self


def read_result(file: Path) -> dict[str, Any]:
    """The content of a ``result.json``.

    Raises:
        UserError: it cannot be read, or a key is missing or holds what training never wrote there.
    """
    return read_record(file, Result)


def read_record(file: Path, shape: type[BaseModel]) -> dict[str, Any]:
    """The content of a file that has that shape, as it is.

    Raises:
        UserError: it cannot be read, is no object, or what a key holds does not fit; the line names file and key.
    """
    raw = read_json(file)
    with named_in(file):
        if not isinstance(raw, dict):
            raise UserError("record", raw, "want an object, as bitspike wrote it")
        try:
            shape.model_validate(raw)
        except ValidationError as wrong:
            raise first_mistake(wrong) from wrong
        if key := no_number(raw):
            raise UserError(key, "no number", "want a finite number")
    return raw


def no_number(raw: dict[str, Any]) -> str | None:
    """The first key below which there is NaN or an infinity, if there is one."""
    return next((key for key, value in raw.items() if not all(map(math.isfinite, _floats(value)))), None)


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _floats(part)
    elif isinstance(value, float):
        yield value


class Record(BaseModel):
    """An object, whatever is in it."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Histogram(Record):
    counts: list[int]
    codes: list[int] | None = None
    lo: float | None = None
    hi: float | None = None
    fires: list[float] = []

    @model_validator(mode="after")
    def _placed(self) -> _Histogram:
        if (self.codes is None) == (self.lo is None or self.hi is None):
            raise UserError("histogram", "neither codes nor ends", "want one of them")
        return self


class _Packed(Record):
    shape: list[int]
    zlib: str


class _Wrong(Record):
    index: int
    label: Amount
    said: Amount
    pixels: _Packed


class _Layer(Record):
    name: str
    neurons: int
    fired: int
    T: int
    spikes: list[int]
    rows: list[Annotated[str, Field(pattern=r"^[.1-9a-i]*$")]]


class _Trains(Record):
    sample: int
    layers: list[_Layer]
    frames: list[_Packed] = []


class _Box(Record):
    xyxy: Annotated[list[float], Field(min_length=4, max_length=4)]
    label: Amount
    score: float | None


class _Boxed(Record):
    index: int
    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    jpeg: str
    wanted: list[_Box]
    found: list[_Box]


class _Boxes(Record):
    lowest: float
    images: list[_Boxed]


class Samples(Record):
    """What is read of ``samples.json`` (`bitspike.training.samples`)."""

    samples: int
    classes: list[str]
    weights: dict[str, _Histogram]
    membranes: dict[str, _Histogram]
    trains: _Trains | None = None
    confusion: list[list[int]] | None = None
    wrong: list[_Wrong] = []
    boxes: _Boxes | None = None

    @model_validator(mode="after")
    def _square(self) -> Samples:
        count = len(self.classes)
        rows = self.confusion
        if rows is not None and (len(rows) != count or any(len(row) != count for row in rows)):
            raise UserError("confusion", f"{len(rows)} rows", f"want {count} of {count}, one for each class")
        boxes = [box for image in self.boxes.images for box in (*image.wanted, *image.found)] if self.boxes else []
        for each in (*(label for one in self.wrong for label in (one.label, one.said)), *(box.label for box in boxes)):
            if each >= count:
                raise UserError("label", each, f"want less than {count}")
        return self
