"""`bitspike cost` as a stranger types it: the papers' numbers, one's own networks, and every mistake on the way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bitspike import recipes, training
from bitspike.cli import main

BITSPIKE = Path(sys.executable).with_name("bitspike")
TINY = Path(__file__).parents[2] / "examples" / "fashion-tiny.bitspike"
NETS = """
from torch import nn
from bitspike.layers import Encoder, OverTime
from bitspike.neurons import MultiBitLIFNode

print("a line on the way")


def spiking():
    import helpers  # found where the command runs, also when it is imported late

    return helpers.wrap(Encoder(), OverTime(nn.Conv2d(3, 4, 3)), MultiBitLIFNode(T=2, spike_bits=3),
                        OverTime(nn.Flatten(), nn.Linear(4 * 30 * 30, 10)))

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 10))

def odd():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU())

def fails():
    raise RuntimeError("two\\nlines")

def ends():
    raise SystemExit("bye")

def takes(argument):
    return plain()

def nothing():
    pass

number = 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder, and no module of an earlier test."""
    monkeypatch.chdir(tmp_path)
    for module in ("nets", "helpers", "broken"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


@pytest.fixture
def cost(monkeypatch, capsys):
    """Runs the command in this process: exit status, stdout, stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["bitspike", "cost", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of one epoch on digits."""
    config = training.override(
        recipes.recipe("digits-convnet"), ["epochs=1", "train_size=100", "channels=2,4,4", "tensorboard=false"]
    )
    folder = training.RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    training.train(config, folder)
    return folder.path


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


@pytest.mark.parametrize(
    ("words", "s_ace", "size"),
    [
        ("resnet20 --bits 16/1/4 --input 3x32x32", 165.58e9, 34_554_624),
        ("resnet18 --bits 16/1/2", 17.717e9, 22_328_704),
        ("sew-resnet34 --bits 16/1/4 --input 3x224x224", 226.93e9, 43_559_296),
    ],
)
def test_the_papers_numbers_from_the_installed_command(words, s_ace, size):
    done = subprocess.run(
        [BITSPIKE, "cost", *words.split(), "--counting", "paper-001", "--json"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    total = json.loads(done.stdout)["total"]
    assert total["s_ace"] == pytest.approx(s_ace, rel=1e-4)
    assert total["size_bytes"] == size


def test_a_mistake_from_the_installed_command():
    done = subprocess.run([BITSPIKE, "cost", "resnet21", "--json"], capture_output=True, text=True)
    refused((done.returncode, done.stdout, done.stderr), "model: got 'resnet21'; did you mean 'resnet20'?")


def test_a_table_for_people(cost, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    status, out, err = cost("sew-resnet18")
    assert (status, err) == (0, "")
    for word in ("blocks.7.residual.2.0", "Bit Budget", "S-ACE", "parameters", "bytes", "counting: exact", "16/1/4"):
        assert word in out


def test_prefixes_reach_far(cost):
    assert "46.11 T bit operations" in cost("sew-resnet34", "--bits", "16/4/512")[1]


def test_defaults(cost):
    report = result(cost("sew-resnet18", "--json"))
    assert (report["counting"], report["layers"][-1]["weights"]) == ("exact", 512 * 10)
    assert {(layer["w"], layer["t"]) for layer in report["layers"][1:]} == {(16, 4)}
    assert result(cost("sew-resnet18", "--input", "3x65x64", "--json"))["layers"][-1]["weights"] == 512 * 1000
    small = result(cost("sew-resnet18", "--classes", 7, "--channels", "2,3,4,5", "--json"))
    assert small["layers"][-1]["weights"] == 5 * 7


def test_a_train_is_counted_at_each_of_its_steps(cost):
    first = {}
    for levels in ((), ("--levels", "0..15"), ("--levels", "-1..1")):
        layers = result(cost("convnet", "--input", "5@2x9x8", *levels, "--json"))["layers"]
        first[levels[1:]] = (layers[0]["s"], layers[0]["t"], layers[0]["s_ace"] // layers[0]["macs"])
        assert {layer["t"] for layer in layers} == {5}
    assert first == {(): (1, 5, 80), ("0..15",): (4, 5, 320), ("-1..1",): (2, 5, 160)}


def test_a_plan(cost, here):
    plan = {"default": "2/2/1", "layers": {"features.0.0": {"w": 8}, "features.4": {"s": 4}}}
    (here / "bits.json").write_text(json.dumps(plan))
    report = result(cost("convnet", "--plan", "bits.json", "--json"))
    assert [layer["w"] for layer in report["layers"]] == [8, 2, 2, 2]
    assert [neuron["s"] for neuron in report["neurons"]] == [2, 4, 2]


def test_memory_by_two_counts(cost, monkeypatch):
    words = ("convnet", "--input", "1x8x8", "--bits", "2/1/2/4")
    one, many = (result(cost(*words, "--batch", batch, "--json"))["memory"] for batch in (1, 64))
    assert [memory["counting"] for memory in one] == ["exact", "paper-002"]
    for memory, larger in zip(one, many, strict=True):
        parts = [memory[part] for part in ("weights", "constants", "membranes", "buffers")]
        assert memory["total"] == sum(parts)
        assert [larger[part] for part in ("weights", "constants")] == parts[:2]
        assert [larger[part] for part in ("membranes", "buffers")] == [64 * part for part in parts[2:]]
    assert one == result(cost(*words, "--json"))["memory"]
    monkeypatch.setenv("COLUMNS", "80")
    out = cost(*words, "--batch", 64)[1]
    assert "64 images at once" in out
    assert "119 k" in out  # of exact: 21,092 + 1,664 + 64 * (1,280 + 224) bytes
    assert "…" not in out


def test_a_frozen_file(cost):
    """Its integers, and the memory that they take."""
    report = result(cost(TINY, "--batch", 2, "--json"))
    exact, paper = report["memory"]
    assert exact["weights"] + exact["constants"] == report["total"]["size_bytes"]
    assert exact["membranes"] == 0  # one step
    assert exact["buffers"] > 2 * 28 * 28  # two images of 8 bits, and spikes
    assert paper["membranes"] == 2 * 4 * max(neuron["neurons"] for neuron in report["neurons"])


def test_a_run_folder(cost, run_folder, monkeypatch):
    """What the run itself recorded, and the same activity under another convention."""
    report = result(cost(run_folder, "--energy", "lemaire", "--json"))
    assert result(cost(run_folder, "--json")) == {**report, "energy": None}
    assert report == json.loads((run_folder / "cost.json").read_text())
    assert report["activity"] == "200 images: the first 200 validation images of digits"
    paper = result(cost(run_folder, "--counting", "paper-000", "--json"))
    assert paper["left_out"] == ["features.0.0"]
    assert paper["total"]["sops"] > 0
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = cost(run_folder)
    assert status == 0
    for word in ("firing rate", "SOPs", "additions", "NS-ACE", "spikes", "sparsity", "measured on"):
        assert word in out
    assert "…" not in out


def test_a_run_folder_before_its_end(cost, run_folder, here):
    (here / "config.json").write_bytes((run_folder / "config.json").read_bytes())
    report = result(cost(".", "--json"))
    assert (report["activity"], report["total"]["sops"], report["total"]["ns_ace"]) == (None, None, None)


def test_a_network_of_ones_own(cost, here):
    (here / "nets.py").write_text(NETS)
    (here / "helpers.py").write_text("from torch.nn import Sequential as wrap")
    before = list(sys.path)
    status, out, err = cost("nets:spiking", "--json")
    assert (status, err) == (0, "a line on the way\n")  # stdout is JSON and nothing else
    assert [(layer["w"], layer["s"], layer["t"]) for layer in json.loads(out)["layers"]] == [(16, 8, 1), (16, 3, 2)]
    low = result(cost("nets:spiking", "--bits", "4/3/2", "--json"))
    assert [layer["w"] for layer in low["layers"]] == [4, 4]
    assert result(cost("nets:plain", "--json"))["total"]["neurons"] == 0
    assert sys.path == before


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            "resnet-20",
            [
                "model: got 'resnet-20'",
                "known: convnet",
                "run folder, a recipe, a frozen file, or package.module:function",
            ],
        ),
        ("nowhere/run", ["model: got 'nowhere/run'", "or a run folder"]),
        ("folder", ["model: got 'folder'", "must hold the config.json of a run"]),
        ("x" * 300, ["model: got", "known: convnet"]),
        ("convnet --input 3x32", ["input: got '3x32'", "channels x height x width"]),
        ("convnet --input 0x32x32", ["--input: got '0x32x32'"]),
        ("convnet --input 0@3x32x32", ["--input: got '0@3x32x32'"]),
        ("convnet --input 4@2x8x8 --levels 0-3", ["--levels: got '0-3'", "0..15"]),
        ("convnet --input 4@2x8x8 --levels 0..256", ["sample levels: got (0, 256)", "at most 255 apart"]),
        ("convnet --levels 0..3", ["--levels: got '0..3'", "they are of --input"]),
        ("convnet --input 4@2x8x8 --bits 2/2/2", ["fire features.1: got '4 steps'", "wants T=2"]),
        ("convnet --input 3x4x4", ["image: got '4x4'", "at least 8 pixels"]),
        ("convnet --bits 0/2/1", ["bits: got '0/2/1'", "bits w is 0", "from 1 to 16"]),
        ("convnet --bits 2/2/x", ["bits: got '2/2/x'", "for example 2/2/1"]),
        ("convnet --bits 2/2", ["bits: got '2/2'"]),
        ("convnet --bits 2/2/1/1", ["membrane bits: got 1"]),
        ("convnet --bits 2/2/1/33", ["bits u is 33", "from 1 to 32"]),
        ("convnet --batch 0", ["--batch", "greater than or equal to 1"]),
        ("convnet --batch 1000001", ["--batch", "less than or equal to 1000000"]),
        ("convnet --batch many", ["--batch", "whole number"]),
        ("convnet --bits 2/2/1 --plan bits.json", ["--bits: got '2/2/1'", "one of --bits and --plan"]),
        ("convnet --plan none.json", ["none.json", "No such file"]),
        ("convnet --plan folder", ["folder", "Is a directory"]),
        ("convnet --plan text.json", ["text.json", "not JSON"]),
        ("convnet --plan list.json", ["plan: got 'list'"]),
        ("convnet --plan key.json", ["plan key: got 'layer'", "did you mean 'layers'"]),
        ("convnet --plan layer.json", ["plan layer: got 'features.9'", "did you mean 'features."]),
        ("convnet --plan width.json", ["plan layer stem, bits w: got 99"]),
        ("resnet18 --channels 16,x", ["--channels: got '16,x'", "16,32,64"]),
        ("resnet18 --channels 16,0,1,1", ["--channels: got '16,0,1,1'"]),
        ("resnet18 --channels 99999999999", ["--channels: got"]),
        ("resnet18 --channels 16,32", ["channels: got (16, 32)", "want 4 numbers"]),
        ("convnet --classes 0", ["--classes", "greater than or equal to 1"]),
        ("convnet --classes 99999999999999", ["--classes", "less than or equal to 1000000"]),
        ("convnet --classes ten", ["--classes", "whole number"]),
        ("convnet --classes 1_0", ["--classes", "whole number"]),
        ("convnet --classes 1e1", ["--classes", "whole number"]),
        ("convnet --classes 5.0", ["--classes", "whole number"]),
        ("convnet --classes +5", ["--classes", "whole number"]),
        (
            "convnet --counting paper-007",
            ["counting: got 'paper-007'", "known: exact, paper-000, paper-000-without-attention, paper-001"],
        ),
        ("convnet --bit 2/2/1", ["--bit", "--bits"]),
        ("convnet vgg9", ["vgg9"]),
        ("", ["model"]),
        ("nowhere:make", ["model: got 'nowhere:make'", "No module named 'nowhere'"]),
        (":make", ["model: got ':make'"]),
        ("nets:", ["model: got 'nets:'"]),
        ("broken:make", ["model: got 'broken:make'", "SyntaxError"]),
        ("nets:missing", ["model: got 'nets:missing'", "has no attribute 'missing'"]),
        ("nets:number", ["model: got 'nets:number'", "not callable"]),
        ("nets:fails", ["model: got 'nets:fails'", "RuntimeError: two lines"]),
        ("nets:ends", ["model: got 'nets:ends'", "SystemExit: bye"]),
        ("nets:takes", ["model: got 'nets:takes'", "missing 1 required positional argument: 'argument'"]),
        ("nets:nothing", ["model: got 'nets:nothing'", "it returned NoneType; want an nn.Module"]),
        ("nets:odd", ["layer: got '1'", "GELU has no op"]),
        ("nets:plain --input 1x32x32", ["conv 0: got '1 channels'; wants 3"]),
        ("nets:plain --input 3x16x16", ["linear 3: got '784 features'; wants 3600"]),
        ("nets:spiking --bits 4/2/2", ["bits of 2: got '4/2/2'", "(3, 2, None)"]),
        ("nets:plain --classes 10", ["--classes: got '10'", "nets:plain has its own"]),
        ("nets:plain --channels 4", ["--channels: got '4'", "nets:plain has its own"]),
    ],
)
def test_a_mistake_is_one_line(cost, here, words, named):
    (here / "folder").mkdir()
    (here / "nets.py").write_text(NETS.replace('print("a line on the way")', ""))
    (here / "helpers.py").write_text("from torch.nn import Sequential as wrap")
    (here / "broken.py").write_text("def")
    for name, text in {
        "bits": '{"default": "2/2/1"}',
        "text": "2/2/1",
        "list": "[]",
        "key": '{"default": "2/2/1", "layer": {}}',
        "layer": '{"default": "2/2/1", "layers": {"features.9": {"w": 4}}}',
        "width": '{"default": "2/2/1", "layers": {"stem": {"w": 99}}}',
    }.items():
        (here / f"{name}.json").write_text(text)
    refused(cost(*words.split()), *named)
    refused(cost(*words.split(), "--json"), *named)


@pytest.mark.parametrize(
    "option", [["--bits", "2/2/1"], ["--plan", "x"], ["--input", "1x8x8"], ["--classes", "3"], ["--channels", "4,8"]]
)
def test_a_run_folder_has_its_own_options(cost, run_folder, option):
    refused(cost(run_folder, *option), f"{option[0]}: got '{option[1]}'", "has its own; leave the option out")


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("config.json", "{", ["config.json", "not JSON"]),
        ("config.json", "[]", ["config"]),
        ("config.json", '{"recipe": "x"}', ["dataset"]),
        ("activity.json", "{", ["activity.json", "not JSON"]),
        ("activity.json", "[]", ["activity", "bitspike train"]),
        ("activity.json", '{"images": 1, "source": "", "synapses": {}, "neurons": {}}', ["another network"]),
    ],
)
def test_a_damaged_run_folder(cost, run_folder, here, file, text, named):
    (here / "config.json").write_bytes((run_folder / "config.json").read_bytes())
    (here / file).write_text(text)
    refused(cost("."), *named)
