"""The command as a stranger types it: train, resume, evaluate, and every mistake on the way."""

from __future__ import annotations

import gzip
import json
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike import native
from bitspike.recipes import RECIPES

TINY = ["channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1"]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, command: Command) -> Command:
    """Runs the command in an empty folder: exit status, stdout, stderr."""
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)
    return command


def tiny(*edits: str) -> list[str]:
    return [part for edit in (*TINY, *edits) for part in ("--set", edit)]


def refused(outcome: tuple[int, str, str], *named: str) -> None:
    """One line on stderr that names what is asked for, status 2, nothing on stdout."""
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err


def test_train_then_evaluate_then_cost(bitspike: Command, tmp_path: Path) -> None:
    status, out, _ = bitspike("train", "digits-convnet", "--name", "one", "--json", *tiny())
    result = json.loads(out)
    assert status == 0
    assert (result["bits"], result["test_images"]) == ("2/2/1", 360)
    status, out, _ = bitspike("evaluate", "runs/one", "--json")
    again = json.loads(out)
    assert status == 0
    assert again["accuracy"] == result["test_accuracy"]
    assert again["total"] == 360
    status, out, _ = bitspike("cost", "runs/one", "--json")
    total = json.loads(out)["total"]
    assert (total["s_ace"], total["ns_ace"]) == (result["s_ace"], result["ns_ace"])
    status, out, _ = bitspike("evaluate", "runs/one", "--split", "validation")
    assert status == 0
    assert "of 100 right" in out
    before = (tmp_path / "runs/one/checkpoint.safetensors").read_bytes()
    refused(bitspike("train", "digits-convnet", "--name", "one", *tiny()), "runs/one", "--resume")
    assert (tmp_path / "runs/one/checkpoint.safetensors").read_bytes() == before


def test_the_recipes_are_listed(bitspike: Command) -> None:
    status, out, _ = bitspike("train", "--list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(RECIPES)


def test_the_table_names_the_run_folder(bitspike: Command) -> None:
    status, out, _ = bitspike("train", "digits-convnet", *tiny("bits=1/2/1"))
    assert status == 0
    assert "1/2/1" in out
    assert out.strip().endswith("run folder: runs/digits-convnet-1-2-1-seed0")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "digit-convnet"], ["recipe", "digit-convnet", "did you mean 'digits-convnet'"]),
        (["train", "digits-convnet", "--set", "epoch=3"], ["epoch", "did you mean 'epochs'"]),
        (["train", "digits-convnet", "--set", "bits=0/2/1"], ["0/2/1", "1 to 16"]),
        (["train", "digits-convnet", "--set", "bits=2/2/x"], ["2/2/x", "2/2/1"]),
        (["train", "digits-convnet", "--set", "batch_size=4096"], ["batch_size", "4096", "want at most"]),
        (["train", "digits-convnet", "--set", "dataset=digit"], ["dataset", "digit", "digits"]),
        (["train", "digits-convnet", "--set", "model=resnet"], ["model", "resnet"]),
        (["train", "digits-convnet", "--set", "augment=flop"], ["flop", "flip"]),
        (["train", "digits-convnet", "--set", 'layers={"foo":{"w":2}}'], ["plan layer", "foo"]),
        (["train", "digits-convnet", "--set", 'layers={"features.1":{"t":2}}'], ["features.4", "T=1"]),
        (["train", "digits-convnet", "--set", "neuron.kind=lif"], ["spike bits", "multibit"]),
        (["train", "digits-convnet", "--set", "validation_size=5000"], ["5000"]),
        (["train", "fashion-convnet"], ["fashion-mnist"]),
        (["train", "fashion-convnet", "--data-dir", "nowhere"], ["data directory", "nowhere"]),
        (["train", "digits-convnet", "--resume"], ["run folder", "no config.json"]),
        (["train", "digits-convnet", "--nme", "x"], ["--nme"]),
        (["evaluate", "nowhere"], ["nowhere", "config.json"]),
        (["evaluate", "nowhere", "--split", "train"], ["train", "test"]),
        (["trane"], ["trane"]),
    ],
)
def test_a_mistake_is_one_line(bitspike: Command, tmp_path: Path, arguments: list[str], named: list[str]) -> None:
    refused(bitspike(*arguments), *named)
    assert list(tmp_path.iterdir()) == [], "something was left behind"


def test_a_truncated_idx_file_is_named(bitspike: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for split in ("train", "t10k"):
        images = struct.pack(">IIII", 0x803, 60000 if split == "train" else 10000, 28, 28) + bytes(1000)
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">II", 0x801, 60000)))
    refused(bitspike("train", "fashion-convnet", "--data-dir", str(tmp_path)), "idx")
    assert not (tmp_path / "runs").exists()


def test_a_truncated_cifar_batch_is_named(bitspike: Command, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"):
        (folder / name).write_bytes(bytes(1000))
    refused(bitspike("train", "cifar10-resnet8-thin", "--data-dir", str(tmp_path)), "_batch")
    assert not (tmp_path / "runs").exists()


def test_the_checkpoint_of_another_model_is_refused(bitspike: Command, tmp_path: Path) -> None:
    bitspike("train", "digits-convnet", "--name", "small", *tiny())
    bitspike("train", "digits-convnet", "--name", "large", *tiny("channels=4,4,16"))
    (tmp_path / "runs/large/checkpoint.safetensors").replace(tmp_path / "runs/small/checkpoint.safetensors")
    refused(bitspike("evaluate", "runs/small"), "checkpoint", "of another model")


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: config fits, the checkpoint does not."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    program = [sys.executable, "-m", "bitspike.cli", "train", "digits-convnet", "--name", "full", *tiny()]
    finished = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, preexec_fn=limit)
    assert finished.returncode == 2
    last = finished.stderr.strip().splitlines()[-1]
    assert last.startswith("bitspike: write: got 'runs/full/checkpoint.safetensors'")
    assert "Traceback" not in finished.stderr
    assert sorted(path.name for path in (tmp_path / "runs/full").iterdir()) == ["config.json", "metrics.jsonl"]


@pytest.mark.skipif(native.library() is None, reason="no C library")
def test_an_instruction_set_that_is_none_is_refused_before_a_folder_is_made(
    bitspike: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.VARIABLE, "avx9000")
    refused(bitspike("train", "digits-convnet", *tiny(), "--name", "never"), "BITSPIKE_CPU", "avx9000")
    assert not list(tmp_path.rglob("never"))


def test_threads_of_a_run_are_refused_even_none_of_them(bitspike: Command, tmp_path: Path) -> None:
    assert bitspike("train", "digits-convnet", *tiny(), "--name", "here")[0] == 0
    (folder,) = tmp_path.rglob("here")
    refused(bitspike("evaluate", str(folder), "--threads", "0"), "--threads", "files of")
