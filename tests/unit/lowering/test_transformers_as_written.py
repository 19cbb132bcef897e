"""Forms of transformers that were read as something else, or broke: each is right in integers, or refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import UserError
from bitspike.layers import Encoder, EventEncoder, OverTime, Recurrent, SpikingMatMul
from bitspike.lowering import freeze, lower
from bitspike.lowering.agreement import agreement
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import LSQ, quantize_weights
from bitspike.sample import Sample

SHAPE, T = (3, 8, 8), 3
IMAGES = torch.randint(0, 256, (12, *SHAPE), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
Form = Callable[[nn.Module, Tensor], Tensor]


def lif(threshold: float = 0.5) -> MultiBitLIFNode:
    return MultiBitLIFNode(T=T, spike_bits=2, v_threshold=threshold)


class Written(nn.Module):
    """A form of spikes ``[T, N, 8, 4, 4]`` before the last neurons; weights are dyadic, so that no float is rounded."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.form, self.encoder = form, Encoder()
        self.stem, self.first = OverTime(nn.Conv2d(3, 8, 2, 2, bias=False)), lif(1.0)
        self.conv, self.other = OverTime(nn.Conv2d(8, 8, 1, bias=False)), lif()
        self.pool, self.end, self.together = OverTime(nn.MaxPool2d(2)), lif(), SpikingMatMul()
        self.head = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5, bias=False))
        quantize_weights(self.eval(), 4)
        for module in self.modules():
            if isinstance(module, LSQ):
                nn.init.constant_(module.step, 0.125)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(self.stem(self.encoder(images)))
        x = self.end(self.form(self, x))
        return self.head(x.flatten(2).unflatten(2, (8, -1, 1)))


def sizes(m: nn.Module, x: Tensor) -> Tensor:
    steps, n, c, h, w = x.shape
    return x.reshape(steps, n, 2 * h, w * c // 2)


def products(m: nn.Module, x: Tensor) -> Tensor:
    steps, n, c, h, w = x.shape
    y = x.reshape(steps, n, 2, c // 2, h * w).transpose(2, 3)
    return y.reshape(steps, n, h * w, c).transpose(2, 3)


def heads(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(3).unflatten(2, (2, 4)).transpose(3, 4)
    y = (y @ y.transpose(3, 4) @ y * 0.125).transpose(2, 3)
    steps, n, tokens, parts, width = y.shape
    return y.reshape(steps, n, tokens, parts * width).transpose(2, 3)


def apart(power: int) -> Form:
    """Spikes of scales that are ``2^power`` apart, which no integer of 64 bits would hold together."""

    def form(m: nn.Module, x: Tensor) -> Tensor:
        return (x * 2.0**power + m.other(m.conv(x))) * 2.0**-power

    return form


FORMS: dict[str, Form] = {
    "a multiple of a size": sizes,
    "a product of sizes": products,
    "heads times features": heads,
    **{f"scales 2^{power} apart": apart(power) for power in (20, 28, 40, 58, 62)},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_is_what_it_computes_in_integers(form: Form) -> None:
    model = Written(form)
    net = freeze(model, SHAPE)
    seen = agreement(model, net, [IMAGES])
    assert [layer.name for layer in seen.layers if layer.mismatches] == []
    assert seen.same_class == seen.images


def deep(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(3) @ x.flatten(3).transpose(2, 3)
    y = y @ y
    return y @ y @ y * (0.3 * 2.0**-56)


def of_what_is_pooled(m: nn.Module, x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], -1, m.pool(x).shape[3])


REFUSED: dict[str, tuple[Form, str]] = {
    "a size of what is not used": (of_what_is_pooled, "view: got 'a size of pool.*nothing else of it reaches the answ"),
    "levels worth nothing": (lambda m, x: x * 1e-300 * 1e-300 + x, "times mul_2: got 'a level worth 0.0'"),
    "levels worth too much": (
        lambda m, x: (x.flatten(3) * 1e200) @ (x.flatten(3).transpose(2, 3) * 1e200),
        "matmul matmul: got 'a level worth inf'",
    ),
    "values too far apart": (lambda m, x: x * 1e12 + m.other(m.conv(x)) * 1e-12, "fire end: .* too large for 32-bit"),
    "products of which nothing is left": (deep, "sum of end: got 'integers up to 5. bits, of which so little is left"),
    "too many axes": (lambda m, x: x.unflatten(2, (2, 4)), "reshape unflatten: got '4 axes'; want .C, H, W. or fewer"),
    "steps times images": (lambda m, x: x.reshape(x.shape[0] * x.shape[1], 8, 16), "not certain to keep the batch"),
}


@pytest.mark.parametrize(("form", "says"), REFUSED.values(), ids=REFUSED)
def test_what_no_integers_are_for_is_refused(form: Form, says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        freeze(Written(form), SHAPE)
    assert "\n" not in str(refused.value)


def test_sizes_of_codes_of_trains_count_the_steps() -> None:
    class Train(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.neuron = EventEncoder(Sample((2, 4, 6), T=T, lo=0, hi=3)), lif()

        def forward(self, codes: Tensor) -> Tensor:
            y = self.encoder(codes)
            return self.neuron(y.reshape(y.shape[0], y.shape[1], codes.shape[3], -1))

    model = Train()
    graph = lower(model, model.encoder.sample)
    assert graph.edges["neuron"].shape == (4, 12)
    assert model(torch.zeros(2, T, 2, 4, 6, dtype=torch.uint8)).shape == (T, 2, 4, 12)


def test_sizes_inside_of_a_loop_are_those_of_the_loop() -> None:
    class Looped(nn.Module):
        def __init__(self, feedback: nn.Module) -> None:
            super().__init__()
            self.encoder = EventEncoder(Sample((8, 4), T=T, lo=0, hi=3))
            self.wider, self.loop = OverTime(nn.Linear(4, 6)), Recurrent(feedback, lif())

        def forward(self, codes: Tensor) -> Tensor:
            return self.loop(self.wider(self.encoder(codes)))

    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            n, c, length = x.shape
            return x.reshape(n, length, c).transpose(1, 2)

    graph = lower(Looped(Turned()), Sample((8, 4), T=T, lo=0, hi=3))
    assert [edge.shape for name, edge in graph.edges.items() if "view" in name] == [(6, 8)]


@pytest.mark.parametrize(
    "form",
    [heads, products, lambda m, x: m.together(x.flatten(3), x.flatten(3).transpose(2, 3)) * 0.25],
    ids=["heads", "products", "spiking products"],
)
def test_floats_take_one_step_at_a_time_as_all_at_once(form: Form) -> None:
    model = Written(form)
    with torch.no_grad():
        wanted = model(IMAGES)
    streaming = bitspike.stream(model)
    assert wanted.any()
    for t in range(T):
        assert torch.equal(streaming.step(IMAGES), wanted[t])


def test_a_step_has_no_size_of_what_is_not_used() -> None:
    with pytest.raises(UserError, match="a size of pool"):
        bitspike.stream(Written(of_what_is_pooled))
