"""One small run of the digits, and everything that the door says of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bitspike
from bitspike import Run, UserError
from bitspike.api.train import configured, run_name
from bitspike.backends import oracle
from bitspike.ir import FrozenGraph, Graph, load
from bitspike.layers import mean_over_time
from bitspike.lowering import lower
from bitspike.recipes import recipe

TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1")
IMAGE = (1, 8, 8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return bitspike.train("digits-convnet", *TINY, name="one", runs_dir=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def stopped(run: Run, tmp_path: Path) -> Run:
    """The run without what was written once its training had ended."""
    folder = tmp_path / "stopped"
    shutil.copytree(run.folder, folder)
    for name in ("result.json", "activity.json", "cost.json"):
        (folder / name).unlink()
    return bitspike.load_run(folder)


def test_a_run_is_found_again(run: Run) -> None:
    again = bitspike.load_run(str(run.folder))
    assert again == run
    assert run.finished
    assert run.result == json.loads((run.folder / "result.json").read_text())
    assert run.config.channels == (4, 4, 8)


def test_its_folder_is_named_after_recipe_bits_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = bitspike.train("digits-convnet", *TINY, "bits=1/1/2/8", "neuron.kind=quant-lif", "seed=3")
    assert made.folder == Path("runs/digits-convnet-1-1-2-8-seed3")
    assert run_name(made.config) == made.folder.name
    assert bitspike.evaluate("runs/digits-convnet-1-1-2-8-seed3").total == 360


def test_a_config_trains_as_its_recipe_does(run: Run, tmp_path: Path) -> None:
    config = configured("digits-convnet", TINY)
    again = bitspike.train(config, name="two", runs_dir=tmp_path)
    untimed = [{key: value for key, value in r.result.items() if key != "seconds"} for r in (run, again)]
    assert untimed[0] == untimed[1]
    assert configured(recipe("digits-convnet"), TINY) == config


def test_the_observer_is_told(tmp_path: Path) -> None:
    class Watching:
        def __init__(self) -> None:
            self.steps, self.epochs = 0, 0

        def step(self, step: int, total: int, epoch: int, images_per_second: float, loss: float) -> None:
            self.steps += 1

        def begin(self, config: object) -> None: ...

        def epoch(self, line: dict[str, object]) -> None:
            self.epochs += 1

    watching = Watching()
    bitspike.train("digits-convnet", *TINY, runs_dir=tmp_path, observer=watching)
    assert (watching.steps, watching.epochs) == (4, 1)


def test_the_model_is_trained_and_in_evaluation_mode(run: Run) -> None:
    model, images = run.model(), run.images("test")
    assert not any(module.training for module in model.modules())
    with torch.no_grad():
        logits = model(images.images)
    assert logits.shape == (run.config.bits.t, 360, 10)
    right = int((mean_over_time(logits).argmax(1) == images.labels).sum())
    seen = run.evaluate()
    assert (seen.correct, seen.total, seen.accuracy) == (right, 360, run.result["test_accuracy"])
    assert run.model() is not model


def test_both_splits_are_evaluated(run: Run) -> None:
    seen = run.evaluate("validation")
    assert (seen.dataset, seen.split, seen.total, seen.bits) == ("digits", "validation", 100, "2/2/1")
    assert seen.accuracy == run.result["validation_accuracy"]
    assert bitspike.evaluate(run, "validation") == bitspike.evaluate(run.folder, "validation") == seen
    assert str(seen) == f"digits validation: {seen.correct} of 100 right, {seen.accuracy:.2f} %"
    assert list(seen.to_dict()) == ["dataset", "split", "bits", "counted", "correct", "total", "accuracy", "loss"]


def test_the_graph_and_the_activity_cost_what_training_said(run: Run) -> None:
    graph, activity = run.graph(), run.activity()
    assert activity is not None
    assert isinstance(graph, Graph)
    assert activity.images == 100
    report = run.cost()
    for key in ("s_ace", "ns_ace", "size_bytes", "sops", "spikes"):
        assert getattr(report.total, key) == run.result[key]
    assert 0 < run.cost("paper-001").total.s_ace < run.result["s_ace"]  # without the first convolution
    priced = run.cost(energy="lemaire").energy
    assert priced is not None
    assert priced.snn is not None
    assert priced.snn.total.total == run.result["energy_nj"]


def test_every_source_of_a_cost_is_the_same_network(run: Run, tmp_path: Path) -> None:
    net = run.freeze()
    file = tmp_path / "net.bitspike"
    bitspike.freeze(run, file)
    wanted = run.cost().total
    assert bitspike.cost(run).total == bitspike.cost(str(run.folder)).total == wanted
    for source in (net, net.graph, file, str(file)):
        found = bitspike.cost(source, activity=run.folder / "activity.json").total
        assert (found.s_ace, found.sops, found.spikes) == (wanted.s_ace, wanted.sops, wanted.spikes)
        assert bitspike.cost(source).total.sops is None
    assert bitspike.cost(run.graph(), activity=run.activity()) == run.cost()
    model = run.model()
    own = bitspike.cost(model, sample=IMAGE)
    assert (own.total.s_ace, own.model) == (wanted.s_ace, type(model).__name__)


def test_costing_a_network_leaves_it_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 10))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    narrow = bitspike.cost(model, bits="2/1/1").total.size_bytes
    assert narrow < bitspike.cost(model).total.size_bytes
    assert {name: value.shape for name, value in model.state_dict().items()} == {n: v.shape for n, v in before.items()}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_network_of_the_registry_is_costed_by_text_and_by_value() -> None:
    plan = bitspike.BitPlan(bitspike.Bits(2, 2, 1))
    shape: dict[str, Any] = {"sample": (1, 28, 28), "channels": (4, 4, 4), "classes": 5}
    by_text = bitspike.cost("convnet", bits="2/2/1", **shape)
    assert bitspike.cost("convnet", plan=plan, **shape) == by_text
    assert bitspike.cost("convnet", bits=plan.default, **shape) == by_text
    assert by_text.layers[-1].weights % 5 == 0


def test_freezing_writes_and_compares_what_is_asked_for(run: Run, tmp_path: Path) -> None:
    net = run.freeze()
    assert isinstance(net, FrozenGraph)
    assert net.dataset == "digits"
    alone = bitspike.freeze(run)
    assert (alone.file, alone.bytes, alone.comparison) == (None, None, None)
    assert "file" not in alone.to_dict()
    whole = bitspike.freeze(run.folder, tmp_path / "net.bitspike", images=50, split="test")
    assert whole.file == tmp_path / "net.bitspike"
    assert whole.bytes == whole.file.stat().st_size
    compared = whole.comparison
    assert compared is not None
    assert compared.agreement.images == 50
    images = run.images("test", 50)
    right = (oracle.logits(net, images.images.numpy()).argmax(1) == images.labels.numpy()).mean()
    assert compared.integer_accuracy == 100 * right
    for other in (alone.net, whole.net, load(whole.file)):
        assert all(np.array_equal(value, other.tensors[name]) for name, value in net.tensors.items())
        assert other.graph == net.graph


def test_a_network_of_ones_own_is_frozen(run: Run) -> None:
    model = run.model().train()
    frozen = bitspike.freeze(model, sample=IMAGE)
    assert frozen.net.graph.nodes == run.freeze().graph.nodes
    assert frozen.net.dataset == ""


@pytest.mark.parametrize("engine", ["oracle", "c"])
def test_integers_are_evaluated_by_every_engine(run: Run, tmp_path: Path, engine: str) -> None:
    frozen = bitspike.freeze(run, tmp_path / "net.bitspike", images=360, split="test")
    assert frozen.comparison is not None
    for source in (frozen.net, frozen.file):
        assert source is not None
        seen = bitspike.evaluate(source, engine=engine)
        assert (seen.engine, seen.split, seen.total, seen.loss) == (engine, "test", 360, None)
        assert seen.accuracy == pytest.approx(frozen.comparison.integer_accuracy, abs=1e-4)


def test_a_run_and_its_integers_are_exported_alike(run: Run, tmp_path: Path) -> None:
    made = bitspike.export(run, "c", tmp_path / "a", name="digits")
    again = bitspike.export(run.freeze(), "c", tmp_path / "b", name="digits")
    assert [file.name for file in made.files] == ["digits.c", "digits.h", "digits_simd.h", "main.c"]
    assert made.facts == again.facts
    assert made.facts["flash_bytes_counted"] == bitspike.cost(run.freeze()).total.size_bytes
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(made.files, again.files, strict=True))


def test_a_run_that_has_not_ended_has_a_model_and_a_cost_but_no_result(stopped: Run) -> None:
    assert not stopped.finished
    assert stopped.activity() is None
    assert stopped.cost().total.spikes is None
    assert stopped.evaluate().total == 360
    with pytest.raises(UserError, match="its training has not ended"):
        stopped.result  # noqa: B018
    with pytest.raises(UserError, match="its training has not ended"):
        stopped.ended()


def test_learned_bits_are_those_of_the_graph(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "learned")
    (tmp_path / "learned" / "bits.json").write_text('{"default": "2/2/1", "layers": {"features.3.0": {"w": 5}}}')
    widths = {node.name: node.weight_bits for node in bitspike.load_run(tmp_path / "learned").graph().synapses()}
    assert 5 in widths.values()
    assert widths != {node.name: node.weight_bits for node in run.graph().synapses()}


def test_the_data_of_a_run_are_looked_for_where_it_was_told(run: Run, tmp_path: Path) -> None:
    there = bitspike.load_run(run.folder, tmp_path / "nowhere")
    assert there.data_dir == tmp_path / "nowhere"
    fashion = replace(there, config=there.config.model_copy(update={"dataset": "fashion-mnist"}))
    with pytest.raises(UserError, match="nowhere"):
        fashion.images()


# What is refused, in one line that names it


def refused(*named: str) -> pytest.RaisesExc[UserError] | object:
    return pytest.raises(UserError, match=".*".join(named))


@pytest.mark.parametrize("verb", [bitspike.load_run, bitspike.evaluate, bitspike.freeze])
def test_a_text_that_is_no_run(verb: object, tmp_path: Path) -> None:
    for place in ("nowhere", str(tmp_path), tmp_path / "none"):
        with refused("run folder: got", "no config.json in it; want a folder that train made"):
            verb(place)  # type: ignore[operator]


def test_a_text_that_is_no_network(tmp_path: Path) -> None:
    with refused("model: got 'resnet21'", "did you mean 'resnet20'", "a run folder, a recipe, a frozen file"):
        bitspike.cost("resnet21")
    with refused("a folder must hold the config.json of a run"):
        bitspike.cost(tmp_path)
    with refused("model: got 'nowhere:make'", "No module named 'nowhere'"):
        bitspike.cost("nowhere:make")
    with refused("network", "No such file"):
        bitspike.export("nowhere", "c", tmp_path)


def test_a_recipe_or_an_edit_that_is_none(run: Run, tmp_path: Path) -> None:
    with refused("recipe: got 'digit-convnet'", "did you mean 'digits-convnet'"):
        bitspike.train("digit-convnet", runs_dir=tmp_path)
    with refused("--set: got 'epochs'", "want key=value"):
        bitspike.train("digits-convnet", "epochs", runs_dir=tmp_path)
    with refused("run folder", "it holds a run"):
        bitspike.train("digits-convnet", *TINY, name="one", runs_dir=run.folder.parent)
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_do_not_go_together(run: Run, tmp_path: Path) -> None:
    net = run.freeze()
    with refused("--engine: got 'c'", "is none"):
        bitspike.evaluate(run, engine="c")
    with refused("--split: got 'test'", "leave it out"):
        bitspike.evaluate(net, "test")
    with refused("--split: got 'train'", "want test or validation"):
        run.images("train")  # type: ignore[arg-type]
    with refused("--engine: got 'rust'", "known: c, native, onnx, oracle"):
        bitspike.evaluate(net, engine="rust")
    with refused("--cc: got 'gcc'"):
        bitspike.evaluate(net, cc="gcc")
    with refused("--to: got 'rust'", "onnx"):
        bitspike.export(net, "rust", tmp_path)
    with refused("--cc: got 'gcc'"):
        bitspike.export(net, "onnx", tmp_path, cc="gcc")
    with refused("--bits: got '2/2/1'", "one of --bits and --plan"):
        bitspike.cost("convnet", bits="2/2/1", plan=bitspike.BitPlan(bitspike.Bits(2, 2, 1)))
    with refused("bits: got ''", "want weight/spike/steps"):
        bitspike.cost("convnet", bits="")
    for shape in ((3, 99999, 99999), (3, 32), (3, 0, 32)):
        with refused("--input: got", "100,000,000 values"):
            bitspike.cost("convnet", sample=shape)
    with refused("--input: got '1x8x8'", "has its own"):
        bitspike.cost(run, sample=IMAGE)
    with refused("--channels: got '4,4'", "FrozenGraph has its own"):
        bitspike.cost(net, channels=(4, 4))
    with refused("sample", "a run has its own"):
        bitspike.freeze(run, sample=IMAGE)
    with refused("sample", "Flatten"):
        bitspike.freeze(nn.Flatten())
    with refused("--images: got 5", "only a run has images"):
        bitspike.freeze(run.model(), sample=IMAGE, images=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", [361, -1])
def test_images_that_are_not_there(run: Run, tmp_path: Path, images: int) -> None:
    with refused(f"--images: got {images}", "the test split of digits has 360"):
        bitspike.freeze(run, tmp_path / "net", images=images, split="test")
    assert list(tmp_path.iterdir()) == []


def test_an_own_module_is_lowered_under_its_name() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert bitspike.cost(model, sample=IMAGE).layers[0].weights == 640
    assert lower(model, IMAGE, "x")["1"].name == "1"
