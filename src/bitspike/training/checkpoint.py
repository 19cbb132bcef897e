"""The state of a training run in one file: safetensors, with the counters as JSON in its header. Never unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.files import safetensors_metadata, write_atomically
from bitspike.settings import first_mistake
from bitspike.training.methods import Method

__all__ = ["Progress", "load_model", "load_training", "save_training"]

FORMAT = "bitspike-checkpoint-1"
NONE: Mapping[str, Method[Any]] = MappingProxyType({})
STATE: Mapping[type[torch.optim.Optimizer], frozenset[str]] = MappingProxyType(
    {
        torch.optim.AdamW: frozenset({"step", "exp_avg", "exp_avg_sq"}),
        torch.optim.SGD: frozenset({"momentum_buffer"}),
    }
)
"""What an optimizer remembers of each parameter that it has moved."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Progress:
    """Where a run stands: optimizer steps taken, and the run's own seconds."""

    step: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]


_PROGRESS = TypeAdapter(Progress)


def save_training(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    methods: Mapping[str, Method[Any]] = NONE,
) -> None:
    """Writes model (as it is judged), optimizer, random state and that of ``methods``; the file is whole or absent."""
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
        UserError: no such file, a broken one, one of another model, or one whose weights are no numbers.
    """
    _fill(path, model, _read(path)[0])


def load_training(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, methods: Mapping[str, Method[Any]] = NONE
) -> Progress:
    """Fills model (as it is trained), optimizer, random state and ``methods``, and says where the run stood.

    Raises:
        UserError: see `load_model`, and a state that is not that of this optimizer or these methods.
    """
    tensors, progress = _read(path)
    _fill(path, model, tensors)
    known = ("model.", "optimizer.", *(f"method.{name}." for name in methods))
    for name in tensors:
        if name != "random.cpu" and not name.startswith(known):
            raise UserError("checkpoint", str(path), f"of another run: it has an unknown {name}")
    try:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = value
        _check_state(optimizer, state, progress)
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        for name, method in reversed(list(methods.items())):  # see `Method.judged`
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
        metadata = safetensors_metadata(content)
        if metadata["format"] != FORMAT:
            raise UserError("checkpoint format", metadata["format"], f"this version reads {FORMAT}")
        return load_tensors(content), _PROGRESS.validate_json(metadata["progress"])
    except ValidationError as wrong:
        mistake = first_mistake(wrong, "progress")
        said = f"its {mistake.thing} is damaged: {mistake.would_do}"
        raise UserError("checkpoint", str(path), said) from wrong
    except UserError:
        raise
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as wrong:
        raise UserError("checkpoint", str(path), f"not a checkpoint of bitspike: {wrong}") from wrong


def _fill(path: Path, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Fills ``model``. Infinity is a value only where a fresh model has it, as a least one that nothing was below."""
    found = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    wanted = model.state_dict()
    for name in sorted(wanted.keys() ^ found.keys()):
        where = "lacks" if name in wanted else "has an unknown"
        raise UserError("checkpoint", str(path), f"of another model: it {where} {name}")
    for name, value in wanted.items():
        if value.shape != found[name].shape:
            sizes = f"{tuple(found[name].shape)}, want {tuple(value.shape)}"
            raise UserError("checkpoint", str(path), f"of another model: {name} is {sizes}")
        if value.dtype != found[name].dtype:
            raise UserError("checkpoint", str(path), f"damaged: {name} is {found[name].dtype}, want {value.dtype}")
        if found[name].isnan().any() or (value.isfinite().all() and not found[name].isfinite().all()):
            raise UserError("checkpoint", str(path), f"damaged: not all of {name} are numbers")
    model.load_state_dict(found)


def _check_state(optimizer: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Tensor]], at: Progress) -> None:
    """Refuses what the optimizer would take up and stumble over, or go astray with.

    Raises:
        ValueError: a tensor is missing or unknown, or has another shape or type than its parameter, or no number in it.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, kept in state.items():
        if not 0 <= index < len(parameters):
            raise ValueError(f"it has a parameter {index} of {len(parameters)}")
        for key in sorted(STATE[type(optimizer)] ^ kept.keys()):
            raise ValueError(f"{key} of parameter {index} is {'unknown' if key in kept else 'missing'}")
        for key, value in kept.items():
            wanted = torch.zeros(()) if key == "step" else parameters[index]
            if value.shape != wanted.shape or value.dtype != wanted.dtype:
                raise ValueError(f"{key} of parameter {index} is {value.dtype} {tuple(value.shape)}")
            if not value.isfinite().all() or (key in ("step", "exp_avg_sq") and value.min() < 0):
                raise ValueError(f"{key} of parameter {index} has no possible value")
            if key == "step" and float(value) > at.step:
                raise ValueError(f"parameter {index} was moved {float(value):g} times in {at.step} steps")
