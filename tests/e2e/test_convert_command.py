"""`bitspike convert` as a stranger types it: a recipe, a run, a network of one's own, and every mistake on the way."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike.cli import main
from bitspike.files import read_json
from bitspike.ir import load
from bitspike.neurons import STBIFNode

TINY = ("train_size=256", "validation_size=100", "channels=4,4,6", "epochs=1")
RECIPE = "spikezip-convnet-digits"
Command = Callable[..., tuple[int, str, str]]

OWN = """
import torch
from torch import nn

from bitspike.layers import Encoder, OverTime
from bitspike.neurons import QReLU


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
    )


def odd():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(144, 10))


def wide():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def seven():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 7))


def maps():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 10, 1))


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def ceiled():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten(), nn.Linear(36, 10)
    )


def wide_max():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2, dilation=2), nn.Flatten(), nn.Linear(36, 10))


def current():
    pooled = nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.ReLU()
    return nn.Sequential(*pooled, nn.Flatten(), nn.Linear(36, 10))


def encoded():
    conv, head = OverTime(nn.Conv2d(1, 4, 3)), OverTime(nn.Flatten(), nn.Linear(144, 10))
    return nn.Sequential(Encoder(mean=0.5), conv, QReLU(8), head)


def number():
    return 3
"""


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, command: Command) -> Command:
    """Runs the command in an empty folder: exit status, stdout, stderr."""
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)
    return command


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two runs of a recipe, made by one command."""
    folder = tmp_path_factory.mktemp("runs")
    edits = [part for edit in TINY for part in ("--set", edit)]
    command = ["bitspike", "convert", RECIPE, "--runs-dir", str(folder), "--name", "made", *edits]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return folder


def refused(outcome: tuple[int, str, str], *named: str) -> None:
    """One line on stderr that names what is asked for, status 2, nothing on stdout."""
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err


def test_a_recipe_leaves_both_networks_and_what_was_found(runs: Path) -> None:
    assert sorted(path.name for path in runs.iterdir()) == ["made", f"{RECIPE}-ann-seed0"]
    found = read_json(runs / "made" / "conversion.json")
    assert found["equal"]
    assert found["logits_equal"] == found["images"] == 360
    assert 0 < found["T_eq"] <= found["bound"] == found["T"] == 8 * 4
    assert found["accuracy"][-1] == found["qann_accuracy"]
    assert len(found["accuracy"]) == found["T"]
    assert all(layer["unequal"] == 0 for layer in found["layers"].values())
    cost = read_json(runs / "made" / "snn_cost.json")["total"]
    spikes = sum(layer["spikes"] for layer in found["layers"].values()) / found["images"]
    assert cost["spikes"] == pytest.approx(spikes, rel=0.2)  # validation images there, test images here


def test_the_frozen_network_is_evaluated_exported_and_costed(bitspike: Command, runs: Path, tmp_path: Path) -> None:
    net = runs / "made" / "snn.bitspike"
    wanted = read_json(runs / "made" / "conversion.json")["qann_accuracy"]
    for engine in ("oracle", "c"):
        status, out, _ = bitspike("evaluate", net, "--engine", engine, "--json")
        assert (status, json.loads(out)["accuracy"]) == (0, pytest.approx(wanted, abs=1e-3))
    assert bitspike("export", net, "--to", "c", "-o", tmp_path / "c")[0] == 0
    activity = runs / "made" / "snn_activity.json"
    status, out, _ = bitspike("cost", net, "--activity", activity, "--energy", "sop-77fj", "--json")
    measured = read_json(runs / "made" / "snn_cost.json")
    assert status == 0
    assert json.loads(out)["total"]["ns_ace"] == measured["total"]["ns_ace"]
    assert bitspike("evaluate", runs / "made")[0] == 0  # the quantized network
    assert bitspike("freeze", runs / "made", "-o", tmp_path / "qann.bitspike", "--images", 50)[0] == 0


def test_a_finished_run_is_converted_again_for_other_steps_and_methods(bitspike: Command, runs: Path) -> None:
    before = (runs / "made" / "snn.bitspike").read_bytes()
    status, out, _ = bitspike("convert", runs / "made", "--method", "qcfs", "--steps", 8, "--images", 40, "--json")
    found = json.loads(out)
    assert (status, found["equal"], found["images"], found["T"], found["bound"]) == (0, False, 40, 8, None)
    assert (runs / "made" / "snn.bitspike").read_bytes() == before
    assert (runs / "made" / "snn-qcfs.bitspike").exists()


def test_early_readout_is_the_same_curve_and_says_that_it_has_not_settled(bitspike: Command, runs: Path) -> None:
    whole = read_json(runs / "made" / "conversion.json")
    status, out, _ = bitspike("convert", runs / "made", "--steps", 3, "--json")
    found = json.loads(out)
    assert (status, found["settled"], found["equal"]) == (0, False, False)
    assert found["accuracy"] == whole["accuracy"][:3]
    status, out, _ = bitspike("convert", runs / "made", "--stop-when-settled")
    assert status == 0
    assert "360 of 360 test images" in out
    assert f"last spike at step {whole['T_eq']}" in out
    again = read_json(runs / "made" / "conversion.json")
    assert {key: again[key] for key in whole} == whole


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_networks_that_are_not_equal_end_with_status_1(
    bitspike: Command, runs: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setattr(STBIFNode, "v_init", property(lambda node: 0.0))  # condition 1
    status, out, _ = bitspike("convert", runs / "made", *options)
    assert status == 1
    assert '"equal": false' in out if options else "NOT equal" in out


def test_a_picture_is_drawn(bitspike: Command, runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "maps.svg"
    assert bitspike("convert", runs / "made", "--images", 20, "--picture", picture)[0] == 0
    text = picture.read_text()
    assert text.startswith("<?xml")
    bitspike("convert", runs / "made")


def test_a_run_of_relus_is_fine_tuned(bitspike: Command, runs: Path) -> None:
    ann = runs / f"{RECIPE}-ann-seed0"
    edits = ("--set", "epochs=1", "--set", "train_size=256", "--set", "neuron.paths=")
    status, out, _ = bitspike("convert", ann, *edits, "--json", "--images", 50)
    found = json.loads(out)
    assert (status, found["equal"], found["folder"]) == (0, True, f"runs/{RECIPE}-8-4-1-seed0")


def test_a_killed_fine_tuning_goes_on(bitspike: Command, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bitspike.training import loop

    edits = [part for edit in TINY for part in ("--set", edit)]
    command = ("convert", RECIPE, "--ann", runs / f"{RECIPE}-ann-seed0", "--name", "again", *edits)
    command += ("--images", 20)
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_one_step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert bitspike(*command)[0] == 130
    refused(bitspike(*command), "it holds a run; give --resume")
    refused(bitspike(*command, "--resume", "--set", "seed=1"), "--resume with seed", "started with 0")
    refused(bitspike("convert", "runs/again"), "run folder", "runs/again", "has not ended", "--resume")
    assert bitspike(*command, "--resume")[0] == 0
    assert bitspike(*command, "--resume")[0] == 0  # finished: converted again
    both = [(Path("runs/again") / name, runs / "made" / name) for name in ("checkpoint.safetensors", "snn.bitspike")]
    assert all(one.read_bytes() == other.read_bytes() for one, other in both[1:])


def test_a_killed_network_of_relus_goes_on(bitspike: Command, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--resume means the whole command, also before there is anything of the fine-tuning."""
    from bitspike.training import loop

    ann = Path("runs", f"{RECIPE}-ann-seed0")
    edits = [part for edit in TINY for part in ("--set", edit)]
    command = ("convert", RECIPE, "--name", "late", "--images", 20, *edits)
    refused(bitspike(*command, "--resume"), "runs/late", "no config.json")
    assert not Path("runs").exists()
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_watch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert bitspike(*command)[0] == 130
    assert [path.name for path in Path("runs").iterdir()] == [ann.name]
    refused(bitspike("convert", ann), str(ann), "has not ended")
    assert bitspike(*command, "--resume")[0] == 0
    for name in (f"{ann.name}/result.json", "late/conversion.json"):
        assert Path("runs", name).exists()
    assert Path("runs/late/snn.bitspike").read_bytes() == (runs / "made" / "snn.bitspike").read_bytes()


def test_float_weights_are_said_to_be_rounded(bitspike: Command, runs: Path) -> None:
    edits = [part for edit in (*TINY, "bits=16/4/1") for part in ("--set", edit)]
    ann = ("--ann", runs / f"{RECIPE}-ann-seed0")
    status, out, _ = bitspike("convert", RECIPE, *ann, "--name", "floats", *edits, "--images", 20)
    assert status == 0
    assert "float weights of 4 layers were rounded to 15 bits" in out
    assert read_json("runs/floats/conversion.json")["float_weights_rounded"] == 4
    status, out, _ = bitspike("convert", runs / "made")
    assert status == 0
    assert "rounded" not in out


def test_a_network_of_ones_own(bitspike: Command, tmp_path: Path) -> None:
    (tmp_path / "own_nets.py").write_text(OWN)
    edits = ("--set", "epochs=1", "--set", "train_size=256", "--set", "validation_size=100")
    status, out, err = bitspike("convert", "own_nets:make", "--dataset", "digits", *edits, "--json")
    found = json.loads(out)
    assert (status, found["equal"], found["images"]) == (0, True, 360), err
    assert Path(found["folder"], "snn.bitspike").exists()
    refused(bitspike("convert", "own_nets:odd", "--dataset", "digits"), "'1'", "Softplus cannot be converted")
    refused(bitspike("convert", "own_nets:wide", "--dataset", "digits", *edits), "1 channels", "wants 3")
    refused(bitspike("convert", "own_nets:number", "--dataset", "digits"), "want an nn.Module")
    refused(bitspike("convert", "own_nets:seven", "--dataset", "digits", *edits), "logits", "(7,)", "want 10")
    refused(bitspike("convert", "own_nets:maps", "--dataset", "digits", *edits), "logits", "(10, 6, 6)", "want 10")
    refused(bitspike("convert", "own_nets:linear", "--dataset", "digits", *edits), "no neurons", "ReLU")
    refused(bitspike("convert", "own_nets:ceiled", "--dataset", "digits", *edits), "max pool 2", "ceil_mode")
    refused(bitspike("convert", "own_nets:make"), "--dataset")
    refused(bitspike("convert", "own_nets:make", "--dataset", "nope"), "nope")
    refused(bitspike("convert", "own_nets:none", "--dataset", "digits"), "cannot be imported", "none")
    assert [path.name for path in Path("runs").iterdir()] == [Path(found["folder"]).name]


SMALL = ("--set", "epochs=1", "--set", "train_size=256", "--set", "validation_size=100", "--images", "20")

ELSEWHERE = """
import torch
from torch import nn
from torch.nn import functional as F

from bitspike.data import load


def trained(prepared, pool):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), pool(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), pool(2)]
    model, train = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 10)), load("digits")[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(8):
        for rows in torch.randperm(len(train)).split(64):
            loss = F.cross_entropy(model(prepared(train.images[rows])), train.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def normalised():
    return trained(lambda pixels: (pixels / 255 - 0.1307) / 0.3081, nn.AvgPool2d)


def maxed():
    return trained(lambda pixels: (pixels - 128.0) / 64, nn.MaxPool2d)
"""


def test_a_network_of_other_pixels_is_itself_once_told_and_far_off_if_not(bitspike: Command, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    own = ("convert", "elsewhere:normalised", "--dataset", "digits", *SMALL, "--json")
    told = (*own, "--mean", "0.1307", "--std", "0.3081", "--name", "told")
    status, out, err = bitspike(*told)
    source = json.loads(out)["source"]
    assert (status, json.loads(out)["equal"], source["better"]) == (0, True, None)
    assert source["accuracy"] == pytest.approx(source["own_accuracy"], abs=1)
    assert source["own_accuracy"] > 90
    assert source["difference"] < 1e-2
    assert err.index("your network: ") < err.index(": validation ")
    assert read_json("runs/told/conversion.json")["source"] == source
    assert read_json("runs/told/config.json")["mean"] == [0.1307]
    refused(
        bitspike(*own, "--mean", "0.5", "--name", "told", "--resume"), "--resume with mean", "started with [0.1307]"
    )
    assert bitspike(*told, "--resume")[0] == 0
    status, out, err = bitspike(*own, "--name", "untold")
    source = json.loads(out)["source"]
    assert source["better"]["accuracy"] > source["own_accuracy"] + 5
    assert err.index("far off: with --mean 0.1307 --std 0.3081 ") < err.index(": validation ")


def test_max_pools_are_said_before_the_training_by_path(bitspike: Command, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    status, out, err = bitspike("convert", "elsewhere:maxed", "--dataset", "digits", *SMALL, "--json", "--name", "m")
    source = json.loads(out)["source"]
    assert (status, source["max_pools"]) == (0, ["2", "5"])
    assert source["mean_pools_accuracy"] < source["accuracy"]
    assert err.index("max pools become mean pools: 2, 5; before ") < err.index(": validation ")


def test_max_pools_stay_and_are_spiking_ones_where_that_is_asked(bitspike: Command, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    command = ("convert", "elsewhere:maxed", "--dataset", "digits", *SMALL, "--name", "m")
    status, out, err = bitspike(*command, "--max-pool", "spiking", "--json")
    found = json.loads(out)
    assert (status, found["equal"], found["images"]) == (0, True, 20)
    assert found["source"]["max_pools"] == ["2", "5"]
    assert (found["source"]["max_pool"], found["source"]["mean_pools_accuracy"]) == ("spiking", None)
    assert err.index("max pools stay, and are spiking ones in the SNN: 2, 5\n") < err.index(": validation ")
    assert "mean pools" not in err
    assert read_json("runs/m/config.json")["methods"]["paths-ensemble"]["max_pool"] == "spiking"
    assert read_json("runs/m/conversion.json")["max_pool"] == "spiking"
    nodes = load("runs/m/snn.bitspike").graph.nodes
    assert [type(node).__name__ for node in nodes if "Pool" in type(node).__name__] == ["SpikingMaxPool"] * 2
    engines = [bitspike("evaluate", "runs/m/snn.bitspike", "--engine", engine, "--json") for engine in ("oracle", "c")]
    assert [status for status, _, _ in engines] == [0, 0]
    assert len({json.loads(out)["accuracy"] for _, out, _ in engines}) == 1
    before = Path("runs/m/snn.bitspike").read_bytes()
    assert bitspike("convert", "runs/m", "--images", "20")[0] == 0  # as the run has it
    assert bitspike(*command, "--max-pool", "spiking", "--resume")[0] == 0
    assert Path("runs/m/snn.bitspike").read_bytes() == before
    refused(bitspike(*command, "--resume"), "max_pool", "'mean'", "started with 'spiking'")
    refused(bitspike("convert", "runs/m", "--max-pool", "mean"), "fine-tuned", "--max-pool")


def test_a_max_pool_that_cannot_be_is_refused_before_anything_is_trained(bitspike: Command, tmp_path: Path) -> None:
    (tmp_path / "own_nets.py").write_text(OWN)
    own = ("--dataset", "digits", "--max-pool", "spiking")
    refused(bitspike("convert", "own_nets:ceiled", *own), "max pool 2", "ceil_mode")
    refused(bitspike("convert", "own_nets:wide_max", *own), "max pool 2", "dilation")
    refused(bitspike("convert", "own_nets:current", *own), "'1'", "MaxPool2d reads what 0 makes", "ReLU before it")
    without = ("--set", "methods.paths-ensemble=null", "--set", "neuron.paths=")
    refused(bitspike("convert", "own_nets:make", *own, *without), "--max-pool", "methods.paths-ensemble")
    status, out, err = bitspike("convert", "own_nets:make", "--dataset", "digits", "--max-pool", "min")
    assert (status, out) == (2, "")
    assert "min" in err
    assert not Path("runs").exists()


def test_a_recipe_and_its_run_say_their_max_pools(runs: Path) -> None:
    source = read_json(runs / "made" / "conversion.json")["source"]
    assert source["max_pools"] == ["features.2", "features.5", "features.8"]
    assert source["own_accuracy"] is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--mean", "33.3"), ("mean", "33.3", "pixel/255")),
        (("--mean", "0.5", "--std", "0"), ("std", "0.0")),
        (("--mean", "grey"), ("mean", "grey")),
        (("--mean", "nan"), ("mean", "nan")),
        (("--mean", "0.1,0.2,0.3"), ("1 channels", "mean and std of 3")),
        (("--mean", "0.1,0.2", "--std", "1,2,3"), ("mean and std", "as channels")),
        (("--mean", ""), ("mean", "want a value")),
    ],
)
def test_a_mean_that_no_pixels_have_is_one_line(
    bitspike: Command, tmp_path: Path, options: tuple[str, ...], named: tuple[str, ...]
) -> None:
    (tmp_path / "own_nets.py").write_text(OWN)
    refused(bitspike("convert", "own_nets:make", "--dataset", "digits", *SMALL, *options), *named)
    assert not Path("runs").exists()


def test_a_network_with_an_encoder_says_its_mean_itself(bitspike: Command, tmp_path: Path) -> None:
    (tmp_path / "own_nets.py").write_text(OWN)
    own = ("convert", "own_nets:encoded", "--dataset", "digits", *SMALL)
    refused(bitspike(*own, "--mean", "0.5"), "mean and std", "an Encoder of its own")
    refused(bitspike(*own), "step size of a q-relu", "train first")
    assert not Path("runs").exists()


def test_a_mean_beside_a_run_that_has_its_own_is_refused(bitspike: Command, runs: Path) -> None:
    ann = runs / f"{RECIPE}-ann-seed0"
    refused(bitspike("convert", ann, "--mean", "0.5"), "mean", "was trained with None")
    refused(bitspike("convert", runs / "made", "--mean", "0.5"), "it is fine-tuned", "--mean")
    edits = [part for edit in TINY for part in ("--set", edit)]
    refused(bitspike("convert", RECIPE, *edits, "--ann", ann, "--std", "0.5"), "std of", "want (0.5,)")


def test_a_recipe_is_trained_on_normalised_images(bitspike: Command) -> None:
    edits = [part for edit in TINY for part in ("--set", edit)]
    status, out, _ = bitspike("convert", RECIPE, *edits, "--mean", "0.3", "--std", "0.4", "--images", 20, "--json")
    found = json.loads(out)
    assert (status, found["equal"]) == (0, True)
    assert bitspike("evaluate", Path(found["folder"]) / "snn.bitspike", "--engine", "c")[0] == 0
    assert bitspike("cost", Path(found["folder"]) / "snn.bitspike")[0] == 0
    assert bitspike("freeze", found["folder"], "-o", "qann.bitspike", "--images", 20)[0] == 0


def test_a_picture_that_cannot_be_drawn_is_refused_before_the_training(
    bitspike: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # not installed
    refused(bitspike("convert", RECIPE, "--picture", "maps.png"), "matplotlib", "bitspike[viz]")
    assert not Path("runs").exists()


def test_mistakes_are_one_line(bitspike: Command, runs: Path, tmp_path: Path) -> None:
    made = runs / "made"
    refused(bitspike("convert", "nope"), "recipe", "nope")
    refused(bitspike("convert", "digits-convnet"), "want one of q-relu neurons")
    refused(bitspike("convert", made, "--method", "magic"), "--method", "qcfs")
    refused(bitspike("convert", made, "--steps", 0), "steps", "1 to 1024")
    refused(bitspike("convert", made, "--images", 361), "--images", "360")
    refused(bitspike("convert", made, "--picture", "maps.gif"), "--picture", "png")
    refused(bitspike("convert", made, "--set", "epochs=2"), "it is fine-tuned")
    refused(bitspike("convert", made, "--dataset", "digits"), "--dataset")
    refused(bitspike("convert", made, "--ann", made), "--ann")
    refused(bitspike("convert", RECIPE, "--set", "neuron.levels=4"), "neuron.levels", "spike bits")
    refused(bitspike("convert", RECIPE, "--set", "neuron.kind=relu"), "q-relu")
    refused(bitspike("convert", made, "--method", "qcfs", "--stop-when-settled"), "never settles")
    refused(bitspike("train", RECIPE), "neuron.paths", "bitspike convert")
    edits = [part for edit in TINY for part in ("--set", edit)]
    ann = runs / f"{RECIPE}-ann-seed0"
    refused(bitspike("convert", "runs/none"), "run folder", "runs/none", "no config.json")
    refused(bitspike("convert", tmp_path), "run folder", str(tmp_path), "no config.json")
    refused(bitspike("convert", RECIPE, *edits, "--resume", "--name", "none"), "runs/none", "no config.json")
    refused(bitspike("convert", RECIPE, *edits, "--ann", made), "--ann", "neuron.kind=relu", "q-relu")
    refused(bitspike("convert", RECIPE, "--ann", ann), "channels of", "(4, 4, 6)", "want (8, 16, 32)", "--ann")
    refused(bitspike("convert", RECIPE, *edits, "--set", "model=resnet8-thin", "--ann", ann), "'convnet'", "'resnet8-")
    many = ("--set", "bits=8/10/1", "--set", "neuron.levels=1023")
    refused(bitspike("convert", RECIPE, *edits, *many), "steps: got 4092", "1 to 1024")
    refused(bitspike("convert", ann, "--images", 361), "--images", "360")
    (tmp_path / "folder.png").mkdir()
    refused(bitspike("convert", RECIPE, "--picture", "folder.png"), "--picture", "folder.png", "it is a folder")
    broken = tmp_path / "broken"
    shutil.copytree(made, broken)
    (broken / "checkpoint.safetensors").write_bytes((made / "checkpoint.safetensors").read_bytes()[:500])
    refused(bitspike("convert", broken), "checkpoint", str(broken), "not a checkpoint")
    assert bitspike("train", "digits-convnet", *edits, "--name", "spiking")[0] == 0
    refused(bitspike("convert", "runs/spiking"), "neuron.kind", "multibit", "want a run of relu or q-relu")
    refused(bitspike("convert", RECIPE, *edits, "--ann", "runs/spiking"), "--ann", "neuron.kind=relu", "multibit")
    shutil.rmtree("runs")
    assert not (tmp_path / "runs").exists()
