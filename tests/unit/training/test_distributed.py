"""Two processes give what one gives at the same global batch.

Without batch norm, gradients and losses agree to 1e-6 (the sums run in another order; the networks compute in double,
where that moves no current across a threshold). Batch norm keeps its statistics per process, as everywhere in PyTorch:
there, two processes equal one process that runs the two halves apart and averages their gradients. Both statements are
tested.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from bitspike import BitPlan, Bits
from bitspike.models import build_model
from bitspike.training import LossConfig
from bitspike.training.loss import loss_of

STEP = """
import sys
import torch
from accelerate import Accelerator
sys.path.insert(0, sys.argv[1])
from test_distributed import batch, make
from bitspike.training import LossConfig
from bitspike.training.loss import loss_of

accelerator = Accelerator(cpu=True)
model = accelerator.prepare(make(sys.argv[3] == "norm"))
x, y = (part[accelerator.process_index :: accelerator.num_processes] for part in batch())
loss = loss_of(model(x), y, LossConfig())
accelerator.backward(loss)
value = accelerator.reduce(loss.detach(), reduction="mean")
if accelerator.is_main_process:
    from safetensors.torch import save_file
    grads = {n: p.grad for n, p in accelerator.unwrap_model(model).named_parameters()}
    save_file({**grads, "loss": value}, sys.argv[2])
del model, loss  # as `bitspike.training.train` does: the group of processes must not outlive its end
accelerator.free_memory()
accelerator.wait_for_everyone()
accelerator.end_training()
"""


def make(norm: bool) -> nn.Module:
    torch.manual_seed(0)
    model = build_model("convnet", BitPlan(Bits(4, 2, 2)), sample=(1, 8, 8), num_classes=4, channels=(4, 4, 4))
    if not norm:
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                model.set_submodule(name, nn.Identity())
    return model.double()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (16, 1, 8, 8), generator=generator, dtype=torch.uint8).double()
    return images, torch.randint(0, 4, (16,), generator=generator)


def on_two_processes(tmp_path: Path, kind: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    (tmp_path / "step.py").write_text(STEP)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    arguments = [str(tmp_path / "step.py"), str(Path(__file__).parent), str(tmp_path / "out"), kind]
    finished = subprocess.run([*launch, *arguments], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return load_file(tmp_path / "out")


def gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss = loss_of(model(x), y, LossConfig())
    loss.backward()
    return {**{n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}, "loss": loss.detach()}


def far_apart(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[str]:
    assert a.keys() == b.keys()
    return [name for name in a if not torch.allclose(a[name], b[name], rtol=1e-5, atol=1e-6)]


def test_two_processes_equal_one_without_batch_norm(tmp_path: Path) -> None:
    alone = gradients(make(norm=False), *batch())
    assert far_apart(on_two_processes(tmp_path, "plain"), alone) == []
    planted = {**alone, "loss": alone["loss"] * 1.0001}
    assert far_apart(planted, alone) == ["loss"]


def test_batch_norm_sees_the_images_of_its_own_process(tmp_path: Path) -> None:
    together = on_two_processes(tmp_path, "norm")
    x, y = batch()
    halves = [gradients(make(norm=True), x[rank::2], y[rank::2]) for rank in (0, 1)]
    averaged = {name: (halves[0][name] + halves[1][name]) / 2 for name in halves[0]}
    assert far_apart(together, averaged) == []
    assert far_apart(together, gradients(make(norm=True), x, y)) != []


@pytest.mark.slow
def test_a_whole_run_on_two_processes_learns_the_same(tmp_path: Path) -> None:
    """`accelerate launch` of the command itself: it trains, and only one process writes."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m", "bitspike.cli"]
    edits = [part for edit in ("epochs=2", "train_size=256") for part in ("--set", edit)]
    command = [*launch, "train", "digits-convnet", "--runs-dir", str(tmp_path), "--name", "two", *edits]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "two" / "result.json").exists()
