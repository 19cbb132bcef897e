"""Reproduce: tables of the papers, each number beside ours, and beside what the network truly comes to."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bitspike.errors import UserError, closest
from bitspike.reproduce import bounds_001, paper_000, paper_001, paper_002, paper_003, paper_004
from bitspike.reproduce.table import Row

__all__ = ["TABLES", "Row", "reproduce"]

TABLES: Mapping[str, Callable[[], tuple[Row, ...]]] = MappingProxyType(
    {
        "000/table1": paper_000.table1,
        "000/table2": paper_000.table2,
        "000/table3": paper_000.table3,
        "000/table4": paper_000.table4,
        "001/table1": paper_001.table1,
        "001/table2": paper_001.table2,
        "001/table3": paper_001.table3,
        "001/table4": paper_001.table4,
        "001/table5": paper_001.table5,
        "001/tableA1": paper_001.table_a1,
        "001/tableA2": paper_001.table_a2,
        "001/text": paper_001.text,
        "001/rounding": bounds_001.rounding,
        "001/theorem1": bounds_001.steps_that_no_longer_fit,
        "001/squeezing": bounds_001.squeezing,
        "002/table1": paper_002.table1,
        "002/table2": paper_002.table2,
        "002/reductions": paper_002.reductions,
        "002/size": paper_002.size,
        "003/table3": paper_003.table3,
        "003/table4": paper_003.table4,
        "003/ann-energy": paper_003.ann_energy_of_resnet20,
        "003/table6": paper_003.table6,
        "003/text": paper_003.text,
        "004/table1": paper_004.table1,
        "004/table2": paper_004.table2,
        "004/table3": paper_004.table3,
        "004/table4": paper_004.table4,
        "004/figure5": paper_004.figure5,
        "004/relations": paper_004.relations,
    }
)
"""The tables by paper and place in it; a docstring is the title."""


def reproduce(name: str) -> tuple[Row, ...]:
    """The rows of the table called ``name``.

    Raises:
        UserError: there is no such table.
    """
    if name not in TABLES:
        raise UserError("table", name, closest(name, TABLES))
    return TABLES[name]()
