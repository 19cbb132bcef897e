"""The conversions that paper 003 compares with: OPI, offset-spike and SlipReLU, in floats and in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import CHANNELS, SHAPE, levels_of, pixels, qann, started
from torch import nn

from bitspike import BitPlan, Bits, UserError
from bitspike.conversion import METHODS, check_method_fits, convert, equivalence, quantized, steps_of, to_snn
from bitspike.conversion import check as conversion_check
from bitspike.conversion.activations import activations
from bitspike.conversion.offset import with_offsets
from bitspike.data import ImageSet
from bitspike.ir import Fire
from bitspike.lowering import agreement, structure
from bitspike.models import build_model, morph
from bitspike.neurons import QReLU, neuron_settings

IMAGES = pixels()
LABELS = np.arange(len(IMAGES)) % 5
SHOWN = ImageSet(torch.from_numpy(IMAGES), torch.from_numpy(LABELS), tuple("abcde"))
OF = {"opi": "clip-relu", "sliprelu": "slip-relu"}


def ann(kind: str, name: str = "convnet", reroute: bool = False) -> nn.Module:
    torch.manual_seed(0)
    neuron = neuron_settings(kind, levels=4)
    plan = BitPlan(Bits(8, 3 if kind == "q-relu" else 16, 1))
    return started(
        morph(build_model(name, plan, sample=SHAPE, num_classes=5, neuron=neuron, channels=CHANNELS[name]), reroute)
    )


@pytest.mark.parametrize("name", ["convnet", "resnet8-thin"])
@pytest.mark.parametrize("method", OF)
def test_rates_become_the_activations_of_the_network_in_floats(method: str, name: str) -> None:
    made = convert(ann(OF[method], name), SHAPE, T=24, method=method)
    found = made.check(SHOWN)
    assert not found.equal
    assert found.bound is None
    of_all = zip(found.layers.values(), made.levels.values(), strict=True)
    assert all(layer.distance[-1] < layer.distance[0] and layer.distance[-1] < 0.2 * n for layer, n in of_all)
    same = agreement(made.snn, made.net, [SHOWN.images])
    assert sum(layer.own for layer in same.layers) <= 1e-3 * sum(layer.elements for layer in same.layers)


def test_what_is_compared_with_are_the_activations() -> None:
    """Of quantized ReLUs, which have integers too, they are those; and of a network with another step they are not."""
    model = qann("convnet", 4)
    made = convert(model, SHAPE)
    keep = {*made.levels, *(readout.name for readout in made.net.readouts)}
    ours, theirs = (
        activations(model, made.net, IMAGES, keep),
        conversion_check._edges(quantized(made.net, made.levels), IMAGES, keep),
    )
    assert ours.keys() == keep
    off = {name: np.abs(ours[name] - theirs[name]) for name in made.levels}
    assert all((each > 1e-4).mean() < 1e-2 for each in off.values())
    made.qann.get_submodule(next(iter(made.levels))).step_size.data *= 1.5  # type: ignore[union-attr,operator]
    wrong = activations(model, made.net, IMAGES, keep)
    assert any((np.abs(wrong[name] - theirs[name]) > 1e-4).mean() > 0.1 for name in made.levels)


def offset(name: str = "convnet", T: int = 36) -> Any:
    return convert(qann(name, 4), SHAPE, T=T, method="offset-spike")


@pytest.mark.parametrize("name", ["convnet", "resnet8-thin"])
def test_calibrated_integers_are_the_calibrated_floats(name: str) -> None:
    made = offset(name, T=16)
    edges = conversion_check._edges(made.net, IMAGES, set(made.levels), lambda *a: with_offsets(4, *a))
    seen: dict[str, Any] = {}
    for layer in made.levels:
        made.snn.get_submodule(layer).register_forward_hook(
            lambda m, _, y, layer=layer: seen.update({layer: y / m.scale})
        )
    with torch.no_grad():
        said = made.snn(SHOWN.images)
    assert said.shape == (16, len(IMAGES), 5)
    assert all(torch.equal(levels[:4], levels[4:8]) for levels in seen.values())
    off = sum(int((edges[layer] != seen[layer][4:].numpy().round()).sum()) for layer in made.levels)
    assert off <= 2e-3 * sum(each.size for each in edges.values())
    plain = conversion_check._edges(made.net, IMAGES, set(made.levels))
    assert any((plain[layer] != edges[layer]).any() for layer in made.levels)  # what is calibrated is not the same


def test_the_steps_of_the_first_run_count() -> None:
    made = offset()
    found, once = made.check(SHOWN), equivalence(made.net, made.levels, IMAGES, LABELS, ends=False)
    assert (found.T, once.T, len(found.accuracy)) == (36, 32, 36)
    nothing_said = 100 * float((LABELS == 0).mean())
    assert found.accuracy[:4] == pytest.approx([nothing_said] * 4)
    assert found.settled_at.keys() <= {0, *range(5, 37)}
    whole = next(iter(found.layers.values()))
    assert whole.distance[0] == whole.distance[3] > whole.distance[-1]
    assert next(iter(once.layers.values())).distance[0] < whole.distance[0]
    longer = offset(T=40).check(SHOWN)
    assert longer.accuracy[:36] == found.accuracy


def test_a_network_of_another_activation_is_refused_by_its_first_neuron() -> None:
    for method, kind in (("opi", "q-relu"), ("opi", "slip-relu"), ("sliprelu", "q-relu"), ("sliprelu", "clip-relu")):
        with pytest.raises(UserError, match=r"neuron features\.1: .*--method"):
            to_snn(ann(kind), 8, method)
    for method in METHODS:
        if method not in OF:
            with pytest.raises(UserError, match=r"neuron features\.1: got 'ClipReLU'.*fine-tuned with QReLUs"):
                to_snn(ann("clip-relu"), 8, method)


def test_clipped_relus_are_not_rerouted() -> None:
    with pytest.raises(UserError, match="reroute: got 'ClipReLU'; want false"):
        ann("clip-relu", "resnet8-thin", reroute=True)


def test_what_keeps_what_was_sent_is_not_run_twice() -> None:
    model = started(qann(max_pool="spiking"))
    with pytest.raises(UserError, match=r"a max pool.*keeps what was sent; --method offset-spike"):
        check_method_fits(model, "offset-spike")
    check_method_fits(model, "qcfs")


def test_steps_are_those_that_paper_003_has() -> None:
    graph = structure(qann("convnet", 4), SHAPE)[0]
    assert [steps_of(graph, None, method) for method in METHODS] == [16, 16, 16, 32, 36, 32]
    with pytest.raises(UserError, match="want at least 8: --method offset-spike calibrates on 4 of them first"):
        steps_of(graph, 7, "offset-spike")


def test_a_layer_that_is_no_if_neuron_has_no_first_run() -> None:
    made = convert(qann("convnet", 4), SHAPE, T=8)
    whole = quantized(made.net, levels_of(made.qann))
    fire = next(node for node in whole.graph.nodes if isinstance(node, Fire))
    with pytest.raises(UserError, match="wants IF neurons"):
        with_offsets(4, whole, fire, IMAGES, np.zeros((1, 1, 4, 8, 8), dtype=np.int64))
    assert isinstance(made.qann.get_submodule(fire.name), QReLU)
