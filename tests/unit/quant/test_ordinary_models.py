"""`quantize_weights` on models that people bring: every weight is quantized, or named, or refused by path."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from bitspike.errors import UserError
from bitspike.layers import Encoder
from bitspike.quant import quantize_weights


def linear():
    return nn.Linear(8, 8)


def dynamic():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(linear(), nn.Conv2d(1, 1, 3)), {nn.Linear})


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


def transposed():
    return nn.ConvTranspose2d(2, 2, 3)


NAMED = {
    "lazy transposed": (lambda: nn.Sequential(nn.LazyConvTranspose2d(4, 3), linear()), "0 (LazyConvTranspose2d)"),
    "lazy 3d": (lambda: nn.Sequential(nn.LazyConv3d(4, 3), linear()), "0 (LazyConv3d)"),
    "normalised": (
        lambda: nn.Sequential(parametrizations.weight_norm(transposed()), linear()),
        "floats of 0 (ConvTranspose2d):",
    ),
    "pruned": (lambda: nn.Sequential(pruned(transposed()), linear()), "floats of 0 (ConvTranspose2d):"),
    "integers already": (dynamic, "stay as they are of 0 (Linear):"),
    "recurrent": (lambda: nn.ModuleDict({"r": nn.GRU(4, 4), "o": linear()}), "r (GRU)"),
    "bilinear": (lambda: nn.ModuleDict({"r": nn.Bilinear(4, 4, 4), "o": linear()}), "r (Bilinear)"),
    "list": (lambda: nn.ModuleDict({"r": nn.ParameterList([torch.ones(4, 4)]), "o": linear()}), "r (ParameterList)"),
    "attention": (lambda: nn.MultiheadAttention(8, 2, kdim=4, vdim=4), "of MultiheadAttention:"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_not_quantized_is_named(kind):
    make, said = NAMED[kind]
    with pytest.warns(UserWarning, match="weights stay") as found:
        quantize_weights(make(), 2)
    assert [said in str(warning.message) for warning in found if "weights stay" in str(warning.message)] == [True]


@pytest.mark.parametrize("norm", [nn.LayerNorm((4, 4)), nn.RMSNorm((4, 4)), nn.LazyBatchNorm2d(), nn.PReLU(8)])
def test_norms_are_none_of_them(norm):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantize_weights(nn.Sequential(norm, linear()), 2)


def inferring():
    with torch.inference_mode():
        return linear()


REFUSED = {
    "complex": (lambda: nn.Linear(8, 8, dtype=torch.complex64), "complex64; want floats"),
    "inference": (inferring, "inference_mode"),
    "lazy": (lambda: nn.LazyLinear(4), "run the model once"),
    "orthogonal": (lambda: parametrizations.orthogonal(linear()), "remove_parametrizations"),
    "pruned": (lambda: pruned(linear()), r"prune\.remove"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_that_no_quantizer_can_stand_on_are_refused_by_path(kind):
    make, wanted = REFUSED[kind]
    model = nn.Sequential(linear(), make())
    with pytest.raises(UserError, match=f"'1'.*{wanted}"):
        quantize_weights(model, 2)
    assert type(model[0]) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_an_encoder_refuses_what_can_be_no_pixels(dtype):
    with pytest.raises(UserError, match=rf"{str(dtype).removeprefix('torch.')}.*want pixels 0\.\.255"):
        Encoder()(torch.ones(1, 1, 8, 8, dtype=dtype))
