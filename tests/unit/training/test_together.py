"""What several processes share of one run, and what they are refused; in one process, which stands for many."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, distributed, nn

from bitspike import UserError
from bitspike.cli import main
from bitspike.layers import PathBatchNorm2d
from bitspike.recipes import recipe
from bitspike.training import override
from bitspike.training.norms import SharedNorms
from bitspike.training.setup import make_model
from bitspike.training.together import accelerated, check_shares


@pytest.fixture(scope="module", autouse=True)
def one_of_one() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def normed(norm: nn.Module, x: Tensor, shared: bool) -> list[Tensor]:
    """What comes out, the gradients and the statistics that are kept."""
    x = x.clone().requires_grad_()
    if shared:
        with SharedNorms():
            y = norm(x)
    else:
        y = norm(x)
    (y * torch.arange(y.numel(), dtype=y.dtype).view(y.shape).sin()).sum().backward()
    kept = [value.detach().double() for value in norm.state_dict().values()]
    return [y.detach(), x.grad, *(p.grad for p in norm.parameters()), *kept]  # type: ignore[list-item]


@given(
    shape=st.sampled_from([(6, 3), (4, 2, 5), (2, 3, 4, 5), (6, 1, 1, 2)]),
    seed=st.integers(0, 9),
    affine=st.booleans(),
    training=st.booleans(),
)
def test_shared_norms_of_one_process_are_torchs_own(
    shape: tuple[int, ...], seed: int, affine: bool, training: bool
) -> None:
    torch.manual_seed(seed)
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    x = torch.randn(shape, dtype=torch.float64) * 3 + 1
    found = []
    for shared in (False, True):
        norm = kind(shape[1], affine=affine).double().train(training)
        if affine:
            nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(seed))
        found.append(normed(norm, x, shared))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(found[0][0], found[1][0] * (1 + 1e-6), rtol=1e-9, atol=1e-9), "a planted error is seen"


def test_norms_of_several_paths_are_shared_path_by_path() -> None:
    x = torch.randn(6, 2, 3, 3, dtype=torch.float64)
    found = [normed(PathBatchNorm2d(nn.BatchNorm2d(2), 3).double().train(), x, shared) for shared in (False, True)]
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs)


def test_a_norm_keeps_the_type_of_what_it_norms() -> None:
    x = torch.randn(4, 2, 3, 3)
    with SharedNorms(), torch.autocast("cpu", torch.bfloat16):
        assert nn.BatchNorm2d(2)(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "edits", "says"),
    [
        ("digits-convnet", ["batch_size=63"], "batch_size: got 63; want a multiple of the 2 processes"),
        ("digits-convnet", ["bits=2/2/2/4"], "its largest potential is that of a batch"),
        ("digits-convnet", ["methods.spike-regulation.weight=1"], "methods.spike-regulation: got 'several processes'"),
    ],
)
def test_what_several_processes_would_train_otherwise_is_refused(name: str, edits: list[str], says: str) -> None:
    config = override(recipe(name), edits)
    model = make_model(config)
    check_shares(config, model, 1)
    with pytest.raises(UserError) as refused:
        check_shares(config, model, 2)
    assert says in str(refused.value)


def test_a_plain_low_bit_network_is_trained_by_several() -> None:
    config = recipe("digits-convnet")
    check_shares(config, make_model(config), 2)


@pytest.mark.parametrize("variable", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_networks_in_parts_are_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(UserError, match="every process has the whole network"):
        accelerated()


@pytest.mark.parametrize(
    "words", [["allocate", "digits-convnet", "--max-size", "1k"], ["train", "digits-convnet", "--seeds", "0-1"]]
)
def test_several_processes_do_nothing_but_train_one_run(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["bitspike", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("bitspike: WORLD_SIZE: got '2'; several processes")
