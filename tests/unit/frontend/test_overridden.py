"""Subclasses of known layers: those that override nothing work, others are honoured or refused by path and class."""

import pytest
import torch
from compared import SHAPE, Spiking, farthest, spikes_apart
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, spectral_norm

from bitspike.conversion import adopt
from bitspike.errors import UserError
from bitspike.frontend import read
from bitspike.layers import Encoder, OverTime, PathBatchNorm2d, SqueezeTime
from bitspike.lowering import freeze, lower
from bitspike.models import morph
from bitspike.neurons import QReLU
from bitspike.quant import quantize_weights


class PlainConv(nn.Conv2d):
    kind = "of mine"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.extra = 3

    def extra_repr(self):
        return "mine"


class PlainNorm(nn.BatchNorm2d):
    def _check_input_dim(self, x):
        pass


class PlainLinear(nn.Linear):
    pass


class PlainReLU(nn.ReLU):
    pass


class Deeper(PlainConv):
    pass


def plain(conv=PlainConv, norm=PlainNorm, act=PlainReLU, linear=PlainLinear):
    torch.manual_seed(0)
    return nn.Sequential(conv(2, 4, 3, padding=1), norm(4), act(), nn.Flatten(), linear(256, 5))


@pytest.mark.parametrize("conv", [nn.Conv2d, PlainConv, Deeper])
def test_what_overrides_nothing_is_its_base(conv):
    assert farthest(plain(conv)) < 1e-5
    quantized = quantize_weights(plain(conv), 4)
    assert [type(node).__name__ for node in lower(quantized, SHAPE).nodes][1:3] == ["Conv", "Affine"]


def test_it_freezes():
    model = Spiking(lambda m, x: m.head(m.n2(m.other(m.n1(m.conv(m.n0(m.stem(m.encoder(x)))))))))
    for name in ("stem", "conv", "other"):
        layer = model.get_submodule(name)[0]
        layer.__class__ = type("ParametrizedOwn", (type("Own", (PlainConv,), {}),), dict(type(layer).__dict__))
    assert spikes_apart(model) == 0


class Standardised(nn.Conv2d):
    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class Scaled(nn.Conv2d):
    def forward(self, x):
        return 0.25 * super().forward(x)


class OtherConvolution(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, 2 * weight, bias)


class Called(nn.Conv2d):
    def __call__(self, x):
        return super().__call__(x) * 2


class Computed(nn.Conv2d):
    @property
    def weight(self):
        return 2 * self._parameters["weight"]


class TdBN(nn.BatchNorm2d):
    def forward(self, x):
        return 0.5 * super().forward(x)


class Cosine(nn.Linear):
    def forward(self, x):
        return F.linear(x, F.normalize(self.weight, dim=1))


def patched():
    model = plain()
    conv = model[0]
    conv.forward = lambda x: 2 * nn.Conv2d.forward(conv, x)
    return model


def hooked():
    model = plain()
    model[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    return model


def pruned():
    model = plain()
    prune.random_unstructured(model[0], "weight", 0.5)
    return model


def with_spectral_norm():
    model = plain()
    spectral_norm(model[0])
    return model


COMPUTES_OTHERWISE = {
    "Standardised": (lambda: plain(conv=Standardised), "0", "Standardised overrides forward of Conv2d"),
    "Scaled": (lambda: plain(conv=Scaled), "0", "Scaled overrides forward of Conv2d"),
    "_conv_forward": (lambda: plain(conv=OtherConvolution), "0", "OtherConvolution overrides _conv_forward"),
    "__call__": (lambda: plain(conv=Called), "0", "Called overrides __call__ of Conv2d"),
    "norm": (lambda: plain(norm=TdBN), "1", "TdBN overrides forward of BatchNorm2d"),
    "linear": (lambda: plain(linear=Cosine), "4", "Cosine overrides forward of Linear"),
    "patched": (patched, "0", "this PlainConv has a forward of its own"),
}


@pytest.mark.parametrize(("make", "path", "says"), COMPUTES_OTHERWISE.values(), ids=COMPUTES_OTHERWISE)
def test_what_computes_otherwise_is_refused_by_path_and_class(make, path, says):
    for reads in (read, lambda model: adopt(model, nn.ReLU), lambda model: lower(model, SHAPE)):
        with pytest.raises(UserError, match=rf"^layer: got '{path}'; {says}"):
            reads(make())


@pytest.mark.parametrize("name", ["Standardised", "Scaled", "_conv_forward", "__call__", "norm", "linear", "patched"])
def test_after_quantization_too(name):
    make, path, says = COMPUTES_OTHERWISE[name]
    with pytest.raises(UserError, match=rf"^layer: got '{path}'; {says}"):
        lower(quantize_weights(make(), 4), SHAPE)


def test_a_weight_that_is_computed_is_refused():
    model = plain()
    model[0].__class__ = Computed
    with pytest.raises(UserError, match="layer: got '0'; Computed overrides weight of Conv2d"):
        read(model)


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrization_that_is_no_quantizer_is_refused_before_training(norm):
    model = plain()
    norm(model[0])
    with pytest.raises(UserError, match="layer: got '0'; its weight is parametrized"):
        adopt(model, nn.ReLU)


def test_a_second_parametrization_is_not_frozen():
    model = Spiking(lambda m, x: m.head(m.n2(m.other(m.n1(m.conv(m.n0(m.stem(m.encoder(x)))))))))

    class Twice(nn.Module):
        def forward(self, weight):
            return 2 * weight

    nn.utils.parametrize.register_parametrization(model.conv[0], "weight", Twice())
    with pytest.raises(UserError, match=r"conv conv\.0: got 'Twice on its weight'; cannot be frozen"):
        spikes_apart(model)


# Layers without weights are read through their own forward


class Through(nn.ReLU):
    def forward(self, x):
        return F.relu(x) + x


class Averaging(nn.MaxPool2d):
    def forward(self, x):
        return F.avg_pool2d(x, self.kernel_size)


class Everything(nn.Flatten):
    def forward(self, x):
        return x.view(x.size(0), -1)


class Shortcut(nn.Identity):
    def forward(self, x):
        return F.relu(x)


class AlwaysOn(nn.Dropout):
    def forward(self, x):
        return F.dropout(x, self.p, training=True)


class Clipped(nn.ReLU):
    def forward(self, x):
        return x.clamp(0, 6)


@pytest.mark.parametrize(
    "layers",
    [
        (Through(), nn.Flatten(), nn.Linear(256, 5)),
        (Averaging(2), nn.Flatten(), nn.Linear(64, 5)),
        (nn.ReLU(), Everything(), nn.Linear(256, 5)),
        (Shortcut(), nn.Flatten(), nn.Linear(256, 5)),
    ],
    ids=["relu", "pool", "flatten", "identity"],
)
def test_what_can_be_read_through_is_honoured(layers):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), *layers)
    assert farthest(model) < 1e-5
    lower(model, SHAPE)


@pytest.mark.parametrize(("layer", "word"), [(AlwaysOn(), "dropout"), (Clipped(), "clamp")])
def test_what_cannot_is_refused(layer, word):
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), layer)
    with pytest.raises(UserError, match=rf"operator: got '{word}.*\(in the forward of 1, a {type(layer).__name__}\)"):
        read(model)


# Hooks


@pytest.mark.parametrize("make", [hooked, pruned, with_spectral_norm])
def test_weights_under_a_hook_are_not_taken(make):
    """The structure is the same; the numbers may not be."""
    assert len(lower(make(), SHAPE).nodes) == len(lower(plain(), SHAPE).nodes)
    with pytest.raises(UserError, match="layer: got '0'; this PlainConv has hooks"):
        adopt(make(), nn.ReLU)


@pytest.mark.parametrize("register", [nn.Module.register_forward_hook, nn.Module.register_forward_pre_hook])
@pytest.mark.parametrize("path", ["stem.0", "inplace", "encoder"])
def test_a_layer_with_a_hook_is_not_frozen(path, register):
    model = Spiking(lambda m, x: m.head(m.n2(m.other(m.n1(m.conv(m.n0(m.inplace(m.stem(m.encoder(x))))))))))
    register(model.get_submodule(path), lambda *arguments: None)
    with pytest.raises(UserError, match=f"layer: got '{path}'; this .* has hooks"):
        freeze(model, SHAPE)


def test_a_watched_neuron_is_frozen():
    model = Spiking(lambda m, x: m.head(m.n2(m.other(m.n1(m.conv(m.n0(m.stem(m.encoder(x)))))))))
    model.n0.register_forward_hook(lambda *arguments: None)
    assert spikes_apart(model) == 0


# Our own layers


class Unsigned(Encoder):
    lo, hi = 0, 255


class Shifted(Encoder):
    def forward(self, images):
        return super().forward(images) + 1


class First(SqueezeTime):
    def forward(self, spikes):
        return spikes[:1]


class Backwards(OverTime):
    def forward(self, x):
        return super().forward(x.flip(0))


def test_an_encoder_with_other_levels_is_one():
    edge = lower(nn.Sequential(Unsigned(), OverTime(nn.Conv2d(2, 4, 3))), SHAPE).edges["0"]
    assert (edge.lo, edge.hi) == (0, 255)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (Shifted(), "layer: got '0'; Shifted overrides forward of Encoder"),
        (nn.Sequential(Encoder(), First()), r"slice 0.1.slice: got 'dim=0'; it reads \[T, N"),
        (nn.Sequential(Encoder(), Backwards(nn.ReLU())), r"operator: got 'flip'.*in the forward of 0.1"),
    ],
)
def test_our_own_layers_are_no_exception(layer, says):
    with pytest.raises(UserError, match=f"^{says}"):
        lower(nn.Sequential(layer), SHAPE)


def test_an_own_over_time_is_not_converted_as_ours():
    model = nn.Sequential(Encoder(), Backwards(nn.Conv2d(2, 4, 3)), QReLU(4))
    with pytest.raises(UserError, match="layer: got '1'; Backwards overrides forward of OverTime"):
        morph(model)


def test_batch_norm_of_several_paths_is_batch_norm():
    model = plain(norm=lambda channels: PathBatchNorm2d(nn.BatchNorm2d(channels), 3))
    assert farthest(model) < 1e-5

    class Mine(PathBatchNorm2d):
        def forward(self, x):
            return x

    with pytest.raises(UserError, match="layer: got '1'; Mine overrides forward of PathBatchNorm2d"):
        read(plain(norm=lambda channels: Mine(nn.BatchNorm2d(channels), 3)))


# Norms


def test_a_norm_without_statistics_is_refused_before_training():
    model = plain(norm=lambda channels: nn.BatchNorm2d(channels, track_running_stats=False))
    with pytest.raises(UserError, match="layer: got '1'; BatchNorm2d keeps no running statistics"):
        adopt(model, nn.ReLU)


def test_a_norm_without_weights_is_read():
    model = plain(norm=lambda channels: nn.BatchNorm2d(channels, affine=False))
    nn.init.uniform_(model[1].running_mean, -0.5, 0.5)
    assert farthest(model) < 1e-5


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d, lambda channels: nn.GroupNorm(2, channels)])
def test_other_norms_are_refused_by_path_and_class(norm):
    for reads, says in (
        (lambda model: adopt(model, nn.ReLU), "cannot be converted"),
        (lambda model: lower(model, SHAPE), "has no op"),
    ):
        with pytest.raises(UserError, match=f"^layer: got '1'; (Instance|Group)Norm.* {says}"):
            reads(plain(norm=norm))
