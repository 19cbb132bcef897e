"""Damaged runs: a checkpoint or a config.json is taken up whole, or refused on one line.

Nothing else may come out of it: no other exception, and no network or step that is not the file's. The damage is done
to the values of the JSON, at any depth, and to the tensors that the header describes.
"""

from __future__ import annotations

import json
import random
import struct
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import UserError, load_run
from bitspike.recipes import RECIPES, recipe
from bitspike.training.checkpoint import Progress, load_training, save_training

LONGEST = 3000  # characters of a refusal
VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2, 1.5, -0.5, 10**9, 10**30, 1e308, float("nan"), float("inf"), "", "x", "1", "a/b",
    "0/0/0", "\n", "\0", "x" * 10**5, [], [[]], {}, {"x": 1}, [1] * 10**4, [10**9] * 3, ["x"], [None],
    {"kind": "x"}, {"kind": None},
]  # fmt: skip
DTYPES = [
    "F64",
    "F32",
    "F16",
    "BF16",
    "I64",
    "U8",
    "BOOL",
    "F8_E4M3",
    "F8_E5M2",
    "C64",
    "F4",
    "F6_E2M3",
    "x",
    "",
    None,
    1,
]


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


def places(value: Any) -> list[tuple[Any, Any]]:
    """Where something can be damaged: container and key, at any depth."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, inner in list(pairs):
        found += [(value, key), *places(inner)]
    return found


def damage(raw: Any, chance: random.Random) -> None:
    """One to three damages, in place."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        there = places(raw)
        if not there:
            return
        container, key = chance.choice(there)
        match chance.randrange(8):
            case 0:
                del container[key]
            case 1 if isinstance(container, dict):
                container[chance.choice(("x", "kind", "step", key + "x", "k" * 1000))] = container.pop(key)
            case 2:
                container[key] = [container[key]]
            case 3:
                container[key] = {"kind": container[key]}
            case 4:
                other, where = chance.choice(there)
                container[key] = deepcopy(other[where]) if where in other or isinstance(other, list) else None
            case _:
                container[key] = deepcopy(chance.choice(VALUES))


def one_line(wrong: UserError) -> str:
    said = str(wrong)
    assert len(said.splitlines()) == 1
    assert len(said) < LONGEST
    return "refused"


def optimized() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    step(model, optimizer)
    return model, optimizer


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(torch.randn(8, 3)).square().mean().backward()
    optimizer.step()


def header_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: str, data: bytes) -> bytes:
    return struct.pack("<Q", len(header.encode())) + header.encode() + data


def taken_up(file: Path, content: bytes) -> str:
    """What became of a checkpoint."""
    file.write_bytes(content)
    model, optimizer = optimized()
    try:
        progress = load_training(file, model, optimizer)
    except UserError as wrong:
        return one_line(wrong)
    assert type(progress.step) is int
    assert progress.step >= 0
    assert all(value.isfinite().all() for value in model.state_dict().values())
    step(model, optimizer)  # what was taken up can go on
    return "taken up"


def fuzz_checkpoints(file: Path, count: int, seed: int) -> dict[str, int]:
    save_training(file, *optimized(), Progress(3, 1.5))
    header, data = header_of(file.read_bytes())
    found = {"refused": 0, "taken up": 0}
    for index in range(count):
        chance, spoiled, bytes_ = random.Random(f"{seed}/{index}"), deepcopy(header), data
        match chance.randrange(4):
            case 0:
                progress = json.loads(spoiled["__metadata__"]["progress"])
                damage(progress, chance)
                spoiled["__metadata__"]["progress"] = json.dumps(progress)
            case 1:
                tensor = chance.choice([name for name in spoiled if name != "__metadata__"])
                spoiled[tensor]["dtype"] = chance.choice(DTYPES)
            case 2:
                at = 4 * chance.randrange(len(data) // 4)
                number = chance.choice((float("nan"), float("inf"), float("-inf"), -1.0, 0.0, 1e38))
                bytes_ = data[:at] + struct.pack("<f", number) + data[at + 4 :]
            case _:
                damage(spoiled, chance)
        found[taken_up(file, joined(json.dumps(spoiled), bytes_))] += 1
    return found


def test_damaged_checkpoints(tmp_path: Path) -> None:
    found = fuzz_checkpoints(tmp_path / "c", 400, seed=1)
    assert found["refused"] > 200
    assert found["taken up"] > 10, "the damage is too coarse to get past the first checks"


@pytest.mark.slow
def test_10000_damaged_checkpoints(tmp_path: Path) -> None:
    assert sum(fuzz_checkpoints(tmp_path / "c", 10000, seed=2).values()) == 10000


PROGRESS = {
    "nested a thousand deep": nested(1000),
    "nested in a field": '{"step": ' + nested(1000) + ', "seconds": 0}',
    "a number": "-1",
    "a text": '"3"',
    "NaN": "NaN",
    "a float": "1.5",
    "null": "null",
    "a list": "[3, 1.5]",
    "nothing": "",
    "a true step": '{"step": true, "seconds": 1.5}',
    "a step of text": '{"step": "3", "seconds": 1.5}',
    "a step of float": '{"step": 3.0, "seconds": 1.5}',
    "a step below 0": '{"step": -1, "seconds": 1.5}',
    "infinite seconds": '{"step": 3, "seconds": Infinity}',
    "seconds too many": '{"step": 3, "seconds": 1e999}',
    "another key": '{"step": 3, "seconds": 1.5, "x": 1}',
    "no seconds": '{"step": 3}',
}


@pytest.mark.parametrize("name", PROGRESS)
def test_a_progress_that_is_none(tmp_path: Path, name: str) -> None:
    save_training(tmp_path / "c", *optimized(), Progress(3, 1.5))
    header, data = header_of((tmp_path / "c").read_bytes())
    header["__metadata__"]["progress"] = PROGRESS[name]
    assert taken_up(tmp_path / "c", joined(json.dumps(header), data)) == "refused"


@pytest.mark.parametrize("deep", [1000, 100_000])
def test_a_header_that_is_nested(tmp_path: Path, deep: int) -> None:
    save_training(tmp_path / "c", *optimized(), Progress(3, 1.5))
    header, data = header_of((tmp_path / "c").read_bytes())
    text = json.dumps(header).replace('"format": "bitspike', f'"deep": {nested(deep)}, "format": "bitspike')
    assert taken_up(tmp_path / "c", joined(text, data)) == "refused"


def spoiled_tensor(kind: str, name: str, value: torch.Tensor) -> torch.Tensor | None:
    if kind == "missing":
        return None
    if kind == "shape":
        return torch.stack([value, value])
    if kind == "type":
        return value.to(torch.int16 if value.is_floating_point() else torch.float32)
    return torch.full_like(value, float(kind)) if value.is_floating_point() else torch.full_like(value, -1)


@pytest.mark.parametrize("kind", ["missing", "shape", "type", "nan", "inf", "-inf"])
@pytest.mark.parametrize("name", ["model.0.weight", "model.1.running_var", "optimizer.0.step", "optimizer.0.exp_avg",
                                  "optimizer.2.exp_avg_sq", "random.cpu"])  # fmt: skip
def test_a_tensor_that_cannot_be(tmp_path: Path, name: str, kind: str) -> None:
    from safetensors.torch import load, save

    if name == "random.cpu" and kind in ("nan", "inf", "-inf"):
        return
    save_training(tmp_path / "c", *optimized(), Progress(3, 1.5))
    content = (tmp_path / "c").read_bytes()
    tensors, metadata = load(content), header_of(content)[0]["__metadata__"]
    value = spoiled_tensor(kind, name, tensors.pop(name))
    tensors |= {} if value is None else {name: value}
    assert taken_up(tmp_path / "c", save(tensors, metadata=metadata)) == "refused"


def test_an_unknown_tensor(tmp_path: Path) -> None:
    from safetensors.torch import load, save

    save_training(tmp_path / "c", *optimized(), Progress(3, 1.5))
    content = (tmp_path / "c").read_bytes()
    tensors, metadata = load(content), header_of(content)[0]["__metadata__"]
    for name in ("x", "model.x", "optimizer.0.x", "optimizer.99.step", "optimizer.-1.step", "method.none.x"):
        more = {**tensors, name: torch.zeros(())}
        assert taken_up(tmp_path / "c", save(more, metadata=metadata)) == "refused", name


def made(folder: Path, content: str) -> str:
    """What became of a config.json: of its network, as shapes."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(content)
    try:
        run = load_run(folder)
        run.graph()
    except UserError as wrong:
        return one_line(wrong)
    return "made"


def fuzz_configs(folder: Path, count: int, seed: int) -> dict[str, int]:
    whole = [recipe(name).model_dump(mode="json") for name in sorted(RECIPES)]
    found = {"refused": 0, "made": 0}
    for index in range(count):
        chance = random.Random(f"{seed}/{index}")
        raw = deepcopy(chance.choice(whole)) | {"channels": None if chance.random() < 0.5 else [2, 2, 2]}
        damage(raw, chance)
        found[made(folder, json.dumps(raw))] += 1
    return found


def test_damaged_configs(tmp_path: Path) -> None:
    found = fuzz_configs(tmp_path / "run", 300, seed=1)
    assert found["refused"] > 100
    assert found["made"] > 10, "the damage is too coarse to get past the first checks"


@pytest.mark.slow
def test_5000_damaged_configs(tmp_path: Path) -> None:
    assert sum(fuzz_configs(tmp_path / "run", 5000, seed=2).values()) == 5000


@pytest.mark.parametrize(
    "channels",
    [[10**9] * 3, [4] * 100_000, [10**9] * 100_000, [10**30] * 3, [65_537, 4, 4], [0, 4, 4], [], "x" * 10**6, [4, 4]],
    ids=lambda value: f"{len(value)} of {value[0] if value else 'nothing'}"[:20],
)
def test_channels_that_nothing_holds(tmp_path: Path, channels: Any) -> None:
    raw = recipe("digits-convnet").model_dump(mode="json") | {"channels": channels}
    assert made(tmp_path / "run", json.dumps(raw)) == "refused"
    with pytest.raises(UserError) as refused:
        load_run(tmp_path / "run").model()
    assert "channels" in one_line(refused.value) or str(refused.value).startswith("channels")


def test_weights_that_the_memory_does_not_hold(tmp_path: Path) -> None:
    raw = recipe("digits-convnet").model_dump(mode="json") | {"channels": [60_000] * 3}
    assert made(tmp_path / "run", json.dumps(raw)) == "made", "shapes are small"
    with pytest.raises(UserError, match="more than the memory holds"):
        load_run(tmp_path / "run").model()


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "1", '"x"', nested(100_000), '{"a":' * 5000, "\ufeff{}", "NaN"]
)
def test_a_config_that_is_none(tmp_path: Path, text: str) -> None:
    assert made(tmp_path / "run", text) == "refused"


@pytest.mark.parametrize("line", ["x", "null", "[]", '{"loss": 1}', '{"step": true}', '{"step": "1"}', nested(100_000)])
def test_damaged_metrics(tmp_path: Path, line: str) -> None:
    """A last line may have been cut short; one before it is not passed over, with all that is behind it."""
    folder = load_run_folder(tmp_path)
    whole = ['{"step": 1, "loss": 2.0}', '{"step": 2, "loss": 1.0}']
    folder.metrics_file.write_text("\n".join([*whole, line]))
    assert [found["step"] for found in folder.metrics()] == [1, 2]
    folder.metrics_file.write_text("\n".join([whole[0], line, whole[1]]))
    with pytest.raises(UserError, match="line 2 of") as refused:
        list(folder.metrics())
    one_line(refused.value)


def load_run_folder(path: Path) -> Any:
    from bitspike.training import RunFolder

    return RunFolder(path)
