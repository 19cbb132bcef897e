"""What a device has to hold: before training by an untrained program, afterwards by the own one; and what fits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitspike
from bitspike import UserError
from bitspike.api import device, fit
from bitspike.api.device import a_mac, device_cost
from bitspike.backends.c import to_c
from bitspike.cli import main

ROOT = Path(__file__).parents[3]
TINY = ("train_size=128", "validation_size=50", "epochs=1", "channels=4,8,8")


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has none: quicker, and all that is compared here is the program's own."""
    monkeypatch.setattr(device.shutil, "which", lambda name: None)


def test_before_training_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_compiler: None) -> None:
    monkeypatch.chdir(tmp_path)
    run = bitspike.train("digits-convnet", *TINY, name="a")
    config = run.config
    before, after = device_cost(config), device_cost(run)
    own = to_c(run.freeze())
    assert (after.flash_bytes, after.ram_bytes) == (own.flash_bytes, own.ram_bytes)
    assert abs(before.flash_bytes / after.flash_bytes - 1) < 0.05
    assert abs(before.ram_bytes / after.ram_bytes - 1) < 0.1
    assert before.instructions == after.instructions
    assert (before.trained, before.to_dict()["exact"]) == (False, [])
    assert "flash_bytes" in after.to_dict()["exact"]
    assert (before.code_bytes, before.stack_bytes, before.cc) == (None, None, None)


def test_a_compiler_tells_code_and_stack() -> None:
    found = device_cost("digits-convnet")
    assert found.code_bytes is not None
    assert found.code_bytes > 500
    assert found.stack_bytes is not None
    assert 16 < found.stack_bytes < 4096
    assert found.costs["ram"] == found.ram_bytes + found.stack_bytes
    assert found.costs["flash"] == found.flash_bytes + found.code_bytes


def test_instructions_lie_within_a_factor_of_two_of_those_that_were_counted() -> None:
    counted = json.loads((ROOT / "results/benchmarks/cortex_m.json").read_text())["networks"]
    compared = 0
    for row in counted:
        name, _, bits = row["network"].partition(" ")
        if name == "convnet" and row["level"] == "-O3":
            w, s, t = map(int, bits.split("/"))
            first = 28 * 28 * 9 * 8  # of 8-bit pixels, once
            estimate = first * a_mac(w, 8) + (row["macs"] - first) * a_mac(w, s)
            assert 0.5 < estimate / row["instructions"] < 2, (bits, estimate, row["instructions"], t)
            compared += 1
    assert compared == 6


def test_what_fits_is_trained_and_the_best_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_compiler: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit, "WIDTHS", ((4, 2), (2, 1)))
    monkeypatch.setattr(fit, "FACTORS", (1.0, 0.5))
    said: list[str] = []
    how: dict[str, Any] = {"limits": {"flash": 700.0, "ram": 600.0}, "trials": 2, "name": "x"}
    found = bitspike.fit("digits-convnet", *TINY, **how, say=said.append)
    assert len(found.trials) == 2
    fitting = [trial for trial in found.trials if trial["fits"]]
    best = max(trial["validation_accuracy"] for trial in fitting)
    assert found.run.result["validation_accuracy"] == best
    assert all(found.device.costs[key] <= limit for key, limit in how["limits"].items())
    assert to_c(found.run.freeze()).flash_bytes == found.device.flash_bytes <= 700
    assert [line.partition(",")[0] for line in said if line.startswith("trial")] == [
        *["trial 1 of 2"] * 2,
        *["trial 2 of 2"] * 2,
    ]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("checkpoint.safetensors")}
    again = bitspike.fit("digits-convnet", *TINY, **how)
    assert again.trials == found.trials
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("checkpoint.safetensors")} == before
    with pytest.raises(UserError, match="started with something else"):
        bitspike.fit("digits-convnet", *TINY, **how | {"limits": {"flash": 800.0}})
    with pytest.raises(UserError, match=r"the smallest that was found has flash \d"):
        bitspike.fit("digits-convnet", *TINY, limits={"flash": 20.0}, name="y")
    assert not (tmp_path / "runs/y").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cost", "digits-convnet", "--target", "vax"), "--target: got 'vax'; want c"),
        (("cost", "digits-convnet", "--cc", "gcc"), "only --target reads it"),
        (("cost", "convnet", "--target", "c"), "recipe: got 'convnet'"),
        (("cost", "spikezip-convnet-digits-ann", "--target", "c"), "cannot be frozen"),
        (("cost", "digits-convnet", "--input", "1x8x8"), "digits-convnet has its own"),
        (("allocate", "adaptive-resnet8-thin-fashion", "--max-flash", "9k"), "it learns its bits"),
        (("allocate", "digits-convnet", "--max-ram", "0"), "--max-ram: got '0'"),
        (("allocate", "digits-convnet", "--max-ram", "9k", "--max-size", "9k"), "leave out the device's limits"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bitspike", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    err = capsys.readouterr().err
    assert (ended.value.code, message in err) == (2, True), err


def test_a_recipe_is_costed_as_it_is_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    total = bitspike.cost("fashion-convnet-tiny").total
    assert total.size_bytes < bitspike.cost("fashion-convnet-tiny", bits="8/4/1").total.size_bytes
    assert np.isfinite(total.s_ace)
    monkeypatch.setattr(sys, "argv", ["bitspike", "cost", "fashion-convnet-tiny", "--target", "c", "--json"])
    with pytest.raises(SystemExit):
        main()
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["size_bytes"] == total.size_bytes
    assert told["device"]["flash"] > told["device"]["flash_bytes"] > 0
