"""The estimate on an FPGA: cycles by hand, memory as the footprint has it, elements as synthesized."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_gates import activity, graph

from bitspike import UserError
from bitspike.costs import cost, hardware
from bitspike.costs.constants import ELEMENT_PARTS, hardware_constants
from bitspike.costs.gates import accumulator_bits
from bitspike.costs.hardware import HardwareSettings, element_terms
from bitspike.files import read_json
from bitspike.ir import Conv, Edge, Graph, Input, Readout, Reshape

MEASURED = read_json(Path(__file__).parents[3] / "results" / "hardware" / "integration-unit.json")


def test_cycles_by_hand() -> None:
    of = graph(w=4, s=2, T=3)
    report = hardware(of, HardwareSettings(device="ice40", elements=2), activity(of))
    by_name = {engine.element: engine for engine in report.engines}
    # a code of six pixels each; windows of six and of five taps, for blocks of two channels; the second at three steps
    assert by_name["parallel"].cycles == 6 + 3 * (6 + 3) + 3 * 2 * (5 + 3)
    assert by_name["serial"].cycles == 6 + 3 * (6 * 8 + 3) + 3 * 2 * (5 * 2 + 3)
    assert by_name["event"].cycles == 6 + (3 * (6 + 3)) + 3 * ((5 + 3) + (5 * 4 / 15 + 3))
    assert (report.w, report.s, report.a) == (4, 8, accumulator_bits(4, 8, 6))


def test_a_convolution_walks_every_place() -> None:
    edge = Edge(shape=(4, 6, 6), T=1, lo=0, hi=3)
    nodes = (
        Input(name="in", inputs=(), edge=edge),
        Conv(name="c", inputs=("in",), out_channels=6, weight_bits=2, kernel_size=(3, 3), padding=(1, 1), groups=2),
        Reshape(name="flat", inputs=("c",), shape=(216,)),
        Readout(name="out", inputs=("flat",)),
    )
    report = hardware(Graph("conv", nodes), HardwareSettings(device="ecp5", elements=4))
    assert report.engines[0].cycles == 4 * 36 + 36 * 2 * (2 * 9 + 3)
    assert report.engines[2].cycles is None
    assert report.engines[2].images_per_second is None


def test_memory_is_the_exact_footprint() -> None:
    of = graph(u=5)
    report = hardware(of, HardwareSettings(device="ice40"))
    assert report.memory_bits["total"] == 8 * cost(of).memory[0].total
    assert report.memory_bits["weights"] == 4 * (6 * 5 + 5 * 3)


@pytest.mark.parametrize("device", ["ice40", "ecp5"])
@pytest.mark.parametrize("kind", ["parallel", "serial"])
def test_elements_are_near_the_synthesized_ones(device: str, kind: str) -> None:
    """Within what the file says of its own error."""
    said = hardware_constants()["devices"][device]
    off = []
    for point in MEASURED["others"]:
        if point["n"] == 1 and point["kind"] == kind:
            terms = element_terms(point["w"], point["s"], accumulator_bits(point["w"], point["s"], point["T"]))
            guess = sum(factor * terms[term] for term, factor in said["elements"][kind]["lut"].items())
            wanted = point[device]["lut"] + (2 * point[device]["carry"] if device == "ecp5" else 0)
            off.append(abs(guess / wanted - 1))
    assert len(off) == 36
    assert sorted(off)[18] < 0.1
    assert max(off) < 0.3
    assert set(said["elements"][kind]) == set(ELEMENT_PARTS)


def test_more_elements_are_faster_and_larger() -> None:
    few, many = (hardware(graph(), HardwareSettings(device="ice40", elements=n)).engines[0] for n in (1, 4))
    assert many.luts == pytest.approx(4 * few.luts)
    assert few.cycles is not None
    assert many.cycles is not None
    assert many.cycles < few.cycles


@pytest.mark.parametrize("elements", [0, -1, 4097])
def test_so_many_elements_are_refused(elements: int) -> None:
    with pytest.raises(UserError, match="--pes: got"):
        HardwareSettings(device="ice40", elements=elements)


def test_what_has_no_integers_is_refused() -> None:
    with pytest.raises(UserError, match="one: 16 weight bits"):
        hardware(graph(w=16), HardwareSettings(device="ice40"))
    with pytest.raises(UserError, match="--hardware: got 'ice4'"):
        hardware(graph(), HardwareSettings(device="ice4"))
