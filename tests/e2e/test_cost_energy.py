"""`bitspike cost --energy` as a stranger types it, and the picture of spikes on shortcuts."""

import json
import time
from pathlib import Path

import pytest
import torch

from bitspike import recipes, training
from bitspike.bits import BitPlan, Bits
from bitspike.costs import Activity, energy
from bitspike.files import read_json, write_json
from bitspike.lowering import lower, measure
from bitspike.models import build_model

MODELS = ("energy", "about", "constants", "activity", "network", "ann", "snn", "ratio")
PARTS = ("potentials", "weights", "bias", "in_out", "synaptic", "addressing")
TINY = ("convnet", "--channels", "2,4,4", "--input", "1x8x8", "--bits", "16/2/2")


def record(path, name, bits, sample, **options):
    """What random images set off in a network of the registry, as a run would write it; and its graph."""
    torch.manual_seed(0)
    model = build_model(name, BitPlan(bits), sample=sample, num_classes=10, **options)
    graph = lower(model, sample, name)
    activity = measure(model, graph, [torch.randint(0, 256, (2, *sample)).float()], "2 random images")
    write_json(path, activity.to_dict())
    return graph


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    record(folder / "tiny.json", "convnet", Bits(16, 2, 2), (1, 8, 8), channels=(2, 4, 4))
    return folder / "tiny.json"


@pytest.fixture(scope="module")
def run_folders(tmp_path_factory):
    """One epoch each of two residual networks."""
    folders = []
    for name in ("sew-resnet18", "sparse-resnet18"):
        edits = [f"model={name}", "epochs=1", "train_size=64", "channels=2,2,2,2", "tensorboard=false"]
        config = training.override(recipes.recipe("digits-convnet"), edits)
        folder = training.RunFolder(tmp_path_factory.mktemp("runs") / name)
        training.train(config, folder)
        folders.append(folder.path)
    return folders


@pytest.fixture
def bitspike(command, monkeypatch):
    """Runs a command in an empty folder: exit status, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "80")
    return command


def result(outcome):
    status, out, err = outcome
    assert (status, err) == (0, "")
    return json.loads(out)


def refused(outcome, *named):
    """One line on stderr that names what is asked for, status 2, nothing on stdout."""
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err


def test_a_network_of_the_registry_with_recorded_activity(bitspike, recorded):
    report = result(bitspike("cost", *TINY, "--activity", recorded, "--energy", "lemaire", "--json"))
    assert report["activity"] == report["energy"]["activity"] == "2 images: 2 random images"
    found = report["energy"]
    assert set(found) == set(MODELS)
    assert found["constants"]["memories"]["width"] == 16
    for network in (found["ann"], found["snn"]):
        assert [layer["name"] for layer in network["layers"]] == [layer["name"] for layer in report["layers"]]
        assert network["total"]["total"] == pytest.approx(sum(network["total"][part] or 0 for part in PARTS))
    assert found["ratio"] == found["snn"]["total"]["total"] / found["ann"]["total"]["total"]
    assert result(bitspike("cost", *TINY, "--json"))["energy"] is None


def test_the_constants_are_read(bitspike, recorded):
    def snn(*words):
        return result(bitspike("cost", *TINY, "--activity", recorded, "--energy", *words, "--json"))["energy"]["snn"]

    plain = snn("lemaire")["total"]
    assert snn("lemaire", "--memory-width", 16, "--fifo", 1000, "--spike-cost", "worst")["total"] == plain
    assert snn("lemaire", "--memory-width", 8)["total"]["memory"] < plain["memory"]
    assert snn("lemaire", "--fifo", 10)["total"]["in_out"] < plain["in_out"]
    assert snn("lemaire", "--spike-cost", "level")["total"]["synaptic"] < plain["synaptic"]
    assert snn("lemaire", "--leak")["total"]["synaptic"] > plain["synaptic"]
    assert snn("lemaire-int8")["total"]["synaptic"] < plain["synaptic"]
    assert snn("horowitz")["total"]["memory"] is None


def test_a_table_for_people(bitspike, recorded):
    status, out, err = bitspike("cost", *TINY, "--activity", recorded, "--energy", "lemaire")
    assert (status, err) == (0, "")
    for word in ("in nJ per inference", "ANN", "SNN", "potentials", "in/out", "addressing", "E_SNN / E_ANN", "Lemaire"):
        assert word in out
    assert "…" not in out
    rows = {cells[1].strip(): cells[2:4] for line in out.splitlines() if len(cells := line.split("│")) == 5}
    assert rows["potentials"][0].strip() == "–"


def test_run_folders(bitspike, run_folders):
    for folder in run_folders:
        found = result(bitspike("cost", folder, "--energy", "sop-77fj", "--json"))
        assert found["energy"]["activity"] == "200 images: the first 200 validation images of digits"
        assert len(found["paths"]["joins"]) == 8
        assert found["paths"]["spikes"] == pytest.approx(found["total"]["spikes"])
        assert (found["paths"]["events"] == found["paths"]["spikes"]) == ("sparse" in folder.name)


def test_a_network_that_does_not_spike(bitspike, tmp_path):
    (tmp_path / "plain_net.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())\n"
    )
    found = result(bitspike("cost", "plain_net:make", "--energy", "lemaire", "--json"))["energy"]
    assert (found["snn"], found["ratio"]) == (None, None)
    out = bitspike("cost", "plain_net:make", "--energy", "lemaire")[1]
    assert "ANN" in out
    assert "E_SNN" not in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--energy", "lemaire"), ["energy: got 'lemaire'", "energy needs measured spikes"]),
        (("--energy", "lemair"), ["energy: got 'lemair'", "did you mean 'lemaire'?", "sop-77fj"]),
        (("--energy", ""), ["--energy: got ''", "want a value"]),
        (("--fifo", 10), ["--fifo: got 10", "only --energy lemaire reads it"]),
        (("--leak",), ["--leak: got True", "only --energy lemaire reads it"]),
        (("--energy", "horowitz", "--memory-width", 8), ["memory width: got 8", "horowitz counts operations alone"]),
        (("--energy", "lemaire", "--memory-width", 0), ["memory width: got 0", "1 to 64 bits"]),
        (("--energy", "lemaire", "--memory-width", 65), ["memory width: got 65"]),
        (("--energy", "lemaire", "--memory-width", "x"), ["--memory-width", "whole number"]),
        (("--energy", "lemaire", "--fifo", 0), ["fifo of the memory: got 0"]),
        (("--energy", "lemaire", "--spike-cost", "mean"), ["spike cost: got 'mean'", "worst", "level"]),
        (("--energy", "gates"), ["energy: got 'gates'", "energy needs measured spikes"]),
        (("--energy", "gates", "--fifo", 10), ["fifo: got 10", "gates counts bits of gates"]),
        (("--energy", "horowitz", "--constants", "x"), ["--constants: got 'x'", "only gates reads a file"]),
        (("--constants", "x"), ["--constants: got 'x'", "--energy gates and --hardware"]),
        (("--hardware", "ice"), ["--hardware: got 'ice'", "did you mean 'ice40'?"]),
        (("--hardware", "ice40"), ["features.0.0: 16 weight bits", "want integers"]),
        (("--hardware", "ice40", "--pes", 0), ["--pes: got 0", "1 to 4096"]),
        (("--hardware", "ice40", "--constants", "text.json"), ["--constants: got 'text.json'", "not JSON"]),
        (("--pes", 4), ["--pes: got 4", "only --hardware reads it"]),
        (("--activity", "none.json"), ["none.json", "No such file"]),
        (("--activity", "text.json"), ["text.json", "not JSON"]),
        (("--activity", "list.json"), ["activity", "bitspike train"]),
        (("--activity", "."), ["Is a directory"]),
    ],
)
def test_a_mistake_is_one_line(bitspike, tmp_path, words, named):
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    refused(bitspike("cost", *TINY, *words), *named)
    refused(bitspike("cost", *TINY, *words, "--json"), *named)


def test_activity_of_another_network(bitspike, recorded, run_folders):
    refused(bitspike("cost", "convnet", "--activity", recorded), "it is of another network")
    refused(bitspike("cost", "vgg9", "--activity", recorded, "--energy", "lemaire"), "of another network")
    refused(bitspike("cost", run_folders[0], "--activity", recorded), "--activity: got", "has its own")


@pytest.mark.parametrize("name", ["vgg16", "sparse-resnet18"])
def test_energy_takes_no_time(name, tmp_path):
    """The whole command is under 2 s on an idle machine, nearly all of it to import torch; this is our share."""
    graph = record(tmp_path / "a.json", name, Bits(16, 1, 2), (3, 32, 32))
    activity = Activity.from_dict(read_json(tmp_path / "a.json"))
    start = time.process_time()
    energy(graph, "lemaire", activity)
    assert time.process_time() - start < 0.2


def test_the_picture_of_shortcuts(bitspike, run_folders, tmp_path):
    pytest.importorskip("matplotlib")
    assert bitspike("report", "avalanche", *run_folders, "-o", "x.svg") == (0, "wrote x.svg\n", "")
    drawn = (tmp_path / "x.svg").read_text()
    for word in ("sew-resnet18", "sparse-resnet18", "block_0", "sum_7", "res_7"):
        assert f"<!-- {word} -->" in drawn


def test_the_picture_wants_sums_of_spikes(bitspike, tmp_path):
    pytest.importorskip("matplotlib")
    config = training.override(
        recipes.recipe("digits-convnet"), ["epochs=1", "train_size=64", "channels=2,4,4", "tensorboard=false"]
    )
    folder = training.RunFolder(tmp_path / "plain")
    training.train(config, folder)
    refused(bitspike("report", "avalanche", folder.path, "-o", "x.png"), "run: got 'plain'", "adds no spikes")


def test_an_estimate_on_an_fpga(bitspike):
    net = Path(__file__).parents[2] / "examples" / "fashion-tiny.bitspike"
    report = result(bitspike("cost", net, "--hardware", "ecp5", "--pes", 4, "--json"))
    found = report["hardware"]
    assert (found["device"], found["elements"], found["w"], found["s"]) == ("ecp5", 4, 4, 8)
    assert [engine["element"] for engine in found["engines"]] == ["parallel", "serial", "event"]
    assert found["memory_bits"]["total"] == 8 * report["memory"][0]["total"]
    status, out, _ = bitspike("cost", net, "--hardware", "ecp5", "--pes", 4)
    assert status == 0
    assert "cycles of an image, at least" in out
    assert report["energy"] is None
