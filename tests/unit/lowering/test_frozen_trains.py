"""Networks that read trains: lowered, frozen, and measured, as the encoder and the readout say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitspike import BitPlan, Bits, UserError
from bitspike.backends import oracle
from bitspike.conversion import check_convertible
from bitspike.ir import FrozenGraph
from bitspike.layers import Encoder, EventEncoder, OverTime, mean_over_time
from bitspike.lowering import agreement, freeze, lower, measure
from bitspike.models import build_model
from bitspike.neurons import make_node, neuron_settings
from bitspike.quant import quantize_weights
from bitspike.sample import Sample

EVENTS = Sample((2, 9, 8), 6, 0, 3)
SIGNALS = Sample((5,), 40, -1, 1)


def awake(model: nn.Module, codes: Tensor) -> nn.Module:
    """In evaluation mode, with statistics of these codes and neurons that fire."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.0, 1.0)
    with torch.no_grad():
        model(codes)
    return model.eval()


def codes_of(sample: Sample, count: int = 8) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.randint(0, sample.hi - sample.lo + 1, (count, *sample.array_shape), generator=draw, dtype=torch.uint8)


def of_events() -> nn.Module:
    torch.manual_seed(5)
    plan = BitPlan(Bits(3, 2, EVENTS.T))
    return awake(build_model("convnet", plan, sample=EVENTS, num_classes=4, channels=(3, 4, 4)), codes_of(EVENTS))


def of_signals() -> nn.Module:
    """Fully connected, one layer of neurons without a leak, answers at each step."""
    torch.manual_seed(5)
    neurons = [make_node(neuron_settings(v_reset=None, tau=tau), Bits(3, 1, SIGNALS.T)) for tau in (1.0, 2.0)]
    layers = [OverTime(nn.Linear(size, 6), nn.BatchNorm1d(6)) for size in (5, 6)]
    model = nn.Sequential(
        EventEncoder(SIGNALS), layers[0], neurons[0], layers[1], neurons[1], OverTime(nn.Linear(6, 3))
    )
    return awake(quantize_weights(model, 3), codes_of(SIGNALS))


NETWORKS = {"events": (of_events, EVENTS), "signals": (of_signals, SIGNALS)}


@pytest.mark.parametrize("readout", ["mean", "last", "each"])
@pytest.mark.parametrize("name", NETWORKS)
def test_integers_answer_as_the_floats_do(name: str, readout: Any) -> None:
    make, sample = NETWORKS[name]
    model, codes = make(), codes_of(sample)
    net = freeze(model, sample, name, readout)
    assert net.sample == sample
    found = agreement(model, net, codes.split(3))
    assert found.images == len(codes) * (sample.T if readout == "each" else 1)
    assert found.same_class == found.images
    assert [layer.mismatches for layer in found.layers] == [0, 0, 0][: len(found.layers)]
    with torch.no_grad():
        floats = model(codes)
    wanted = {"mean": floats.mean(0), "last": floats[-1], "each": floats.transpose(0, 1)}[readout].numpy()
    logits = oracle.logits(net, codes.numpy())
    assert logits.shape == wanted.shape
    assert np.ptp(logits) > 0
    assert net.logit_scale is not None
    assert np.allclose(logits * net.logit_scale, wanted, atol=1e-3)


def test_the_agreement_sees_one_step_that_answers_otherwise() -> None:
    model, codes = of_signals(), codes_of(SIGNALS)
    net = freeze(model, SIGNALS, readout="each")
    name = next(name for name in net.tensors if name.endswith("offset") and name.startswith("readout"))
    wrong = net.tensors[name].astype(np.int64)
    wrong[0] += 1 << 40
    damaged = FrozenGraph(net.graph, {**net.tensors, name: wrong})
    assert agreement(model, damaged, [codes]).same_class < agreement(model, net, [codes]).same_class


@pytest.mark.parametrize(
    ("model", "sample", "says"),
    [
        (of_events, Sample((2, 9, 8), 6, 0, 2), r"encoder encoder: got '6@2x9x8 of levels 0..2'; was made for"),
        (of_events, Sample((2, 9, 8), 5, 0, 3), r"encoder encoder: got '5@2x9x8 of levels 0..3'; was made for"),
        (of_events, (2, 9, 8), r"encoder encoder: got '2x9x8 of levels -128..127'"),
        (lambda: nn.Sequential(Encoder()), EVENTS, "encoder 0: got '6@2x9x8'; reads 8-bit images"),
        (lambda: nn.Sequential(Encoder()), Sample((2, 9, 8), 1, 0, 3), "encoder 0: .*EventEncoder"),
    ],
)
def test_an_encoder_of_another_input_is_refused(model: Any, sample: Any, says: str) -> None:
    with pytest.raises(UserError, match=f"^{says}"):
        lower(model(), sample)


def test_neurons_of_other_steps_than_the_train_are_refused() -> None:
    model = build_model("convnet", BitPlan(Bits(3, 2, 4)), sample=EVENTS, num_classes=4, channels=(3, 4, 4))
    with pytest.raises(UserError, match=r"fire features.1: got '6 steps'; wants T=4"):
        lower(model, EVENTS)


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = of_signals()

    def forward(self, codes: Tensor) -> Tensor:
        return mean_over_time(self.inner(codes))


def test_a_readout_that_the_network_has_itself_is_the_mean() -> None:
    assert freeze(Mean().eval(), SIGNALS).readout.over == "sum"
    with pytest.raises(UserError, match=r"readout: got 'last'; .* answers with the mean"):
        freeze(Mean().eval(), SIGNALS, readout="last")
    with pytest.raises(UserError, match="readout: got 'first'; want mean, last, each"):
        lower(of_signals(), SIGNALS, readout="first")  # type: ignore[arg-type]


def test_each_step_wants_an_answer() -> None:
    """Where neurons send the mean over their steps, nothing is left to answer at."""
    plan = BitPlan(Bits(3, 2, EVENTS.T))
    model = build_model("pre-resnet8-thin", plan, sample=EVENTS, num_classes=4, channels=(2, 2, 2))
    assert lower(model, EVENTS, readout="last").edges["readout"].T == 1
    with pytest.raises(UserError, match=r"^readout each: got 'logits of 1 steps behind an input of 6'"):
        lower(model, EVENTS, readout="each")


def test_a_conversion_wants_images() -> None:
    with pytest.raises(UserError, match=r"^input: got '6@2x9x8'; want 8-bit images"):
        check_convertible(of_events(), EVENTS)


def test_level_0_is_no_event_whatever_its_code() -> None:
    model, codes = of_signals(), codes_of(SIGNALS)
    seen = measure(model, lower(model, SIGNALS), [codes], "random").synapses["1.0"]
    levels = codes.numpy().astype(int) + SIGNALS.lo
    assert (seen.elements, seen.events) == (levels.size, np.count_nonzero(levels))
    assert (seen.sops, seen.additions) == (6 * np.count_nonzero(levels), 6 * np.abs(levels).sum())
