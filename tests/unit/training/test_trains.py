"""Networks are trained, evaluated and frozen on trains, with one class for each or one at every step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_trains import BURSTS, SIGNS, TOYS

import bitspike
from bitspike.api.run import Run
from bitspike.bits import Bits
from bitspike.data import load_split
from bitspike.datasets import registry
from bitspike.errors import UserError
from bitspike.ir import load, save
from bitspike.neurons import LIFSettings, MultiBitSettings
from bitspike.training import OptimizerConfig, RunFolder, TrainConfig, override, train
from bitspike.training.evaluate import evaluate
from bitspike.training.record import Samples, read_record


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DATASETS", {**registry.DATASETS, **TOYS})


def config_of(dataset: str, *edits: str) -> TrainConfig:
    of_bursts = dataset == "toy-bursts"
    config = TrainConfig(
        recipe=dataset,
        dataset=dataset,
        model="mlp",
        bits=Bits(4, 2 if of_bursts else 1, TOYS[dataset].sample.T),
        neuron=MultiBitSettings(surrogate_function="atan") if of_bursts else LIFSettings(tau=4.0),
        channels=(16, 16),
        validation_size=60,
        epochs=8,
        batch_size=16,
        optimizer=OptimizerConfig(lr=0.01),
        readout="mean" if of_bursts else "each",
    )
    return override(config, edits)


def trained(config: TrainConfig, folder: Path) -> Run:
    train(config, RunFolder(folder))
    return Run(folder, config)


CASES = {
    "mean": ("toy-bursts",),
    "last": ("toy-bursts", "readout=last"),
    "tet": ("toy-bursts", "loss.kind=tet"),
    "each": ("toy-signs", "epochs=10"),
    "chunks": ("toy-signs", "model=mlp-plain", "chunks.steps=5", "epochs=10"),
    "cut": ("toy-signs", "model=mlp-plain", "chunks.steps=5", "chunks.gradients=cut", "epochs=10"),
    "convolutions": ("toy-bursts", "model=convnet", "channels=4,4,4", "augment=crop1,flip", "epochs=4"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_network_learns_trains_and_says_the_same_frozen(case: str, tmp_path: Path) -> None:
    config = config_of(*CASES[case])
    run = trained(config, tmp_path / "run")
    each = config.readout == "each"
    result = run.result
    total = 100 * (SIGNS.T if each else 1)
    counted = "steps" if each else "samples"
    assert (result["counted"], result["test_images"], result["readout"]) == (counted, 100, config.readout)
    assert result["sample"] == str(SIGNS if each else BURSTS)
    assert result["test_accuracy"] > 75

    seen = run.evaluate()
    assert (seen.total, seen.counted, seen.accuracy) == (total, counted, result["test_accuracy"])
    assert (f"of {total} steps right" in str(seen)) == each

    images = run.images()  # backwards they are others, so that the comparisons here can fail
    backwards = replace(images, images=images.images.flip(1))
    assert evaluate(run.model(), backwards, readout=config.readout).percent < seen.accuracy - 10

    told = read_record(run.files.samples_file, Samples)
    assert sum(map(sum, told["confusion"])) == total
    assert sum(told["confusion"][at][at] for at in range(2)) == seen.correct
    assert {layer["T"] for layer in told["trains"]["layers"]} == {SIGNS.T if each else BURSTS.T}
    assert len(told["trains"].get("frames", ())) == (0 if each else BURSTS.T)
    assert len(told.get("wrong", ())) == (0 if each else min(16, total - seen.correct))

    frozen = bitspike.freeze(run, tmp_path / "net.bitspike", images=60)
    assert frozen.comparison is not None
    assert abs(frozen.comparison.float_accuracy - frozen.comparison.integer_accuracy) < 5
    assert frozen.comparison.agreement.same_class > 0.9 * 60 * (SIGNS.T if each else 1)
    of_file = bitspike.evaluate(tmp_path / "net.bitspike")
    assert (of_file.total, of_file.counted) == (total, counted)
    assert abs(of_file.accuracy - seen.accuracy) < 5
    assert load(tmp_path / "net.bitspike").sample == TOYS[config.dataset].sample


def test_accuracy_of_steps_is_counted_pair_by_pair() -> None:
    images = load_split("toy-signs", "test")
    model = torch.nn.Linear(1, 1)  # has a device
    answers = torch.randn(SIGNS.T, len(images), 2, generator=torch.Generator().manual_seed(0))
    model.forward = lambda x: answers[:, : len(x)]  # type: ignore[method-assign]
    by_hand = sum(
        int(answers[t, n].argmax() == images.labels[n, t]) for n in range(len(images)) for t in range(SIGNS.T)
    )
    seen = evaluate(model, images, readout="each", batch_size=len(images))
    assert (seen.correct, seen.total, seen.counted) == (by_hand, len(images) * SIGNS.T, "steps")


REFUSED = {
    "steps": (
        "toy-bursts",
        "bits=4/2/2",
        "bits: got '4/2/2'; 2 steps, but samples of toy-bursts have 4 .*; want t=4",
    ),
    "steps of a layer": ("toy-bursts", 'layers={"layers.1":{"t":2}}', "bits of layers.1: got .*; 2 steps, but"),
    "squeeze": ("toy-bursts", "neuron.squeeze=true", "neuron.squeeze: got True; samples of toy-bursts have 4 steps"),
    "readout": ("toy-bursts", "readout=each", "readout: got 'each'; toy-bursts has one class .*; want mean or last"),
    "readout of steps": (
        "toy-signs",
        "readout=last",
        "readout: got 'last'; toy-signs has a class at every .* want each",
    ),
    "frames": ("toy-signs", "frames.slices=3", "frames: got .*; toy-signs has no events; want frames=null"),
    "mean": ("toy-signs", "mean=0.5", "mean: got .*; it normalises images, which toy-signs has not"),
    "augment": ("toy-signs", "augment=crop4", "crop: got .*12, 3.*; want images"),
    "batch norm": ("toy-signs", "chunks.steps=3", "chunks: got 'batch norm layers.0.1'; .*chunks=null"),
    "chunks": ("digits", "chunks.steps=3", "chunks: got .*; inputs of digits have one step; want chunks=null"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_the_time_of_the_data_is_refused_before_anything_is_written(
    case: str, tmp_path: Path
) -> None:
    dataset, edit, words = REFUSED[case]
    base = config_of("toy-bursts" if dataset == "digits" else dataset)
    config = override(base, [f"dataset={dataset}", edit])
    with pytest.raises(UserError, match=words) as refused:
        train(config, RunFolder(tmp_path / "run"))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_steps_that_are_learned_away_are_refused(tmp_path: Path) -> None:
    edits = ("neuron=adaptive", "quantizer=adaptive", "methods.learned-bits.learns=w,t")
    with pytest.raises(UserError, match=r"learns: got 'w,t'; samples of toy-bursts have 4 steps, which stay; want w,s"):
        train(config_of("toy-bursts", *edits), RunFolder(tmp_path / "run"))


def test_a_file_keeps_how_its_frames_are_made(tmp_path: Path) -> None:
    run = trained(config_of("toy-bursts", "epochs=1"), tmp_path / "run")
    net = replace(run.freeze(), frames={"slices": 4, "size": [4, 4], "by": "time", "keep": None})
    save(net, tmp_path / "net.bitspike")
    again = load(tmp_path / "net.bitspike")
    assert again.frames == net.frames
    header = (tmp_path / "net.bitspike").read_bytes()
    assert json.dumps({"slices": 4}, separators=(",", ":"))[1:-1].replace('"', '\\"').encode() in header
    with pytest.raises(UserError, match=r"frames: got .*; toy-bursts has no events"):
        bitspike.evaluate(again)
    with pytest.raises(UserError, match=r"graph frames.slices: got 0"):
        bitspike.evaluate(replace(net, frames={"slices": 0}))
    for wrong in ({"slices": 0.5}, {"a b": 1}, {"by": "ti\nme"}, {"size": [[1]]}):
        with pytest.raises(UserError, match=r"graph frames: got .*; want whole numbers and words by name"):
            replace(net, frames=wrong)


def test_a_network_of_other_samples_than_its_data_is_refused(tmp_path: Path) -> None:
    run = trained(config_of("toy-bursts", "epochs=1"), tmp_path / "run")
    with pytest.raises(UserError, match=r"images of toy-signs: got '12@3'; the network in mlp is for 4@2x8x8"):
        bitspike.evaluate(replace(run.freeze(), dataset="toy-signs"))
    one_answer = bitspike.freeze(trained(config_of("toy-signs", "epochs=1"), tmp_path / "each").model(), sample=SIGNS)
    with pytest.raises(UserError, match=r"labels of toy-signs: got 'of steps'; the network in .* answers others"):
        bitspike.evaluate(replace(one_answer.net, dataset="toy-signs"))


def test_a_network_of_other_classes_than_its_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own that has another class by now gives other labels to the old ones."""
    net = trained(config_of("toy-bursts", "epochs=1"), tmp_path / "run").freeze()
    toy = TOYS["toy-bursts"]
    more = replace(toy, classes=("another", *toy.classes))
    monkeypatch.setattr(registry, "DATASETS", {"toy-bursts": more})
    count = toy.num_classes
    says = rf"labels of toy-bursts: got '{count + 1} classes'; the network in mlp tells {count} apart"
    with pytest.raises(UserError, match=says):
        bitspike.evaluate(net)


def test_soft_labels_are_distributions_over_the_classes() -> None:
    from bitspike.training import LossConfig
    from bitspike.training.loss import loss_of

    logits = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    hard = torch.tensor([0, 1, 2, 3, 0])
    soft = torch.nn.functional.one_hot(hard, 4).float()
    mixed = 0.3 * soft + 0.7 * soft.roll(1, 0)
    for kind in ("mean", "tet"):
        config = LossConfig(kind=kind, label_smoothing=0.1)  # type: ignore[arg-type]
        for readout in ("mean", "last"):
            ours, wanted = (loss_of(logits, y, config, readout) for y in (soft, hard))  # type: ignore[arg-type]
            torch.testing.assert_close(ours, wanted)
            parts = [loss_of(logits, y, config, readout) for y in (hard, hard.roll(1, 0))]  # type: ignore[arg-type]
            torch.testing.assert_close(loss_of(logits, mixed, config, readout), 0.3 * parts[0] + 0.7 * parts[1])  # type: ignore[arg-type]
    per_step = hard.view(5, 1).expand(5, 3).clone()
    per_step[0, 1] = 3
    by_hand = np.mean([float(-logits[t, n].log_softmax(0)[per_step[n, t]]) for n in range(5) for t in range(3)])
    one_hot = torch.nn.functional.one_hot(per_step, 4).float()
    for labels in (per_step, one_hot):
        loss = float(loss_of(logits, labels, LossConfig(), "each"))
        torch.testing.assert_close(loss, float(by_hand), rtol=1e-5, atol=0)
    with pytest.raises(UserError, match=r"labels: got .*5, 3.*; they are of every step; want readout=each"):
        loss_of(logits, per_step, LossConfig(), "mean")
    with pytest.raises(UserError, match=r"labels: got '2 steps'; the logits have 3"):
        loss_of(logits, per_step[:, :2], LossConfig(), "each")
