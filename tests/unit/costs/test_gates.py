"""Energy that sees widths: by hand on a small network, monotone in every width, with constants from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitspike import UserError
from bitspike.costs import Activity, NeuronActivity, SynapseActivity, energy, energy_model
from bitspike.costs.constants import GATES, hardware_constants
from bitspike.costs.gates import Counted, accumulator_bits, product_bits
from bitspike.ir import Edge, Fire, Graph, Input, Linear, Readout, Reshape

EACH = hardware_constants()["gates"]["values"]


def graph(w: int = 4, s: int = 2, T: int = 2, u: int | None = None) -> Graph:
    """Images of 6 pixels, 5 neurons, 3 logits."""
    edge = Edge(shape=(1, 2, 3), T=1, lo=0, hi=255)
    return Graph(
        "small",
        (
            Input(name="in", inputs=(), edge=edge),
            Reshape(name="flat", inputs=("in",), shape=(6,)),
            Linear(name="one", inputs=("flat",), out_channels=5, weight_bits=w),
            Fire(name="fire", inputs=("one",), T=T, lo=0, hi=(1 << s) - 1, membrane_bits=u),
            Linear(name="two", inputs=("fire",), out_channels=3, weight_bits=w),
            Readout(name="out", inputs=("two",)),
        ),
    )


def activity(of: Graph, events: int = 4) -> Activity:
    """One image, at which so many spikes of the neurons reach the second layer."""
    T = of.edges["fire"].T
    return Activity(
        images=1,
        source="by hand",
        neurons={"fire": NeuronActivity(elements=5 * T, spikes=events, level_sum=events)},
        synapses={
            "one": SynapseActivity(elements=6, events=6, sops=30, additions=None),
            "two": SynapseActivity(elements=5 * T, events=events, sops=3 * events, additions=3 * events),
        },
        weights={},
    )


def total(of: Graph, events: int = 4) -> float:
    found = energy(of, "gates", activity(of, events)).snn
    assert found is not None
    return found.total.total


def test_a_layer_by_hand() -> None:
    of = graph(w=4, s=2, T=2, u=6)
    report = energy(of, "gates", activity(of))
    assert report.snn is not None
    _, second = report.snn.layers
    operations, wide = 12, 4 + 2 + 3  # five terms: three bits more
    bits = Counted(product=operations * 4 * 2, adder=operations * (1 * 5 + wide), register=operations * wide, memory=0)
    assert second.synaptic == pytest.approx(bits.pj(EACH) / 1000)
    assert second.weights == pytest.approx(operations * 4 * EACH["memory"] / 1000)
    first = report.snn.layers[0]
    assert first.potentials == pytest.approx(2 * 5 * 2 * 6 * EACH["memory"] / 1000)
    assert first.in_out == pytest.approx((6 * 8 + 5 * 2 * 2) * EACH["memory"] / 1000)


def test_every_width_costs() -> None:
    base = total(graph())
    assert total(graph(w=8)) > base
    assert total(graph(s=3)) > base
    assert total(graph(T=4)) > base
    assert total(graph(u=4)) < total(graph(u=8))
    assert total(graph(), events=8) > base
    assert (
        energy(graph(w=8), "gates", activity(graph())).ann.total.total
        > energy(graph(), "gates", activity(graph())).ann.total.total
    )


def test_the_other_models_are_blind_to_weight_bits() -> None:
    """What this one is for."""
    for name in ("lemaire", "horowitz", "sop-77fj"):
        found = [energy(graph(w=w), name, activity(graph())).snn for w in (1, 8)]
        assert found[0] == found[1], name


def test_one_step_keeps_no_potentials() -> None:
    report = energy(graph(T=1), "gates", activity(graph(T=1)))
    assert report.snn is not None
    assert report.snn.total.potentials == 0


def test_widths_by_hand() -> None:
    assert product_bits(4, 1) == Counted(product=4, adder=0)
    assert product_bits(4, 3) == Counted(product=12, adder=10)
    assert accumulator_bits(1, 1, 1) == 3  # -1 .. 1
    assert accumulator_bits(8, 4, 9) == 16


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = hardware_constants()
    own["gates"]["values"] = dict.fromkeys(GATES, 0) | {"memory": 1.0}
    file = tmp_path / "own.json"
    file.write_text(json.dumps(own))
    report = energy(graph(), energy_model("gates", constants=file), activity(graph()))
    assert report.snn is not None
    assert report.snn.total.synaptic == 0
    assert report.snn.layers[1].weights == pytest.approx(12 * 4 / 1000)
    assert report.constants["memory"] == 1.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("format"), "format"),
        (lambda c: c["gates"]["values"].pop("adder"), "gates.values.adder"),
        (lambda c: c["gates"]["values"].update(adder="much"), "want a number"),
        (lambda c: c["gates"]["values"].update(adder=-1), "0 or more"),
        (lambda c: c["gates"].update(values=3), "want an object"),
        (lambda c: c["devices"]["ice40"].pop("luts"), "devices.ice40.luts"),
        (lambda c: c["devices"]["ice40"]["elements"]["serial"].pop("ns"), "serial.ns"),
        (lambda c: c["devices"]["ice40"]["elements"].pop("serial"), "serial"),
        (lambda c: c["devices"]["ice40"]["elements"]["serial"]["lut"].update(z=1), "serial.lut.z"),
    ],
)
def test_a_file_with_a_fault_is_refused_by_name(change: object, says: str, tmp_path: Path) -> None:
    own = hardware_constants()
    change(own)  # type: ignore[operator]
    file = tmp_path / "own.json"
    file.write_text(json.dumps(own))
    with pytest.raises(UserError, match=says) as refused:
        hardware_constants(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[1]", "{", "\xff"])
def test_what_is_no_such_file_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match="--constants"):
        hardware_constants(file)


def test_the_packages_own_constants_say_where_they_are_from_and_how_far_off_they_are() -> None:
    said = hardware_constants()
    assert "ice40_power" in said["toggle"]["source"]
    assert "Horowitz" in said["gates"]["source"]
    assert said["gates"]["fit"]["held_out"]["median_error_percent"] < 15
    for device in said["devices"].values():
        assert device["fit"]["parallel.lut"]["median_error_percent"] < 10
