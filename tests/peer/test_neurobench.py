"""NeuroBench's harness on our networks: our metrics beside a count by hand, and where its own are not made for them."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bitspike import UserError
from bitspike.frameworks import neurobench_metrics, neurobench_model
from bitspike.layers import Encoder, OverTime
from bitspike.neurons import IFNode, MultiBitLIFNode, quantize_membrane
from bitspike.quant import quantize_weights

pytestmark = pytest.mark.peer
REASON = "neurobench is not installed here: `make test-peers` makes an environment that has it"
benchmarks = pytest.importorskip("neurobench.benchmarks", reason=REASON, exc_type=ImportError)
metrics = pytest.importorskip("neurobench.metrics.workload", reason=REASON, exc_type=ImportError)
static = pytest.importorskip("neurobench.metrics.static", reason=REASON, exc_type=ImportError)

IMAGES = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
T = 3


def network(neuron, bits=4):
    torch.manual_seed(0)
    net = nn.Sequential(Encoder(), OverTime(nn.Flatten(), nn.Linear(64, 20)), neuron, OverTime(nn.Linear(20, 10)))
    return quantize_weights(net, bits).eval()


def run(net, *, static_metrics=(), workload=()):
    ours = neurobench_metrics()
    data = DataLoader(TensorDataset(IMAGES, torch.arange(30) % 10), batch_size=7)
    lists = [[*ours.static, *static_metrics], [*ours.workload, *workload]]
    model = neurobench_model(net, (1, 8, 8))
    return benchmarks.Benchmark(model, data, [], [lambda logits: logits.argmax(1)], lists).run(quiet=True)


def by_hand(net):
    """Events, and what their levels add up to, that reach the second layer; those of the first are pixels, held."""
    encoder, first, neuron, _ = net
    with torch.no_grad():
        pixels = (encoder(IMAGES)[0] / encoder.scale).round().abs()
        levels = (neuron(first(encoder(IMAGES))) / neuron.scale).round()
    sops = int((pixels != 0).sum()) * 20 + int((levels != 0).sum()) * 10
    additions = int(pixels.sum()) * 20 + int(levels.sum()) * 10
    return sops / 30, additions / 30, 1 - float((levels != 0).double().mean())


@pytest.mark.parametrize("neuron", [lambda: MultiBitLIFNode(T, 2, v_threshold=0.5), lambda: IFNode(T)])
def test_the_harness_runs_a_network_and_its_counts_are_those_by_hand(neuron):
    net = network(neuron())
    found = run(net, workload=[metrics.ClassificationAccuracy])
    sops, additions, sparsity = by_hand(net)
    counts = found["BitSynapticOperations"]
    assert counts["SOPs"] == pytest.approx(sops)
    assert counts["Additions"] == pytest.approx(additions)
    assert counts["Dense"] == 64 * 20 + T * 20 * 10
    assert found["SpikeSparsity"] == pytest.approx(sparsity)
    with torch.no_grad():
        right = (net(IMAGES).mean(0).argmax(1) == torch.arange(30) % 10).double().mean()
    assert found["ClassificationAccuracy"] == pytest.approx(float(right))


def test_a_footprint_has_weights_and_membranes_at_their_widths():
    few = network(IFNode(T), bits=2)
    quantize_membrane(few[2], 4)
    few.train()(IMAGES)
    many = network(IFNode(T), bits=8)
    a, b = (run(net, static_metrics=[static.Footprint]) for net in (few, many))
    weights = 64 * 20 + 20 * 10
    assert b["BitFootprint"] - a["BitFootprint"] == weights * 6 / 8 + 20 * (32 - 4) / 8
    assert abs(b["Footprint"] - a["Footprint"]) < 32  # whole bytes of parameters: no difference but the store's own


def test_graded_spikes_are_no_activations_of_an_ann():
    graded, binary = (network(neuron) for neuron in (MultiBitLIFNode(T, 2, v_threshold=0.5), IFNode(T)))
    ours = [run(net)["BitSynapticOperations"] for net in (graded, binary)]
    assert ours[0]["Additions"] > ours[0]["SOPs"]
    theirs = run(graded, workload=[metrics.SynapticOperations])["SynapticOperations"]
    assert theirs["Effective_ACs"] == 0  # all are multiplications there


def test_another_model_is_refused():
    from neurobench.models import TorchModel

    (footprint,) = neurobench_metrics().static
    with pytest.raises(UserError, match="neurobench_model"):
        footprint()(TorchModel(nn.Linear(2, 2)))
