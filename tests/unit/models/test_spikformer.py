"""Spikformer: as large as published, its attention as its equations say, and what its neurons share."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.errors import UserError
from bitspike.models import MODELS, Spikformer, build_model
from bitspike.models.placement import AfterSynapses
from bitspike.models.spikformer import SpikingSelfAttention
from bitspike.neurons import AdaptiveIFNode, LIFNode, neuron_settings
from bitspike.quant import AdaptiveWeights, synapses

PUBLISHED = {  # shape, classes and parameters in M, as its authors and paper 000 print them
    "spikformer-2-256-dvs": ((2, 128, 128), 10, 2.57),
    "spikformer-4-256": ((3, 32, 32), 10, 4.15),
    "spikformer-4-384": ((3, 32, 32), 10, 9.32),
    "spikformer-8-384": ((3, 224, 224), 1000, 16.81),
    "spikformer-6-512": ((3, 224, 224), 1000, 23.37),
    "spikformer-8-512": ((3, 224, 224), 1000, 29.68),
    "spikformer-10-512": ((3, 224, 224), 1000, 36.01),
    "spikformer-8-768": ((3, 224, 224), 1000, 66.34),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name):
    """Two of them are cut off in print and the others rounded: within a unit of the last digit."""
    shape, classes, published = PUBLISHED[name]
    with torch.device("meta"):
        model = build_model(name, BitPlan(Bits(16, 1, 4)), sample=shape, num_classes=classes)
    assert abs(sum(p.numel() for p in model.parameters()) / 1e6 - published) < 0.01
    if name.endswith("dvs"):
        assert sum(layer.weight.numel() for layer in synapses(model).values()) == 2_552_896  # "2.55 M weights"


def attention(heads: int = 4, size: tuple[int, int] = (3, 2), T: int = 3) -> SpikingSelfAttention:
    torch.manual_seed(0)
    return SpikingSelfAttention(8, heads, size, AfterSynapses(lambda **_: LIFNode(T, decay_input=True))).eval()


@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 4), st.integers(1, 4), st.integers(0, 100))
def test_attention_is_its_equation(heads, height, width, seed):
    """Written with tokens as rows, as the paper has it, and with its own scale and threshold."""
    T, N, D = 3, 2, 8
    layer = attention(heads, (height, width), T)
    x = torch.randint(0, 3, (T, N, D, height, width), generator=torch.Generator().manual_seed(seed)).float() * 2
    tokens = [
        branch(x).flatten(3).unflatten(2, (heads, -1)).transpose(-2, -1) for branch in (layer.q, layer.k, layer.v)
    ]
    q, k, v = tokens  # [T, N, heads, L, d]
    met = ((q @ k.transpose(-2, -1)) * 0.125) @ v
    joined = met.transpose(-2, -1).flatten(2, 3).unflatten(3, (height, width))
    spikes = LIFNode(T, decay_input=True, v_threshold=0.5)(joined)
    assert torch.equal(layer(x), layer.proj(spikes))


def test_attention_fires_at_all():
    layer, spikes = attention(), []
    layer.neuron.register_forward_hook(lambda module, inputs, output: spikes.append(output.mean()))
    for branch in (layer.q, layer.k, layer.v):
        nn.init.constant_(branch[0][1].bias, 3.0)
    layer(torch.ones(3, 2, 8, 3, 2))
    assert spikes[0] > 0


def adaptive(name: str = "pre-spikformer-2-64", plan: BitPlan | None = None, **settings) -> Spikformer:
    neuron = neuron_settings(kind="adaptive", squeeze=True, **settings)
    plan = plan or BitPlan(Bits(4, 3, 2))
    given = {"sample": (1, 16, 16), "num_classes": 5, "neuron": neuron, "quantizer": AdaptiveWeights}
    return build_model(name, plan, channels=(2, 2, 2, 8), **given)


@pytest.mark.parametrize("per_step", [False, True])
def test_q_k_and_v_learn_one_number_of_bits_and_steps(per_step):
    model = adaptive(per_step=per_step)
    nodes = {name: node for name, node in model.named_modules() if isinstance(node, AdaptiveIFNode)}
    shared = [node for name, node in nodes.items() if name.startswith("blocks.0.attention.0.") and name[21] in "qkv"]
    assert len(shared) == 3
    assert len({id(node.learned_T) for node in shared}) == 1
    assert len({id(node.quantizers[0].learned_bits) for node in shared}) == 1
    assert len({id(node.quantizers[-1].step) for node in shared}) == 3
    others = [id(node.learned_T) for node in nodes.values() if node not in shared]
    assert len(set(others)) == len(others) - 2  # the second block's three are one
    with torch.no_grad():
        shared[1].learned_T.fill_(3)
        shared[2].quantizers[0].learned_bits.fill_(2)
    assert [node.T for node in shared] == [3, 3, 3]
    assert [node.quantizers[0].bits for node in shared] == [2, 2, 2]
    restored = adaptive(per_step=per_step)
    restored.load_state_dict(model.state_dict())
    assert torch.equal(*(m.eval()(torch.full((2, 1, 16, 16), 9.0)) for m in (model, restored)))


def test_steps_of_q_k_and_v_are_the_same():
    plan = BitPlan(Bits(4, 2, 2), {"blocks.1.attention.0.k.1": {"t": 3}})
    with pytest.raises(UserError, match=r"steps of q, k, v: got \(2, 3, 2\); want the same"):
        build_model("spikformer-2-64", plan, sample=(1, 16, 16), num_classes=5)


@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        ("spikformer-2-64", (8, 16, 32), "want 4 numbers, one for each convolution"),
        ("spikformer-2-64", (8, 16, 32, 66), "heads: got 4; want a number that divides the 66 features"),
    ],
)
def test_what_cannot_be_built_is_refused(name, channels, message):
    with pytest.raises(UserError, match=message):
        build_model(name, BitPlan(Bits(4, 2, 2)), sample=(1, 16, 16), num_classes=5, channels=channels)


@pytest.mark.parametrize(
    ("name", "side", "tokens"),
    [("spikformer-4-384", 32, 8), ("spikformer-8-512", 224, 14), ("spikformer-2-256-dvs", 128, 8)],
)
def test_tokens_are_as_many_as_published(name, side, tokens):
    with torch.device("meta"):
        model = build_model(name, BitPlan(Bits(16, 1, 1)), sample=(3, side, side), num_classes=10)
    assert model.blocks[0].attention[0].size == (tokens, tokens)


def test_both_placements_have_the_same_weights():
    for name in MODELS:
        if name.startswith("pre-spikformer"):
            after = name.removeprefix("pre-")
            assert MODELS[name].channels == MODELS[after].channels
