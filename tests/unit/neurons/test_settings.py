"""Each kind of neuron has settings of its own: what it does not read is refused; a new kind is one class more."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from bitspike import BitPlan, Bits, UserError
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import (
    NEURONS,
    AdaptiveIFNode,
    BaseNode,
    FiringSettings,
    IFNode,
    NeuronSettings,
    QReLU,
    SpikingSettings,
    make_node,
    neuron_settings,
)

GRADIENT = {"v_threshold", "surrogate_function", "detach_reset", "membrane", "squeeze"}
READS = {
    "multibit": GRADIENT | {"tau", "v_reset"},
    "if": GRADIENT | {"v_reset"},
    "lif": GRADIENT | {"tau", "decay_input", "v_reset"},
    "plif": GRADIENT | {"tau", "decay_input", "v_reset"},
    "quant-lif": GRADIENT | {"tau", "v_reset"},
    "multi-level": GRADIENT | {"levels"},
    "adaptive": {"tau", "rounds", "per_step", "spare_bits", "spare_steps", "membrane", "squeeze"},
    "relu": set(),
    "q-relu": {"levels", "paths", "scaled"},
    "clip-relu": {"levels", "paths"},
    "slip-relu": {"levels", "paths", "slope"},
}
CHANGED = {
    "tau": 3.0,
    "decay_input": True,
    "v_threshold": 0.75,
    "v_reset": None,
    "surrogate_function": "atan",
    "detach_reset": False,
    "levels": 4,
    "paths": [2],
    "scaled": False,
    "membrane": "charge",
    "squeeze": True,
    "rounds": False,
    "per_step": True,
    "spare_bits": 1,
    "spare_steps": 0,
    "slope": 0.25,
}


def test_the_kinds_and_what_they_read():
    assert {kind: set(settings.names()) for kind, settings in NEURONS.items()} == READS
    assert {kind: settings().kind for kind, settings in NEURONS.items()} == {kind: kind for kind in NEURONS}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("kind", READS)
def test_a_setting_is_taken_or_refused_by_name(kind, name):
    if name in READS[kind]:
        settings = neuron_settings(kind, **{name: CHANGED[name]})
        assert settings.model_dump(mode="json")[name] == CHANGED[name]
        assert NeuronSettings.read(settings.model_dump(mode="json")) == settings
        return
    with pytest.raises(UserError, match=rf"^neuron\.{name}: got .*; neuron\.kind={kind} does not read it; it reads "):
        neuron_settings(kind, **{name: CHANGED[name]})


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"kind": "multi-level", "v_reset": 0.3}, "it reads membrane, squeeze, v_threshold, surrogate_function, "),
        ({"kind": "q-relu", "surrogate_function": "nonsense"}, "it reads levels, paths, scaled$"),
        ({"kind": "relu", "tau": 2.0}, "it reads no settings$"),
        ({"kind": "lif", "tau": "long"}, r"^neuron\.tau: got 'long'; input should be a valid number"),
        ({"kind": "lif", "tau": float("nan")}, r"^neuron\.tau: got nan"),
        ({"kind": "adaptive", "spare_bits": -1}, r"^neuron\.spare_bits: got -1"),
        ({"kind": "q-relu", "paths": "4,x"}, r"^neuron\.paths\.1: got 'x'"),
        ({"kind": "lief"}, r"^neuron\.kind: got 'lief'; did you mean 'lif'"),
        ("lief", r"^neuron\.kind: got 'lief'"),
        ({"kind": ["lif"]}, r"^neuron\.kind: got"),
        (3, r"^neuron: got 3; want the name of a kind, or its settings"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_it(raw, wanted):
    with pytest.raises(UserError, match=wanted) as refused:
        NeuronSettings.read(raw)
    assert "\n" not in str(refused.value)


def test_a_name_alone_and_none_are_the_usual_settings():
    assert NeuronSettings.read("lif") == neuron_settings("lif") == NEURONS["lif"]()
    assert NeuronSettings.read({}) == neuron_settings()
    assert neuron_settings().kind == "multibit"


def test_another_kind_keeps_what_it_reads_too_and_what_was_chosen():
    chosen = neuron_settings("lif", tau=3.0, decay_input=True, surrogate_function="atan")
    assert chosen.turned_into("multibit") == {"kind": "multibit", "tau": 3.0, "surrogate_function": "atan"}
    assert chosen.turned_into("q-relu") == {"kind": "q-relu"}
    with pytest.raises(UserError, match="lief"):
        chosen.turned_into("lief")


# The layer that encodes the image


def test_the_role_is_kept_on_the_node_and_is_no_sign_of_its_alphabet():
    eye, hidden = (make_node(neuron_settings("adaptive"), Bits(2, 3, 1), eye) for eye in (True, False))
    assert (eye.encodes_image, eye.signed, eye.staircase.lo) == (True, True, -3)
    assert (hidden.encodes_image, hidden.signed, hidden.staircase.lo) == (False, False, 0)
    assert not AdaptiveIFNode(1, 1, 3, 3, signed=True).encodes_image


def test_an_encoder_rounds():
    settings = neuron_settings("adaptive", rounds=False)
    assert make_node(settings, Bits(2, 3, 1), True).staircase.shift == 0.5
    assert make_node(settings, Bits(2, 3, 1)).staircase.shift == 0.0


@pytest.mark.parametrize("kind", sorted(set(READS) - {"adaptive"}))
def test_kinds_that_send_no_signed_spikes_encode_no_image(kind):
    with pytest.raises(UserError, match=rf"^neuron\.kind: got '{kind}'; it sends no signed spikes.*want adaptive$"):
        make_node(neuron_settings(kind), Bits(16, 16 if kind == "relu" else 1, 1), encodes_image=True)


@pytest.mark.parametrize("kind", ["relu", "q-relu"])
def test_what_keeps_no_membrane_takes_no_bits_for_it(kind):
    with pytest.raises(UserError, match="keeps no membrane; want w/s/1"):
        make_node(neuron_settings(kind), Bits(16, 16 if kind == "relu" else 3, 1, 4))


# A kind from outside


class HalfwaySettings(FiringSettings):
    """Of a neuron of this file, which starts ``foo`` of its way to the threshold."""

    kind: Literal["halfway"] = "halfway"
    foo: float = 0.5

    def make(self, bits: Bits) -> Halfway:
        return Halfway(bits.t, self.foo)

    def make_encoder(self, bits: Bits) -> Halfway:
        return Halfway(bits.t, 0.25)


class Halfway(IFNode):
    def __init__(self, T: int, start: float) -> None:
        super().__init__(T, v_reset=None)
        self.start = start

    @property
    def v_init(self) -> float:
        return self.start


class PlainSettings(NeuronSettings):
    """Of a layer that is no neuron."""

    kind: Literal["plain"] = "plain"

    def make(self, bits: Bits) -> nn.Module:
        return nn.Tanh()


def test_a_registered_kind_is_made_planned_and_frozen():
    with NEURONS.added("halfway", HalfwaySettings):
        settings = neuron_settings("halfway", foo=0.75)
        torch.manual_seed(0)
        model = build(BitPlan(Bits(2, 1, 2, 4), {"features.1": {"u": 8}}), settings)
        nodes = [module for module in model.modules() if isinstance(module, Halfway)]
        assert {node.start for node in nodes} == {0.75}
        assert [node.membrane_bits for node in nodes] == [8] + [4] * (len(nodes) - 1)
        model.train()(torch.randint(0, 256, (8, 3, 8, 8), dtype=torch.uint8))
        net = freeze(model.eval(), (3, 8, 8))
        starts = [node.dynamics.v_init / 2**node.dynamics.fraction_bits for node in net.graph.neurons()]
        assert starts == [0.75] * len(starts)
        assert make_node(settings, Bits(2, 1, 2), True).start == 0.25
        with pytest.raises(UserError, match=r"want adaptive or halfway$"):
            make_node(neuron_settings("lif"), Bits(2, 1, 1), True)
    with pytest.raises(UserError, match="halfway"):
        neuron_settings("halfway")


def build(plan: BitPlan, settings: NeuronSettings) -> nn.Module:
    return build_model("convnet", plan, sample=(3, 8, 8), num_classes=5, neuron=settings, channels=(4, 6, 8))


def test_a_kind_without_a_membrane_takes_no_bits_for_one():
    with NEURONS.added("plain", PlainSettings):
        assert isinstance(make_node(neuron_settings("plain"), Bits(2, 1, 1)), nn.Tanh)
        with pytest.raises(UserError, match="plain carries no membrane in few bits"):
            make_node(neuron_settings("plain"), Bits(2, 1, 1, 4))


def test_only_what_spikes_over_steps_is_squeezed():
    assert not issubclass(NEURONS["relu"], SpikingSettings)
    assert not issubclass(NEURONS["q-relu"], SpikingSettings)
    assert isinstance(make_node(neuron_settings("q-relu"), Bits(8, 3, 1)), QReLU | BaseNode)
