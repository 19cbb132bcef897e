"""Two processes give what one gives at the same global batch.

Gradients, losses and learned step sizes agree to 1e-6, with batch norm and without (the sums run in another order; the
networks compute in double, where that moves no current across a threshold). A batch norm of each share by itself is
another network, and so are the steps of neurons that see no more than their share: the comparison sees both.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import BitPlan, Bits
from bitspike.models import build_model
from bitspike.recipes import recipe
from bitspike.training import LossConfig, override
from bitspike.training.loss import loss_of
from bitspike.training.setup import make_model

STEP = """
import sys
import torch
sys.path.insert(0, sys.argv[1])
from test_distributed import batch, make
from bitspike.training import LossConfig
from bitspike.training.loss import loss_of
from bitspike.training.together import accelerated, share_steps, shared_norms

accelerator = accelerated()
made = make(sys.argv[3])
share_steps(made, accelerator.num_processes)
model = accelerator.prepare(made)
x, y = (part[accelerator.process_index :: accelerator.num_processes] for part in batch())
with shared_norms(accelerator.num_processes):
    loss = loss_of(model(x), y, LossConfig())
accelerator.backward(loss)
value = accelerator.reduce(loss.detach(), reduction="mean")
if accelerator.is_main_process:
    from safetensors.torch import save_file
    named = dict(accelerator.unwrap_model(model).named_parameters())
    grads = {n: p.grad for n, p in named.items() if p.grad is not None}
    if sys.argv[3] == "adaptive":
        grads |= {f"value {n}": p.detach() for n, p in named.items()}
    save_file({**grads, "loss": value}, sys.argv[2])
del model, loss  # as `bitspike.training.train` does: the group of processes must not outlive its end
accelerator.free_memory()
accelerator.wait_for_everyone()
accelerator.end_training()
"""


def make(kind: str) -> nn.Module:
    """A small network: ``plain``, with batch ``norm``, or ``adaptive`` with learned bits and steps too."""
    torch.manual_seed(0)
    if kind == "adaptive":
        edits = ["dataset=digits", "augment=", "channels=4,4,4", "bits=3/3/2"]
        return make_model(override(recipe("adaptive-resnet8-thin-fashion"), edits)).double()
    model = build_model("convnet", BitPlan(Bits(4, 2, 2)), sample=(1, 8, 8), num_classes=10, channels=(4, 4, 4))
    if kind == "plain":
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                model.set_submodule(name, nn.Identity())
    return model.double()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (16, 1, 8, 8), generator=generator, dtype=torch.uint8).double()
    return images, torch.randint(0, 10, (16,), generator=generator)


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
    alone = gradients(make("plain"), *batch())
    assert far_apart(on_two_processes(tmp_path, "plain"), alone) == []
    planted = {**alone, "loss": alone["loss"] * 1.0001}
    assert far_apart(planted, alone) == ["loss"]


def test_batch_norm_is_of_the_whole_batch(tmp_path: Path) -> None:
    together, (x, y) = on_two_processes(tmp_path, "norm"), batch()
    assert far_apart(together, gradients(make("norm"), x, y)) == []
    halves = [gradients(make("norm"), x[rank::2], y[rank::2]) for rank in (0, 1)]
    averaged = {name: (halves[0][name] + halves[1][name]) / 2 for name in halves[0]}
    assert far_apart(together, averaged) != []


def test_learned_steps_start_from_the_whole_batch_and_learn_from_it(tmp_path: Path) -> None:
    together, (x, y) = on_two_processes(tmp_path, "adaptive"), batch()
    alone = make("adaptive")
    found = gradients(alone, x, y) | {f"value {n}": p.detach() for n, p in alone.named_parameters()}
    assert far_apart(together, found) == []
    steps = [name for name in found if name.endswith("step") and not name.startswith("value") and "weight" not in name]
    planted = found | {name: found[name] * 2**0.5 for name in steps}
    assert {*far_apart(together, planted)} <= {*steps}
    assert far_apart(together, planted) != []


def run(
    folder: Path, name: str, *more: str, launch: tuple[str, ...] = (), killed: bool = False
) -> list[dict[str, Any]]:
    """The metrics of a short training; of one process, or as ``launch`` says, the first one killed after 12 steps."""
    edits = ("train_size=512", "epochs=4", "checkpoint_every=3")
    typed = ["train", "digits-convnet", "--runs-dir", str(folder), "--name", name, *more]
    typed += [word for edit in edits for word in ("--set", edit)]
    command = [sys.executable, *launch, "-m", "bitspike", *typed]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    metrics = folder / name / "metrics.jsonl"
    while killed and started.poll() is None:
        if metrics.exists() and metrics.read_text().count("\n") > 12:
            os.kill(int((folder / name / ".lock").read_text().split()[0]), signal.SIGKILL)
            break
        time.sleep(0.005)
    assert started.wait(300) == 0, started.stderr and started.stderr.read()
    assert (folder / name / "result.json").exists()
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--max-restarts=3", "--standalone")


@pytest.mark.slow
def test_a_whole_run_of_two_processes_is_that_of_one(tmp_path: Path) -> None:
    """In float32, up to rounding: until one falls on the other side of a threshold, which it may at any step."""
    alone, two = run(tmp_path, "one"), run(tmp_path, "two", launch=TORCHRUN)
    assert [line["step"] for line in alone] == [line["step"] for line in two]
    for a, b in zip(alone[:10], two[:10], strict=True):
        assert a.get("loss") == pytest.approx(b.get("loss"), abs=1e-5)
    assert abs(alone[-1]["validation_loss"] - two[-1]["validation_loss"]) < 0.1


@pytest.mark.slow
def test_a_killed_process_is_followed_by_another_that_ends_the_run_as_it_would_have_ended(tmp_path: Path) -> None:
    average = ("--set", "methods.weight-average.decay=0.9")
    whole = run(tmp_path, "whole", *average, launch=TORCHRUN)
    assert run(tmp_path, "killed", *average, launch=TORCHRUN, killed=True) == whole
    assert run(tmp_path, "other", *average, "--set", "seed=1", launch=TORCHRUN) != whole


@pytest.mark.slow
def test_accelerate_launch_starts_it_too(tmp_path: Path) -> None:
    launch = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2")
    assert run(tmp_path, "two", launch=launch)
