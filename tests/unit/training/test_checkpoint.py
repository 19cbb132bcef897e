"""Checkpoints: whole or absent, of this model or refused."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bitspike import UserError
from bitspike.training.checkpoint import Progress, load_model, load_training, save_training


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()
    return model, optimizer


def test_everything_comes_back(tmp_path: Path) -> None:
    model, optimizer = trained()
    save_training(tmp_path / "c", model, optimizer, Progress(3, 1.5))
    drawn = torch.rand(4)
    other, other_optimizer = trained()
    assert load_training(tmp_path / "c", other, other_optimizer) == Progress(3, 1.5)
    assert torch.equal(torch.rand(4), drawn)  # the random state too
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    ours, theirs = optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    assert ours.keys() == theirs.keys()
    for index, state in ours.items():
        for key, value in state.items():
            assert torch.equal(value, theirs[index][key])


def test_a_checkpoint_of_another_model_is_named(tmp_path: Path) -> None:
    save_training(tmp_path / "c", *trained(), Progress(1, 0.0))
    with pytest.raises(UserError, match="of another model: "):
        load_model(tmp_path / "c", nn.Sequential(nn.Linear(4, 8)))
    with pytest.raises(UserError, match=r"0.weight is \(8, 4\), want \(9, 4\)"):
        load_model(tmp_path / "c", nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(8), nn.Linear(8, 2)))


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        load_model(tmp_path / "none", nn.Linear(1, 1))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_checkpoint_is_refused_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    model, optimizer = trained()
    save_training(folder / "c", model, optimizer, Progress(1, 0.0))
    content = bytearray((folder / "c").read_bytes())
    cut = data.draw(st.integers(0, len(content) - 1))
    header = int.from_bytes(content[:8], "little")
    if data.draw(st.booleans()):
        content = content[:cut]
    else:
        content[cut % (8 + header)] ^= data.draw(st.integers(1, 255))
    (folder / "c").write_bytes(content)
    try:
        load_training(folder / "c", model, optimizer)
    except UserError as refused:
        assert "\n" not in str(refused)  # a flip in a tensor's name, say; an undamaged meaning loads


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    model, optimizer = trained()
    save_training(tmp_path / "c", model, optimizer, Progress(1, 0.0))
    before = (tmp_path / "c").read_bytes()
    script = f"""
import resource, signal
from pathlib import Path
from torch import nn
from bitspike.training.checkpoint import Progress, save_training
import torch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
model = nn.Linear(64, 64)
try:
    save_training(Path({str(tmp_path / "c")!r}), model, torch.optim.SGD(model.parameters()), Progress(2, 0.0))
except Exception as wrong:
    print(type(wrong).__name__, wrong)
"""
    assert resource.RLIMIT_FSIZE
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.startswith("UserError write:")
    assert "the earlier file is untouched" in said
    assert (tmp_path / "c").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
