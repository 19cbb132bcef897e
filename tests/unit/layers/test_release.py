"""What is released over the first steps, and batch norms of several paths."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bitspike import UserError
from bitspike.layers import Encoder, OverTime, PathBatchNorm2d, Release, ReleasedAffine, per_path
from bitspike.lowering import freeze
from bitspike.neurons import STBIFNode
from bitspike.quant import quantize_weights


@given(T=st.integers(1, 20), parts=st.integers(1, 9), steps=st.none() | st.integers(1, 20))
def test_equal_parts_then_nothing(T, parts, steps):
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    release = Release(T, parts, steps)
    y = release(x)
    until = min(T, parts if steps is None else steps)
    assert y.shape == (T, 2, 3)
    assert torch.allclose(y[:until], (x / parts).expand(until, -1, -1))
    assert not y[until:].any()


def test_the_parts_make_up_the_whole():
    x = torch.randint(-128, 128, (1, 2, 3, 4, 4)) / 64
    assert torch.allclose(Release(20, 8)(x).sum(0), x[0])


@given(T=st.integers(1, 8), parts=st.integers(1, 8), rank=st.sampled_from([(), (4, 4)]))
def test_an_offset_is_released_as_the_images_are(T, parts, rank):
    gain, offset = torch.randn(3), torch.randn(3)
    release = Release(T, parts)
    layer = OverTime(ReleasedAffine(gain, offset, release))
    x = torch.randn(T, 2, 3, *rank)
    g, b = (v.view(3, *(1 for _ in rank)) for v in (gain, offset))
    wanted = torch.stack([x[t] * g + (b / parts if t < parts else 0) for t in range(T)])
    assert torch.allclose(layer(x), wanted, atol=1e-6)


@pytest.mark.parametrize("arguments", [(0, 1), (4, 0), (4, 2, 0)])
def test_no_release_is_refused(arguments):
    with pytest.raises(UserError, match="release"):
        Release(*arguments)


def test_a_train_is_not_released_again():
    with pytest.raises(UserError, match="held"):
        Release(4, 2)(torch.zeros(2, 1, 3))


def test_each_path_is_normed_by_itself_and_the_first_is_remembered():
    torch.manual_seed(0)
    parts = [torch.randn(8, 3, 4, 4) * (k + 1) + k for k in range(3)]
    plain, model = nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3))
    for norm in (plain, model[0]):
        nn.init.constant_(norm.weight, 1.5)
        nn.init.constant_(norm.bias, 0.5)
    together = per_path(model, 3)[0]
    assert isinstance(together, PathBatchNorm2d)
    found = together(torch.cat(parts)).split(8)
    for part, made in zip(parts, found, strict=True):
        fresh = nn.BatchNorm2d(3)
        fresh.load_state_dict({**fresh.state_dict(), "weight": plain.weight, "bias": plain.bias})
        assert torch.allclose(made, fresh(part), atol=1e-6)
    plain(parts[0])
    assert together.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in together.state_dict().items())
    assert torch.equal(together.eval()(parts[1]), plain.eval()(parts[1]))


def test_neurons_that_settle_want_an_input_that_ends() -> None:
    model = nn.Sequential(Encoder(), nn.Flatten(2), nn.Linear(4, 3, bias=False), STBIFNode(4, 0.5, 3))
    quantize_weights(model, 4)
    with pytest.raises(
        UserError, match=r"fire 3: got 'an input that goes on'; settles where it ends: want a .*Release"
    ):
        freeze(model.eval(), (1, 2, 2))
