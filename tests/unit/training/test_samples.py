"""What a run keeps of single samples: each number against the network itself."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bitspike
from bitspike import Run, UserError
from bitspike.layers import read_out
from bitspike.neurons import BaseNode
from bitspike.training.record import Samples, read_record
from bitspike.training.samples import MEMBRANE_SAMPLES, smaller

TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1", "bits=2/1/3")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return bitspike.train("digits-convnet", *TINY, name="one", runs_dir=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def kept(run: Run) -> dict[str, Any]:
    return read_record(run.files.samples_file, Samples)


@pytest.fixture(scope="module")
def said(run: Run) -> torch.Tensor:
    with torch.no_grad():
        return read_out(run.model()(run.images("test").images).float(), "mean").argmax(-1)


def confusions(said: torch.Tensor, labels: torch.Tensor) -> list[list[int]]:
    table = np.zeros((10, 10), int)
    for one, label in zip(said.tolist(), labels.tolist(), strict=True):
        table[label, one] += 1
    return table.tolist()


def test_confusions_are_those_of_the_test_set(run: Run, kept: dict[str, Any], said: torch.Tensor) -> None:
    labels = run.images("test").labels
    assert kept["confusion"] == confusions(said, labels)
    right = sum(kept["confusion"][at][at] for at in range(10))
    assert round(100 * right / 360, 4) == run.result["test_accuracy"]
    said[int((said == labels).nonzero()[0])] += 1  # a planted error
    assert kept["confusion"] != confusions(said % 10, labels)


def test_samples_that_are_shown_are_wrong_ones(run: Run, kept: dict[str, Any]) -> None:
    test = run.images("test")
    with torch.no_grad():
        answers = read_out(run.model()(test.images).float(), "mean").argmax(-1)
    assert len(kept["wrong"]) == min(16, int((answers != test.labels).sum()))
    for one in kept["wrong"]:
        index = one["index"]
        assert (one["label"], one["said"]) == (int(test.labels[index]), int(answers[index]))
        assert one["label"] != one["said"]
        pixels = np.frombuffer(zlib.decompress(base64.b64decode(one["pixels"]["zlib"])), np.uint8)
        assert (pixels.reshape(one["pixels"]["shape"]) == test.images[index].numpy()).all()


def test_trains_are_the_spikes_of_the_first_sample(run: Run, kept: dict[str, Any]) -> None:
    model, sent = run.model(), {}
    names = {name for name, module in model.named_modules() if isinstance(module, BaseNode)}
    for name in names:
        dict(model.named_modules())[name].register_forward_hook(lambda _, __, out, name=name: sent.update({name: out}))
    with torch.no_grad():
        model(run.images("test", 1).images)
    assert {layer["name"] for layer in kept["trains"]["layers"]} == names
    for layer in kept["trains"]["layers"]:
        fired = (sent[layer["name"]][:, 0].flatten(1) != 0).int()
        assert layer["neurons"] == fired.shape[1]
        assert layer["fired"] == int(fired.any(0).sum())
        assert layer["spikes"] == fired.sum(1).tolist()
        for neuron, row in zip(layer["neuron"], layer["rows"], strict=True):
            assert row == "".join("1" if spike else "." for spike in fired[:, neuron].tolist())


def test_membranes_right_of_the_line_are_those_that_fire(run: Run, kept: dict[str, Any]) -> None:
    model = run.model()
    seen: dict[str, list[torch.Tensor]] = {}
    sent: dict[str, torch.Tensor] = {}
    for name, node in model.named_modules():
        if isinstance(node, BaseNode):
            node.register_forward_hook(lambda _, __, out, name=name: sent.update({name: out}))
            node.integrate.register_forward_hook(lambda _, __, u, name=name: seen.setdefault(name, []).append(u))
    with torch.no_grad():
        model(run.images("test", MEMBRANE_SAMPLES).images)
    assert kept["membranes"].keys() == seen.keys()
    for name, told in kept["membranes"].items():
        values = torch.cat([u.flatten() for u in seen[name]]) / float(
            dict(model.named_modules())[name].staircase.v_threshold
        )
        assert sum(told["counts"]) + told["below"] + told["above"] == values.numel()
        assert told["above"] == int((values > told["hi"]).sum())
        (line,) = told["fires"]
        fired = sent[name].flatten() != 0
        assert ((values >= line) == fired).all()
        assert not ((values >= line + 0.5) == fired).all()  # a planted error


def test_every_weight_is_counted(run: Run, kept: dict[str, Any]) -> None:
    weights = {node.name: node.weight_count(run.graph().input_edge(node)) for node in run.graph().synapses()}
    assert {name: sum(told["counts"]) for name, told in kept["weights"].items()} == weights
    assert all(told["codes"] == [-1, 0, 1] for told in kept["weights"].values())


def test_pictures_are_means_of_squares() -> None:
    codes = np.arange(3 * 64 * 48, dtype=np.int64).reshape(3, 64, 48).astype(np.uint8)
    small = smaller(codes, 32)
    assert small.shape == (3, 32, 24)
    assert small[1, 2, 3] == round(float(codes[1, 4:6, 6:8].mean()))
    assert smaller(codes[:, :20, :20], 32) is not None


def test_a_picture_that_fails_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such picture")

    monkeypatch.setattr("bitspike.training.loop.samples_of", broken)
    with pytest.warns(UserWarning, match=r"samples.json was left out: no such picture"):
        run = bitspike.train("digits-convnet", *TINY, name="one", runs_dir=tmp_path)
    assert run.finished
    assert not run.files.samples_file.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("confusion", [[1]]),
        ("confusion", [["x"] * 10] * 10),
        ("weights", {"a": {"counts": [1]}}),
        ("classes", ["a"]),
        (
            "trains",
            {"sample": 0, "layers": [{"name": "a", "neurons": 1, "fired": 1, "T": 1, "spikes": [], "rows": ["<"]}]},
        ),
    ],
)
def test_a_damaged_file_is_refused(kept: dict[str, Any], tmp_path: Path, key: str, value: Any) -> None:
    (tmp_path / "samples.json").write_text(json.dumps(kept | {key: value}))
    with pytest.raises(UserError, match=r"samples\.json"):
        read_record(tmp_path / "samples.json", Samples)
