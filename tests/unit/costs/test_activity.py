"""What was measured: kept in JSON, and refused where it is malformed or of another network."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.costs import Activity, NeuronActivity, SynapseActivity, cost
from bitspike.errors import UserError
from bitspike.ir import Conv, Edge, Fire, Graph, Input

GRAPH = Graph(
    "net",
    (
        Input(name="image", inputs=(), edge=Edge(shape=(1, 3, 3), T=1, lo=0, hi=1, scale=1.0)),
        Conv(name="conv", inputs=("image",), out_channels=2, weight_bits=4, kernel_size=(2, 2)),
        Fire(name="fire", inputs=("conv",), T=3, lo=0, hi=3, scale=1.0),
    ),
)
ACTIVITY = Activity(
    images=5,
    source="five images",
    synapses={"conv": SynapseActivity(elements=45, events=9, sops=40, additions=44)},
    neurons={"fire": NeuronActivity(elements=120, spikes=30, level_sum=50)},
)
counts = st.integers(0, 10**12)
synapse = st.builds(
    lambda events, rest, sops, additions: SynapseActivity(events + rest, events, sops, additions),
    counts,
    st.integers(1, 10**12),
    counts,
    st.none() | counts,
)
neuron = st.builds(
    lambda spikes, rest, level_sum: NeuronActivity(spikes + rest, spikes, level_sum),
    counts,
    st.integers(1, 10**12),
    counts,
)
any_activity = st.builds(
    Activity, st.integers(1), st.text(), st.dictionaries(st.text(), synapse), st.dictionaries(st.text(), neuron)
)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["images", "source", "synapses", "neurons"]), inner)
    ),
)


@given(any_activity)
def test_activity_reads_back_what_it_writes(activity):
    assert Activity.from_dict(json.loads(json.dumps(activity.to_dict()))) == activity


def edited(**fields):
    """ACTIVITY as JSON, with some entries of its one layer changed."""
    raw = ACTIVITY.to_dict()
    raw["synapses"]["conv"] |= fields
    return raw


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([], "want what `bitspike train` wrote"),
        ({}, "want what `bitspike train` wrote"),
        ({**ACTIVITY.to_dict(), "synapses": []}, "want what `bitspike train` wrote"),
        ({**ACTIVITY.to_dict(), "source": 5}, "the name of the images"),
        ({**ACTIVITY.to_dict(), "images": 0}, "want something seen"),
        ({**ACTIVITY.to_dict(), "images": "5"}, "whole number"),
        (edited(other=1), "unexpected keyword"),
        (edited(events=46), "46 of 45"),
        (edited(events=-1), "whole numbers"),
        (edited(sops=1.5), "whole numbers"),
        (edited(sops=float("nan")), "whole numbers"),
        (edited(additions=True), "whole numbers"),
        (edited(elements=0, events=0), "want something seen"),
    ],
)
def test_malformed_activity_is_refused(raw, says):
    with pytest.raises(UserError, match=rf"activity(\.[\w.]+)?: got .*{says}"):
        Activity.from_dict(raw)


@pytest.mark.parametrize("key", ["images", "source", "synapses", "neurons", "synapses.conv", "weights"])
def test_what_is_damaged_is_named_with_its_file(tmp_path, key):
    raw, (*above, last) = ACTIVITY.to_dict(), key.split(".")
    (raw[above[0]] if above else raw)[last] = ["damaged"]
    (tmp_path / "activity.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=rf"^activity\.{key}: got \['damaged'\].* \(in .*activity\.json\)$"):
        Activity.load(tmp_path / "activity.json")


@given(any_json)
def test_any_json_is_activity_or_refused(raw):
    with suppress(UserError):
        assert isinstance(Activity.from_dict(raw), Activity)


def test_what_was_measured_is_per_image():
    report = cost(GRAPH, "exact", ACTIVITY)
    (layer,), (fire,) = report.layers, report.neurons
    assert (layer.firing_rate, layer.sops, layer.additions, layer.ns_ace) == (9 / 45, 8.0, 44 / 5, 4 * 1 * 8.0)
    assert (fire.spikes, fire.sparsity) == (6.0, 0.75)
    assert (report.total.sops, report.total.ns_ace, report.total.spikes) == (8.0, 32.0, 6.0)
    assert report.activity == "5 images: five images"
    assert json.loads(json.dumps(report.to_dict()))["total"]["sops"] == 8.0


def test_nothing_measured_is_not_zero():
    report = cost(GRAPH)
    assert report.activity is None
    assert {report.total.sops, report.total.additions, report.total.ns_ace, report.total.spikes} == {None}
    assert {report.layers[0].firing_rate, report.neurons[0].spikes, report.neurons[0].sparsity} == {None}


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (replace(ACTIVITY, synapses={}), "activity of layer: got 'conv'"),
        (replace(ACTIVITY, neurons={}), "activity of layer: got 'fire'"),
        (replace(ACTIVITY, neurons=ACTIVITY.neurons | {"late": ACTIVITY.neurons["fire"]}), "got 'late'"),
        (replace(ACTIVITY, images=6), "activity of layer conv: got '45 elements'; want 54"),
        (
            replace(ACTIVITY, neurons={"fire": NeuronActivity(elements=80, spikes=30, level_sum=50)}),
            "activity of layer fire: got '80 elements'; want 120",  # two steps instead of three
        ),
    ],
)
def test_activity_of_another_network_is_refused(other, says):
    with pytest.raises(UserError, match=f"{says}.* another network"):
        cost(GRAPH, "exact", other)
