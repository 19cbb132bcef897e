"""Conversions and allocations by the door: the same networks as by the parts."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

import bitspike
from bitspike import UserError
from bitspike.api.allocate import budget_of, folder_of, sweep
from bitspike.api.converted import Conversion
from bitspike.ir import SpikingMaxPool
from bitspike.ir import netfile as ir

TINY = ("train_size=256", "validation_size=100", "channels=4,4,6", "epochs=1")
RECIPE = "spikezip-convnet-digits"
ADAPTIVE = (
    "dataset=digits", "augment=", "tensorboard=false", "channels=2,2,4", "train_size=64", "validation_size=50",
    "batch_size=32", "epochs=1", "bits=2/2/1", "neuron.spare_bits=0", "neuron.spare_steps=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    return bitspike.convert(RECIPE, *TINY, name="made", runs_dir=tmp_path_factory.mktemp("runs"))


def test_a_recipe_is_converted_and_equal(made: Conversion) -> None:
    assert made.equal
    assert not made.is_wrong
    assert made.equivalence.logits_equal == made.equivalence.images == 360
    assert json.loads(json.dumps(made.record)) == json.loads((made.run.folder / "conversion.json").read_text())
    assert made.cost.to_dict()["total"] == json.loads((made.run.folder / "snn_cost.json").read_text())["total"]
    assert bitspike.evaluate(made.net).accuracy == pytest.approx(made.record["qann_accuracy"], abs=1e-3)
    with torch.no_grad():
        assert made.snn(made.run.images("test", 2).images).shape == (made.equivalence.T, 2, 10)


def test_a_recipe_with_its_max_pools_is_equal_on_every_image(tmp_path: Path) -> None:
    found = bitspike.convert(RECIPE, *TINY, name="made", runs_dir=tmp_path, max_pool="spiking")
    assert found.equal
    assert found.equivalence.logits_equal == found.equivalence.images == 360
    assert any(layer.taken_back for layer in found.equivalence.layers.values())
    assert sum(isinstance(node, SpikingMaxPool) for node in found.net.graph.nodes) == 3
    assert found.record["max_pool"] == found.record["source"]["max_pool"] == "spiking"
    again = bitspike.convert(tmp_path / "made", images=20, stop_when_settled=True)
    assert again.equal
    assert again.record["max_pool"] == "spiking"
    assert ir.to_bytes(again.net) == ir.to_bytes(found.net)


def test_max_pools_become_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--max-pool: got 'max'; want mean or spiking"):
        bitspike.convert(RECIPE, max_pool="max", runs_dir=tmp_path)  # type: ignore[arg-type]
    edit = "methods.paths-ensemble.max_pool=mean"
    with pytest.raises(UserError, match="--max-pool: got 'spiking'; the config says otherwise"):
        bitspike.convert(RECIPE, *TINY, edit, max_pool="spiking", runs_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_flat_record_has_both_costs(made: Conversion) -> None:
    flat = made.to_dict()
    assert flat["qann_s_ace"] == made.run.result["s_ace"]
    assert flat["s_ace"] == made.cost.total.s_ace
    assert flat["folder"] == str(made.run.folder)
    assert flat["accuracy_at_32"] == flat["accuracy"][-1] == flat["qann_accuracy"]


def test_a_run_is_converted_by_its_folder_and_by_itself(made: Conversion) -> None:
    before = (made.run.folder / "snn.bitspike").read_bytes()
    for source in (made.run, made.run.folder, str(made.run.folder)):
        found = bitspike.convert(source, images=20, method="qcfs", steps=4)
        assert (found.record["images"], found.equivalence.T, found.converted.method) == (20, 4, "qcfs")
        assert not found.is_wrong  # qcfs promises nothing
    assert (made.run.folder / "snn.bitspike").read_bytes() == before


def test_the_data_of_a_run_are_looked_for_where_it_was_told(made: Conversion, tmp_path: Path) -> None:
    folder = tmp_path / "ann"
    shutil.copytree(made.run.folder.parent / f"{RECIPE}-ann-seed0", folder)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"dataset": "digits"', '"dataset": "fashion-mnist"'))
    with pytest.raises(UserError, match=r"data directory: got .*nowhere"):
        bitspike.convert(bitspike.load_run(folder, tmp_path / "nowhere"), runs_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ann"]


def test_each_run_that_is_trained_has_its_observer(tmp_path: Path) -> None:
    seen: list[str] = []

    class Quiet:
        def begin(self, config: object) -> None: ...

        def step(self, *_: object) -> None: ...

        def epoch(self, line: object) -> None: ...

    @contextmanager
    def observers(name: str) -> Iterator[Quiet]:
        seen.append(name)
        yield Quiet()
        seen.append("ended")

    bitspike.convert(RECIPE, *TINY, name="b", runs_dir=tmp_path, images=10, observers=observers)
    assert seen == [f"{RECIPE}-ann-seed0", "ended", "b", "ended"]


def test_a_module_of_ones_own_is_converted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    edits, before = ("epochs=1", "train_size=256", "validation_size=100"), model[0].weight.clone()
    found = bitspike.convert(model, *edits, dataset="digits", runs_dir=tmp_path, images=50)
    assert found.equal
    assert found.run.folder == tmp_path / "Sequential-qann-8-4-1-seed0"
    assert found.net.graph.name == "Sequential"
    assert torch.equal(model[0].weight, before)
    with pytest.raises(UserError, match="--dataset"):
        bitspike.convert(model, runs_dir=tmp_path)
    with pytest.raises(UserError, match=r"--ann.*brings its weights"):
        bitspike.convert(model, dataset="digits", ann="x", runs_dir=tmp_path)


def test_a_budget_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    asked = ("adaptive-resnet8-thin-fashion", *ADAPTIVE)
    found = bitspike.allocate(*asked, max_size=280, max_s_ace=1e9, name="one", runs_dir=tmp_path)
    assert found.budget == {"size": 280, "s_ace": 1e9}
    assert found.costs["size"] == found.run.cost().total.size_bytes <= 280
    assert found.run.finished
    assert found.plan.layers
    assert found.record["folder"] == str(tmp_path / "one")
    again = bitspike.allocate(*asked, max_size=280, max_s_ace=1e9, name="one", runs_dir=tmp_path)
    assert again.record == found.record


def test_budgets_that_are_none(tmp_path: Path) -> None:
    asked = ("adaptive-resnet8-thin-fashion", *ADAPTIVE)
    with pytest.raises(UserError, match="budget: got 'none'"):
        bitspike.allocate(*asked, runs_dir=tmp_path)
    with pytest.raises(UserError, match="--max-size: got -1; want a number above 0"):
        bitspike.allocate(*asked, max_size=-1, runs_dir=tmp_path)
    with pytest.raises(UserError, match=r"--max-energy.*a sweep cannot tell"):
        sweep(asked[0], ADAPTIVE, budget_of(max_energy=5e3), trials=2, runs_dir=tmp_path)
    assert folder_of(asked[0], None, tmp_path) == tmp_path / f"{asked[0]}-allocated"
    assert list(tmp_path.iterdir()) == []


def test_what_is_amiss_is_a_python_warning_unless_somebody_is_told(tmp_path: Path) -> None:
    edits = ("epochs=1", "train_size=64", "validation_size=50", "batch_size=32")
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
    call = {"dataset": "digits", "images": 10, "runs_dir": tmp_path, "mean": [0.3], "std": 0.3}
    with pytest.warns(UserWarning, match="max pools become mean pools: 2; before"):
        found = bitspike.convert(model, *edits, **call, name="warned")
    assert found.run.config.mean == found.run.config.std == (0.3,)
    told: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = bitspike.convert(model, *edits, **call, name="told", say=told.append)
    assert told[0].startswith("your network: ")
    assert again.record["source"] == found.record["source"] == found.to_dict()["source"]


@pytest.mark.parametrize(
    ("method", "steps", "called"), [("opi", 32, "ANN"), ("sliprelu", 32, "ANN"), ("offset-spike", 36, "QANN")]
)
def test_the_conversions_of_other_papers(tmp_path: Path, method: str, steps: int, called: str) -> None:
    found = bitspike.convert(RECIPE, *TINY, method=method, name="made", runs_dir=tmp_path)
    flat = found.to_dict()
    assert (flat["T"], flat["method"], found.record["ann"], flat["bound"]) == (steps, method, called, None)
    assert len(flat["accuracy"]) == steps
    assert not found.is_wrong
    assert (flat["qann_s_ace"] is None) == (called == "ANN")
    assert found.cost.total.spikes > 0
    file = tmp_path / "made" / f"snn-{method}.bitspike"
    if method == "offset-spike":
        assert not file.exists()
        with pytest.raises(UserError, match="its layers run twice on each image"):
            _ = found.net
    else:
        right = bitspike.evaluate(file, engine="native").accuracy
        assert right == pytest.approx(flat["accuracy"][-1], abs=1e-3)
        with pytest.raises(UserError, match=r"--method spikezip converts a network .* QReLUs"):
            bitspike.convert(tmp_path / "made", images=20)
        with pytest.raises(UserError, match="its activations are floats"):
            bitspike.freeze(tmp_path / "made")
