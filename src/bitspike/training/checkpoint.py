"""The state of a training run in one file: safetensors, with the counters as JSON in its header. Never unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.files import safetensors_metadata, write_atomically
from bitspike.training.methods import Method

__all__ = ["Progress", "load_model", "load_training", "save_training"]

FORMAT = "bitspike-checkpoint-1"
NONE: Mapping[str, Method[Any]] = MappingProxyType({})


@dataclass(frozen=True)
class Progress:
    """Where a run stands: optimizer steps taken, and images seen in the run's own seconds."""

    step: int
    seconds: float


def save_training(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    methods: Mapping[str, Method[Any]] = NONE,
) -> None:
    """Writes model, optimizer, random state and that of ``methods``; the file appears whole or not at all."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"optimizer.{index}.{key}"] = torch.as_tensor(value)
    for name, method in methods.items():
        tensors |= {f"method.{name}.{key}": value for key, value in method.state().items()}
    tensors["random.cpu"] = torch.get_rng_state()
    contiguous = {name: value.detach().clone().contiguous() for name, value in tensors.items()}  # none shares memory
    header = {"format": FORMAT, "progress": json.dumps(asdict(progress))}
    write_atomically(path, save_tensors(contiguous, metadata=header))


def load_model(path: Path, model: nn.Module) -> None:
    """Fills ``model`` with the weights of a checkpoint.

    Raises:
        UserError: no such file, a broken one, or one of another model.
    """
    _fill(path, model, _read(path)[0])


def load_training(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, methods: Mapping[str, Method[Any]] = NONE
) -> Progress:
    """Fills model, optimizer, random state and ``methods``, and says where the run stood."""
    tensors, progress = _read(path)
    _fill(path, model, tensors)
    try:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        for name, method in methods.items():
            under = f"method.{name}."
            method.restore({key.removeprefix(under): v for key, v in tensors.items() if key.startswith(under)})
        torch.set_rng_state(tensors["random.cpu"])
    except (ValueError, KeyError, TypeError, RuntimeError) as wrong:
        raise UserError(
            "checkpoint", str(path), f"the state of its optimizer, methods or random numbers does not fit: {wrong}"
        ) from wrong
    return progress


def _read(path: Path) -> tuple[dict[str, Tensor], Progress]:
    try:
        content = path.read_bytes()
    except OSError as wrong:
        raise UserError("checkpoint", str(path), f"cannot be read: {wrong.strerror}") from wrong
    try:
        tensors = load_tensors(content)
        metadata = safetensors_metadata(content)
        if metadata["format"] == FORMAT:
            return tensors, Progress(**json.loads(metadata["progress"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as wrong:
        raise UserError("checkpoint", str(path), f"not a checkpoint of bitspike: {wrong}") from wrong
    raise UserError("checkpoint format", metadata["format"], f"this version reads {FORMAT}")


def _fill(path: Path, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    found = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    wanted = model.state_dict()
    for name in sorted(wanted.keys() ^ found.keys()):
        where = "lacks" if name in wanted else "has an unknown"
        raise UserError("checkpoint", str(path), f"of another model: it {where} {name}")
    for name, value in wanted.items():
        if value.shape != found[name].shape:
            sizes = f"{tuple(found[name].shape)}, want {tuple(value.shape)}"
            raise UserError("checkpoint", str(path), f"of another model: {name} is {sizes}")
    model.load_state_dict(found)
