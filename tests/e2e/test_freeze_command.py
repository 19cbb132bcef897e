"""From a trained run to integers, to C and to ONNX, as a stranger types it; and every mistake on the way."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from bitspike.backends.c import COMPILERS
from bitspike.cli import main
from bitspike.ir import Edge, FrozenGraph, Graph, Input, Linear, Readout, Reshape, load, save

TINY = ["channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1"]
FREEZE_KEYS = {
    "file", "bytes", "weights", "weight_bytes", "bytes_per_weight_byte", "widest_accumulator_bits",
    "widest_membrane_bits", "split", "counted", "float_accuracy", "integer_accuracy", "images", "same_class", "layers",
}  # fmt: skip
LAYER_KEYS = {"name", "elements", "mismatches", "own", "farthest_own", "rate"}
EVALUATE_KEYS = {"file", "dataset", "split", "engine", "counted", "correct", "total", "accuracy"}
C_KEYS = {"files", "flash_bytes_counted", "flash_bytes_of_data", "ram_bytes_of_data"}
LINKED_KEYS = {"cc", "flash_bytes_linked", "ram_bytes_linked"}
Command = Callable[..., tuple[int, str, str]]

needs_cc = pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C compiler")


class Made(NamedTuple):
    """What the other tests start from."""

    run: Path
    file: Path
    said: str


def call(patch: pytest.MonkeyPatch, *arguments: object) -> int:
    patch.setattr(sys, "argv", ["bitspike", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs the command in an empty folder: exit status, stdout, stderr."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        status = call(monkeypatch, *arguments)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A trained run and the file frozen from it."""
    folder = tmp_path_factory.mktemp("made")
    train = ["train", "digits-convnet", "--name", "digits", "--runs-dir", folder]
    with pytest.MonkeyPatch.context() as patch:
        assert call(patch, *train, *(part for edit in TINY for part in ("--set", edit))) == 0
        said = folder / "said.json"
        with said.open("w") as out:
            patch.setattr(sys, "stdout", out)
            freeze = ["freeze", folder / "digits", "-o", folder / "net.bitspike", "--images", "100", "--json"]
            assert call(patch, *freeze) == 0
    return Made(folder / "digits", folder / "net.bitspike", said.read_text())


def refused(outcome: tuple[int, str, str], *named: str) -> None:
    """One line on stderr that names what is asked for, status 2, nothing on stdout, nothing left behind."""
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err
    assert not list(Path.cwd().iterdir()), "something was left behind"


# Good input


def test_freeze_says_what_it_wrote_and_how_far_it_agrees(made: Made) -> None:
    result = json.loads(made.said)
    assert result.keys() == FREEZE_KEYS
    assert result["file"] == str(made.file)
    assert result["bytes"] == made.file.stat().st_size
    assert (result["split"], result["images"]) == ("validation", 100)
    assert result["same_class"] >= 95
    assert 0 <= result["integer_accuracy"] <= 100
    net = load(made.file)
    assert net.dataset == "digits"
    assert [layer["name"] for layer in result["layers"]] == [node.name for node in net.graph.neurons()]
    for layer in result["layers"]:
        assert layer.keys() == LAYER_KEYS
        assert layer["rate"] == layer["mismatches"] / layer["elements"] < 0.01
    assert result["weights"] == sum(net.tensors[f"{node.name}.weight"].size for node in net.graph.synapses())
    assert 1 <= result["widest_membrane_bits"] <= 32
    assert 1 <= result["widest_accumulator_bits"] <= 32


def test_freezing_again_writes_the_same_bytes(bitspike: Command, made: Made) -> None:
    status, out, _ = bitspike("freeze", made.run, "-o", "new/net.bitspike", "--images", "3")
    assert status == 0
    assert Path("new/net.bitspike").read_bytes() == made.file.read_bytes()
    assert os.listdir("new") == ["net.bitspike"]
    last = out.strip().splitlines()[-1]
    assert last.startswith(f"new/net.bitspike: {made.file.stat().st_size:,} bytes")
    assert "accuracy on 3 validation images" in out


def test_freeze_without_images_compares_nothing(bitspike: Command, made: Made) -> None:
    status, out, _ = bitspike("freeze", made.run, "-o", "net.bitspike", "--images", "0", "--json")
    assert status == 0
    assert json.loads(out).keys() == FREEZE_KEYS - {
        "split", "counted", "float_accuracy", "integer_accuracy", "images", "same_class", "layers",
    }  # fmt: skip


def test_freeze_compares_on_test_images_when_asked(bitspike: Command, made: Made) -> None:
    status, out, _ = bitspike("freeze", made.run, "-o", "n", "--images", "360", "--split", "test", "--json")
    assert status == 0
    result = json.loads(out)
    assert (result["split"], result["images"]) == ("test", 360)
    status, out, _ = bitspike("evaluate", "n", "--json")
    assert json.loads(out)["accuracy"] == pytest.approx(result["integer_accuracy"], abs=1e-4)


@needs_cc
@pytest.mark.parametrize("verb", [["evaluate", "--engine", "c"], ["export", "--to", "c", "-o", "fw"]])
def test_what_a_compiler_says_is_told(bitspike: Command, made: Made, verb: list[str]) -> None:
    status, out, err = bitspike(verb[0], made.file, *verb[1:], "--cc", f"{compiler()} -zzz")
    assert (status, bool(out)) == (0, True)
    assert err.startswith(f"{compiler()} says: ")
    assert "zz" in err
    assert err.count("\n") == 1
    assert bitspike(verb[0], made.file, *verb[1:], "--cc", compiler())[2] == ""


@needs_cc
def test_both_engines_count_the_same(bitspike: Command, made: Made) -> None:
    results = {}
    for engine in ("oracle", "c"):
        status, out, _ = bitspike("evaluate", made.file, "--engine", engine, "--json")
        assert status == 0
        results[engine] = json.loads(out)
        assert results[engine].keys() == EVALUATE_KEYS
        assert results[engine]["engine"] == engine
    assert results["oracle"]["correct"] == results["c"]["correct"]
    assert (results["c"]["dataset"], results["c"]["split"], results["c"]["total"]) == ("digits", "test", 360)
    status, out, _ = bitspike("evaluate", made.file, "--engine", "c", "--cc", f"{compiler()} -O1")
    assert status == 0
    assert out == f"digits test: {results['c']['correct']} of 360 right, {results['c']['accuracy']:.2f} %\n"
    status, out, _ = bitspike("evaluate", made.run, "--json")
    assert abs(json.loads(out)["correct"] - results["c"]["correct"]) <= 18


def compiler() -> str:
    return next(filter(shutil.which, COMPILERS))


@needs_cc
def test_exported_c_compiles(bitspike: Command, made: Made) -> None:
    status, out, _ = bitspike("export", made.file, "--to", "c", "-o", "firmware", "--name", "digits", "--json")
    assert status == 0
    result = json.loads(out)
    assert result.keys() == C_KEYS | LINKED_KEYS
    assert sorted(result["files"]) == [
        f"firmware/{name}" for name in ("digits.c", "digits.h", "digits_simd.h", "main.c")
    ]
    assert sorted(os.listdir("firmware")) == ["digits.c", "digits.h", "digits_simd.h", "main.c"]
    assert result["flash_bytes_linked"] >= result["flash_bytes_of_data"] > 0
    assert result["ram_bytes_linked"] >= result["ram_bytes_of_data"] > 0
    sources = ["firmware/digits.c", "firmware/main.c"]
    subprocess.run([compiler(), "-std=c99", "-Wall", "-Wextra", "-Werror", *sources, "-o", "classify"], check=True)
    said = subprocess.run(["./classify"], input=bytes(2 * 64), capture_output=True, check=True).stdout
    first, second = said.decode().splitlines()
    assert first == second
    assert len(first.split()) == 10
    status, out, _ = bitspike("export", made.file, "--to", "c", "-o", "firmware")
    assert status == 0
    assert out.splitlines()[0] == "firmware/network.c"
    assert len(os.listdir("firmware")) == 7  # main.c is of the last one


def test_a_network_is_written_for_hardware_of_ones_own(bitspike: Command, made: Made) -> None:
    refused(bitspike("export", made.file, "--to", "c", "-o", "c", "--samples", "2"), "--samples: got 2", "--to mem")
    assert bitspike("export", made.file, "--to", "json", "-o", "a", "--name", "digits")[:2] == (0, "a/digits.json\n")
    status, out, _ = bitspike("export", made.file, "--to", "mem", "-o", "b", "--samples", "2", "--json")
    index = json.loads(Path("b/network.mem.json").read_text())
    assert status == 0
    assert {edge["samples"] for edge in index["edges"]} == {2}
    assert len(json.loads(out)["files"]) == len(list(Path("b").iterdir())) == 1 + len(index["edges"] + index["tensors"])


def test_exported_onnx_is_a_model(bitspike: Command, made: Made) -> None:
    onnx = pytest.importorskip("onnx")
    status, out, _ = bitspike("export", made.file, "--to", "onnx", "-o", ".", "--name", "digits", "--json")
    assert status == 0
    result = json.loads(out)
    assert result == {"files": ["digits.onnx"], "bytes": Path("digits.onnx").stat().st_size}
    onnx.checker.check_model(onnx.load("digits.onnx"))
    status, out, _ = bitspike("export", made.file, "--to", "onnx", "-o", "b")
    assert (status, out) == (0, "b/network.onnx\n")
    status, out, _ = bitspike("export", made.file, "--to", "onnx", "-o", "b", "--name", "quick", "--fast")
    assert (status, out) == (0, "b/quick.onnx\n")
    kinds = [{node.op_type for node in onnx.load(f"b/{name}.onnx").graph.node} for name in ("network", "quick")]
    assert ["MatMulInteger" in each for each in kinds] == [False, True]


def test_freeze_without_images_needs_no_data(bitspike: Command, tmp_path: Path) -> None:
    """fashion-mnist is nowhere here."""
    import torch

    from bitspike.recipes import RECIPES
    from bitspike.training import RunFolder
    from bitspike.training.checkpoint import Progress, save_training
    from bitspike.training.setup import make_model

    config = RECIPES["fashion-convnet"]().model_copy(update={"channels": (2, 2, 2)})
    folder = RunFolder(tmp_path / "fashion")
    folder.create(config)
    model = make_model(config)
    save_training(folder.checkpoint_file, model, torch.optim.SGD(model.parameters()), Progress(0, 0.0))
    refused(bitspike("freeze", folder.path, "-o", "net.bitspike"), "fashion-mnist")
    refused(bitspike("freeze", folder.path, "-o", "net.bitspike", "--data-dir", "nowhere"), "data directory", "nowhere")
    status, _, _ = bitspike("freeze", folder.path, "-o", "net.bitspike", "--images", "0")
    assert status == 0
    assert load("net.bitspike").dataset == "fashion-mnist"
    Path("net.bitspike").rename(tmp_path / "net.bitspike")
    refused(bitspike("evaluate", tmp_path / "net.bitspike"), "fashion-mnist")


# Bad input: a run


def test_what_is_no_run_is_not_frozen(bitspike: Command, made: Made, tmp_path: Path) -> None:
    refused(bitspike("freeze", "nowhere", "-o", "net"), "run folder", "nowhere", "config.json")
    refused(bitspike("freeze", tmp_path, "-o", "net"), "run folder", "config.json")
    refused(bitspike("freeze", made.file, "-o", "net"), "run folder", "config.json")
    refused(bitspike("freeze", made.run), "--output")
    refused(bitspike("freeze"), "run")


def test_a_run_without_its_checkpoint_is_not_frozen(bitspike: Command, made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    shutil.copy(made.run / "config.json", folder)
    refused(bitspike("freeze", folder, "-o", "net"), "checkpoint", "No such file")
    (folder / "checkpoint.safetensors").write_bytes((made.run / "checkpoint.safetensors").read_bytes()[:-9])
    refused(bitspike("freeze", folder, "-o", "net"), "checkpoint", "not a checkpoint")
    shutil.copy(made.file, folder / "checkpoint.safetensors")
    refused(bitspike("freeze", folder, "-o", "net"), "checkpoint format", "bitspike-net-2")
    (folder / "config.json").write_text("{")
    refused(bitspike("freeze", folder, "-o", "net"), "config.json", "not JSON")


def test_full_precision_is_not_frozen(bitspike: Command, tmp_path: Path) -> None:
    edits = [part for edit in (*TINY, "bits=16/1/1") for part in ("--set", edit)]
    status, _, _ = bitspike("train", "digits-convnet", "--name", "floats", "--runs-dir", tmp_path, *edits)
    assert status == 0
    refused(bitspike("freeze", tmp_path / "floats", "-o", "net"), "float weights")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--images", "101"], ["--images", "101", "the validation split of digits has 100"]),
        (["--images", "361", "--split", "test"], ["--images", "361", "the test split of digits has 360"]),
        (["--images", "-1"], ["--images", "0"]),
        (["--images", "many"], ["--images", "whole number"]),
        (["--split", "train"], ["--split", "train", "validation"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_a_mistake_in_freeze_is_one_line(bitspike: Command, made: Made, options: list[str], named: list[str]) -> None:
    refused(bitspike("freeze", made.run, "-o", "net.bitspike", *options), *named)


def test_an_output_that_cannot_be_written(
    bitspike: Command, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    outcome = bitspike("freeze", made.run, "-o", tmp_path / "file" / "net", "--images", "1")
    refused(outcome, "--output: got", "net", "is no folder")
    refused(bitspike("export", made.file, "--to", "c", "-o", tmp_path / "file"), "--output: got", "is no folder")
    (tmp_path / "folder").mkdir()
    refused(bitspike("freeze", made.run, "-o", tmp_path / "folder", "--images", "1"), "--output", "name of a file")

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    outcome = bitspike("freeze", made.run, "-o", tmp_path / "file", "--images", "1")
    refused(outcome, "write", "No space left on device", "the earlier file is untouched")
    refused(bitspike("export", made.file, "--to", "c", "-o", tmp_path / "folder"), "write", "No space left on device")
    assert (tmp_path / "file").read_text() == "mine"
    assert list((tmp_path / "folder").iterdir()) == []


# Bad input: a file


@pytest.fixture
def broken(made: Made, tmp_path: Path) -> dict[str, Path]:
    """Files that are no network, by what they are."""
    content = made.file.read_bytes()
    contents = {
        "empty": b"",
        "text": b"words and words\n",
        "truncated": content[: len(content) // 2],
        "cut by one": content[:-1],
        "one bit": content[:8] + bytes([content[8] ^ 1]) + content[9:],
        "checkpoint": (made.run / "checkpoint.safetensors").read_bytes(),
        "config": (made.run / "config.json").read_bytes(),
        "binary": bytes(range(256)) * 4,
        "header beyond the file": struct.pack("<Q", 2**63) + content[8:],
    }
    (tmp_path / "broken").mkdir()
    for name, given in contents.items():
        (tmp_path / "broken" / name).write_bytes(given)
    return {name: tmp_path / "broken" / name for name in contents}


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_a_file_that_is_no_network_is_refused(bitspike: Command, broken: dict[str, Path], command: str) -> None:
    for name, file in broken.items():
        more = ["--to", "c", "-o", "out"] if command == "export" else []
        refused(bitspike(command, file, *more), "bitspike-net-1" if name == "checkpoint" else str(file))


def test_a_folder_or_nothing_is_no_network(bitspike: Command, made: Made, tmp_path: Path) -> None:
    refused(bitspike("evaluate", tmp_path), "run folder", "config.json")
    refused(bitspike("evaluate", "nowhere"), "nowhere", "config.json")
    refused(bitspike("export", made.run, "--to", "c", "-o", "out"), "network", "it is a run; want the file")
    refused(bitspike("export", "nowhere", "--to", "c", "-o", "out"), "network", "No such file")


def test_the_data_of_a_file_must_be_there_and_fit(bitspike: Command, made: Made, tmp_path: Path) -> None:
    file = tmp_path / "other.bitspike"
    net = load(made.file)
    for dataset, named in (("digit", "did you mean 'digits'?"), ("", "dataset: got ''"), ("x" * 999, "dataset")):
        save(replace(net, dataset=dataset), file)
        refused(bitspike("evaluate", file), "dataset", named)
    save(replace(net, dataset="cifar10"), file)
    refused(bitspike("evaluate", file), "cifar10")


@pytest.mark.parametrize("engine", ["oracle", pytest.param("c", marks=needs_cc)])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 16, 16), (1, 4, 4)])
def test_images_of_another_shape_are_refused(
    bitspike: Command, tmp_path: Path, shape: tuple[int, int, int], engine: str
) -> None:
    """4 images of 4x4 have the bytes of one of 8x8, which C alone would not tell apart."""
    size = prod(shape)
    nodes = (
        Input(name="images", inputs=(), edge=Edge(shape=shape, T=1, lo=-128, hi=127)),
        Reshape(name="flat", inputs=("images",), shape=(size,)),
        Linear(name="head", inputs=("flat",), out_channels=10, weight_bits=2),
        Readout(name="answer", inputs=("head",)),
    )
    net = FrozenGraph(Graph("hand-made", nodes), {"head.weight": np.eye(10, size, dtype=np.int64)}, "digits")
    save(net, tmp_path / "net.bitspike")
    refused(
        bitspike("evaluate", tmp_path / "net.bitspike", "--engine", engine),
        "images",
        "1x8x8",
        "x".join(map(str, shape)),
    )


# Bad options


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evaluate", "RUN", "--engine", "c"], ["--engine", "bitspike freeze"]),
        (["evaluate", "RUN", "--engine", "oracle"], ["--engine"]),
        (["evaluate", "RUN", "--cc", "gcc"], ["--cc", "bitspike freeze"]),
        (["evaluate", "FILE", "--split", "validation"], ["--split", "validation", "leave it out"]),
        (["evaluate", "FILE", "--split", "test"], ["--split"]),
        (["evaluate", "FILE", "--engine", "rust"], ["--engine", "rust", "oracle"]),
        (["evaluate", "FILE", "--cc", "gcc"], ["--cc", "--engine c"]),
        (["evaluate", "FILE", "--engine", "c", "--cc", "nonsense"], ["C compiler", "nonsense"]),
        (["evaluate", "FILE", "--engine", "c", "--cc", 'gcc "'], ["C compiler"]),
        (["evaluate", "FILE", "--engine", "c", "--cc", "false"], ["false"]),
        (["evaluate", "FILE", "--engine", "c", "--cc", "gcc --zzz"], ["gcc: got 'status", "--zzz"]),
        (["export", "FILE", "--to", "c", "-o", "out", "--cc", "gcc -fno-such"], ["gcc: got 'status", "-fno-such"]),
        (["evaluate", "FILE", "--engine", "c", "--cc", "true"], ["run: got", "--cc wants a C compiler"]),
        (["export", "FILE", "--to", "c", "-o", "fw", "--cc", "true"], ["C compiler: got 'true'", "size"]),
        (["export", "FILE", "-o", "out"], ["--to"]),
        (["export", "FILE", "--to", "c"], ["--output"]),
        (["export", "FILE", "--to", "rust", "-o", "out"], ["--to", "rust", "onnx"]),
        (["export", "FILE", "--to", "onnx", "-o", "out", "--cc", "gcc"], ["--cc", "--to c"]),
        (["export", "FILE", "--to", "c", "-o", "out", "--fast"], ["--fast", "--to onnx"]),
        (["export", "FILE", "--to", "c", "-o", "out", "--cc", "nonsense"], ["C compiler", "nonsense"]),
        (["export", "FILE", "--to", "c", "-o", "out", "--cc", "false"], ["false"]),
        *(
            (["export", "FILE", "--to", to, "-o", "out", "--name", name], ["name", repr(name)])
            for to in ("c", "onnx")
            for name in ("", "../x", "a/b", "/tmp/x", ".", "9 lives", "ä", "x" * 99, "a\nb")
        ),
        (["export", "FILE", "--to", "c", "-o", "out", "--name", "main"], ["name", "'main'"]),
        (["export", "FILE", "--to", "c", "-o", "out", "--name", "int"], ["name", "'int'"]),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else part,
)
def test_a_mistake_is_one_line(bitspike: Command, made: Made, arguments: list[str], named: list[str]) -> None:
    if "onnx" in arguments and "--name" in arguments:
        pytest.importorskip("onnx")
    places = {"RUN": made.run, "FILE": made.file}
    refused(bitspike(*(places.get(part, part) for part in arguments)), *named)
