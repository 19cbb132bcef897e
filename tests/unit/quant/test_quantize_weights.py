"""Attaching quantizers to any model: which layer gets which bits, and nothing half done."""

import copy
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from bitspike.errors import UserError
from bitspike.quant import LSQ, UniformSymmetric, quantize_weights, synapses, weight_bits, weight_quantizer


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
        nn.Flatten(2),
        nn.Conv1d(4, 2, 3),
        nn.Flatten(),
        nn.Linear(2 * 14, 3),
    )


def widths(model: nn.Module) -> dict[str, int]:
    return {name: weight_bits(layer) for name, layer in synapses(model).items()}


def attached(model: nn.Module) -> bool:
    return any(parametrize.is_parametrized(module) for module in model.modules())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [3, 3, 3, 3]),
        ({"first": 8}, [8, 3, 3, 3]),
        ({"last": 8}, [3, 3, 3, 8]),
        ({"first": 8, "last": 6}, [8, 3, 3, 6]),
        ({"rules": {"2.0": 5}}, [3, 5, 3, 3]),
        ({"rules": {"2.*": 5}}, [3, 5, 3, 3]),
        ({"rules": {"*": 4, "6": 2}}, [4, 4, 4, 2]),
        ({"rules": {"6": 2, "*": 4}}, [4, 4, 4, 4]),
        ({"first": 8, "last": 8, "rules": {"0": 2, "6": None}}, [2, 3, 3, 16]),
    ],
)
def test_bits_of_each_layer(options, expected):
    model = plain()
    assert quantize_weights(model, 3, **options) is model
    assert list(widths(model).values()) == expected
    floats = [weight_quantizer(layer) is None for layer in synapses(model).values()]
    assert floats == [bits == 16 for bits in expected]


def test_one_layer_is_first_and_last():
    assert widths(quantize_weights(nn.Sequential(nn.Linear(2, 2)), 3, first=4, last=5)) == {"0": 5}


@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric, partial(LSQ, channelwise=True)])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_any_model_runs_on_whole_codes_and_learns(quantizer, bits):
    torch.manual_seed(0)
    model = quantize_weights(plain(), bits, quantizer=quantizer)
    for layer in synapses(model).values():
        made = weight_quantizer(layer)
        assert made is not None
        latent = layer.parametrizations.weight.original
        assert torch.equal(layer.weight, made.codes(latent) * made.step_size(latent))
    model(torch.randn(2, 1, 4, 4)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric])
def test_a_state_dict_restores_the_weights(quantizer):
    trained = quantize_weights(plain(), 3, quantizer=quantizer, last=8)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.mul_(1.5)
    restored = quantize_weights(plain(), 3, quantizer=quantizer, last=8)
    x = torch.randn(2, 1, 4, 4)
    assert not torch.equal(restored.eval()(x), trained.eval()(x))
    restored.load_state_dict(trained.state_dict())
    assert torch.equal(restored(x), trained(x))
    for layer, other in zip(synapses(restored).values(), synapses(trained).values(), strict=True):
        assert torch.equal(layer.weight, other.weight)


@pytest.mark.parametrize("bits", [1, 4, 16])
@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric, partial(LSQ, channelwise=True)])
def test_on_the_meta_device(quantizer, bits):
    with torch.device("meta"):
        model = quantize_weights(plain(), bits, quantizer=quantizer)
        assert model(torch.empty(2, 1, 4, 4)).shape == (2, 3)
    assert all(p.is_meta for p in model.parameters())
    assert set(widths(model).values()) == {bits}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 0}, "weight bits: got 0"),
        ({"bits": 17}, "weight bits: got 17"),
        ({"bits": 3, "last": 0}, "weight bits: got 0"),
        ({"bits": 3, "rules": {"6": 33}}, "weight bits: got 33"),
        ({"bits": 3, "rules": {"7": 2}}, "rule: got '7'"),
        ({"bits": 3, "rules": {"conv*": 2}}, "rule: got 'conv"),
    ],
)
def test_nothing_is_attached_after_an_error(options, message):
    model = plain()
    before = list(model.state_dict())
    with pytest.raises(UserError, match=message):
        quantize_weights(model, **options)
    assert not attached(model)
    assert list(model.state_dict()) == before


def test_a_layer_is_quantized_once():
    model = plain()
    quantize_weights(model[2], 3)
    with pytest.raises(UserError, match=r"layer: got '2.0'; its weight has a parametrization already"):
        quantize_weights(model, 4)
    assert list(widths(model).values()) == [16, 3, 16, 16]


def test_a_model_without_weights_is_refused():
    with pytest.raises(UserError, match="model: got 'ReLU'"):
        quantize_weights(nn.ReLU(), 2)


def test_another_parametrization_is_no_quantizer():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    assert weight_quantizer(layer) is None
    assert weight_bits(layer) == 16


# What is not quantized is named


class Own(nn.Module):
    """A module with a weight, and with a number for each channel."""

    def __init__(self):
        super().__init__()
        self.scale, self.table = nn.Parameter(torch.ones(4, 1, 1)), nn.Parameter(torch.ones(3, 4))


OTHERS = {
    "ConvTranspose1d": nn.ConvTranspose1d(2, 3, 3),
    "ConvTranspose2d": nn.ConvTranspose2d(2, 3, 3),
    "Conv3d": nn.Conv3d(2, 3, 3),
    "LSTM": nn.LSTM(4, 8),
    "GRUCell": nn.GRUCell(4, 8),
    "Embedding": nn.Embedding(5, 4),
    "Bilinear": nn.Bilinear(2, 3, 4),
    "MultiheadAttention": nn.MultiheadAttention(8, 2),
    "Own": Own(),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_weights_that_stay_in_floats_are_named(kind):
    model = nn.ModuleDict({"head": nn.Linear(2, 2), "body": nn.Sequential(copy.deepcopy(OTHERS[kind]))})
    with pytest.warns(UserWarning, match=rf"weights stay in floats of body\.0 \({kind}\): only") as said:
        quantize_weights(model, 2)
    assert len(said) == 1
    assert said[0].filename == __file__


def test_all_of_them_are_named_at_once():
    model = nn.ModuleDict({"a": nn.LSTM(4, 8), "b": nn.Linear(2, 2), "c": nn.Conv3d(2, 3, 3)})
    with pytest.warns(UserWarning, match=r"of a \(LSTM\), c \(Conv3d\): only") as said:
        quantize_weights(model, 2)
    assert len(said) == 1


def test_where_nothing_stays_nothing_is_said():
    class Gain(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(4, 1, 1))

    model = nn.Sequential(plain(), nn.LayerNorm([2, 3]), nn.PReLU(4), nn.BatchNorm2d(3), Gain())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantize_weights(model, 2, rules={"0.0": None})


# Weights that are no plain parameters


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


def pruned_twice(layer):
    prune.random_structured(layer, "weight", 0.5, dim=0)
    return pruned(layer)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("made", "would_do"),
    [
        (pruned, "it.* is pruned; want its plain weight: torch.nn.utils.prune.remove"),
        (pruned_twice, "it.* is pruned; want its plain weight: torch.nn.utils.prune.remove"),
        (nn.utils.weight_norm, "normalised; want its plain weight: torch.nn.utils.remove_weight_norm"),
        (nn.utils.spectral_norm, "normalised; want its plain weight: torch.nn.utils.remove_spectral_norm"),
        (nn.utils.parametrizations.weight_norm, "torch.nn.utils.parametrize.remove_parametrizations"),
        (nn.utils.parametrizations.spectral_norm, "torch.nn.utils.parametrize.remove_parametrizations"),
        (lambda layer: nn.LazyLinear(4), "its weight is not there yet; run the model once"),
    ],
)
def test_a_weight_that_is_made_of_others_is_refused_by_path(made, would_do):
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(made(nn.Linear(4, 4))))
    with pytest.raises(UserError, match=rf"^layer: got '1\.0'; .*{would_do}") as refused:
        quantize_weights(model, 4)
    assert "\n" not in str(refused.value)
    assert not parametrize.is_parametrized(model[0])
    quantize_weights(model, 4, rules={"1.0": None})
    assert weight_bits(model[0]) == 4


def test_all_that_are_refused_are_named_at_once():
    model = nn.Sequential(pruned(nn.Linear(4, 4)), nn.Linear(4, 4), nn.utils.spectral_norm(nn.Linear(4, 4)))
    with pytest.raises(UserError, match=r"^layers: got '0, 2'; 0: its weight is pruned.*; 2: its weight is normalised"):
        quantize_weights(model, 4)
    assert not attached(model)


@pytest.mark.parametrize("copied", [False, True])
def test_pruning_a_quantized_weight_is_refused_and_changes_nothing(copied):
    model = quantize_weights(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), 4)
    model = copy.deepcopy(model) if copied else model
    before = model(torch.ones(1, 4))
    for prunes in (pruned, pruned_twice):
        with pytest.raises(UserError, match=r"^layer: got '1'; its weight is quantized and takes no weight_orig"):
            prunes(model[1])
    assert torch.equal(model(torch.ones(1, 4)), before)
    prune.l1_unstructured(model[1], "bias", 0.5)  # which nothing is attached to
    assert (model[1].bias == 0).sum() == 2
    model[1].register_parameter("extra", nn.Parameter(torch.ones(1)))


def test_what_was_pruned_for_good_is_quantized():
    model = nn.Sequential(pruned(nn.Linear(16, 16)))
    prune.remove(model[0], "weight")
    assert (quantize_weights(model, 4)[0].weight == 0).float().mean() >= 0.5


# One weight of two layers


def tied():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    model[2].weight = model[0].weight
    return model


@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric, partial(LSQ, channelwise=True)])
def test_layers_that_share_a_weight_share_it_quantized(quantizer):
    torch.manual_seed(0)
    model = quantize_weights(tied(), 3, quantizer=quantizer)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(5):
        optimizer.zero_grad()
        model(torch.randn(4, 8)).square().sum().backward()
        optimizer.step()
    for each in (model, copy.deepcopy(model)):
        assert torch.equal(each[0].weight, each[2].weight)
        assert weight_quantizer(each[0]) is weight_quantizer(each[2])
    restored = quantize_weights(tied(), 3, quantizer=quantizer)
    restored.load_state_dict(model.state_dict())
    assert torch.equal(restored[2].weight, model[2].weight)


@pytest.mark.parametrize("options", [{"last": 8}, {"first": 2}, {"rules": {"2": None}}])
def test_a_shared_weight_of_other_bits_is_refused(options):
    model = tied()
    with pytest.raises(UserError, match=r"^bits of layer 2: got .*; it shares its weight with 0"):
        quantize_weights(model, 4, **options)
    assert not attached(model)


def test_a_layer_that_is_called_twice_is_quantized_once():
    layer = nn.Linear(8, 8)
    model = quantize_weights(nn.Sequential(layer, nn.ReLU(), layer), 3)
    assert len(model[0].parametrizations.weight) == 1
    assert len(model[2].weight.unique()) <= 7


# What torch has a fast path for


ATTENTION = {
    "layer": lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0),
    "norm first": lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0, norm_first=True),
    "encoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0), 2, enable_nested_tensor=True
    ),
}


@pytest.mark.parametrize("made", ATTENTION)
@pytest.mark.filterwarnings("ignore:weights stay in floats")
def test_the_fast_path_of_attention_reads_quantized_weights(made):
    torch.manual_seed(0)
    model, x = ATTENTION[made]().eval(), torch.randn(2, 5, 16)
    with torch.no_grad():
        floats = model(x)
    quantize_weights(model, 2).eval()
    slow = model(x).detach()
    with torch.no_grad():
        assert torch.allclose(model(x), slow, atol=1e-5)
    assert not torch.allclose(floats, slow, atol=1e-2)
