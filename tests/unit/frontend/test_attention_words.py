"""The words of attention, each way that they are written: what is read computes what was written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bitspike import UserError
from bitspike.conversion import adopt
from bitspike.layers import Encoder, OverTime, merge_time, split_time
from bitspike.lowering import lower
from bitspike.lowering.structure import in_modules
from bitspike.neurons import IFNode

SHAPE, T = (3, 4, 6), 2
IMAGES = torch.randint(0, 256, (5, *SHAPE), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)


class Spikes(nn.Module):
    """A function of spikes ``[2, N, 8, 4, 6]``, which another layer of neurons reads."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.encoder = Encoder()
        self.conv, self.neuron = OverTime(nn.Conv2d(3, 8, 3, padding=1)), IFNode(T=T, v_threshold=0.5)
        self.other, self.end = IFNode(T=T, v_threshold=0.25), IFNode(T=T)

    def forward(self, images: Tensor) -> Tensor:
        return self.end(self.function(self, self.neuron(self.conv(self.encoder(images)))))


def shapes(x: Tensor) -> Tensor:
    n_t, n, c, h, w = x.shape
    return x.view(n_t, n, c // 4, 4, h, w).flatten(2, 4)


def of_others(m: nn.Module, x: Tensor) -> Tensor:
    """Sizes of one tensor for another, whose steps are as many."""
    n_t, n, c, h, w = x.shape
    return m.other(x).reshape(n_t, n, h, c // 2, w * 2)


FORMS: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], tuple[int, ...]]] = {
    "transpose": (lambda m, x: x.transpose(2, 3), (4, 8, 6)),
    "transpose from behind": (lambda m, x: x.transpose(-1, -3), (6, 4, 8)),
    "torch.transpose": (lambda m, x: torch.transpose(x, 2, 4), (6, 4, 8)),
    "by name": (lambda m, x: torch.transpose(input=x, dim0=3, dim1=2), (4, 8, 6)),
    "swapaxes": (lambda m, x: x.swapaxes(3, 4), (8, 6, 4)),
    "permute": (lambda m, x: x.permute(0, 1, 4, 2, 3), (6, 8, 4)),
    "permute from behind": (lambda m, x: x.permute(0, 1, -1, -3, -2), (6, 8, 4)),
    "permute of a tuple": (lambda m, x: x.permute((0, 1, 3, 4, 2)), (4, 6, 8)),
    "permute by name": (lambda m, x: x.permute(dims=(0, 1, 3, 4, 2)), (4, 6, 8)),
    "torch.permute": (lambda m, x: torch.permute(x, (0, 1, 3, 4, 2)), (4, 6, 8)),
    "unflatten": (lambda m, x: x.flatten(3).unflatten(2, (2, 4)), (2, 4, 24)),
    "unflatten, what is left": (lambda m, x: x.flatten(3).unflatten(-1, (-1, 3)), (8, 8, 3)),
    "torch.unflatten": (lambda m, x: torch.unflatten(torch.flatten(x, 3), 3, (6, 4)), (8, 6, 4)),
    "axes in the middle": (lambda m, x: x.flatten(2, 3), (32, 6)),
    "sizes of its own": (lambda m, x: shapes(x), (128 // 4, 6)),
    "sizes of another": (of_others, (4, 4, 12)),
    "size from behind": (lambda m, x: x.reshape(x.shape[0], x.shape[1], -1, x.shape[-1]), (32, 6)),
    "kept beyond the batch": (lambda m, x: x.view(x.size(0), x.size(1), x.size(2), -1), (8, 24)),
    "matmul": (lambda m, x: torch.matmul(x, m.other(x).transpose(3, 4)), (8, 4, 4)),
    "@": (lambda m, x: x.transpose(3, 4) @ x, (8, 6, 6)),
    "method": (lambda m, x: x.matmul(x.transpose(3, 4)), (8, 4, 4)),
    "of two axes": (lambda m, x: x.flatten(3) @ x.flatten(3).transpose(2, 3), (8, 8)),
    "of a product": (lambda m, x: x @ x.transpose(3, 4) @ x, (8, 4, 6)),
    "merged": (lambda m, x: split_time(merge_time(x) @ merge_time(x).transpose(2, 3), x), (8, 4, 4)),
    "times": (lambda m, x: x @ x.transpose(3, 4) * 0.25, (8, 4, 4)),
    "number first": (lambda m, x: 0.25 * (x @ x.transpose(3, 4)), (8, 4, 4)),
    "divided": (lambda m, x: x @ x.transpose(3, 4) / 4, (8, 4, 4)),
    "torch.mul": (lambda m, x: torch.mul(x, 2), (8, 4, 6)),
}


@pytest.mark.parametrize(("function", "shape"), FORMS.values(), ids=FORMS)
def test_what_is_read_computes_what_was_written(
    function: Callable[[nn.Module, Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    model = Spikes(function).eval()
    graph = lower(model, SHAPE)
    assert graph.edges["end"].shape == shape
    with torch.no_grad():
        wanted, found = model(IMAGES), in_modules(model, SHAPE)[0](IMAGES)
    assert torch.equal(wanted, found)
    assert wanted.any()
    assert wanted.shape == (T, 5, *shape)


def test_a_number_goes_into_the_value_of_a_level() -> None:
    graph = lower(Spikes(lambda m, x: x @ x.transpose(3, 4) * 0.25), SHAPE)
    edge = graph.edges[graph["end"].inputs[0]]
    assert (edge.lo, edge.hi, edge.scale) == (0, 6, 0.25)


REFUSED = {
    "the batch moved": (lambda m, x: x.transpose(1, 2), "transpose transpose: got .*; it reads"),
    "the steps moved": (lambda m, x: x.permute(1, 0, 2, 3, 4), "permute permute: got .*; it reads"),
    "the batch divided": (lambda m, x: x.unflatten(1, (1, -1)), "unflatten unflatten: got 1; it reads"),
    "an axis twice": (lambda m, x: x.permute(0, 1, 2, 3, 3), "permute permute: got .* each other axis once"),
    "an axis that is none": (lambda m, x: x.transpose(2, 5), "transpose transpose: got"),
    "an odd size": (lambda m, x: x.reshape(x.shape[0], x.shape[1], x.shape[2] // 3, -1), "reshape view: got .*0"),
    "a factor below 0": (lambda m, x: x * -1, "got 'mul with other'; want a factor that is a number above 0"),
    "a factor of 0": (lambda m, x: x * 0, "got 'mul with other'; want a factor that is a number above 0"),
    "a tensor as a factor": (lambda m, x: x * m.other(x), "got 'mul'; wants options that are numbers"),
    "unequal matrices": (lambda m, x: x @ x.transpose(2, 3), "matmul matmul: got"),
    "matrices of other heads": (lambda m, x: x @ x.transpose(3, 4).flatten(2, 3), "matmul matmul: got .* as many axes"),
    "einsum": (lambda m, x: torch.einsum("tnchw,tnchk->tncwk", x, x), "got 'einsum'; .* want transpose or permute"),
    "bmm": (lambda m, x: torch.bmm(x.flatten(0, 2), x.flatten(0, 2)), "got 'bmm'; .* want a @ b"),
    "softmax": (lambda m, x: x.softmax(-1), "got 'softmax'; .* want products without softmax"),
    "F.softmax": (lambda m, x: nn.functional.softmax(x, -1), "got 'softmax'; .* want products without softmax"),
    "gelu": (lambda m, x: nn.functional.gelu(x), "got 'gelu'; .* want a neuron"),
    "in place": (lambda m, x: x.mul_(2), "got 'mul_'; has no op"),
}


@pytest.mark.parametrize(("function", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_word_is_refused_by_name(function: Callable[[nn.Module, Tensor], Tensor], says: str) -> None:
    with pytest.raises(UserError, match=says):
        lower(Spikes(function).eval(), SHAPE)


def test_steps_that_are_not_as_many_are_refused() -> None:
    class Wrong(Spikes):
        def forward(self, images: Tensor) -> Tensor:
            held = self.encoder(images)
            x = self.neuron(self.conv(held))
            return self.end(x.reshape(held.shape[0], x.shape[1], 8, 24))

    with pytest.raises(UserError, match="the steps of encoder'; want the 2 steps of what it reads"):
        lower(Wrong(lambda m, x: x).eval(), SHAPE)


def test_sizes_that_shapes_alone_tell_are_refused_where_there_are_none() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(24, 5)

        def forward(self, images: Tensor) -> Tensor:
            x = torch.relu(self.conv(images))
            return self.head(x.view(x.size(0), 8, x.size(2) * 6))

    with pytest.raises(UserError, match="view: got 'view'; want sizes that are numbers, or -1"):
        adopt(Plain(), nn.ReLU)
