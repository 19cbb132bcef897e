"""The table of finished runs says which of them have float weights."""

from __future__ import annotations

import pytest

from bitspike.reports import results_table


def result(bits: str) -> dict[str, object]:
    counted = {"test_accuracy": 90.0, "bit_budget": 4.0, "s_ace": 1e6, "ns_ace": 1e5, "size_bytes": 1000.0}
    return {"model": "convnet", "bits": bits, **counted}


@pytest.mark.parametrize(
    ("bits", "name"),
    [
        ("16/1/4", "full precision"),
        ("16/4/1/8", "full precision"),
        ("016/1/4", "full precision"),  # the same width, another text
        ("15/1/4", "low-bit"),
        ("1/16/16", "low-bit"),
    ],
)
def test_weights_alone_decide_what_is_full_precision(bits: str, name: str) -> None:
    table = results_table([result(bits)], "runs")
    assert list(table.columns[0].cells) == [f"convnet, {name}"]
